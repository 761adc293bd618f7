/**
 * Long vectors a piece at a time: what lies in the store is never in memory whole, and a piece is still in the cache when the
 * next step wants it.
 */

import type { Stored } from '../ports.ts'
import type { ReadStored } from '../stored.ts'

/** Elements of a piece. A multiple of the tags' blocks. */
export const PIECE = 2 ** 16

/** A Uint32Array is one. */
export interface Pieces {
  readonly length: number
  /** Elements `from` up to `to`; they are good until others are asked for. */
  subarray(from: number, to: number): Uint32Array
}

/** The pieces of `vector` in their order, and where each begins. */
export function* piecesOf(vector: Pieces): Generator<[from: number, piece: Uint32Array]> {
  for (let from = 0; from < vector.length; from += PIECE) {
    yield [from, vector.subarray(from, Math.min(vector.length, from + PIECE))]
  }
}

/** A vector in the store. */
export function storedPieces({ record, from: start, to: end }: Stored, read: ReadStored): Pieces {
  return {
    length: end - start,
    subarray: (from, to) => read({ record, from: start + from, to: start + to }),
  }
}

/** Elements `from` up to `to` of a longer one. */
export function stretch(vector: Pieces, from: number, to: number): Pieces {
  return { length: to - from, subarray: (a, b) => vector.subarray(from + a, from + b) }
}

/** These one after the other. */
export function joined(vectors: readonly Pieces[]): Pieces {
  const [first] = vectors
  if (first && vectors.length === 1) return first
  const starts: number[] = []
  let length = 0
  for (const v of vectors) {
    starts.push(length)
    length += v.length
  }
  return { length, subarray: (from, to) => gathered(vectors, starts, from, to) }
}

function gathered(
  vectors: readonly Pieces[],
  starts: readonly number[],
  from: number,
  to: number,
): Uint32Array {
  let k = starts.findLastIndex(start => start <= from)
  const [start, vector] = [starts[k]!, vectors[k]!]
  if (to <= start + vector.length) return vector.subarray(from - start, to - start)
  const out = new Uint32Array(to - from)
  for (let at = from; at < to; k++) {
    const end = Math.min(to, starts[k]! + vectors[k]!.length)
    if (end > at) out.set(vectors[k]!.subarray(at - starts[k]!, end - starts[k]!), at - from)
    at = Math.max(at, end)
  }
  return out
}

/** All of it, in `out`. */
export function whole(vector: Pieces, out: Uint32Array): Uint32Array {
  for (const [from, piece] of piecesOf(vector)) out.set(piece, from)
  return out
}

/** Numbers as a learner gives them; those in the store a piece at a time. */
export interface Numbers {
  readonly length: number
  /** From `from` up to `to`, a piece of them at most; they are good until others are asked for. */
  subarray(from: number, to: number): Float32Array | Float64Array
}

export function* numbersOf(values: Numbers): Generator<[from: number, some: Float32Array | Float64Array]> {
  for (let from = 0; from < values.length; from += PIECE) {
    yield [from, values.subarray(from, Math.min(values.length, from + PIECE))]
  }
}
