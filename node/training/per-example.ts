/**
 * Sums of per-example gradients, each clipped: what one patient's record can change of a minibatch's gradient is
 * bounded, which is what DP-SGD adds its noise to (Abadi et al., Deep learning with differential privacy, 2016,
 * algorithm 1). By ghost clipping where all layers are known to it, else one example after the other.
 */
import * as tf from '@tensorflow/tfjs-core'
import { MedmeshError } from '../../config/error.ts'
import { ghostSum, lossesOf } from './ghost.ts'
import type { TrainedModel } from './model.ts'
import { stepsOf } from './tapped.ts'

/** `x`: examples x inputs, one example after the other, normalised. `y`: 0 or 1. */
export interface Batch {
  readonly x: Float32Array
  readonly y: Float32Array
}

export interface ClippedSum {
  /** Length P, in the charter's order: of each example's gradient at most a vector of the L2 norm `clipNorm`. */
  readonly gradient: Float32Array
  /** L2 norm of each example's gradient by all weights together, before clipping. */
  readonly norms: Float64Array
}

export interface PerExample {
  readonly way: 'ghost' | 'naive'
  /** One line for people where the way is the slow one: why. */
  readonly notice: string | undefined
  /**
   * The sum over a minibatch at the weights that the model holds; zeros for a batch of nobody.
   *
   * Throws MedmeshError LEARN_NOT_FINITE when an example's gradient is not finite, RangeError unless `clipNorm` > 0.
   */
  clippedSum(batch: Batch, clipNorm: number): ClippedSum
}

/**
 * By so much, relatively, norms are taken for longer than float32 has them: rounding, here and where the sum is put on
 * the noise's grid, must not make one example's part longer than `clipNorm`. What is not covered: the sum is made of floats
 * too, and one example more can round it otherwise, by some 2^-24 of the sum's own length.
 */
export const ROUNDING = 1e-5

export function perExample(model: TrainedModel): PerExample {
  const steps = stepsOf(model.layers)
  const known = typeof steps !== 'string'
  const notice = known
    ? undefined
    : `gradients are clipped one example after the other, which is slow: ${steps} is not one that ghost clipping knows`
  return {
    way: known ? 'ghost' : 'naive',
    notice,
    clippedSum: (batch, clipNorm) => {
      if (!(clipNorm > 0)) throw new RangeError('a gradient is clipped to more than 0')
      if (batch.y.length === 0) {
        return { gradient: new Float32Array(countOf(model)), norms: new Float64Array(0) }
      }
      const sum = known ? byGhost(model, steps, batch, clipNorm) : oneByOne(model, batch, clipNorm)
      return { gradient: finite(sum.gradient), norms: sum.norms }
    },
  }
}

function byGhost(
  model: TrainedModel,
  steps: Exclude<ReturnType<typeof stepsOf>, string>,
  { x, y }: Batch,
  clipNorm: number,
): ClippedSum {
  const gradient = new Float32Array(countOf(model))
  let norms = new Float64Array(0)
  // An array that came out of tidy would be searched for tensors, number by number.
  tf.tidy(() => {
    const sums = ghostSum(steps, inputsOf(x, y.length), tf.tensor1d(y), squares => {
      norms = squares.map(Math.sqrt)
      return Float32Array.from(norms, norm => clipFactor(norm, clipNorm))
    })
    fill(gradient, model, v => sums.get(v)!)
  })
  return { gradient, norms }
}

/** The naive way, for whatever model tfjs can train. Of one example at least; throws as `clippedSum` does. */
export function oneByOne(model: TrainedModel, { x, y }: Batch, clipNorm: number): ClippedSum {
  const d = x.length / y.length
  const norms = new Float64Array(y.length)
  const sum = new Float64Array(countOf(model))
  const gradient = new Float32Array(sum.length)
  y.forEach((label, i) => {
    tf.tidy(() => {
      const input = inputsOf(x.slice(i * d, (i + 1) * d), 1)
      const loss = () =>
        tf.sum(lossesOf(model.logits(input as tf.Tensor2D, true), tf.tensor1d([label]))) as tf.Scalar
      const { grads } = tf.variableGrads(loss, model.variables)
      fill(gradient, model, v => grads[v.name]!)
    })
    norms[i] = Math.sqrt(gradient.reduce((squares, g) => squares + g * g, 0))
    const factor = clipFactor(norms[i]!, clipNorm)
    for (let j = 0; j < gradient.length; j++) sum[j]! += factor * gradient[j]!
  })
  return { gradient: Float32Array.from(sum), norms }
}

/** What an example's gradient of this norm is multiplied by. Throws MedmeshError LEARN_NOT_FINITE. */
export function clipFactor(norm: number, clipNorm: number): number {
  if (!Number.isFinite(norm)) throw notFinite()
  return Math.min(1, clipNorm / (norm * (1 + ROUNDING)))
}

function inputsOf(x: Float32Array, examples: number): tf.Tensor2D {
  return tf.tensor2d(x, [examples, x.length / examples])
}

function countOf({ variables }: TrainedModel): number {
  return variables.reduce((n, v) => n + v.size, 0)
}

/** Writes what is of each variable into `flat`, one after the other. */
function fill(flat: Float32Array, { variables }: TrainedModel, of: (v: tf.Variable) => tf.Tensor): void {
  let from = 0
  for (const variable of variables) {
    flat.set(of(variable).dataSync(), from)
    from += variable.size
  }
}

function finite(gradient: Float32Array): Float32Array {
  for (let i = 0; i < gradient.length; i++) if (!Number.isFinite(gradient[i])) throw notFinite()
  return gradient
}

function notFinite(): MedmeshError {
  return new MedmeshError(
    'LEARN_NOT_FINITE',
    "a row's gradient is not made of finite numbers; nothing was sent",
    "agree on a smaller training.learningRate in the charter's next version",
  )
}
