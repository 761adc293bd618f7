/** What people are told about a certified entry, and about what a peer waits for. */
import { toHex } from '../bytes.ts'
import type { Entry } from '../ledger/entry.ts'
import { eligible } from '../ledger/state.ts'
import type { Event, MemberId, Task } from '../ports.ts'
import { isHeld } from './input.ts'
import type { Outlook } from './propose.ts'

/** `task`: of the round that the entry belongs to. */
export function eventOf({ body }: Entry, task: Task): Event | undefined {
  switch (body.kind) {
    case 'RoundOpened': {
      const { round, attempt, absent } = body
      return { kind: 'roundOpened', round, attempt, task, cohort: body.cohort.map(c => c.member), absent }
    }
    case 'SurvivorsFixed': {
      const { round, attempt } = body
      const leftOut = body.leftOut.map(({ member, reason }) => ({ member, reason }))
      return { kind: 'survivorsFixed', round, attempt, survivors: body.survivors.map(s => s.member), leftOut }
    }
    case 'RoundClosed': {
      const { round, attempt, metrics } = body
      const faults = body.faults.map(f => ({ member: f.member, fault: f.code }))
      return {
        kind: 'roundClosed',
        round,
        attempt,
        task,
        modelHash: toHex(body.model),
        metrics: metrics ?? undefined,
        faults,
      }
    }
    case 'RoundAborted': {
      const { round, attempt, reason } = body
      return { kind: 'roundAborted', round, attempt, reason, culprits: body.culprits.map(c => c.member) }
    }
    case 'StudyFinished':
      return { kind: 'studyFinished', rounds: body.rounds, modelHash: toHex(body.model) }
    default:
      return undefined
  }
}

/** What has not come yet, and from whom; `voters`: whose votes are missing when all else is here. */
export function waitsFor(
  o: Outlook,
  voters: readonly MemberId[],
): { reason: string; for: readonly MemberId[] } {
  const { phase } = o.state
  if (phase.kind === 'between') {
    const silent = eligible(o.state).filter(m => !o.join.announced.has(m))
    if (silent.length > 0) return { reason: 'keys for the next round', for: silent }
  }
  if (phase.kind === 'opened' && o.attempt) {
    const a = o.attempt
    const late = a.cohort.filter(m => !isHeld(a, m))
    if (late.length > 0) return { reason: 'masked inputs', for: late }
  }
  if (phase.kind === 'fixed' && o.attempt?.opening && !o.attempt.opening.outcome) {
    const { reveals } = o.attempt.opening
    return { reason: 'seed shares', for: o.attempt.cohort.filter(m => !reveals.has(m)) }
  }
  return { reason: 'votes', for: voters }
}
