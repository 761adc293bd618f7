/**
 * Masks: key streams expanded to uniform residues and added to a vector or subtracted from it. Only a mask that is
 * exactly uniform makes a masked input independent of the update, so the 31-bit word that is not a residue is drawn
 * again rather than reduced.
 */
import { CHUNK_WORDS, type KeyStream, keyStream, release, sideStream } from '../crypto/keystream.ts'
import type { Mask } from '../ports.ts'
import { add, P, sub } from './field.ts'
import { blend, elements, words } from './simd.ts'

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
  masker(masks, offset, open)(acc)
}

/** The same for one piece after the other of a vector, from its position `offset` on. */
export function masker(
  masks: readonly Mask[],
  offset = 0,
  open: typeof keyStream = keyStream,
): (piece: Uint32Array) => void {
  const streams = masks.map((mask): MaskStream => ({ ...mask, stream: open(mask.key, offset) }))
  let at = offset
  return piece => {
    maskPiece(piece, streams, at)
    at += piece.length
  }
}

type MaskStream = Mask & { readonly stream: KeyStream }

function maskPiece(acc: Uint32Array, masks: readonly MaskStream[], offset: number): void {
  for (let from = 0; from < acc.length; from += CHUNK_WORDS) {
    const part = acc.subarray(from, Math.min(acc.length, from + CHUNK_WORDS))
    elements.set(part)
    for (const { key, sign, stream } of masks) {
      const drawn = stream.take(part.length)
      words.set(drawn)
      release(drawn)
      if (blend(part.length, sign)) repair(part.length, sign, i => redraw(key, offset + from + i))
    }
    part.set(elements.subarray(0, part.length))
  }
  // What a mask was is not left behind.
  words.fill(0, 0, Math.min(acc.length, CHUNK_WORDS))
}

/** Once in 2^31 words one is p: it has added 0 so far, and its element gets the mask that it lacks. */
function repair(count: number, sign: 1 | -1, again: (index: number) => number): void {
  for (let i = 0; i < count; i++) {
    if (words[i]! >>> 1 === P)
      elements[i] = sign === 1 ? add(elements[i]!, again(i)) : sub(elements[i]!, again(i))
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
