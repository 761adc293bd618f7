/** Free-riders through the whole protocol (SPEC A6 to A8): found, suspended, shut out, and restored by the others. */
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../config/charter.ts'
import { toHex } from '../../protocol/bytes.ts'
import { signRestoration } from '../../protocol/ledger/restore.ts'
import { stateHash, wholeModel } from '../../protocol/model/state.ts'
import type { Learner } from '../../sim/host.ts'
import { type Audit, audited } from '../support/audit.ts'
import { auditing } from '../support/auditing.ts'
import { type Consortium, memberName, seedOf } from '../support/consortium.ts'

const N = 12
const RIDER = 5
const rider = memberName(RIDER)
const standing = { probationAfter: 2, suspendAfter: 2 }

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

function study(rounds: number, from: number, to: number): { c: Consortium; audit: Audit } {
  return audited({
    n: N,
    f: 2,
    features: 12,
    rounds,
    edit: charter,
    keepJobs: false,
    config: own => ({ ...own, samples: 100 }),
    learner: id => learner(Number(id.slice(-3)), from, to),
  })
}

describe('a free-rider', () => {
  it('is put on probation, suspended, shut out, and restored by a quorum of the others', {
    timeout: 300_000,
  }, () => {
    const { c, audit } = study(24, 1, 14)
    c.world.startAll()
    const told = (host: string) =>
      c.events.flatMap(e => (e.host === host && e.event.kind === 'standing' ? [e.event] : []))
    const first = memberName(0)
    expect(c.world.run(() => told(first).some(e => e.standing === 'suspended'), 600_000)).toBe(true)
    expect(told(first).map(e => e.standing)).toEqual(['probation', 'suspended'])
    expect(told(first).every(e => e.member === rider)).toBe(true)

    // Shut out: it sees no round any more, nor a model that it does not have.
    const host = c.world.host(rider)
    const seen = () => ({ height: host.peer!.state.height, model: toHex(stateHash(wholeModel(host.model!))) })
    const then = seen()
    const suspendedAt = c.world.host(first).peer!.state.height
    const before = c.closed(first).length
    expect(c.world.run(() => c.closed(first).length >= before + 4, 600_000)).toBe(true)
    // The entry that suspends it is the last one that it may still hear of.
    expect(seen().height).toBeLessThanOrEqual(suspendedAt)
    expect(seen().model).toBe(then.model)
    expect(toHex(stateHash(wholeModel(c.world.host(first).model!)))).not.toBe(then.model)

    // Two of the others are given the appeal, which a quorum has signed.
    const { suspensions, charterHash } = c.world.host(first).peer!.state
    const of = { member: rider, entry: suspensions.get(rider)!, charterHash }
    const signatures = [0, 1, 2, 3, 4, 6, 7].map(i => signRestoration(of, memberName(i), seedOf(i)))
    for (const i of [1, 2]) c.world.host(memberName(i)).input({ kind: 'appeal', member: rider, signatures })
    expect(c.world.run(() => told(first).at(-1)?.standing === 'restored', 600_000)).toBe(true)
    const restoredIn = c.closed(first).length
    const isIn = () =>
      c.events.some(
        e =>
          e.host === first &&
          e.event.kind === 'survivorsFixed' &&
          e.event.round >= restoredIn &&
          e.event.survivors.includes(rider),
      )
    expect(c.world.run(isIn, 600_000)).toBe(true)
    // Back within two rounds.
    expect(c.closed(first).length - restoredIn).toBeLessThanOrEqual(2)
    expect(c.world.run(() => c.finished(), 1_200_000)).toBe(true)
    expect(audit.problems).toEqual([])
    expect(told(first).map(e => e.standing)).toEqual(['probation', 'suspended', 'restored'])
  })
})
