/**
 * wasm's matrix product is several times faster when neither operand is transposed, and every dense layer's gradient
 * has two products with one that is. So large operands are transposed first.
 */
import * as tf from '@tensorflow/tfjs-core'

/** Elements below which the transposition's own cost is more than what it saves. */
export const TRANSPOSE_FROM = 1 << 14

interface Products {
  readonly inputs: { readonly a: tf.TensorInfo; readonly b: tf.TensorInfo }
  readonly backend: { disposeData(dataId: object): boolean }
  readonly attrs: { readonly transposeA: boolean; readonly transposeB: boolean }
}
type Kernel = (params: unknown) => tf.TensorInfo

const NAME = 'BatchMatMul'
const BACKEND = 'wasm'
let done = false

/** Puts the faster product in the place of wasm's, once for each thread. The wasm backend must be registered. */
export function transposeFirst(): void {
  if (done) return
  const product = tf.getKernel(NAME, BACKEND)?.kernelFunc as unknown as Kernel | undefined
  const transpose = tf.getKernel('Transpose', BACKEND)?.kernelFunc as unknown as Kernel | undefined
  if (product === undefined || transpose === undefined) return
  tf.unregisterKernel(NAME, BACKEND)
  const kernelFunc = (params: unknown) => multiply(params as Products, product, transpose)
  tf.registerKernel({ kernelName: NAME, backendName: BACKEND, kernelFunc })
  done = true
}

function multiply({ inputs, backend, attrs }: Products, product: Kernel, transpose: Kernel): tf.TensorInfo {
  const made: tf.TensorInfo[] = []
  const upright = (x: tf.TensorInfo, transposed: boolean): tf.TensorInfo => {
    if (!transposed || x.shape.reduce((p, n) => p * n, 1) < TRANSPOSE_FROM) return x
    const last = x.shape.length - 1
    const perm = x.shape.map((_, i) => (i < last - 1 ? i : i === last ? last - 1 : last))
    const y = transpose({ inputs: { x }, backend, attrs: { perm } })
    made.push(y)
    return y
  }
  const a = upright(inputs.a, attrs.transposeA)
  const b = upright(inputs.b, attrs.transposeB)
  const left = {
    transposeA: attrs.transposeA && a === inputs.a,
    transposeB: attrs.transposeB && b === inputs.b,
  }
  const result = product({ inputs: { a, b }, backend, attrs: left })
  for (const { dataId } of made) backend.disposeData(dataId)
  return result
}
