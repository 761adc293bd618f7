/**
 * Who gives more than it may (SPEC A7). A group whose sum is too long has somebody in it that broke the rules, and over audits it can be told who: what
 * a member gives on average is worked out from the groups' sums as its part is, those too that do not count. Who keeps to the rules never
 * gives more than clipNorm for each weight, and so neither on average.
 */
import type { MemberId } from '../ports.ts'
import { blockOf, type Estimate, estimates } from './parts.ts'
import type { AuditRecord } from './record.ts'
import { addScaled, dot, leastSquares, type Matrix } from './regress.ts'
import { isKnownIn, lastOf, RIDGE, TOLD_FROM } from './scores.ts'

/** A group's sum that is longer than so many times what it may be is cut to that: one huge lie would drown what the other audits tell. */
export const CUT = 4
/** Deviations that it must be beyond: this is an accusation, and liars choose the noise in it. */
const WIDE = 5
/** Squared lengths of sketches are right to 9 %. */
const SKETCHED = 1.25

export function cutTo(sum: Float32Array, most: number): Float64Array {
  const values = Float64Array.from(sum)
  const length = Math.sqrt(dot(values, values))
  return length > most ? values.map(v => (v * most) / length) : values
}

/** `audits`: of all groups, cut. Empty where too little is known. */
export function tooLong(
  audits: readonly AuditRecord[],
  members: readonly MemberId[],
  clipNorm: number,
): ReadonlySet<MemberId> {
  const seen = lastOf(audits, members.length)
  if (seen.length < TOLD_FROM) return new Set()
  const blocks = seen.map(audit => blockOf(audit, members))
  const fit = leastSquares(blocks, members.length, RIDGE)
  const given = {
    beta: updatesOf(fit.beta, seen, members),
    without: fit.without.map(parts => updatesOf(parts, seen, members)),
  }
  const squares = estimates(given, update => dot(update, update))
  const isLong = ({ value, deviation }: Estimate) => value - WIDE * deviation > SKETCHED * clipNorm * clipNorm
  return new Set(members.filter((m, i) => isKnownIn(fit, seen, m, i) && isLong(squares[i]!)))
}

/**
 * Mean update of each member for each weight: its part, and what is common. Parts are less something that all have in common, which their fit leaves open
 * and the means of all tell.
 */
function updatesOf(parts: Matrix, audits: readonly AuditRecord[], members: readonly MemberId[]): Matrix {
  const rows = members.map(m => audits.findLast(a => (a.rows.get(m) ?? 0) > 0)?.rows.get(m) ?? 1)
  const own = parts.map((part, i) => part.map(v => v / Math.sqrt(rows[i]!)))
  const common = new Float64Array(audits[0]!.mean.length)
  for (const { groups, weights, mean } of audits) {
    addScaled(common, mean, 1 / audits.length)
    const there = new Set(groups.flatMap(g => g.members))
    const total = groups.reduce((w, g) => w + g.weight, 0)
    members.forEach((m, i) => {
      if (there.has(m)) addScaled(common, own[i]!, -weights.get(m)! / total / audits.length)
    })
  }
  return own.map(part => part.map((v, j) => v + common[j]!))
}
