/** Noise in the residues of a vector: what a hospital adds to its own, and what comes off again where more survive than it was sized for (SPEC P3). */
import type { KeyedNoise, Noise, NoiseKey, Section } from '../ports.ts'
import { discreteGaussianNoise } from '../privacy/discrete-gaussian.ts'
import { rational } from '../privacy/rational.ts'
import { skellamNoise } from '../privacy/skellam.ts'
import { assert } from '../result.ts'
import { P, reduce } from './field.ts'
import { elementsOf } from './layout.ts'
import { PIECE } from './pieces.ts'

type Draw = (piece: Int32Array) => void

/** A section with noise, and where in the vector it is. */
interface Stretch {
  readonly noise: Noise
  readonly from: number
  readonly to: number
  /** From the first element on that came of it. */
  draws: readonly Draw[] | undefined
}

/**
 * Adds the noise of all these keys to one piece after the other of a vector, from its element `position` on, or takes it off. The noise
 * of an element depends on key, level and position in the vector alone, so that what one has added to a whole another takes off any stretch.
 */
export function noiser(
  { sections, keys }: KeyedNoise,
  sign: 1 | -1,
  position = 0,
): (piece: Uint32Array) => void {
  const stretches = stretchesOf(sections)
  const drawn = new Int32Array(keys.length === 0 ? 0 : PIECE)
  let at = position
  return piece => {
    for (const stretch of stretches) {
      const from = Math.max(at, stretch.from)
      const to = Math.min(at + piece.length, stretch.to)
      if (from >= to) continue
      stretch.draws ??= drawsOf(stretch.noise, keys, from)
      for (const draw of stretch.draws) addDrawn(piece.subarray(from - at, to - at), draw, sign, drawn)
      if (to === stretch.to) stretch.draws = undefined
    }
    at += piece.length
  }
}

function stretchesOf(sections: readonly Section[]): Stretch[] {
  const stretches: Stretch[] = []
  let from = 0
  for (const section of sections) {
    const to = from + elementsOf(section)
    const { noise, lanes } = section
    assert(noise === undefined || lanes === 1, 'noise has an element for each value')
    if (noise) stretches.push({ noise, from, to, draws: undefined })
    from = to
  }
  return stretches
}

function drawsOf({ law, levels }: Noise, keys: readonly NoiseKey[], from: number): Draw[] {
  const sampler = law === 'skellam' ? skellamNoise : discreteGaussianNoise
  return keys.flatMap(({ level, key }) => {
    const variance = levels[level]
    return variance ? [sampler(rational(variance)).drawer(key, from)] : []
  })
}

function addDrawn(part: Uint32Array, draw: Draw, sign: 1 | -1, drawn: Int32Array): void {
  for (let from = 0; from < part.length; from += PIECE) {
    const piece = part.subarray(from, from + PIECE)
    const some = drawn.subarray(0, piece.length)
    draw(some)
    for (let i = 0; i < piece.length; i++) piece[i] = reduce(piece[i]! + sign * some[i]! + 2 * P)
    some.fill(0)
  }
}
