/**
 * What each member gives, from the sums of random groups over audits: without anybody having seen one member's update.
 *
 * A hospital's update is what all have in common in that round, and what is its own: where its patients differ from the average, by chance or
 * in kind, its update does too, in round after round. Who sends nothing, noise, or what all know already has nothing of its own, whatever
 * noise is in it. So the groups' mean updates, less the mean of all, are regressed on membership as vectors: of each member its own part is
 * left, and noise averages out. Two numbers are told of it, both for each declared sample, so that small hospitals are not taken for riders:
 *
 * - _own_: its squared length, off the directions in which the model has moved, which everybody knows. 1 is what is usual in the cohort.
 *   Near 0: nothing. Far above 1: fewer samples than declared, another population, or wrong labels, which cannot be told apart.
 * - _pull_: its part along the way that the model has come; far below 0: against it, as by flipped labels. In the same unit, 0 is usual.
 *
 * Both with an interval, by the jackknife over audits (Tukey 1958; Efron and Stein 1981 for its variance): what one audit more or less would change. This takes
 * the place of scalar features of each group by themselves: their sums over members are dominated by who else is in the group, and what a member has in common
 * with the rest fades as the model converges, where its own part stays. `npm run study:contribution` has both side by side.
 */
import type { MemberId } from '../ports.ts'
import type { AuditRecord } from './record.ts'
import { addScaled, type Block, dot, type Fit, leastSquares, type Matrix } from './regress.ts'

/** Below so much of what is usual a member gives nothing; above, it gives. */
export const OWN_MIN = 0.2
/** Below minus so much it pulls against the model. */
export const PULL_MIN = -1.2
/** Deviations to either end of an interval. */
const WIDE = 3
/** In units in which a member who is in an audit adds about a quarter: enough to keep out what is not determined at all. */
export const RIDGE = 0.05
/** Below it a member's part is not determined well enough. */
const KNOWN_MIN = 0.75
/** What is usual must be so many deviations of a member's own from 0. */
const USUAL_MIN = 2
/** Contrasts, one less than groups in an audit, that are looked at for each member: older audits are forgotten. */
const CONTRASTS = 4
const AUDITS_MIN = 20
/** What is below is nothing, however far. */
const OWN_FLOOR = 0.05
/** Median deviation of a normal variable in standard deviations. */
const MEDIAN_DEVIATION = 0.6745

export interface Interval {
  readonly low: number
  readonly value: number
  readonly high: number
}

export type Says = 'cannot tell yet' | 'gives' | 'gives nothing' | 'pulls against the model'

export interface Score {
  readonly says: Says
  /** Undefined where it cannot be told. */
  readonly own: Interval | undefined
  readonly pull: Interval | undefined
  /** How far it stands out among all, in robust deviations of its more conspicuous number: for people who look, no reason for a mark. */
  readonly oddness: number | undefined
}

const UNKNOWN: Score = { says: 'cannot tell yet', own: undefined, pull: undefined, oddness: undefined }

/**
 * The score of each of `members` after the last of `audits`, in their order: of audits at which it gave. A single audit says nothing of anybody, nor do
 * audits of one group.
 */
export function scoresOf(
  audits: readonly AuditRecord[],
  members: readonly MemberId[],
): ReadonlyMap<MemberId, Score> {
  const seen = lastOf(audits, members.length)
  if (seen.length < 2) return new Map(members.map(m => [m, UNKNOWN]))
  const fitted = leastSquares(
    seen.map(audit => blockOf(audit, members)),
    members.length,
    RIDGE,
  )
  const own = intervals(fitted, ownOf(seen))
  const pull = intervals(fitted, pullOf(seen))
  const isKnown = members.map((_, i) => fitted.known[i]! >= KNOWN_MIN)
  const usual = median(own.filter((_, i) => isKnown[i]).map(e => e.value))
  const spread = median(own.filter((_, i) => isKnown[i]).map(e => e.deviation))
  // Neither holds for NaN, where nobody is known.
  const isTold = usual > 0 && usual >= USUAL_MIN * spread
  if (!isTold) return new Map(members.map(m => [m, UNKNOWN]))
  const middle = median(pull.filter((_, i) => isKnown[i]).map(p => p.value))
  const told = members.map((_, i) => ({
    own: interval(own[i]!, 0, usual),
    pull: interval(pull[i]!, middle, Math.sqrt(usual)),
  }))
  const known = told.filter((_, i) => isKnown[i])
  const sizes = robust(known.map(t => logOf(t.own)))
  const pulls = robust(known.map(t => t.pull.value))
  return new Map(
    members.map((member, i) => {
      const t = told[i]!
      const oddness = Math.max(Math.abs(sizes(logOf(t.own))), -pulls(t.pull.value))
      return [member, isKnown[i] ? { ...t, oddness, says: saysOf(t.own, t.pull) } : UNKNOWN]
    }),
  )
}

/** The scores after each audit. */
export function curvesOf(
  audits: readonly AuditRecord[],
  members: readonly MemberId[],
): readonly ReadonlyMap<MemberId, Score>[] {
  return audits.map((_, t) => scoresOf(audits.slice(0, t + 1), members))
}

function saysOf(own: Interval, pull: Interval): Says {
  if (own.high < OWN_MIN) return 'gives nothing'
  if (pull.high < PULL_MIN) return 'pulls against the model'
  return own.low > OWN_MIN && pull.low > PULL_MIN ? 'gives' : 'cannot tell yet'
}

/** The last audits: as many as have CONTRASTS contrasts for each member, and at least AUDITS_MIN. */
function lastOf(audits: readonly AuditRecord[], members: number): readonly AuditRecord[] {
  let contrasts = 0
  let from = audits.length
  while (from > 0 && (audits.length - from < AUDITS_MIN || contrasts < CONTRASTS * members)) {
    contrasts += Math.max(0, audits[--from]!.groups.length - 1)
  }
  return audits.slice(from)
}

/**
 * A row for each group: its mean less the mean of all is the sum over members of (share in the group - share in all) times the member's part. In units of
 * sqrt(weight), in which a member's own part by chance is as long for a small hospital as for a large one, and so is the error of each row.
 */
export function blockOf({ groups, weights, mean }: AuditRecord, members: readonly MemberId[]): Block {
  const total = groups.reduce((w, g) => w + g.weight, 0)
  const present = new Set(groups.flatMap(g => g.members))
  const x = groups.map(group => {
    const inside = new Set(group.members)
    return Float64Array.from(members, m => {
      const weight = present.has(m) ? (weights.get(m) ?? 0) : 0
      if (weight === 0) return 0
      const share = (inside.has(m) ? weight / group.weight : 0) - weight / total
      return (share / Math.sqrt(weight)) * Math.sqrt(group.weight)
    })
  })
  const y = groups.map(g => g.mean.map((v, j) => (v - mean[j]!) * Math.sqrt(g.weight)))
  return { x, y }
}

type Feature = (part: Float64Array) => number

/** What is left of a direction across another one, squared, below which it is rounding. */
const SAME_WAY = 1e-12

/** Squared length off the way that the model has come, in all and over these audits: what is left of an update that is made of these is noise. */
function ownOf(audits: readonly AuditRecord[]): Feature {
  const moved = new Float64Array(audits[0]!.mean.length)
  for (const { mean } of audits) addScaled(moved, mean, 1)
  const way = unit(audits.at(-1)!.progress)
  const across = Float64Array.from(moved)
  addScaled(across, way, -dot(moved, way))
  const other = dot(across, across) > SAME_WAY * dot(moved, moved) ? unit(across) : across.fill(0)
  return part => {
    const [along, beside] = [dot(part, way), dot(part, other)]
    return dot(part, part) - along * along - beside * beside
  }
}

function pullOf(audits: readonly AuditRecord[]): Feature {
  const way = unit(audits.at(-1)!.progress)
  return part => dot(part, way)
}

/** Zeros where there is no direction. */
function unit(v: Float64Array): Float64Array {
  const norm = Math.sqrt(dot(v, v))
  return v.map(x => (norm > 0 ? x / norm : 0))
}

interface Estimate {
  readonly value: number
  readonly deviation: number
}

/** Of each member's part, free of the error that is squared with it: the jackknife takes off what grows as one over audits. */
function intervals({ beta, without }: Fit, feature: Feature): Estimate[] {
  const t = without.length
  const of = (parts: Matrix) => parts.map(feature)
  const all = of(beta)
  const less = without.map(of)
  return all.map((value, i) => {
    const mean = less.reduce((sum, each) => sum + each[i]!, 0) / t
    const squares = less.reduce((sum, each) => sum + (each[i]! - mean) * (each[i]! - mean), 0)
    return { value: t * value - (t - 1) * mean, deviation: Math.sqrt(((t - 1) / t) * squares) }
  })
}

function interval({ value, deviation }: Estimate, zero: number, one: number): Interval {
  const at = (v: number) => (v - zero) / one
  return { low: at(value - WIDE * deviation), value: at(value), high: at(value + WIDE * deviation) }
}

/** So that half of what is usual stands out as much as twice of it. */
function logOf({ value }: Interval): number {
  return Math.log(Math.max(OWN_FLOOR, value))
}

/** Distance from the median in standard deviations, which are taken from the median distance: a few that stand out do not hide themselves. */
export function robust(values: readonly number[]): (value: number) => number {
  const middle = median(values)
  const spread = median(values.map(v => Math.abs(v - middle))) / MEDIAN_DEVIATION
  return value => (spread > 0 ? (value - middle) / spread : 0)
}

/** NaN of nothing. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
