/**
 * A rotation that all hospitals share: an update's energy, which may lie in a few parameters, is spread evenly over all, so that
 * coarse steps of one size fit each of them (Suresh et al., ICML 2017, section 3). Random signs, then Walsh-Hadamard transforms
 * of blocks; linear, so that the sum is rotated back as a whole.
 *
 * Only + - and * of numbers that are rounded to float32, in one fixed order: the same bits on all machines.
 */
import { keyStream, release } from '../crypto/keystream.ts'

/** Largest block, 2^12: twelve butterflies a value, and spread enough. */
const EXPONENT_MAX = 12
/** Zeros that may be added to fill the last rows: a sixteenth, or so many, which no small vector's bytes are about. */
const PADDING_MAX = 16
/** Columns that are transformed together: a strip of the longest block stays in the processor's cache. */
const STRIP = 64
/** Signs that are drawn at a time: as many words have 32 times as many bits. */
const WORDS = 4096

interface Blocks {
  /** Values of a block, a power of two. */
  readonly size: number
  readonly count: number
}

/** From the number of values alone: the largest blocks that need little padding. */
function blocksOf(length: number): Blocks {
  const most = Math.max(PADDING_MAX, length / 16)
  for (let k = EXPONENT_MAX; ; k--) {
    const size = 2 ** k
    // Odd, or the columns of a layer whose width is even would gather in a part of the blocks.
    const count = Math.ceil(length / size) | 1
    if (k === 0 || size * count - length <= most) return { size, count }
  }
}

/** Values of a rotated vector of `length` values. */
export function rotatedLength(length: number): number {
  const { size, count } = blocksOf(length)
  return size * count
}

/** What a rotated vector must be multiplied by to have the norm that it had, as the transforms leave it out. */
export function rotationFactor(length: number): number {
  return 1 / Math.sqrt(blocksOf(length).size)
}

/** `values` times `factor`, rotated: rotatedLength of them, without rotationFactor. `seed`: 32 bytes. */
export function rotated(values: Float32Array | Float64Array, factor: number, seed: Uint8Array): Float32Array {
  const out = new Float32Array(rotatedLength(values.length))
  for (let i = 0; i < values.length; i++) out[i] = values[i]! * factor
  flip(out, seed)
  transform(out, blocksOf(values.length))
  return out
}

/** Turns a rotated vector back where it is: the first `length` values are those that it had, without rotationFactor twice. */
export function rotateBack(vector: Float32Array, length: number, seed: Uint8Array): void {
  transform(vector, blocksOf(length))
  flip(vector, seed)
}

/** Changes the sign of each value for which the seed's stream has a bit 1. */
function flip(vector: Float32Array, seed: Uint8Array): void {
  const stream = keyStream(seed)
  for (let from = 0; from < vector.length; from += 32 * WORDS) {
    const to = Math.min(vector.length, from + 32 * WORDS)
    const words = stream.take(Math.ceil((to - from) / 32))
    for (let i = from; i < to; i++) {
      const bit = (words[(i - from) >>> 5]! >>> (i & 31)) & 1
      vector[i] = vector[i]! * (1 - 2 * bit)
    }
    release(words)
  }
}

/**
 * Value i belongs to block i mod count, so that each block has some of every layer: rows of `count` values are the blocks'
 * values of one place. A strip of columns at a time is transformed in memory of its own, where its rows lie close together.
 */
function transform(vector: Float32Array, { size, count }: Blocks): void {
  const strip = new Float32Array(size * Math.min(count, STRIP))
  for (let from = 0; from < count; from += STRIP) {
    const width = Math.min(STRIP, count - from)
    copyRows(strip, 0, width, vector, from, count, width, size)
    transformRows(strip, size, width)
    copyRows(vector, from, count, strip, 0, width, width, size)
  }
}

/** So many rows of `width` values each, which are a stride apart in either vector; faster than by `set`, which short rows keep busy. */
function copyRows(
  to: Float32Array,
  toAt: number,
  toStride: number,
  from: Float32Array,
  fromAt: number,
  fromStride: number,
  width: number,
  rows: number,
): void {
  for (let row = 0; row < rows; row++) {
    const t = toAt + row * toStride
    const f = fromAt + row * fromStride
    for (let i = 0; i < width; i++) to[t + i] = from[f + i]!
  }
}

/** Each column's transform: sums and differences of rows that are 1, 2, 4 and so on apart. */
function transformRows(rows: Float32Array, size: number, width: number): void {
  for (let distance = width; distance < size * width; distance *= 2) {
    for (let from = 0; from < size * width; from += 2 * distance) {
      for (let i = from; i < from + distance; i++) {
        const a = rows[i]!
        const b = rows[i + distance]!
        rows[i] = a + b
        rows[i + distance] = a - b
      }
    }
  }
}
