/** Hospitals that keep the protocol and poison what it sums: what their learner gives is not what their data say. */
import type { Learned, ModelState } from '../../protocol/ports.ts'
import type { Learner } from '../host.ts'

/** Factor of scaled updates. */
export const SCALE = 100

function withDelta(honest: Learner, change: (x: number) => number): Learner {
  return job => {
    const learned = honest(job)
    return learned.delta ? { ...learned, delta: learned.delta.map(change) } : learned
  }
}

/** Takes part and gives nothing. */
export const zero = (honest: Learner): Learner => withDelta(honest, () => 0)

/** Many times its update: a hospital's own node would cut it to the charter's clipNorm. */
export const scaled = (honest: Learner): Learner => withDelta(honest, x => SCALE * x)

/** Away from what its data say. */
export const signFlipped = (honest: Learner): Learner => withDelta(honest, x => -x)

/**
 * Trains and evaluates as if all its labels were the other one. For a linear model or a logistic regression whose labels lie
 * symmetrically that is what the honest learner gives for the negated model, negated: exactly so, without its rows.
 */
export const labelFlipped =
  (honest: Learner): Learner =>
  job => {
    if (job.task === 'statistics') return honest(job)
    const negated: ModelState = { ...job.model, parameters: job.model.parameters.map(x => -x) }
    const mirrored = honest({ ...job, model: negated })
    const { evaluation, ...learned } = honest({ ...job, task: 'evaluate' })
    const out: Learned = { ...learned, samples: mirrored.samples }
    const delta = mirrored.delta?.map(x => -x)
    if (!evaluation || !mirrored.evaluation) return { ...out, ...(delta ? { delta } : {}) }
    const rows = [...evaluation.positives, ...evaluation.negatives].reduce((a, b) => a + b, 0)
    return {
      ...out,
      ...(delta ? { delta } : {}),
      evaluation: {
        positives: evaluation.negatives,
        negatives: evaluation.positives,
        correct: rows - evaluation.correct,
        lossSum: mirrored.evaluation.lossSum,
      },
    }
  }
