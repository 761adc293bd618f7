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
import { privacy } from './privacy.ts'
import { rules } from './rules.ts'
import { voting } from './voting.ts'

export type { CheckContext } from './context.ts'

const FACTORIES = [
  agreement,
  rules,
  voting,
  exactness,
  privacy,
  keys,
  leaks,
  durability,
  consistency,
  bounds,
  liveness,
] as const

/** Where committees sum and decide; what follows one ledger in which all take part has nothing to go by there. */
const WITH_COMMITTEES = [agreement, committeeSums, leaks, durability, consistency, bounds, liveness] as const

export function allCheckers(context: CheckContext): readonly Checker[] {
  const factories = context.charter.committees ? WITH_COMMITTEES : FACTORIES
  return factories.map(make => make(context))
}
