/** All checkers of a run, made anew for each. */
import type { Checker } from '../observer.ts'
import { agreement } from './agreement.ts'
import { bounds } from './bounds.ts'
import { committeeSums } from './committees.ts'
import { consistency } from './consistency.ts'
import type { CheckContext } from './context.ts'
import { durability } from './durability.ts'
import { exactness } from './exactness.ts'
import { keys } from './keys.ts'
import { leaks } from './leaks.ts'
import { liveness } from './liveness.ts'
import { parts } from './parts.ts'
import { privacy } from './privacy.ts'
import { rules } from './rules.ts'
import { voting } from './voting.ts'

export type { CheckContext } from './context.ts'

/** Of one ledger, in which all take part. */
const OF_LEDGER = [
  agreement,
  rules,
  voting,
  exactness,
  privacy,
  keys,
  leaks,
  durability,
  consistency,
] as const

/** Where a lot decides who sums with whom, and who decides: the study's own ledger. */
const OF_COMMITTEES = [agreement, voting, committeeSums, durability, consistency] as const

const OF_HOSTS = [bounds, liveness] as const

export function allCheckers(context: CheckContext): readonly Checker[] {
  const all = context.charter.committees
    ? [...OF_COMMITTEES.map(make => make(context)), ...parts(OF_LEDGER, context)]
    : OF_LEDGER.map(make => make(context))
  return [...all, ...OF_HOSTS.map(make => make(context))]
}
