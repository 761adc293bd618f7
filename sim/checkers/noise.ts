/**
 * Which levels of noise stay in a sum (SPEC P3), and how much noise the charter promises of it. Said here once more: a checker that asked
 * the protocol would believe its mistakes.
 */
import { type Charter, protection } from '../../config/charter.ts'
import type { Section, Task } from '../../protocol/ports.ts'
import { groupsOf } from '../../protocol/privacy/layout.ts'
import { type CheckContext, survivorsMinOf } from './context.ts'

/** Names of the multipliers in a charter. */
const MULTIPLIER = { statistics: 'statistics', train: 'training', evaluate: 'evaluation' } as const

function isNoised({ privacy }: Charter, task: Task): boolean {
  if (privacy.unit === 'none') return false
  return task !== 'train' || privacy.unit === 'hospital' || privacy.noise === 'sum'
}

/** Of each level of a task's noise in a cohort of `n` the most dropouts that it is for; none without noise. */
function endsOf(context: CheckContext, task: Task, n: number): readonly number[] {
  if (!isNoised(context.charter, task)) return []
  const last = n - survivorsMinOf(context, n)
  const ends = [1, 3, 7, 15, 31, 63, 127].filter(end => end < last)
  const above = last > 0 ? [...ends, last] : ends
  const most = Math.floor(510 / n) - 2
  return most === 0 ? [last] : [0, ...above.slice(-most)]
}

/** Levels that may come off. */
export function levelsOf(context: CheckContext, task: Task, n: number): number {
  return Math.max(0, endsOf(context, task, n).length - 1)
}

/** The highest level that stays in the sum of so many of `n`; 0 without noise. */
export function levelKept(context: CheckContext, task: Task, n: number, survivors: number): number {
  const ends = endsOf(context, task, n)
  return Math.max(0, ends.filter(end => end < n - survivors).length)
}

/** Variance that a section's sum must have of hospitals that do not tell theirs, in steps squared; 0 where none is promised. */
export function promised(charter: Charter, task: Task, { name, scale }: Section): number {
  const privacy = protection(charter)
  if (!privacy || !isNoised(charter, task)) return 0
  const groups = groupsOf(charter, privacy, task)
  const group = groups.find(g => g.sums.some(s => s.name === name))
  if (!group) return 0
  const multiplier = privacy.noiseMultiplier[MULTIPLIER[task]]
  return groups.length * (multiplier * group.change * scale) ** 2
}
