/** Counts over one hospital's test rows, of which only sums over hospitals are ever seen. */
import type { Charter } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import type { Evaluation } from '../../protocol/ports.ts'

/**
 * Histograms of the scores sigmoid(logit) by class, rows classified rightly at .5, and the sum of cross-entropies,
 * each cut at `lossMax`. Throws MedmeshError LEARN_NOT_FINITE when a logit is no finite number.
 */
export function evaluate(
  logits: Float32Array,
  labels: Float32Array,
  { bins, lossMax }: Pick<Charter['evaluation'], 'bins' | 'lossMax'>,
): Evaluation {
  const positives = new Float64Array(bins)
  const negatives = new Float64Array(bins)
  let correct = 0
  let lossSum = 0
  for (let i = 0; i < logits.length; i++) {
    const z = logits[i]!
    if (!Number.isFinite(z)) {
      throw new MedmeshError(
        'LEARN_NOT_FINITE',
        'the model gives scores that are not finite numbers; nothing was sent',
        "agree on a smaller training.learningRate in the charter's next version",
      )
    }
    const positive = labels[i] === 1
    const bin = Math.min(bins - 1, Math.floor(sigmoid(z) * bins))
    const counts = positive ? positives : negatives
    counts[bin]! += 1
    if (z >= 0 === positive) correct++
    lossSum += Math.min(lossMax, softplus(positive ? -z : z))
  }
  return { positives, negatives, correct, lossSum }
}

export function sigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z))
}

/** log(1 + e^z) without overflow. */
function softplus(z: number): number {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)))
}
