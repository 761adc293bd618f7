/**
 * Real numbers to residues and back. Stochastic rounding: a value between two steps goes up with a probability equal to
 * its distance from the lower one, so that the error of a sum over hospitals and rounds has mean zero instead of adding up.
 * Clamping to the section's bound is what keeps the cohort's sum from wrapping around p.
 */
import { CHUNK_WORDS, type KeyStream, release } from '../crypto/keystream.ts'
import { assert } from '../result.ts'
import { HALF, P } from './field.ts'

const UNIT = 1 / 0x1_0000_0000

/**
 * Largest absolute quantised value under `scale` and `bound`. A cohort of n may sum such values exactly
 * if n * quantisedMax <= HALF.
 */
export function quantisedMax(scale: number, bound: number): number {
  return Math.ceil(bound * scale)
}

/**
 * Residues of round(value * factor * scale) into `out` (same length), with value * factor clamped to [-bound, bound] first and
 * rounded stochastically, by one word of `stream` (private, used for this vector alone) for each element. An integer
 * value * factor * scale is kept exactly. Throws on NaN and infinity, since a clamp would pass infinity and NaN would become a
 * plausible number; what is in `out` then is nothing.
 */
export function quantiseInto(
  out: Uint32Array,
  values: Float64Array | Float32Array,
  factor: number,
  scale: number,
  bound: number,
  stream: KeyStream,
): void {
  assert(scale > 0 && bound >= 0 && quantisedMax(scale, bound) <= HALF, 'a section fits in the field')
  assert(out.length === values.length, 'a residue for each value')
  for (let from = 0; from < values.length; from += CHUNK_WORDS) {
    const to = Math.min(values.length, from + CHUNK_WORDS)
    const words = stream.take(to - from)
    const finite = quantiseChunk(
      out.subarray(from, to),
      values.subarray(from, to),
      factor,
      scale,
      bound,
      words,
    )
    release(words)
    assert(finite, 'all values are finite')
  }
}

/** Whether all values were finite. */
function quantiseChunk(
  out: Uint32Array,
  values: Float64Array | Float32Array,
  factor: number,
  scale: number,
  bound: number,
  words: Uint32Array,
): boolean {
  let check = 0
  for (let i = 0; i < values.length; i++) {
    const value = values[i]! * factor
    // 0 for what is finite, else NaN, which no further addition mends.
    check += value - value
    const scaled = Math.min(bound, Math.max(-bound, value)) * scale
    const lower = Math.floor(scaled)
    // Up if u = word / 2^32 is below the fraction: floor(u - fraction) is then -1, else 0, exactly, and without a
    // branch that no processor could predict.
    const q = (lower - Math.floor(words[i]! * UNIT - (scaled - lower))) | 0
    out[i] = q + (P & (q >> 31))
  }
  return check === 0
}

/** The integer in [-HALF, HALF] that a residue stands for. */
export function centre(residue: number): number {
  return residue > HALF ? residue - P : residue
}

/** The real value of a residue: one division, so that all peers get the same bits. */
export function dequantise(residue: number, scale: number): number {
  return centre(residue) / scale
}
