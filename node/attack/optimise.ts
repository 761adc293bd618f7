/**
 * Inversion by optimisation: inputs are looked for whose gradient is the one that was seen. All trials go at once.
 *
 * - DLG (Zhu, Liu and Han 2019, algorithm 1): squared distance of gradients, labels are looked for too.
 * - iDLG (Zhao, Mopuri and Bilen 2020, algorithm 1): the same with labels from the last layer.
 * - inverting gradients (Geiping et al. 2020, section 3): cosine distance, total variation of images, Adam on the sign of
 *   the gradient with steps that shrink, inputs kept within their limits.
 *
 * DLG's L-BFGS is Adam here (as in Geiping et al.), since trials share steps; and distances are relative to what was seen.
 */
import * as tf from '@tensorflow/tfjs-core'
import { descend, type Gradient, type Variables } from './adam.ts'
import { positivesOf } from './analytic.ts'
import { logits, type Network, networkOf, products, type SeenLayer, seenLayers } from './network.ts'
import type { Random } from './random.ts'
import type { Subject } from './subject.ts'
import type { Seen } from './targets.ts'

export type Method = 'DLG' | 'iDLG' | 'inverting gradients'

/** Starts of DLG on rows of tables, where every second one has a label on the wrong side and stays there. */
const STARTS = 4

/** Trials that share steps: of small ones many, as an operation costs more than its numbers. */
const AT_ONCE = { table: 400, image: 32 }

/**
 * The B rows of each trial, d normalised inputs each, that `method` ends with after `steps` steps; of several starts those whose
 * gradients are nearest to what was seen.
 */
export function optimise(
  subject: Subject,
  method: Method,
  seen: readonly Seen[],
  steps: number,
  random: Random,
): Float32Array[][] {
  const starts = method === 'DLG' && subject.kind === 'table' ? STARTS : 1
  const tries = seen.flatMap(s => Array.from({ length: starts }, () => s))
  const found: Found[] = []
  for (let from = 0; from < tries.length; from += AT_ONCE[subject.kind])
    found.push(...fromStarts(subject, method, tries.slice(from, from + AT_ONCE[subject.kind]), steps, random))
  return seen.map((_, t) => {
    const own = found.slice(t * starts, (t + 1) * starts)
    return own.reduce((best, one) => (one.distance < best.distance ? one : best)).rows
  })
}

interface Found {
  readonly rows: Float32Array[]
  readonly distance: number
}

function fromStarts(
  subject: Subject,
  method: Method,
  seen: readonly Seen[],
  steps: number,
  random: Random,
): Found[] {
  const rows = seen[0]!.persons.length
  const { charter, model, limits } = subject
  const network = networkOf(charter, model.parameters)
  const layers = seenLayers(charter, seen)
  const size = seen.length * rows
  const d = limits.length
  const variables = {
    x: Float32Array.from({ length: size * d }, () => startOf(subject, random)),
    labels: method === 'DLG' ? Float32Array.from({ length: size }, () => 0.1 * random.normal()) : undefined,
  }
  const known = inferLabels(subject, network, seen, rows)
  const distances = distancesFor(subject, method, network, layers, seen)
  const shape: Shape = [seen.length, rows, d]
  descend(variables, gradientOf(distances, shape, known), method === 'inverting gradients', steps, limits)
  const last = new Float32Array(seen.length)
  tf.tidy(() => last.set(distances(...tensorsOf(variables, shape, known)).dataSync()))
  network.dispose()
  tf.dispose(layers.map(({ kernel, bias }) => [kernel, bias]))
  const row = (i: number) => variables.x.slice(i * d, (i + 1) * d)
  return seen.map((_, t) => ({
    rows: Array.from({ length: rows }, (_, b) => row(t * rows + b)),
    distance: last[t]!,
  }))
}

/** Tables: normal numbers, as normalised inputs are. Images: grey with noise. */
function startOf({ kind }: Subject, random: Random): number {
  return kind === 'table' ? random.normal() : 0.5 + 0.1 * random.normal()
}

/** T x B labels: of each trial as many ones as its last layer tells. */
function inferLabels(subject: Subject, network: Network, seen: readonly Seen[], rows: number): Float32Array {
  const { charter, expected } = subject
  const chance = tf.tidy(
    () => tf.sigmoid(logits(network, tf.tensor2d(expected, [1, expected.length]))).dataSync()[0]!,
  )
  const labels = new Float32Array(seen.length * rows)
  for (const [t, { gradient }] of seen.entries())
    labels.fill(1, t * rows, t * rows + positivesOf(charter, gradient, rows, chance))
  return labels
}

type Shape = [trials: number, rows: number, d: number]
/** Of T x B x d inputs and T x B labels: T distances of their gradients to what was seen, less a constant. */
type Distances = (x: tf.Tensor3D, y: tf.Tensor2D) => tf.Tensor1D

/** Weight of the total variation beside the cosine distance. */
const SMOOTH = 0.01

function distancesFor(
  { kind }: Subject,
  method: Method,
  network: Network,
  layers: readonly SeenLayer[],
  seen: readonly Seen[],
): Distances {
  const squares = seen.map(({ gradient }) => gradient.reduce((sum, g) => sum + g * g, 0))
  return (x, y) => {
    const norm2 = tf.tensor1d(squares)
    const { own, cross } = products(network, x, y, layers)
    if (method !== 'inverting gradients') return tf.div(tf.sub(own, tf.mul(2, cross)), norm2) as tf.Tensor1D
    const distance = tf.neg(tf.div(cross, tf.sqrt(tf.add(tf.mul(own, norm2), TINY)))) as tf.Tensor1D
    return kind === 'image' ? tf.add(distance, tf.mul(SMOOTH, totalVariation(x))) : distance
  }
}

const TINY = 1e-30

/** Of each trial: the absolute difference of pixels of square images that are neighbours, to the right and below, over the number of pixels. */
function totalVariation(x: tf.Tensor3D): tf.Tensor1D {
  const [trials, rows, pixels] = x.shape
  const side = Math.sqrt(pixels)
  const images = tf.reshape(x, [trials, rows, side, side]) as tf.Tensor4D
  const part = (from: [number, number], size: [number, number]) =>
    tf.slice(images, [0, 0, ...from], [trials, rows, ...size])
  const right = tf.sub(part([0, 1], [side, side - 1]), part([0, 0], [side, side - 1]))
  const below = tf.sub(part([1, 0], [side - 1, side]), part([0, 0], [side - 1, side]))
  const sums = [right, below].map(differences => tf.sum(tf.abs(differences), [1, 2, 3]))
  return tf.div(tf.add(sums[0]!, sums[1]!), pixels) as tf.Tensor1D
}

function tensorsOf({ x, labels }: Variables, shape: Shape, known: Float32Array): [tf.Tensor3D, tf.Tensor2D] {
  const [trials, rows] = shape
  // Copies: a backend may keep the arrays that it is given.
  const told = tf.tensor2d((labels ?? known).slice(), [trials, rows])
  return [tf.tensor3d(x.slice(), shape), labels ? tf.sigmoid(told) : told]
}

/** By the inputs, and by the labels where they are looked for. Trials have nothing to do with each other, so their sum will do. */
function gradientOf(distances: Distances, shape: Shape, known: Float32Array): Gradient {
  const [trials, rows] = shape
  return ({ x, labels }) => {
    const read: Float32Array[] = []
    // Into a list outside: tidy walks through all that it is to return, number by number.
    tf.tidy(() => {
      const inputs = tf.tensor3d(x.slice(), shape)
      const told = tf.tensor2d((labels ?? known).slice(), [trials, rows])
      const total = (v: tf.Tensor, y: tf.Tensor) =>
        tf.sum(distances(v as tf.Tensor3D, y as tf.Tensor2D)) as tf.Scalar
      const gradients = labels
        ? tf.grads((v: tf.Tensor, w: tf.Tensor) => total(v, tf.sigmoid(w)))([inputs, told])
        : [tf.grad(v => total(v, told))(inputs)]
      for (const g of gradients) read.push(g.dataSync().slice() as Float32Array)
    })
    return read
  }
}
