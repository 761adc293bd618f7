/**
 * Ghost clipping: the norm of each example's gradient without the gradient. Of a layer that is linear up to its
 * activation, an example's gradient is the product of what went in and the loss's slope at the pre-activation, so that its norm follows
 * from these two. Sources: Goodfellow, Efficient per-example gradient computations (2015); Li, Tramer, Liang and
 * Hashimoto, Large language models can be strong differentially private learners (2022), section 4; for
 * convolutions Bu, Mao and Xu, Scalable and efficient training of large convolutional neural networks with differential
 * privacy (2022), section 4; the slopes are kept, so that there is one backward pass (Bu, Wang, Zha and Karypis,
 * Differentially private optimization on large model at small cost, 2023).
 */
import * as tf from '@tensorflow/tfjs-core'
import type { Step, Tapped } from './tapped.ts'
import { unfold } from './unfold.ts'

/** What one layer's gradients are made of, for each of B examples and T positions. */
interface Parts {
  readonly layer: Tapped
  /** [B, in] for a dense layer on rows, else [B, T, in]: what went in; of a convolution the patches. */
  readonly inputs: tf.Tensor
  /** [B, out] or [B, T, out]: slope of the example's loss at the pre-activation. */
  readonly slopes: tf.Tensor
  /** [B, in, out]: each example's gradient, only where it is smaller than what it would take to do without. */
  readonly gradients: tf.Tensor | undefined
}

/**
 * Calls `factorsOf` with the squared L2 norm of each of B examples' gradients by all weights together, and returns the sum
 * of the gradients, each times its factor of the B that come back, by variable of the model. The loss of an example is the
 * cross-entropy of its logit. Runs within a tf.tidy of the caller's. `x`: [B, ...], B > 0; `labels`: [B].
 */
export function ghostSum(
  steps: readonly Step[],
  x: tf.Tensor,
  labels: tf.Tensor1D,
  factorsOf: (squares: Float64Array) => Float32Array,
): ReadonlyMap<tf.Variable, tf.Tensor> {
  const parts = partsOf(steps, x, labels)
  const squares = new Float64Array(labels.size)
  for (const part of parts) addSquares(squares, part)
  const factors = tf.tensor2d(factorsOf(squares), [1, labels.size])
  return new Map(parts.flatMap(part => weightedSums(part, factors)))
}

/** One pass forward and one back, which is done here since tfjs would work out the weights' gradients too. */
function partsOf(steps: readonly Step[], x: tf.Tensor, labels: tf.Tensor1D): Parts[] {
  const inputs: tf.Tensor[] = []
  const linear: tf.Tensor[] = []
  let at = x
  for (const step of steps) {
    const k = inputs.push(at) - 1
    if (isTapped(step)) {
      linear[k] = step.linear(at)
      at = step.activate(linear[k])
    } else at = step.apply(at)
  }
  let slope = tf.reshape(tf.sub(tf.sigmoid(tf.reshape(at, [-1])), labels), at.shape)
  const first = steps.findIndex(isTapped)
  const parts: Parts[] = []
  for (let k = steps.length - 1; k >= first; k--) {
    const step = steps[k]!
    if (isTapped(step)) {
      slope = step.slopeBefore(linear[k]!, slope)
      parts.push(partOf(step, inputs[k]!, slope))
    }
    if (k > first) slope = step.slopeAtInput(inputs[k]!, slope)
  }
  return parts
}

function partOf(layer: Tapped, input: tf.Tensor, slope: tf.Tensor): Parts {
  if (slope.rank === 2) return { layer, inputs: input, slopes: slope, gradients: undefined }
  const patches = layer.window === undefined ? input : unfold(input as tf.Tensor4D, layer.window)
  const [examples, width, units] = [slope.shape[0]!, patches.shape.at(-1)!, slope.shape.at(-1)!]
  const inputs = tf.reshape(patches, [examples, -1, width])
  const slopes = tf.reshape(slope, [examples, -1, units])
  // Two Gram matrices of positions x positions against one gradient (Bu, Mao and Xu, equation 4.1).
  const isSmall = 2 * inputs.shape[1]! ** 2 >= width * units
  return { layer, inputs, slopes, gradients: isSmall ? tf.matMul(inputs, slopes, true) : undefined }
}

/** Adds the squared norm of each example's gradient by one layer's kernel and bias. */
function addSquares(squares: Float64Array, { layer, inputs, slopes, gradients }: Parts): void {
  const add = (more: ArrayLike<number>) => {
    for (let i = 0; i < squares.length; i++) squares[i]! += more[i]!
  }
  if (slopes.rank === 2) {
    const [went, steep] = [inputs, slopes].map(x => rowSquares(x, squares.length))
    add(went!.map((square, i) => (square + (layer.bias === undefined ? 0 : 1)) * steep![i]!))
    return
  }
  const gram = (x: tf.Tensor) => tf.matMul(x, x, false, true)
  if (gradients !== undefined) add(rowSquares(gradients, squares.length))
  else add(tf.sum(tf.mul(gram(inputs), gram(slopes)), [1, 2]).dataSync())
  if (layer.bias !== undefined) add(rowSquares(tf.sum(slopes, 1), squares.length))
}

/** Squared norm of each row, in doubles: for the sizes at hand faster too than operations of tfjs. */
function rowSquares(x: tf.Tensor, rows: number): Float64Array {
  const values = x.dataSync()
  const width = values.length / rows
  const squares = new Float64Array(rows)
  for (let i = 0; i < rows; i++) {
    let sum = 0
    for (let j = i * width; j < (i + 1) * width; j++) sum += values[j]! * values[j]!
    squares[i] = sum
  }
  return squares
}

/** Sums of the examples' gradients by kernel and bias, each times its factor. `factors`: [1, B]. */
function weightedSums(
  { layer, inputs, slopes, gradients }: Parts,
  factors: tf.Tensor2D,
): [tf.Variable, tf.Tensor][] {
  const examples = factors.size
  const sums: [tf.Variable, tf.Tensor][] = []
  if (gradients === undefined) {
    const column = tf.reshape(
      factors,
      slopes.shape.map((_, i) => (i === 0 ? examples : 1)),
    )
    const rows = (x: tf.Tensor) => (x.rank === 2 ? x : tf.reshape(x, [-1, x.shape.at(-1)!]))
    sums.push([layer.kernel, tf.matMul(rows(inputs), rows(tf.mul(slopes, column)), true)])
  } else sums.push([layer.kernel, tf.matMul(factors, tf.reshape(gradients, [examples, -1]))])
  if (layer.bias !== undefined) {
    sums.push([layer.bias, tf.matMul(factors, slopes.rank === 2 ? slopes : tf.sum(slopes, 1))])
  }
  return sums
}

/** Binary cross-entropy of each example's logit. */
export function lossesOf(logits: tf.Tensor1D, labels: tf.Tensor1D): tf.Tensor1D {
  return tf.sub(tf.softplus(logits), tf.mul(labels, logits))
}

function isTapped(step: Step): step is Tapped {
  return 'kernel' in step
}
