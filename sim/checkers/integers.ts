/**
 * The integers in a vector's elements. Modulus, centring and lanes are written here once more, in plain numbers: what is checked
 * by them may have them wrong.
 */
import type { Section } from '../../protocol/ports.ts'

export const P = 2_147_483_647

/** Largest absolute value in each of so many lanes of an element. */
const LANE_MAX = [0, (P - 1) / 2, 23_169, 644, 107]

/** Value after value, section after section. */
export function integersOf(residues: Uint32Array, sections: readonly Section[]): number[] {
  const out: number[] = []
  let at = 0
  for (const { length, lanes } of sections) {
    const end = out.length + length
    for (; out.length < end; at++) {
      const residue = residues[at]!
      let rest = residue > (P - 1) / 2 ? residue - P : residue
      for (let lane = 1; lane <= lanes && out.length < end; lane++) {
        const unit = 2 * LANE_MAX[lanes]! + 1
        const integer = lane === lanes ? rest : rest - unit * Math.round(rest / unit)
        out.push(integer)
        rest = (rest - integer) / unit
      }
    }
  }
  return out
}

/** The sum is written here once more, in plain numbers: what it checks may have it wrong. */
export function residueSum(vectors: readonly Uint32Array[]): Uint32Array {
  return vectors[0]!.map((_, i) => vectors.reduce((sum, v) => sum + v[i]!, 0) % P)
}
