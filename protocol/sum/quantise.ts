/**
 * Real numbers to residues and back. Stochastic rounding: a value between two steps goes up with a probability equal to
 * its distance from the lower one, so that the error of a sum over hospitals and rounds has mean zero instead of adding up.
 * Clamping to the section's bound is what keeps the cohort's sum from wrapping around p, and its lanes from running over.
 */
import { LANE_MAX, type Lanes } from '../../config/lanes.ts'
import { CHUNK_WORDS, type KeyStream, release } from '../crypto/keystream.ts'
import type { Section } from '../ports.ts'
import { assert } from '../result.ts'
import { HALF, P } from './field.ts'
import { piecesOf } from './pieces.ts'
import { centreElements, doubles, elements, integers, roundDoubles, words } from './simd.ts'

/** What quantising needs to know of a section. */
export type Steps = Pick<Section, 'scale' | 'bound' | 'lanes'>

/** Largest absolute quantised value. A cohort of n may sum such values exactly if n * quantisedMax <= LANE_MAX. */
export function quantisedMax({ scale, bound }: Pick<Steps, 'scale' | 'bound'>): number {
  return Math.ceil(bound * scale)
}

/**
 * Residues of round(value * factor * scale) into `out`, as many of them in each as there are lanes, with value * factor
 * clamped to [-bound, bound] first and rounded stochastically, by one word of `stream` (private, used for this vector
 * alone) for each value. An integer value * factor * scale is kept exactly. Throws on NaN and infinity, since a clamp would
 * pass infinity and NaN would become a plausible number; what is in `out` then is nothing.
 */
export function quantiseInto(
  out: Uint32Array,
  values: Float64Array | Float32Array,
  factor: number,
  steps: Steps,
  stream: KeyStream,
): void {
  const { scale, bound, lanes } = steps
  assert(scale > 0 && bound >= 0 && quantisedMax(steps) <= LANE_MAX[lanes], 'a section fits in its lanes')
  assert(out.length === Math.ceil(values.length / lanes), 'a lane for each value')
  const size = CHUNK_WORDS - (CHUNK_WORDS % lanes)
  for (let from = 0; from < values.length; from += size) {
    const to = Math.min(values.length, from + size)
    const drawn = stream.take(to - from)
    words.set(drawn)
    release(drawn)
    doubles.set(values.subarray(from, to))
    const finite = roundDoubles(to - from, factor, steps, lanes === 1 ? P : 0)
    const rounded = words.subarray(0, to - from)
    if (lanes === 1) out.set(rounded, from)
    else packInto(out.subarray(from / lanes, Math.ceil(to / lanes)), rounded, lanes)
    assert(finite, 'all values are finite')
  }
  // What was learned is not left behind.
  doubles.fill(0, 0, Math.min(values.length, size))
}

/** Integers in two's complement as lanes, the first one the lowest; those that the last element lacks are 0. */
function packInto(out: Uint32Array, integers: Uint32Array, lanes: Lanes): void {
  const radix = radixOf(lanes)
  for (let e = 0; e < out.length; e++) {
    let x = 0
    for (let i = Math.min(integers.length, (e + 1) * lanes) - 1; i >= e * lanes; i--)
      x = (x * radix + (integers[i]! | 0)) | 0
    out[e] = x + (P & (x >> 31))
  }
}

/**
 * The integers in the lanes of a sum's elements, from the first on. Any residue has some: those of a sum whose hospitals kept to
 * their bounds are the sums of the hospitals' integers.
 */
export function unpackInto(out: Int32Array, vector: Uint32Array, lanes: Lanes): void {
  if (lanes === 1) {
    for (const [from, piece] of piecesOf(vector.subarray(0, out.length))) {
      elements.set(piece)
      centreElements(piece.length)
      out.set(integers.subarray(0, piece.length), from)
    }
    return
  }
  const radix = radixOf(lanes)
  const half = LANE_MAX[lanes]
  for (let e = 0; e * lanes < out.length; e++) {
    let x = centre(vector[e]!)
    const to = Math.min(out.length, (e + 1) * lanes)
    for (let i = e * lanes; i < to; i++) {
      const rest = i + 1 < (e + 1) * lanes ? Math.floor((x + half) / radix) : 0
      out[i] = x - rest * radix
      x = rest
    }
  }
}

function radixOf(lanes: Lanes): number {
  return 2 * LANE_MAX[lanes] + 1
}

/** The integer in [-HALF, HALF] that a residue stands for. */
export function centre(residue: number): number {
  return residue > HALF ? residue - P : residue
}

/** The real value of a residue of one lane: one division, so that all peers get the same bits. */
export function dequantise(residue: number, scale: number): number {
  return centre(residue) / scale
}
