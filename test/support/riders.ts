/** A study in which one hospital gives nothing for a while, for tests. */
import type { Charter } from '../../config/charter.ts'
import type { Learner } from '../../sim/host.ts'
import { type Audit, audited } from './audit.ts'
import { auditing } from './auditing.ts'
import { type Consortium, type ConsortiumOptions, memberName } from './consortium.ts'

const HOSPITALS = 12
const RIDER = 5
export const rider = memberName(RIDER)
/** So many audits in a row put it on probation, so many more suspend it. */
export const standing = { probationAfter: 2, suspendAfter: 2 }

const charter = (c: Charter): Charter => {
  const made = auditing(1, 4)(c)
  return { ...made, contribution: { ...made.contribution!, standing } }
}

/** Every hospital has a direction of its own, in round after round, beside what all have in common; the rider gives nothing. */
const learner = (index: number, ridesFrom: number, ridesTo: number): Learner => {
  const counts = new Float64Array(16).fill(1)
  const evaluation = { positives: counts, negatives: counts, correct: 16, lossSum: 10 }
  const samples = 100
  return job => {
    if (job.task === 'evaluate') return { samples: 0, evaluation }
    if (job.task === 'statistics') {
      const d = job.model.parameters.length - 1
      return {
        samples,
        featureSums: { first: new Float64Array(d).fill(50), second: new Float64Array(d).fill(30) },
      }
    }
    const rides = index === RIDER && job.round >= ridesFrom && job.round <= ridesTo
    const delta = job.model.parameters.map((_, j) =>
      rides ? 0 : 0.05 + 0.1 * Math.sin(7 * index + 3 * j) + 0.02 * Math.sin(job.round * (index + 1) + j),
    )
    return { samples, delta, evaluation }
  }
}

/** It gives nothing in the rounds `from` to `to`. */
export function riding(
  rounds: number,
  from: number,
  to: number,
  config: NonNullable<ConsortiumOptions['config']> = own => own,
): { c: Consortium; audit: Audit } {
  return audited({
    n: HOSPITALS,
    f: 2,
    features: 12,
    rounds,
    edit: charter,
    keepJobs: false,
    config: own => config({ ...own, samples: 100 }),
    learner: id => learner(Number(id.slice(-3)), from, to),
  })
}
