import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, expect, test } from 'vitest'
import { chooseBackend } from '../../../../node/training/backend.ts'
import { TRANSPOSE_FROM } from '../../../../node/training/matmul.ts'

beforeAll(async () => {
  await chooseBackend('wasm', {})
})

const LARGE = Math.ceil(Math.sqrt(TRANSPOSE_FROM))
const values = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(seed + 1.7 * i))

/** [rows, inner, columns] of products on both sides of the bound. */
const SHAPES = [
  [3, 4, 5],
  [2, LARGE + 1, LARGE],
  [LARGE, 2, LARGE + 3],
  [LARGE + 2, LARGE, 1],
]

test.each(
  SHAPES.flatMap(([m, k, n]) =>
    [false, true].flatMap(ta =>
      [false, true].flatMap(tb => [1, 2].map(batch => [m!, k!, n!, ta, tb, batch] as const)),
    ),
  ),
)('%d x %d x %d, transposed %s and %s, batch %d', (m, k, n, ta, tb, batch) => {
  const a = values(batch * m * k, 1)
  const b = values(batch * k * n, 2)
  const before = tf.memory()
  const got = tf.tidy(() => {
    const x = tf.tensor3d(a, ta ? [batch, k, m] : [batch, m, k])
    const y = tf.tensor3d(b, tb ? [batch, n, k] : [batch, k, n])
    return tf.matMul(x, y, ta, tb).dataSync()
  })
  expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numDataBuffers: before.numDataBuffers })
  for (let i = 0; i < batch * m * n; i += 37) {
    const [z, row, column] = [Math.floor(i / (m * n)), Math.floor((i % (m * n)) / n), i % n]
    let want = 0
    for (let j = 0; j < k; j++) {
      const left = z * m * k + (ta ? j * m + row : row * k + j)
      const right = z * k * n + (tb ? column * k + j : j * n + column)
      want += a[left]! * b[right]!
    }
    expect(Math.abs(got[i]! - want)).toBeLessThan(1e-3)
  }
})

test('many products leave no memory of the backend taken', () => {
  const heap = () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.byteLength
  const product = () =>
    tf.tidy(() => void tf.matMul(tf.zeros([LARGE, LARGE]), tf.zeros([LARGE, LARGE]), true, true).dataSync())
  product()
  const before = heap()
  for (let i = 0; i < 500; i++) product()
  expect(heap()).toBe(before)
})
