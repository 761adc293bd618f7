/**
 * One of each so many neighbouring values, drawn by the round's public seed: the same ones for all hospitals, so that what is
 * summed is a part of the whole update's sum (random-k of Stich, Cordonnier and Jaggi, NeurIPS 2018, definition 2.1; in strata, so
 * that nothing is sorted and no stretch of a layer waits long). Each value's chance is at least one in so many, which is all
 * that error feedback asks of a compressor.
 */
import { ascii } from '../bytes.ts'
import { hkdf } from '../crypto/kdf.ts'
import { keyStream, release } from '../crypto/keystream.ts'

const UNIT = 1 / 0x1_0000_0000
/** Words that are drawn at a time. */
const WORDS = 4096

/** How many of `length` values are drawn: one of each `oneIn`, and one of those that are left over. */
export function drawnLength(length: number, oneIn: number): number {
  return Math.ceil(length / oneIn)
}

/**
 * Places of the values that are drawn, ascending, in [0, length). `oneIn`: at least 1, at most 2^20; with 1 it is all places.
 * `seed`: 32 bytes, the round's, from which the rotation follows too: this has a stream of its own.
 */
export function drawn(length: number, oneIn: number, seed: Uint8Array): Uint32Array {
  const places = new Uint32Array(drawnLength(length, oneIn))
  const stream = keyStream(hkdf(seed, ascii('medmesh/1 values that are summed'), 32))
  for (let from = 0; from < places.length; from += WORDS) {
    const words = stream.take(Math.min(WORDS, places.length - from))
    for (let i = 0; i < words.length; i++) {
      const at = (from + i) * oneIn
      // Exact: a product of less than 2^53, and a division by a power of two.
      places[from + i] = at + Math.floor(words[i]! * Math.min(oneIn, length - at) * UNIT)
    }
    release(words)
  }
  return places
}
