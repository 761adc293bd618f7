/** Ghost clipping against the naive way: one example after the other by tfjs' own gradients, norms and sums in doubles. */
import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { ACTIVATIONS } from '../../../../config/rules-model.ts'
import { chooseBackend } from '../../../../node/training/backend.ts'
import type { TrainedModel } from '../../../../node/training/model.ts'
import { type Batch, perExample, ROUNDING } from '../../../../node/training/per-example.ts'
import type { LayerJson } from './fixture.ts'
import { batchOf, conv, flatten, mlpOf, netOf, pool, reshape, weigh } from './nets.ts'

/** Of a float32's sums of some hundred terms. */
const TOLERANCE = 1e-5

/** Gradient of each example's cross-entropy, P numbers each. */
function gradientsOf(net: TrainedModel, { x, y }: Batch): Float64Array[] {
  const d = x.length / y.length
  return Array.from(y, (label, i) => {
    const row = tf.tensor2d(x.slice(i * d, (i + 1) * d), [1, d])
    const loss = () => {
      const z = net.logits(row, true)
      return tf.sum(tf.sub(tf.softplus(z), tf.mul(z, label))) as tf.Scalar
    }
    const { value, grads } = tf.variableGrads(loss, net.variables)
    const all = Float64Array.from(net.variables.flatMap(v => [...grads[v.name]!.dataSync()]))
    tf.dispose([row, value, grads])
    return all
  })
}

const lengthOf = (xs: ArrayLike<number>) => Math.sqrt(Array.from(xs).reduce((sum, x) => sum + x * x, 0))
const distance = (a: ArrayLike<number>, b: ArrayLike<number>) => lengthOf(Array.from(a, (x, i) => x - b[i]!))

function naiveSum(gradients: readonly Float64Array[], clipNorm: number): Float64Array {
  const sum = new Float64Array(gradients[0]!.length)
  for (const g of gradients) {
    const factor = Math.min(1, clipNorm / (lengthOf(g) * (1 + ROUNDING)))
    for (const [j, v] of g.entries()) sum[j]! += factor * v
  }
  return sum
}

/** Holds norms and clipped sums against the naive ones, with all, some and none of the examples clipped. */
function compare(net: TrainedModel, batch: Batch, gradients = gradientsOf(net, batch)): void {
  const per = perExample(net)
  const norms = gradients.map(lengthOf)
  // Behind units that are all at rest an example has no gradient.
  const sorted = norms.filter(norm => norm > 0).toSorted((a, b) => a - b)
  if (sorted.length === 0) sorted.push(1)
  const middle = sorted[sorted.length >> 1]!
  for (const clipNorm of [0.5 * sorted[0]!, middle, 2 * sorted.at(-1)!]) {
    const before = tf.memory().numTensors
    const got = per.clippedSum(batch, clipNorm)
    expect(tf.memory().numTensors).toBe(before)
    norms.forEach((norm, i) => {
      expect(Math.abs(got.norms[i]! - norm)).toBeLessThanOrEqual(TOLERANCE * norm)
    })
    // Relative to the lengths that went in: a sum may be of opposites and next to nothing.
    const all = norms.reduce((sum, norm) => sum + Math.min(norm, clipNorm), 0)
    expect(distance(got.gradient, naiveSum(gradients, clipNorm))).toBeLessThanOrEqual(TOLERANCE * all)
  }
}

async function withNet(
  layers: readonly LayerJson[],
  inputs: number,
  use: (net: TrainedModel) => void,
): Promise<void> {
  const before = tf.memory().numTensors
  const net = await netOf(layers, inputs)
  try {
    use(net)
  } finally {
    net.dispose()
  }
  expect(tf.memory().numTensors).toBe(before)
}

describe.each(['wasm', 'cpu'])('dense layers on %s', backend => {
  beforeAll(async () => void (await chooseBackend(backend, {})))

  test('of whatever sizes, with and without bias', async () => {
    const nets = fc.record({
      inputs: fc.integer({ min: 1, max: 40 }),
      widths: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 3 }),
      activation: fc.constantFrom(...ACTIVATIONS),
      bias: fc.boolean(),
      rows: fc.constantFrom(1, 2, 64),
      seed: fc.integer({ min: 1, max: 1000 }),
    })
    await fc.assert(
      fc.asyncProperty(nets, ({ inputs, widths, activation, bias, rows, seed }) =>
        withNet(mlpOf(widths, activation, bias), inputs, net => {
          weigh(net, seed)
          expect(perExample(net).way).toBe('ghost')
          compare(net, batchOf(rows, inputs, seed))
        }),
      ),
      // The example once failed: all its units are at rest for some rows.
      {
        numRuns: 15,
        examples: [[{ inputs: 1, widths: [1], activation: 'relu', bias: false, rows: 64, seed: 1 }]],
      },
    )
  })

  test.each(ACTIVATIONS)('each activation: %s', activation =>
    withNet(mlpOf([5, 3], activation, true), 6, net => compare(net, batchOf(8, 6))),
  )

  test('on the last axis of more', () => {
    const [hidden, output] = mlpOf([3], 'tanh', true)
    return withNet([reshape(4, 2), hidden!, flatten, output!], 8, net => compare(net, batchOf(5, 8)))
  })
})

/** A charter can have none of these yet. tfjs' max pooling is right on cpu only. */
const OUTPUT = mlpOf([], '', true)
const CONVOLUTIONS: Record<string, readonly LayerJson[]> = {
  'valid, pooled': [reshape(8, 8, 1), conv('a', 3, 3), pool('Max'), flatten, ...mlpOf([5], 'relu', true)],
  'no bias': [
    reshape(8, 8, 1),
    conv('a', 3, 3, { use_bias: false }),
    pool('Average'),
    flatten,
    ...mlpOf([5], 'tanh', false),
  ],
  'two, same, strided': [
    reshape(4, 8, 2),
    conv('a', 4, 3, { padding: 'same', activation: 'tanh' }),
    conv('b', 5, 2, { padding: 'same', strides: [2, 2], activation: 'linear' }),
    flatten,
    ...OUTPUT,
  ],
  'more values in a patch than an identity is for': [
    reshape(2, 4, 8),
    conv('a', 3, 3, { padding: 'same', strides: [1, 2] }),
    flatten,
    ...OUTPUT,
  ],
  'few positions, where Gram matrices are smaller': [
    reshape(2, 2, 16),
    conv('a', 12, 2, { padding: 'same' }),
    { class_name: 'GlobalAveragePooling2D', config: { name: 'mean' } },
    ...OUTPUT,
  ],
  '1 x 1': [reshape(4, 4, 4), conv('a', 3, 1), flatten, ...OUTPUT],
}

describe('convolutions', () => {
  test.each(Object.entries(CONVOLUTIONS))('%s', async (_, layers) => {
    for (const rows of [1, 2, 64]) {
      const batch = batchOf(rows, 64)
      await chooseBackend('cpu', {})
      let gradients: Float64Array[] = []
      await withNet(layers, 64, net => {
        expect(perExample(net).way).toBe('ghost')
        gradients = gradientsOf(net, batch)
        compare(net, batch, gradients)
      })
      if (layers.some(layer => layer.class_name.startsWith('Max'))) continue
      // wasm cannot train a convolution by tfjs' own gradients, which ghost clipping does without.
      await chooseBackend('wasm', {})
      await withNet(layers, 64, net => compare(net, batch, gradients))
    }
  })
})

describe('one example after the other', () => {
  beforeAll(async () => void (await chooseBackend('cpu', {})))
  const separable: LayerJson = {
    class_name: 'SeparableConv2D',
    config: {
      name: 's',
      filters: 2,
      kernel_size: [2, 2],
      strides: [1, 1],
      padding: 'valid',
      activation: 'relu',
    },
  }
  const [frozen, ...others] = mlpOf([4, 3], 'tanh', true)
  const UNKNOWN: Record<string, readonly LayerJson[]> = {
    SeparableConv2D: [reshape(4, 4, 1), separable, flatten, ...OUTPUT],
    LayerNormalization: [
      { class_name: 'LayerNormalization', config: { name: 'n', axis: [-1] } },
      ...mlpOf([3], 'tanh', true),
    ],
    // Not trained: its weights have no part in the norm.
    Dense: [{ ...frozen!, config: { ...frozen!.config, trainable: false } }, ...others],
  }

  test.each(Object.entries(UNKNOWN))('%s: says so, and is right', (name, layers) =>
    withNet(layers, 16, net => {
      const per = perExample(net)
      expect(per.way).toBe('naive')
      expect(per.notice).toMatch(
        new RegExp(`one example after the other.* layer \\S+ \\(${name}\\) is not one`),
      )
      expect(per.notice).not.toContain('\n')
      compare(net, batchOf(6, 16))
    }),
  )
})

describe('what is clipped', () => {
  beforeAll(async () => void (await chooseBackend('wasm', {})))

  test('no example adds more than clipNorm, however rounding falls', () =>
    withNet(mlpOf([7, 4], 'relu', true), 9, net => {
      const per = perExample(net)
      const { x, y } = batchOf(200, 9)
      for (let i = 0; i < 200; i++) {
        const one = { x: x.slice(9 * i, 9 * i + 9), y: y.slice(i, i + 1) }
        expect(lengthOf(per.clippedSum(one, 0.3).gradient)).toBeLessThan(0.3)
      }
    }))

  test('an example below the norm stays as it is', () =>
    withNet(mlpOf([3], 'tanh', true), 4, net => {
      const batch = batchOf(1, 4)
      const [whole] = gradientsOf(net, batch)
      const { gradient, norms } = perExample(net).clippedSum(batch, 100)
      expect(norms[0]).toBeLessThan(100)
      expect(distance(gradient, whole!)).toBeLessThan(1e-6)
    }))

  test('a clip of nothing is no clip', () =>
    withNet(mlpOf([3], 'relu', true), 4, net => {
      for (const clipNorm of [0, -1, Number.NaN]) {
        expect(() => perExample(net).clippedSum(batchOf(2, 4), clipNorm)).toThrow(RangeError)
      }
    }))

  test('a batch of nobody gives zeros', () =>
    withNet(mlpOf([3], 'relu', true), 4, net => {
      const empty = { x: new Float32Array(0), y: new Float32Array(0) }
      const { gradient, norms } = perExample(net).clippedSum(empty, 1)
      expect(gradient).toEqual(new Float32Array(19))
      expect(norms).toHaveLength(0)
    }))

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('a row of %d is refused', async value => {
    const bare: LayerJson[] = mlpOf([3], 'linear', true)
    const normalised: LayerJson = { class_name: 'LayerNormalization', config: { name: 'n', axis: [-1] } }
    for (const layers of [bare, [normalised, ...bare]]) {
      await withNet(layers, 4, net => {
        const batch = batchOf(3, 4)
        batch.x.fill(value, 4, 8)
        expect(() => perExample(net).clippedSum(batch, 1)).toThrow(
          expect.objectContaining({ code: 'LEARN_NOT_FINITE' }),
        )
      })
    }
  })
})
