/**
 * A vector as it is kept in the ledger: short enough, and such that inner products stay. A long one becomes its count sketch (Charikar, Chen
 * and Farach-Colton 2002, section 3.1): each value is added to or taken from one of SKETCH places. That is linear, and keeps inner
 * products: theirs has a deviation of |a| |b| / sqrt(SKETCH), 6 % of the lengths.
 */
import { ascii } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { CHUNK_WORDS, keyStream, release } from '../crypto/keystream.ts'

/** Values that are kept; a shorter vector is kept as it is. A power of two, so that no place is favoured. */
export const SKETCH = 256

/** Public: an update that hides from it is no better hidden than one that is made up. */
const KEY = sha256(ascii('medmesh/1 contribution sketch'))

/** Of `values`, min(their number, SKETCH) of them; the same bits everywhere: sums of doubles in one order, rounded once. */
export function sketch(values: ArrayLike<number>): Float32Array {
  if (values.length <= SKETCH) return Float32Array.from(values)
  const kept = new Float64Array(SKETCH)
  const stream = keyStream(KEY)
  for (let from = 0; from < values.length; from += CHUNK_WORDS) {
    const words = stream.take(Math.min(CHUNK_WORDS, values.length - from))
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!
      // The lowest bit is the sign, those above it the place.
      kept[(word >>> 1) % SKETCH]! += word & 1 ? values[from + i]! : -values[from + i]!
    }
    release(words)
  }
  return Float32Array.from(kept)
}

/** Little-endian, as entries have it. */
export function sketchBytes(kept: Float32Array): Uint8Array {
  const out = new DataView(new ArrayBuffer(4 * kept.length))
  for (const [i, value] of kept.entries()) out.setFloat32(4 * i, value, true)
  return new Uint8Array(out.buffer)
}

/** Undefined where a number is not finite, or there are not `length` of them. */
export function sketchFrom(bytes: Uint8Array, length: number): Float32Array | undefined {
  if (bytes.length !== 4 * length) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const kept = Float32Array.from({ length }, (_, i) => view.getFloat32(4 * i, true))
  return kept.every(Number.isFinite) ? kept : undefined
}
