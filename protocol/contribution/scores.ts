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
 * Both with an interval: what one audit more or less would change. This takes the place of scalar features of each group by themselves: their sums over members are dominated by who else is in the group, and what a member has in common
 * with the rest fades as the model converges, where its own part stays. `npm run study:contribution` has both side by side.
 */
import type { MemberId } from '../ports.ts'
import { blockOf, type Estimate, estimates, ownOf, pullOf } from './parts.ts'
import type { AuditRecord } from './record.ts'
import { type Fit, leastSquares } from './regress.ts'

/**
 * Below so much of what is usual a member gives nothing; below so much it pulls against the model. From honest runs alone, other ones than the study's,
 * with odd hospitals among them (`npm run study:contribution -- --only honest --seed 1000`, and the like): in 160 runs of 30 audits no upper end of `own` came below .17, none of
 * `pull` below -1.05. A marked hospital is to be well beyond what any honest one ever was.
 */
export const OWN_MIN = 0.1
export const PULL_MIN = -1.4
/** Deviations to either end of an interval. */
const WIDE = 3
/** In units in which a member who is in an audit adds about a quarter: enough to keep out what is not determined at all. */
export const RIDGE = 0.05
/** Below it a member's part is not determined well enough. */
const KNOWN_MIN = 0.75
/** What is usual must be so many deviations of a member's own. */
const USUAL_MIN = 2
/** Contrasts, one less than groups in an audit, that are looked at for each member: older audits are forgotten. */
const CONTRASTS = 4
const AUDITS_MIN = 20
/** Fewer audits say nothing, nor does one that was in fewer: how much they differ is not known yet. */
export const TOLD_FROM = 8
/** What is below is nothing, however far. */
const OWN_FLOOR = 0.05
/** Median deviation of a normal variable in standard deviations. */
const MEDIAN_DEVIATION = 0.6745

export interface Interval {
  readonly low: number
  readonly value: number
  readonly high: number
}

/** `gives more than it may`: of a member whom `lengths.ts` names, whatever its numbers here. */
export type Says =
  | 'cannot tell yet'
  | 'gives'
  | 'gives nothing'
  | 'pulls against the model'
  | 'gives more than it may'

export interface Score {
  readonly says: Says
  /** Undefined where it cannot be told. */
  readonly own: Interval | undefined
  readonly pull: Interval | undefined
  /** How far it stands out among all, in robust deviations of its more conspicuous number (with a logarithm, SPEC P7): for people who look, no reason for a mark. */
  readonly oddness: number | undefined
}

const UNKNOWN: Score = { says: 'cannot tell yet', own: undefined, pull: undefined, oddness: undefined }

/**
 * What the last of `audits` (in the order of rounds) leave to say of each of `members`, those who may take part. Few audits say nothing of anybody, nor do audits
 * of one group, nor any of whom more than a third are not known well enough: those who are might be riders most of them.
 */
export function scoresOf(
  audits: readonly AuditRecord[],
  members: readonly MemberId[],
): ReadonlyMap<MemberId, Score> {
  const seen = lastOf(audits, members.length)
  if (seen.length < TOLD_FROM) return new Map(members.map(m => [m, UNKNOWN]))
  const fitted = leastSquares(
    seen.map(audit => blockOf(audit, members)),
    members.length,
    RIDGE,
  )
  const own = estimates(fitted, ownOf(seen))
  const pull = estimates(fitted, pullOf(seen))
  const isKnown = members.map((m, i) => isKnownIn(fitted, seen, m, i))
  const medianOf = (values: readonly number[]) => median(values.filter((_, i) => isKnown[i]))
  const usual = medianOf(own.map(e => e.value))
  const count = isKnown.filter(is => is).length
  // Where it is noise it is no unit for anything.
  const isTold = usual > 0 && usual >= USUAL_MIN * medianOf(own.map(e => e.deviation))
  if (3 * count <= 2 * members.length || !isTold) return new Map(members.map(m => [m, UNKNOWN]))
  const middle = medianOf(pull.map(e => e.value))
  const told = members.map((_, i) => ({
    own: interval(own[i]!, 0, usual),
    pull: interval(pull[i]!, middle, Math.sqrt(usual)),
  }))
  const sizes = robust(told.filter((_, i) => isKnown[i]).map(t => logOf(t.own)))
  const pulls = robust(told.filter((_, i) => isKnown[i]).map(t => t.pull.value))
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

/** The last audits of several groups: as many as have CONTRASTS contrasts for each member, and at least AUDITS_MIN. */
export function lastOf(audits: readonly AuditRecord[], members: number): readonly AuditRecord[] {
  const telling = audits.filter(a => a.groups.length > 1)
  let contrasts = 0
  let from = telling.length
  while (from > 0 && (telling.length - from < AUDITS_MIN || contrasts < CONTRASTS * members)) {
    contrasts += telling[--from]!.groups.length - 1
  }
  return telling.slice(from)
}

/** Whether these audits determine the part of a member, which has this column. */
export function isKnownIn(
  { known }: Fit,
  audits: readonly AuditRecord[],
  member: MemberId,
  column: number,
): boolean {
  return known[column]! >= KNOWN_MIN && timesIn(audits, member) >= TOLD_FROM
}

function timesIn(audits: readonly AuditRecord[], member: MemberId): number {
  return audits.filter(a => a.groups.some(g => g.members.includes(member))).length
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
