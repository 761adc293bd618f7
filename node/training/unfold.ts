/**
 * A convolution's input as the rows of a matrix, so that the convolution becomes a product: what its gradient is in the
 * sizes that ghost clipping needs, and what tfjs has no operation for.
 */
import * as tf from '@tensorflow/tfjs-core'

/** How a 2d-convolution (channels last, not dilated) moves over its input. */
export interface Window {
  /** Height and width of the kernel. */
  readonly size: readonly [number, number]
  readonly strides: [number, number]
  readonly padding: 'valid' | 'same'
}

/** Patches of at most so many values are cut by one convolution with an identity, whose cost is their square. */
const IDENTITY_MAX = 64

/** Of a Conv2D layer's configuration; undefined where it does something that is not known here. */
export function windowOf(config: object): Window | undefined {
  const { kernelSize, strides, padding, dataFormat, dilationRate } = config as Record<string, unknown>
  const size = pair(kernelSize)
  const steps = pair(strides)
  const dilation = pair(dilationRate ?? 1)
  if (size === undefined || steps === undefined || dilation?.join() !== '1,1') return undefined
  if (padding !== 'valid' && padding !== 'same') return undefined
  if ((dataFormat ?? 'channelsLast') !== 'channelsLast') return undefined
  return { size, strides: steps, padding }
}

function pair(value: unknown): [number, number] | undefined {
  const [a, b, ...more] = Array.isArray(value) ? value : [value, value]
  return typeof a === 'number' && typeof b === 'number' && more.length === 0 ? [a, b] : undefined
}

/**
 * [batch, height, width, channels] -> [batch, positions, patch]: the values under the window at each of its positions,
 * in the order of a kernel's first three dimensions.
 */
export function unfold(x: tf.Tensor4D, window: Window): tf.Tensor3D {
  const [height, width] = window.size
  const [batch, , , channels] = x.shape
  const patch = height * width * channels
  const patches =
    height * width === 1 && window.strides.join() === '1,1'
      ? x
      : patch <= IDENTITY_MAX
        ? byIdentity(x, window, patch)
        : bySlices(x, window)
  const [, rows, columns] = patches.shape
  return tf.reshape(patches, [batch, rows * columns, patch])
}

/** The kernel that has for each value of the patch a channel of its own. */
function byIdentity(x: tf.Tensor4D, { size, strides, padding }: Window, patch: number): tf.Tensor4D {
  const kernel = tf.reshape(tf.eye(patch), [size[0], size[1], x.shape[3], patch]) as tf.Tensor4D
  return tf.conv2d(x, kernel, strides, padding)
}

/** For each place of the window one strided view of the padded input, side by side. */
function bySlices(x: tf.Tensor4D, { size, strides, padding }: Window): tf.Tensor4D {
  const [batch, , , channels] = x.shape
  const down = extent(x.shape[1], size[0], strides[0], padding)
  const right = extent(x.shape[2], size[1], strides[1], padding)
  const padded = tf.pad(x, [[0, 0], down.pad, right.pad, [0, 0]])
  const views: tf.Tensor4D[] = []
  for (let i = 0; i < size[0]; i++) {
    for (let j = 0; j < size[1]; j++) {
      const end = [
        batch,
        i + (down.count - 1) * strides[0] + 1,
        j + (right.count - 1) * strides[1] + 1,
        channels,
      ]
      views.push(tf.stridedSlice(padded, [0, i, j, 0], end, [1, ...strides, 1]) as tf.Tensor4D)
    }
  }
  return tf.concat(views, 3)
}

/** Positions of the window along one side, and the padding that TensorFlow's 'same' puts before and after it. */
function extent(
  length: number,
  size: number,
  stride: number,
  padding: Window['padding'],
): { count: number; pad: [number, number] } {
  if (padding === 'valid') return { count: Math.floor((length - size) / stride) + 1, pad: [0, 0] }
  const count = Math.ceil(length / stride)
  const more = Math.max(0, (count - 1) * stride + size - length)
  return { count, pad: [Math.floor(more / 2), more - Math.floor(more / 2)] }
}
