/** How the model moved in the last rounds: what a group's sum is compared with, to see who gives back what it was given. */
import { type Charter, parameterCount } from '../../config/charter.ts'

/** Moves that a model carries. */
export const MOVES = 3

/** Values that a model carries where contributions are audited, once it has been trained. */
export function movesLength(charter: Pick<Charter, 'contribution' | 'model'>): number {
  return charter.contribution ? MOVES * parameterCount(charter) : 0
}

/** The moves that are carried, the latest first; P values each, zeros before the first. */
export function movesOf(carried: Float32Array | undefined, p: number): readonly Float32Array[] {
  return Array.from({ length: MOVES }, (_, i) =>
    carried ? carried.subarray(i * p, (i + 1) * p) : new Float32Array(p),
  )
}

/** What is carried after a model moved from `before` to `after`, P parameters each. */
export function nextMoves(
  carried: Float32Array | undefined,
  before: Float32Array,
  after: Float32Array,
): Float32Array {
  const p = before.length
  const next = new Float32Array(MOVES * p)
  for (let i = 0; i < p; i++) next[i] = Math.fround(after[i]! - before[i]!)
  if (carried) next.set(carried.subarray(0, (MOVES - 1) * p), p)
  return next
}
