/**
 * Linear tags: a few numbers of a vector such that the tag of a sum is the sum of the tags, and a vector that differs from
 * the claimed one has the same tag with probability below 2^-120 only. With them everybody checks a shard owner's sum
 * without seeing the shards that went into it (SPEC S13). Sound only if the coefficients follow from a coin that
 * nobody knows before all commitments and all claimed sums: that is the hash of these.
 *
 * The coefficients live in F_{p^2} = F_p[i] with i^2 = -1 (irreducible, as p = 3 mod 4), since F_p itself would leave an
 * error of 2^-31. The coefficient of element 2,048 k + j is a_j * b_k with random a and b, so that a vector of ten million
 * needs 7,000 of them instead of ten million: a difference survives if it cancels within every block (for one
 * block 1 / p^2) or between blocks (another 1 / p^2), together 2^-61. Two independent repetitions square that.
 */

import { ascii } from '../bytes.ts'
import { hkdf } from '../crypto/kdf.ts'
import { type KeyStream, keyStream } from '../crypto/keystream.ts'
import { assert } from '../result.ts'
import { add, mul, P, reduce, sub } from './field.ts'
import { type Pieces, piecesOf } from './pieces.ts'
import { BLOCK, COLUMNS, coefficients, elements, elementsAreResidues, multiply, products } from './simd.ts'

/** A tag: real and imaginary part of the first repetition, then of the second. */
export const TAG_WORDS = COLUMNS
const LABEL = ascii('medmesh tag coefficients v2')
/** Words drawn at a time: most vectors of a small model need no more. */
const DRAWN_WORDS = 512

/**
 * The tag function under `coin` (32 bytes): vector of residues -> TAG_WORDS residues. Coefficients do not depend on the vector's
 * length, which all vectors of a shard must have in common; each shard's tags are held against each other alone, so all have the
 * same. Reusable for many vectors. Throws when an element is no residue.
 */
export function tagger(coin: Uint8Array): (vector: Pieces) => Uint32Array {
  assert(coin.length === 32, 'a coin of 32 bytes')
  const keys = hkdf(coin, LABEL, 64)
  const drawWithin = residues(keyStream(keys.subarray(0, 32)))
  const drawBetween = residues(keyStream(keys.subarray(32)))
  /** a_j, of TAG_WORDS each. As many as were needed so far. */
  const within = new Uint32Array(TAG_WORDS * BLOCK)
  let drawn = 0
  const between: number[] = []
  return vector => {
    const blocks = Math.ceil(vector.length / BLOCK)
    const needed = TAG_WORDS * Math.min(vector.length, BLOCK)
    while (drawn < needed) within[drawn++] = drawWithin()
    while (between.length < TAG_WORDS * blocks) between.push(drawBetween())
    const tag = new Uint32Array(TAG_WORDS)
    coefficients.set(within.subarray(0, needed))
    for (const [start, piece] of piecesOf(vector)) {
      elements.set(piece)
      assert(elementsAreResidues(piece.length), 'a tagged vector holds residues')
      for (let from = 0; from < piece.length; from += BLOCK) {
        const k = (start + from) / BLOCK
        multiply(from, Math.min(piece.length, from + BLOCK))
        const block = products.map(reduce)
        addProduct(tag, 0, block, between, TAG_WORDS * k)
        addProduct(tag, 2, block, between, TAG_WORDS * k)
      }
    }
    return tag
  }
}

/** Tag of one vector; for several use `tagger`. */
export function tagOf(coin: Uint8Array, vector: Uint32Array): Uint32Array {
  return tagger(coin)(vector)
}

/** tag[t, t + 1] += block[t, t + 1] * between[b + t, b + t + 1] in F_{p^2}. */
function addProduct(
  tag: Uint32Array,
  t: number,
  block: Float64Array,
  between: readonly number[],
  b: number,
): void {
  const re = block[t]!
  const im = block[t + 1]!
  const bRe = between[b + t]!
  const bIm = between[b + t + 1]!
  tag[t] = add(tag[t]!, sub(mul(re, bRe), mul(im, bIm)))
  tag[t + 1] = add(tag[t + 1]!, add(mul(re, bIm), mul(im, bRe)))
}

/** Uniform residues from a stream, in order; words whose upper 31 bits are p are passed over. Exported for the tests. */
export function residues(stream: KeyStream): () => number {
  let words = new Uint32Array(0)
  let used = 0
  return () => {
    for (;;) {
      if (used === words.length) {
        words = new Uint32Array(stream.take(DRAWN_WORDS))
        used = 0
      }
      const residue = words[used++]! >>> 1
      if (residue !== P) return residue
    }
  }
}
