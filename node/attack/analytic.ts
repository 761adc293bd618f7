/**
 * Inputs straight from the first dense layer's gradient. With one row, a unit's weight gradient is its bias gradient times
 * the input (Phong et al. 2018, section 3; Geiping et al. 2020, proposition 3.1). With more rows the quotient is their
 * mean, weighted by what each adds to the bias gradient: a row that is alone on a unit comes out whole.
 */
import type { Charter } from '../../config/charter.ts'
import { placesOf } from './network.ts'

/**
 * Candidates of d normalised inputs each: of one row one, from the unit with the largest bias gradient; of more rows one from each
 * unit that has any. `gradient`: P numbers.
 */
export function invertFirstLayer(charter: Charter, gradient: Float32Array, rows: number): Float32Array[] {
  const { inputs, units, kernel, bias } = placesOf(charter)[0]!
  const weight = (u: number) => Math.abs(gradient[bias + u]!)
  const strongest = Array.from({ length: units }, (_, u) => u)
    .filter(u => weight(u) > 0)
    .sort((u, v) => weight(v) - weight(u))
  return strongest
    .slice(0, rows === 1 ? 1 : units)
    .map(u =>
      Float32Array.from(
        { length: inputs },
        (_, j) => gradient[kernel + j * units + u]! / gradient[bias + u]!,
      ),
    )
}

/**
 * How many of `rows` rows have label 1, from the sign of the last layer's bias gradient, which is the mean of p - y (Zhao, Mopuri
 * and Bilen 2020, section 3, for one row; for more their sum tells how many, as p is about what the model says of the expected person).
 * `chance`: that p.
 */
export function positivesOf(charter: Charter, gradient: Float32Array, rows: number, chance: number): number {
  const g = gradient[placesOf(charter).at(-1)!.bias]!
  if (rows === 1) return g < 0 ? 1 : 0
  return Math.min(rows, Math.max(0, Math.round(rows * (chance - g))))
}
