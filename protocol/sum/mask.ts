/**
 * Masks: key streams expanded to uniform residues and added to a vector or subtracted from it. Only a mask that is
 * exactly uniform makes a masked input independent of the update, so the 31-bit word that is not a residue is drawn
 * again rather than reduced.
 */
import { CHUNK_WORDS, keyStream, release, sideStream } from '../crypto/keystream.ts'
import { assert } from '../result.ts'
import { add, P, sub } from './field.ts'

export interface Mask {
  /** AES-256 key, 32 bytes; for one vector of one attempt. */
  readonly key: Uint8Array
  /** +1 adds the mask, -1 subtracts it. */
  readonly sign: 1 | -1
}

/**
 * Adds one mask to `acc` (residues) or subtracts it, in place. `offset`: position of acc[0] in the masked vector, so that
 * a slice gets the stretch of the mask that the whole would.
 */
export function maskInto(acc: Uint32Array, key: Uint8Array, sign: 1 | -1, offset = 0): void {
  masksInto(acc, [{ key, sign }], offset)
}

/**
 * All masks at once, chunk by chunk, so that a stretch of `acc` stays in the cache while all masks pass over it.
 * `open` is there for the tests, which put rare words into the stream.
 */
export function masksInto(
  acc: Uint32Array,
  masks: readonly Mask[],
  offset = 0,
  open: typeof keyStream = keyStream,
): void {
  const streams = masks.map(mask => open(mask.key, offset))
  for (let from = 0; from < acc.length; from += CHUNK_WORDS) {
    const part = acc.subarray(from, Math.min(acc.length, from + CHUNK_WORDS))
    masks.forEach((mask, k) => {
      const words = streams[k]!.take(part.length)
      blend(part, words, mask.sign, i => redraw(mask.key, offset + from + i))
      release(words)
    })
  }
}

/**
 * One chunk: the upper 31 bits of each word are a residue, except that they equal p once in 2^31 words; then `again(i)`
 * gives the residue of element i. Exported for the tests, which cannot wait for that word.
 */
export function blend(
  acc: Uint32Array,
  words: Uint32Array,
  sign: 1 | -1,
  again: (index: number) => number,
): void {
  assert(words.length === acc.length, 'a mask word for each element')
  // p has 31 ones, so that m xor p = p - m, which is -m.
  const flip = sign === 1 ? 0 : P
  const sums = new Int32Array(acc.buffer, acc.byteOffset, acc.length)
  let hit = 0
  for (let i = 0; i < sums.length; i++) {
    const m = words[i]! >>> 1
    // Gathering the sign bit of m + 1, which only m = p sets, costs half of what a comparison in this loop would.
    hit |= m + 1
    const s = (sums[i]! - P + (m ^ flip)) | 0
    sums[i] = s + (P & (s >> 31))
  }
  if (hit < 0) repair(acc, words, sign, again)
}

/** So far the words that are p have added 0: their elements get the mask that they lack. */
function repair(acc: Uint32Array, words: Uint32Array, sign: 1 | -1, again: (index: number) => number): void {
  for (let i = 0; i < acc.length; i++) {
    if (words[i]! >>> 1 === P) acc[i] = sign === 1 ? add(acc[i]!, again(i)) : sub(acc[i]!, again(i))
  }
}

/**
 * Residue of the element at `position` of the mask whose regular word was p: the first good word of a stream that belongs
 * to that key and position alone. Both members of a pair, and later whoever takes the mask off, find the same one
 * without having seen the words before it.
 */
export function redraw(key: Uint8Array, position: number, open: typeof sideStream = sideStream): number {
  const stream = open(key, position)
  for (;;) {
    const m = stream.take(1)[0]! >>> 1
    if (m !== P) return m
  }
}
