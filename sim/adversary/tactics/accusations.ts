/** False accusations: of an honest member that the whole coalition turns against. */
import { openEnvelope } from '../../../protocol/wire/envelope.ts'
import type { Random } from '../../random.ts'
import type { Coalition } from '../coalition.ts'
import type { Liar, Lie, Tactic } from '../liar.ts'
import { abortsFor, frames, leavesOut, proposes } from '../lies/entries.ts'
import { falseComplaint } from '../lies/shares.ts'
import { eachAttempt, oneOf, together, victimOf } from './common.ts'
import { backsFellows } from './consensus.ts'

/** All complain of the same member, and their proposers name it in every entry where one can be named. */
export function accuses(coalition: Coalition, random: Random): Tactic {
  const entry = eachAttempt((l): Lie => {
    const victim = victimOf(l)
    if (victim === undefined) return () => undefined
    return oneOf(random, [frames(victim), abortsFor(victim), leavesOut(victim), framesWithItsOwn(l, random)])
  })
  const complaint = eachAttempt((l): Lie => {
    const victim = victimOf(l)
    return victim !== undefined && random.chance(0.6) ? falseComplaint(victim) : () => undefined
  })
  return together(
    { lie: (said, l) => complaint(l)(said, l) },
    { lie: (said, l) => entry(l)(said, l) },
    backsFellows(coalition),
  )
}

const CODES = ['equivocation', 'badShare', 'badShard', 'badTag', 'badSum', 'withheld', 'unshared'] as const

/** Evidence that the victim did sign, though it shows nothing of the kind. */
function framesWithItsOwn(l: Liar, random: Random): Lie {
  return proposes(({ body }) => {
    const victim = victimOf(l)
    if (victim === undefined || (body.kind !== 'RoundClosed' && body.kind !== 'RoundAborted'))
      return undefined
    const signed = l.coalition.heard
      .map(h => openEnvelope(h.bytes))
      .flatMap(e =>
        e.ok && e.value.from === victim && e.value.sig.length > 0 && e.value.bytes.length < 3_000
          ? [e.value.bytes]
          : [],
      )
    if (signed.length === 0) return undefined
    const evidence = [oneOf(random, signed), oneOf(random, signed)]
    const accused = [{ member: victim, code: oneOf(random, CODES), evidence }]
    if (body.kind === 'RoundClosed') return { ...body, faults: accused }
    return { ...body, reason: 'culprit', culprits: accused }
  })
}
