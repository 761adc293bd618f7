/** What people are told about a certified entry, and about what a peer waits for. */
import { toHex } from '../bytes.ts'
import { standingOf } from '../contribution/standing.ts'
import type { Entry } from '../ledger/entry.ts'
import { eligible, type LedgerState } from '../ledger/state.ts'
import type { Event, MemberId, Task } from '../ports.ts'
import type { Attempt, Opening } from './attempt.ts'
import { closedPairs } from './audit.ts'
import type { Outlook } from './propose.ts'
import { isHeld } from './receipts.ts'

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

/** Whose standing an entry changes. */
export function standingEvents(before: LedgerState, after: LedgerState): Event[] {
  if (before.tracked === after.tracked && before.suspended === after.suspended) return []
  const of = ({ charter, tracked, suspended }: LedgerState, m: MemberId) =>
    suspended.includes(m) ? 'suspended' : standingOf(charter, tracked, m)
  return after.charter.members.flatMap(({ id: member }): Event[] => {
    const [was, is] = [of(before, member), of(after, member)]
    if (was === is) return []
    return [{ kind: 'standing', member, standing: was === 'suspended' ? 'restored' : is }]
  })
}

/**
 * What a life says first: where it begins; and of a ledger that is finished already that it is so, since the life that wrote its
 * last entry may have ended before it could say it (seed 1005560).
 */
export function startEvents({ height, phase, plan, charter, modelHash }: LedgerState): Event[] {
  const { rounds } = charter.training
  const round =
    phase.kind === 'between' ? phase.round : 'opened' in phase ? phase.opened.round : plan.last + 1
  const started: Event = { kind: 'started', height, round }
  return phase.kind === 'finished'
    ? [started, { kind: 'studyFinished', rounds, modelHash: toHex(modelHash) }]
    : [started]
}

export interface Waits {
  readonly reason: string
  readonly for: readonly MemberId[]
}

/** What has not come yet, and from whom; `voters`: whose votes are missing when all else is here. */
export function waitsFor(o: Outlook, voters: readonly MemberId[]): Waits {
  const { phase } = o.state
  const votes = { reason: 'votes', for: voters }
  if (phase.kind === 'between') {
    const silent = eligible(o.state).filter(m => !o.join.announced.has(m))
    return silent.length > 0 ? { reason: 'keys for the next round', for: silent } : votes
  }
  if (!o.attempt) return votes
  if (phase.kind === 'opened') return inputsMissing(o.attempt) ?? votes
  if (phase.kind === 'fixed' && o.attempt.opening)
    return openingMissing(o.attempt, o.attempt.opening) ?? votes
  return votes
}

/** The first thing that is missing: what comes later cannot come before it. */
function inputsMissing(a: Attempt): Waits | undefined {
  const unshared = a.cohort.filter(m => a.takesPart && !a.shares.has(m))
  if (unshared.length > 0) return { reason: 'sealed shares', for: unshared }
  const uncommitted = a.cohort.filter(m => !a.commitments.has(m))
  if (uncommitted.length > 0) return { reason: 'masked inputs', for: uncommitted }
  const late = a.cohort.filter(m => !isHeld(a, m))
  if (late.length === 0) return undefined
  const silent = a.cohort.filter(m => !a.receipts.has(m))
  return { reason: 'receipts', for: silent.length > 0 ? silent : late }
}

function openingMissing(a: Attempt, o: Opening): Waits | undefined {
  if (o.outcome) return undefined
  const silent = o.recovered ? [] : a.cohort.filter(m => !o.reveals.has(m))
  if (silent.length > 0) return { reason: 'seed shares', for: silent }
  const closed = new Set(closedPairs(a, o).flat())
  if (closed.size > 0) return { reason: 'mask keys of an audit', for: a.cohort.filter(m => closed.has(m)) }
  const owners = o.body.owners.filter((_, shard) => a.shards > 1 && !o.sums.has(shard))
  if (owners.length > 0) return { reason: 'shard sums', for: a.cohort.filter(m => owners.includes(m)) }
  const untagged = o.survivors.filter(m => a.shards > 1 && !o.tags.has(m))
  return untagged.length > 0 ? { reason: 'tags', for: untagged } : undefined
}
