/**
 * Which layers ghost clipping knows, and how each is run so that its pre-activation can be tapped: the gradient of one
 * example's loss by a layer's weights follows from what went into the layer and from the loss's slope there.
 */
import * as tf from '@tensorflow/tfjs-core'
import type { Layer } from './model.ts'
import { type Window, windowOf } from './unfold.ts'

/** A layer with weights that is linear up to its activation. */
export interface Tapped {
  /** [in, out] of a dense layer, [height, width, in, out] of a convolution. */
  readonly kernel: tf.Variable
  readonly bias: tf.Variable | undefined
  /** Of a convolution. */
  readonly window: Window | undefined
  /** Kernel and bias applied to `x`: the pre-activation. */
  linear(x: tf.Tensor): tf.Tensor
  activate(z: tf.Tensor): tf.Tensor
  /** Slope at the pre-activation `z` from that at the layer's output. */
  slopeBefore(z: tf.Tensor, slope: tf.Tensor): tf.Tensor
  /** Slope at the layer's input, of the shape of `x`, from that at its pre-activation. */
  slopeAtInput(x: tf.Tensor, slope: tf.Tensor): tf.Tensor
}

/** A layer without weights, which treats each example by itself. */
export interface Passed {
  apply(x: tf.Tensor): tf.Tensor
  /** Slope at the layer's input `x` from that at its output. */
  slopeAtInput(x: tf.Tensor, slope: tf.Tensor): tf.Tensor
}

export type Step = Tapped | Passed

/** Without weights, without randomness, one example apart from the other. */
const PASSED = new Set([
  'Activation',
  'AveragePooling2D',
  'ELU',
  'Flatten',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'InputLayer',
  'LeakyReLU',
  'MaxPooling2D',
  'Permute',
  'ReLU',
  'Reshape',
  'Softmax',
  'ZeroPadding2D',
])

/** What of a tfjs layer its types hide. */
interface Inside {
  readonly kernel: { read(): tf.Tensor }
  readonly bias: { read(): tf.Tensor } | null
  readonly activation: { apply(z: tf.Tensor): tf.Tensor; getClassName(): string } | null
}

/** The steps of a sequential model with weights, or in words the first layer that ghost clipping does not know. */
export function stepsOf(layers: readonly Layer[]): readonly Step[] | string {
  const steps: Step[] = []
  for (const layer of layers) {
    // A layer in two places has one gradient that is the sum of two, whose norm is not the sum of their norms.
    if (layers.indexOf(layer) !== steps.length) return `the layer ${layer.name}, in two places,`
    const step = stepOf(layer)
    if (step === undefined) return `the layer ${layer.name} (${layer.getClassName()})`
    steps.push(step)
  }
  return steps
}

function stepOf(layer: Layer): Step | undefined {
  const kind = layer.getClassName()
  if (PASSED.has(kind)) return layer.weights.length === 0 ? passed(layer) : undefined
  if (kind !== 'Dense' && kind !== 'Conv2D') return undefined
  const inside = layer as unknown as Inside
  const kernel = inside.kernel.read() as tf.Variable
  const bias = (inside.bias?.read() as tf.Variable | undefined) ?? undefined
  // Weights that are not trained have no part in the gradient, so that the norm would be wrong.
  if (layer.trainableWeights.length !== (bias === undefined ? 1 : 2)) return undefined
  const window = kind === 'Conv2D' ? windowOf(layer.getConfig()) : undefined
  if (kind === 'Conv2D' && window === undefined) return undefined
  const linear = window === undefined ? dense(kernel, bias) : convolution(kernel, bias, window)
  return { kernel, bias, window, ...linear, ...activated(inside.activation) }
}

function passed(layer: Layer): Passed {
  const apply = (x: tf.Tensor) => layer.apply(x) as tf.Tensor
  return { apply, slopeAtInput: (x, slope) => tf.grad(apply)(x, slope) }
}

function activated(activation: Inside['activation']): Pick<Tapped, 'activate' | 'slopeBefore'> {
  if (activation === null || activation.getClassName() === 'linear') {
    return { activate: z => z, slopeBefore: (_, slope) => slope }
  }
  const activate = (z: tf.Tensor) => activation.apply(z)
  return { activate, slopeBefore: (z, slope) => tf.grad(activate)(z, slope) }
}

type Linear = Pick<Tapped, 'linear' | 'slopeAtInput'>

function dense(kernel: tf.Variable, bias: tf.Variable | undefined): Linear {
  const [rows, units] = kernel.shape as [number, number]
  const added = bias === undefined ? {} : { bias }
  const linear = (x: tf.Tensor) => tf.fused.matMul({ a: x, b: kernel, ...added })
  const slopeAtInput = (_: tf.Tensor, slope: tf.Tensor) => tf.matMul(slope, kernel, false, true)
  const onRows =
    (apply: (x: tf.Tensor) => tf.Tensor, from: number, to: number): ((x: tf.Tensor) => tf.Tensor) =>
    x =>
      x.rank === 2 ? apply(x) : tf.reshape(apply(tf.reshape(x, [-1, from])), [...x.shape.slice(0, -1), to])
  return {
    linear: onRows(linear, rows, units),
    slopeAtInput: (x, slope) => onRows(s => slopeAtInput(x, s), units, rows)(slope),
  }
}

function convolution(
  kernel: tf.Variable,
  bias: tf.Variable | undefined,
  { strides, padding }: Window,
): Linear {
  const filter = kernel as unknown as tf.Tensor4D
  return {
    linear: x => {
      const z = tf.conv2d(x as tf.Tensor4D, filter, strides, padding)
      return bias === undefined ? z : tf.add(z, bias)
    },
    slopeAtInput: (x, slope) =>
      tf.conv2dTranspose(slope as tf.Tensor4D, filter, (x as tf.Tensor4D).shape, strides, padding),
  }
}
