/**
 * DP-SGD over one hospital's rows (Abadi et al. 2016, algorithm 1), where the charter protects patients. With `noise: sum` a round
 * is one step, and what is given has no noise yet: the noise of all hospitals together comes to it before it is masked. With
 * `noise: hospital` each step has all of it. A patient with several rows is protected for one of them.
 */
import * as tf from '@tensorflow/tfjs-core'
import { type Charter, type PatientPrivacy, patientPrivacy } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import type { Dataset } from './dataset.ts'
import { gaussians, noisedMean } from './gaussian.ts'
import type { TrainedModel } from './model.ts'
import { type Batch, perExample } from './per-example.ts'
import { poissonBatches } from './poisson.ts'

/**
 * What only a hospital can check, which alone knows its rows. Throws MedmeshError PRIVACY_ROWS where it has more than are counted:
 * then one row more would change which of the others are, or how much.
 */
export function checkRows(charter: Charter, { train, test }: Pick<Dataset, 'train' | 'test'>): void {
  if (!patientPrivacy(charter)) return
  const { training, evaluation } = charter
  const kinds = [
    ['training', train.y.length, 'training.weightMax', training.weightMax],
    ['test', test.y.length, 'evaluation.rowsMax', evaluation.rowsMax],
  ] as const
  for (const [kind, rows, field, most] of kinds) {
    if (rows <= most) continue
    throw new MedmeshError(
      'PRIVACY_ROWS',
      `this hospital has ${rows} ${kind} rows, and ${field} is ${most}: under noise no hospital may have more`,
      `agree on a ${field} of at least ${rows} in the charter's next version`,
    )
  }
}

/** One line each: what people of the hospital should know of how its patients are protected. */
export function patientNotices(model: TrainedModel, charter: Charter): string[] {
  const { notice } = patientPrivacy(charter) ? perExample(model) : { notice: undefined }
  return notice === undefined ? [] : [notice]
}

/** -learningRate times the sum of the clipped gradients of rows that were drawn, by 32 secret bytes `seed`. */
export function patientStep(
  model: TrainedModel,
  { training }: Charter,
  { clipNorm, samplingRate }: PatientPrivacy,
  { rows, seed }: { readonly rows: number; readonly seed: Uint8Array },
  batchOf: (drawn: Uint32Array) => Batch,
): Float32Array {
  const drawn = poissonBatches(seed, rows, samplingRate)()
  const { gradient } = perExample(model).clippedSum(batchOf(drawn), clipNorm)
  return gradient.map(g => -training.learningRate * g)
}

/**
 * `localUpdates` steps from the weights that `model` holds: each by the clipped gradients of rows that were drawn, with noise, over how
 * many rows a hospital has drawn on average if all are alike: how many it has itself is a secret. `batchOf` gives the rows of these
 * indices; `before` is called before each step.
 *
 * Throws MedmeshError LEARN_NOT_FINITE, and what `before` throws.
 */
export function trainPatients(
  model: TrainedModel,
  optimizer: tf.Optimizer,
  charter: Charter,
  { clipNorm, samplingRate, noiseMultiplier, patients }: PatientPrivacy,
  { rows, seed }: { readonly rows: number; readonly seed: Uint8Array },
  batchOf: (drawn: Uint32Array) => Batch,
  before: () => void,
): void {
  const next = poissonBatches(seed, rows, samplingRate)
  const normal = gaussians(seed)
  const per = perExample(model)
  const expected = (samplingRate * patients) / charter.members.length
  for (let step = 0; step < charter.training.localUpdates; step++) {
    before()
    const { gradient } = per.clippedSum(batchOf(next()), clipNorm)
    const noise = { clipNorm, noiseMultiplier: noiseMultiplier.training, expected }
    applyGradient(model, optimizer, noisedMean(gradient, normal, noise))
  }
}

/** One update by a gradient of length P, in the charter's order. */
export function applyGradient(
  { variables }: TrainedModel,
  optimizer: tf.Optimizer,
  gradient: Float32Array,
): void {
  tf.tidy(() => {
    let from = 0
    const named = variables.map(variable => {
      const slice = gradient.slice(from, from + variable.size)
      from += variable.size
      return { name: variable.name, tensor: tf.tensor(slice, variable.shape) }
    })
    optimizer.applyGradients(named)
  })
}
