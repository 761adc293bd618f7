/**
 * Arithmetic modulo p = 2^31 - 1, in which all sums are computed (SPEC S7, S13). A prime, so that a random linear
 * check is sound, which in the ring of 32-bit words it is not; and a Mersenne prime of 31 bits, so that residues fit in
 * 32-bit integers and products reduce by shifting.
 *
 * A vector of residues is a Uint32Array with all elements in [0, p): the canonical form that functions here expect and
 * give. What comes from a peer is brought in by `residuesFromBytes`, which checks it.
 */
import { piecesOf } from './pieces.ts'
import { elements, elementsAreResidues } from './simd.ts'

export const P = 0x7fff_ffff
/** Largest integer whose sign survives: centred residues lie in [-HALF, HALF]. */
export const HALF = (P - 1) / 2

export function add(a: number, b: number): number {
  const s = (a - P + b) | 0
  return s + (P & (s >> 31))
}

export function sub(a: number, b: number): number {
  const s = (a - b) | 0
  return s + (P & (s >> 31))
}

/**
 * Exact product. A double is exact to 2^53 while a product has 62 bits, so `b` is cut in 15 upper and 16 lower bits; each
 * partial product has at most 48, and 2^31 = 1 lets the upper bits be added to the lower ones.
 */
export function mul(a: number, b: number): number {
  const upper = fold(a * (b >>> 16))
  return reduce(upper * 0x1_0000 + a * (b & 0xffff))
}

/** Residue of an integer 0 <= x < 2^53. */
export function reduce(x: number): number {
  const once = fold(x)
  return once >= P ? once - P : once
}

/** Congruent to x and below 2^31 + x / 2^31; for 0 <= x < 2^53. */
function fold(x: number): number {
  return Math.floor(x / 0x8000_0000) + (x & P)
}

/** acc += vector, element by element. Throws RangeError when lengths differ. */
export function addInto(acc: Uint32Array, vector: Uint32Array): void {
  if (acc.length !== vector.length)
    throw new RangeError(`vectors of ${acc.length} and ${vector.length} elements`)
  for (let i = 0; i < acc.length; i++) {
    const s = (acc[i]! - P + vector[i]!) | 0
    acc[i] = s + (P & (s >> 31))
  }
}

/** Whether every element is in [0, p). */
export function areResidues(vector: Uint32Array): boolean {
  for (const [, piece] of piecesOf(vector)) {
    elements.set(piece)
    if (!elementsAreResidues(piece.length)) return false
  }
  return true
}

/** Little-endian bytes, four for each element: what is sent and what is hashed. Shares the vector's memory. */
export function residueBytes(vector: Uint32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
}

/** A peer's bytes as residues, copied; undefined when they are not whole words or one is not in [0, p). */
export function residuesFromBytes(bytes: Uint8Array): Uint32Array | undefined {
  if (bytes.length % 4 !== 0) return undefined
  const vector = new Uint32Array(bytes.length / 4)
  residueBytes(vector).set(bytes)
  return areResidues(vector) ? vector : undefined
}

/** Elements `from` up to `to` of a record's bytes, in its memory where that can be. Throws when it has not so many. */
export function residuesIn(record: Uint8Array, from: number, to: number): Uint32Array {
  if (4 * to > record.length)
    throw new RangeError(`a record of ${record.length} bytes, not of ${to} elements`)
  const at = record.byteOffset + 4 * from
  if (at % 4 === 0) return new Uint32Array(record.buffer, at, to - from)
  return new Uint32Array(record.slice(4 * from, 4 * to).buffer)
}
