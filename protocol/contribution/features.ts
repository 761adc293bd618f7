/**
 * What of a group's sum tells whether its members pull (DESIGN 7): along with the others, in directions of their own, or back where
 * the model went before. For each unit of weight, and relative to what the other groups give. Only + - * / and Math.sqrt, in one
 * fixed order: every peer gets the same bits.
 */

/** Of one group: the sum of its weighted updates, P values, and of the weights. */
export interface GroupUpdate {
  readonly update: Float64Array
  readonly weight: number
}

export const FEATURES = ['along', 'own', 'back'] as const

/** For each group the three features; 0 where there is nothing to compare it with. `moves`: the last ones, the latest first. */
export function featuresOf(
  groups: readonly GroupUpdate[],
  moves: readonly Float32Array[],
): readonly (readonly number[])[] {
  const p = groups[0]!.update.length
  const total = new Float64Array(p)
  for (const { update } of groups) for (let i = 0; i < p; i++) total[i]! += update[i]!
  const weight = groups.reduce((sum, g) => sum + g.weight, 0)
  const axes = orthonormal(moves)
  const [last] = moves
  return groups.map(({ update, weight: own }) => {
    const mean = update.map(x => ratio(x, own))
    const rest = total.map((x, i) => ratio(x - update[i]!, weight - own))
    const along = ratio(dot(mean, rest), dot(rest, rest))
    const ownEnergy = ratio(Math.sqrt(off(mean, axes)), Math.sqrt(off(rest, axes)))
    const back = last ? ratio(dot(mean, last), dot(last, last)) : 0
    return [along, ownEnergy, back]
  })
}

type Values = Float64Array | Float32Array

function dot(a: Values, b: Values): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

function ratio(a: number, b: number): number {
  const quotient = a / b
  return b > 0 && Number.isFinite(quotient) ? quotient : 0
}

/** Energy of a vector off these axes. */
function off(vector: Float64Array, axes: readonly Float64Array[]): number {
  return Math.max(
    0,
    axes.reduce((left, axis) => left - dot(vector, axis) ** 2, dot(vector, vector)),
  )
}

/** By Gram and Schmidt; what is in the span of those before it is left out. */
function orthonormal(vectors: readonly Float32Array[]): Float64Array[] {
  const axes: Float64Array[] = []
  for (const vector of vectors) {
    const left = Float64Array.from(vector)
    const before = dot(left, left)
    for (const axis of axes) {
      const along = dot(left, axis)
      for (let i = 0; i < left.length; i++) left[i]! -= along * axis[i]!
    }
    const energy = dot(left, left)
    if (energy > 1e-12 * before) axes.push(left.map(x => x / Math.sqrt(energy)))
  }
  return axes
}
