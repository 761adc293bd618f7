/**
 * Long vectors a piece at a time: what lies in the store is never in memory whole, and a piece is still in the cache when the
 * next step wants it.
 */

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
