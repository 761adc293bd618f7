/**
 * tfjs' wasm backend has no gradient of a convolution by its kernel, so that it cannot train one. Ghost clipping does without;
 * what it is measured against gets this one: one product of the unfolded input, as fast as wasm can be.
 */
import * as tf from '@tensorflow/tfjs-core'
import { unfold } from '../../node/training/unfold.ts'

interface Call {
  readonly inputs: { readonly x: tf.TensorInfo; readonly dy: tf.TensorInfo }
  readonly backend: { incRef(dataId: object): void }
  readonly attrs: {
    readonly strides: [number, number]
    readonly pad: 'valid' | 'same'
    readonly filterShape: [number, number, number, number]
  }
}

/** The wasm backend must be registered, and be tfjs' own. */
export function filterGradientOnWasm(): void {
  if (tf.getKernel('Conv2DBackpropFilter', 'wasm') !== undefined) return
  const kernelFunc = (call: unknown) => gradient(call as Call)
  tf.registerKernel({ kernelName: 'Conv2DBackpropFilter', backendName: 'wasm', kernelFunc })
}

function gradient({ inputs, backend, attrs: { strides, pad, filterShape } }: Call): tf.TensorInfo {
  const size = [filterShape[0], filterShape[1]] as const
  const product = tf.tidy(() => {
    const patches = unfold(inputs.x as tf.Tensor4D, { size, strides, padding: pad })
    const rows = (x: tf.Tensor) => tf.reshape(x, [-1, x.shape.at(-1)!])
    return tf.reshape(tf.matMul(rows(patches), rows(inputs.dy as tf.Tensor), true), filterShape)
  })
  // The engine makes a tensor of its own of it, beside this one.
  backend.incRef(product.dataId)
  return product
}
