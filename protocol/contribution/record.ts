/**
 * What scores are made of: of each group of an audit the mean update, of the round the mean of all, and how far the model has come. From the
 * sums that an entry has and what members declared before; sketches as `sketch.ts` makes them. In doubles, with + - * / only.
 */
import type { MemberId } from '../ports.ts'

/** A sketch: all of one study are of one length. */
type Numbers = ArrayLike<number>

/** A group whose sum counts. */
export interface GroupSum {
  readonly members: readonly MemberId[]
  /** Of its members' updates, clipped, each times its weight. */
  readonly sum: Numbers
}

export interface OpenedAudit {
  /** Disjoint. */
  readonly groups: readonly GroupSum[]
  /**
   * Training rows that each survivor declared before, 0 or more. Where nobody declares any there is nothing to measure by: a hospital of many
   * rows has as little of its own as a rider.
   */
  readonly rows: ReadonlyMap<MemberId, number>
  /** What they weigh in the sum: above 0 for who declared any. */
  readonly weights: ReadonlyMap<MemberId, number>
  /** Of the parameters after the round, less those that the study began with. */
  readonly progress: Numbers
}

export interface MeanOfGroup {
  readonly members: readonly MemberId[]
  /** Of all its members together; above 0. */
  readonly weight: number
  /** For each unit of weight. */
  readonly mean: Float64Array
}

export interface AuditRecord {
  /** Those with weight. */
  readonly groups: readonly MeanOfGroup[]
  readonly rows: ReadonlyMap<MemberId, number>
  readonly weights: ReadonlyMap<MemberId, number>
  /** Of all these groups. */
  readonly mean: Float64Array
  readonly progress: Float64Array
}

/** Sums are divided by what members declared, not by what they summed: who declares much and gives little is to stand out. */
export function recordOf({ groups: opened, rows, weights, progress }: OpenedAudit): AuditRecord {
  const groups: MeanOfGroup[] = []
  for (const { members, sum } of opened) {
    const weight = members.reduce((w, m) => w + (weights.get(m) ?? 0), 0)
    if (weight > 0) groups.push({ members, weight, mean: Float64Array.from(sum, v => v / weight) })
  }
  const total = groups.reduce((w, g) => w + g.weight, 0)
  const mean = new Float64Array(progress.length)
  for (const g of groups) for (let j = 0; j < mean.length; j++) mean[j]! += (g.weight / total) * g.mean[j]!
  return { groups, rows, weights, mean, progress: Float64Array.from(progress) }
}
