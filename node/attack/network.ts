/**
 * A dense network and its loss gradient as an explicit expression of tensors, which tfjs can differentiate once more:
 * tf.grads of a function that itself calls tf.grads is not supported for all operations that a layers model uses.
 */
import * as tf from '@tensorflow/tfjs-core'
import type { Charter } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'

interface Layer {
  /** inputs x units, units. */
  readonly kernel: tf.Tensor2D
  readonly bias: tf.Tensor1D
  readonly activation: Activation
}
type Activation = keyof typeof ACTIVATIONS

/** Value, and derivative by the value before activation `z` and after it `a`. The derivatives are differentiable. */
const ACTIVATIONS = {
  linear: { of: (z: tf.Tensor) => z, slope: (z: tf.Tensor) => tf.onesLike(z) },
  relu: { of: (z: tf.Tensor) => tf.relu(z), slope: (z: tf.Tensor) => tf.step(z) },
  sigmoid: {
    of: (z: tf.Tensor) => tf.sigmoid(z),
    slope: (_: tf.Tensor, a: tf.Tensor) => tf.sub(a, tf.square(a)),
  },
  tanh: { of: (z: tf.Tensor) => tf.tanh(z), slope: (_: tf.Tensor, a: tf.Tensor) => tf.sub(1, tf.square(a)) },
}

export interface Network {
  readonly layers: readonly Layer[]
  dispose(): void
}

/** Of T trials, each layer's gradient as it was seen: kernel T x inputs x units, bias T x 1 x units. */
export interface SeenLayer {
  readonly kernel: tf.Tensor3D
  readonly bias: tf.Tensor3D
}

/** Where a layer's kernel and bias lie among the parameters. */
interface Place {
  readonly inputs: number
  readonly units: number
  readonly kernel: number
  readonly bias: number
}

interface KerasLayer {
  readonly class_name: string
  readonly config: { readonly activation?: string; readonly use_bias?: boolean }
}

/**
 * The activations of a charter's layers, the last one's left to the loss function. Throws MedmeshError ATTACK_MODEL where the attacks do
 * not know such a model.
 */
export function activationsOf({ model: { keras } }: Pick<Charter, 'model'>): Activation[] {
  const { layers } = (keras as unknown as { config: { layers: readonly KerasLayer[] } }).config
  const told = layers.map((layer, i) => ({ ...layer, where: `layer ${i + 1}` }))
  const dense = told.filter(layer => layer.class_name !== 'InputLayer')
  return dense.map(({ class_name, config: { activation, use_bias }, where }, i) => {
    if (class_name !== 'Dense') throw unknownModel(`${where} is of class ${class_name}`)
    if (use_bias === false) throw unknownModel(`${where} has no bias`)
    if (i === dense.length - 1) return 'linear'
    if (activation === undefined || !Object.hasOwn(ACTIVATIONS, activation))
      throw unknownModel(`${where} has the activation ${activation}`)
    return activation as Activation
  })
}

function unknownModel(why: string): MedmeshError {
  return new MedmeshError(
    'ATTACK_MODEL',
    `the attacks do not know the charter's model: ${why}`,
    `they know models of Dense layers with biases and the activations ${Object.keys(ACTIVATIONS).join(', ')}; that others are not attacked here does not make them safer`,
  )
}

/** Of a model that `activationsOf` takes. */
export function placesOf({ model: { weights } }: Pick<Charter, 'model'>): Place[] {
  const places: Place[] = []
  let at = 0
  for (let i = 0; i < weights.length; i += 2) {
    const [inputs, units] = weights[i]!.shape as [number, number]
    places.push({ inputs, units, kernel: at, bias: at + inputs * units })
    at += (inputs + 1) * units
  }
  return places
}

/** Throws as `activationsOf` does. */
export function networkOf(charter: Charter, parameters: Float32Array): Network {
  const activations = activationsOf(charter)
  const layers = placesOf(charter).map(
    ({ inputs, units, kernel, bias }, i): Layer => ({
      kernel: tf.tensor2d(parameters.slice(kernel, bias), [inputs, units]),
      bias: tf.tensor1d(parameters.slice(bias, bias + units)),
      activation: activations[i]!,
    }),
  )
  return { layers, dispose: () => tf.dispose(layers.map(({ kernel, bias }) => [kernel, bias])) }
}

/** `seen`: T gradients of P numbers. */
export function seenLayers(
  charter: Charter,
  seen: readonly { readonly gradient: Float32Array }[],
): SeenLayer[] {
  const stacked = (from: number, to: number, shape: [number, number]) => {
    const all = new Float32Array(seen.length * (to - from))
    for (const [t, { gradient }] of seen.entries()) all.set(gradient.subarray(from, to), t * (to - from))
    return tf.tensor3d(all, [seen.length, ...shape])
  }
  return placesOf(charter).map(({ inputs, units, kernel, bias }) => ({
    kernel: stacked(kernel, bias, [inputs, units]),
    bias: stacked(bias, bias + units, [1, units]),
  }))
}

/** Logits (rows x 1) of rows x d inputs. */
export function logits({ layers }: Network, x: tf.Tensor2D): tf.Tensor2D {
  return forward(layers, x).z.at(-1)! as tf.Tensor2D
}

function forward(layers: readonly Layer[], x: tf.Tensor2D): { z: tf.Tensor[]; a: tf.Tensor[] } {
  const z: tf.Tensor[] = []
  const a: tf.Tensor[] = [x]
  for (const { kernel, bias, activation } of layers) {
    z.push(tf.add(tf.matMul(a.at(-1)! as tf.Tensor2D, kernel), bias))
    a.push(ACTIVATIONS[activation].of(z.at(-1)!))
  }
  return { z, a }
}

/**
 * Of T trials with B rows each: <g, g> and <g, seen>, T numbers each, where g is the gradient of the mean cross-entropy of
 * the trial's rows `x` (T x B x d) with labels `y` (T x B, may be between 0 and 1). A layer's gradient is a sum over rows of
 * outer products (a, 1) delta, so <g, g> = sum of (a_i a_j + 1) (delta_i delta_j), and no gradient is ever written out.
 */
export function products(
  network: Network,
  x: tf.Tensor3D,
  y: tf.Tensor2D,
  seen: readonly SeenLayer[],
): { readonly own: tf.Tensor1D; readonly cross: tf.Tensor1D } {
  const [trials, rows, d] = x.shape
  const { layers } = network
  const { z, a } = forward(layers, tf.reshape(x, [trials * rows, d]))
  let delta: tf.Tensor = tf.div(tf.sub(tf.sigmoid(z.at(-1)!), tf.reshape(y, [trials * rows, 1])), rows)
  const own: tf.Tensor[] = []
  const cross: tf.Tensor[] = []
  for (let l = layers.length - 1; l >= 0; l--) {
    const units = layers[l]!.bias.size
    const d3 = tf.reshape(delta, [trials, rows, units]) as tf.Tensor3D
    const a3 = tf.reshape(a[l]!, [trials, rows, -1]) as tf.Tensor3D
    const gram = tf.mul(tf.add(tf.matMul(a3, a3, false, true), 1), tf.matMul(d3, d3, false, true))
    own.push(tf.sum(gram, [1, 2]))
    cross.push(tf.sum(tf.mul(tf.add(tf.matMul(a3, seen[l]!.kernel), seen[l]!.bias), d3), [1, 2]))
    if (l > 0) {
      const { slope } = ACTIVATIONS[layers[l - 1]!.activation]
      delta = tf.mul(tf.matMul(delta as tf.Tensor2D, layers[l]!.kernel, false, true), slope(z[l - 1]!, a[l]!))
    }
  }
  return { own: tf.addN(own) as tf.Tensor1D, cross: tf.addN(cross) as tf.Tensor1D }
}
