/**
 * What a peer would put into the ledger next, and what it thinks of what another proposes (SPEC L5 to L10). Both are
 * functions of what is known; neither changes anything.
 */
import { equalBytes } from '../bytes.ts'
import type {
  Accusation,
  Body,
  Entry,
  RoundAborted,
  RoundClosed,
  RoundOpened,
  SurvivorsFixed,
} from '../ledger/entry.ts'
import { applyEntry, cohortMin, eligible, type LedgerState } from '../ledger/state.ts'
import type { MemberId, Millis } from '../ports.ts'
import type { Attempt } from './attempt.ts'
import { isHeld, survivorsNow, unshared } from './input.ts'
import type { Join } from './join.ts'
import { allTags } from './verify.ts'

export interface Outlook {
  readonly state: LedgerState
  readonly join: Join
  readonly attempt: Attempt | undefined
  /** When this peer adopted the last entry, or started. */
  readonly since: Millis
  readonly now: Millis
}

/** The body that this peer would propose now; undefined while it would rather wait. */
export function proposable(o: Outlook): Body | undefined {
  const { phase } = o.state
  switch (phase.kind) {
    case 'between':
      return openRound(o)
    case 'opened':
      return o.attempt && (fixSurvivors(o, o.attempt) ?? abortInput(o, o.attempt))
    case 'fixed':
      return o.attempt && (closeRound(o, o.attempt) ?? abortOpening(o, o.attempt))
    case 'complete':
      return { kind: 'StudyFinished', rounds: o.state.charter.training.rounds, model: o.state.modelHash }
    case 'finished':
      return undefined
  }
}

function timing(o: Outlook) {
  return o.state.charter.secureSum
}

function openRound(o: Outlook): RoundOpened | undefined {
  const { phase } = o.state
  if (phase.kind !== 'between') return undefined
  const candidates = eligible(o.state)
  const here = candidates.filter(m => o.join.announced.has(m))
  const due = o.now >= o.since + timing(o).joinDeadlineMs
  if (here.length < cohortMin(o.state) || (here.length < candidates.length && !due)) return undefined
  return {
    kind: 'RoundOpened',
    round: phase.round,
    attempt: phase.attempt,
    task: phase.task,
    charter: o.state.charterHash,
    model: o.state.modelHash,
    cohort: here.map(member => ({ member, keys: o.join.announced.get(member)!.hash })),
    absent: candidates.filter(m => !o.join.announced.has(m)),
  }
}

function fixSurvivors(o: Outlook, a: Attempt): SurvivorsFixed | undefined {
  const { survivors, owners } = survivorsNow(a)
  // After the deadline receipts get one more step's time to spread, so that nobody is left out by a race.
  const due = o.now >= a.inputDueAt + timing(o).viewTimeoutMs
  if (survivors.length < a.survivorsMin || (survivors.length < a.cohort.length && !due)) return undefined
  return {
    kind: 'SurvivorsFixed',
    round: a.context.round,
    attempt: a.context.attempt,
    survivors: survivors.map(member => ({ member, root: a.commitments.get(member)!.root })),
    leftOut: a.cohort.filter(m => !survivors.includes(m)).map(member => leftOut(a, member)),
    owners: a.shards === 1 ? [a.owner(0, 0)] : owners,
  }
}

/** Why a member's input is not in the sum, with what it signed. */
function leftOut(a: Attempt, member: MemberId): SurvivorsFixed['leftOut'][number] {
  const corrupt = a.findings.find(f => f.member === member && f.code === 'badShard')
  if (corrupt) return { member, reason: 'corrupt', evidence: [...corrupt.evidence] }
  const commitment = a.commitments.get(member)
  if (commitment) return { member, reason: 'undelivered', evidence: [commitment.root] }
  return { member, reason: unshared(a).includes(member) ? 'unshared' : 'silent', evidence: [] }
}

function abortInput(o: Outlook, a: Attempt): RoundAborted | undefined {
  const { round, attempt } = a.context
  const culprits = unsharedCulprits(a)
  if (culprits.length > 0) return { kind: 'RoundAborted', round, attempt, reason: 'culprit', culprits }
  if (o.now < a.inputDueAt + 4 * timing(o).viewTimeoutMs) return undefined
  return { kind: 'RoundAborted', round, attempt, reason: 'tooFewInputs', culprits: [] }
}

/** Those without whose shares nobody can mask, with the complaints that say so. */
function unsharedCulprits(a: Attempt): Accusation[] {
  return unshared(a).map(member => ({
    member,
    code: 'unshared',
    evidence: [...a.complaintMessages]
      .filter(([by]) => a.complaints.get(by)!.has(member))
      .map(([, message]) => message)
      .slice(0, 8),
  }))
}

function closeRound(o: Outlook, a: Attempt): RoundClosed | undefined {
  const outcome = a.opening?.outcome
  if (!a.opening || !outcome) return undefined
  // Tags that are still on their way may name a liar; one step's time is enough for them.
  if (!allTags(a, a.opening) && o.now < outcome.at + timing(o).viewTimeoutMs) return undefined
  return {
    kind: 'RoundClosed',
    round: a.context.round,
    attempt: a.context.attempt,
    sum: outcome.sumHash,
    model: outcome.modelHash,
    samples: outcome.samples,
    metrics: outcome.metrics ?? null,
    epsilon: 0,
    faults: accusations(a),
  }
}

/** One accusation a member: the first that was found, in the order of the cohort. */
function accusations(a: Attempt): Accusation[] {
  return a.cohort
    .map(m => a.findings.find(f => f.member === m))
    .filter(f => f !== undefined)
    .slice(0, 16)
    .map(({ member, code, evidence }) => ({ member, code, evidence: [...evidence] }))
}

function abortOpening(o: Outlook, a: Attempt): RoundAborted | undefined {
  if (!a.opening || a.opening.outcome || o.now < openDueAt(o, a)) return undefined
  const { round, attempt } = a.context
  const culprits = accusations(a)
  return {
    kind: 'RoundAborted',
    round,
    attempt,
    reason: culprits.length > 0 ? 'culprit' : 'notOpened',
    culprits,
  }
}

function openDueAt(o: Outlook, a: Attempt): Millis {
  return a.opening!.fixedAt + timing(o).openDeadlineMs * Math.min(a.context.attempt + 1, 8)
}

export type Judgement = 'valid' | 'invalid' | 'unknown'

/**
 * What a voter thinks of a proposed entry. `unknown`: not yet; the voter waits for its step's timeout. An entry is
 * also valid when more than f others vouch for it, since one of them is honest and has checked it.
 */
export function judge(o: Outlook, entry: Entry, prevoters: readonly MemberId[]): Judgement {
  if (!applyEntry(o.state, entry).ok) return 'invalid'
  // Before the clock is asked: a value that a quorum is locked on must stay valid, however long the others were away.
  if (prevoters.length > o.state.charter.maliciousMax) return 'valid'
  if (Math.abs(entry.at - o.now) > timing(o).clockSkewMaxMs) return 'unknown'
  const { body } = entry
  switch (body.kind) {
    case 'RoundOpened':
      return judgeOpened(o, body)
    case 'SurvivorsFixed':
      return judgeFixed(o, body)
    case 'RoundClosed':
      return judgeClosed(o, body)
    case 'RoundAborted':
      return judgeAborted(o, body)
    case 'StudyFinished':
      return 'valid'
    default:
      // Decided by signatures of members, not by this machine.
      return 'invalid'
  }
}

function judgeOpened(o: Outlook, body: RoundOpened): Judgement {
  if (!o.join.keysOf(body)) return 'unknown'
  const dueAt = o.since + timing(o).joinDeadlineMs
  for (const m of body.absent) {
    const announced = o.join.announced.get(m)
    if (announced ? announced.at <= dueAt : o.now < dueAt) return 'unknown'
  }
  return 'valid'
}

function judgeFixed(o: Outlook, body: SurvivorsFixed): Judgement {
  const a = o.attempt
  if (!a) return 'unknown'
  for (const { member, root } of body.survivors) {
    const commitment = a.commitments.get(member)
    if (!commitment || !equalBytes(commitment.root, root) || !isHeld(a, member)) return 'unknown'
  }
  if (a.shards > 1 && !ownersHold(a, body)) return 'unknown'
  for (const { member } of body.leftOut) {
    // Who delivered in time may not be left out; who is only late is waited for until the deadline.
    if (o.now < a.inputDueAt || (a.receiptedAt.get(member) ?? Infinity) <= a.inputDueAt) return 'unknown'
  }
  return 'valid'
}

function ownersHold(a: Attempt, body: SurvivorsFixed): boolean {
  if (body.owners.length !== a.shards) return false
  return body.owners.every((owner, shard) => {
    const held = a.receipts.get(owner)?.get(shard)
    return held !== undefined && body.survivors.every(s => held.has(s.member))
  })
}

function judgeClosed(o: Outlook, body: RoundClosed): Judgement {
  const own = o.attempt && closeRound({ ...o, now: Infinity }, o.attempt)
  if (!own || !o.attempt) return 'unknown'
  const same =
    equalBytes(own.sum, body.sum) &&
    equalBytes(own.model, body.model) &&
    own.samples === body.samples &&
    own.epsilon === body.epsilon &&
    JSON.stringify(own.metrics) === JSON.stringify(body.metrics)
  if (!same) return 'invalid'
  return concur(o.attempt, body.faults) ? 'valid' : 'unknown'
}

/** Whether this peer found the same faults itself. */
function concur(a: Attempt, accused: readonly Accusation[]): boolean {
  return accused.every(f => a.findings.some(own => own.member === f.member && own.code === f.code))
}

function judgeAborted(o: Outlook, body: RoundAborted): Judgement {
  const a = o.attempt
  const own = proposable(o)
  const innocent = body.culprits.length === 0
  // Whoever cannot get further agrees to give up in the end, whatever it was that others lacked.
  const stuck =
    o.now >=
    o.since + 3 * (timing(o).inputDeadlineMs + timing(o).openDeadlineMs) * ((a?.context.attempt ?? 0) + 1)
  if (stuck && innocent) return 'valid'
  if (!a || own?.kind !== 'RoundAborted') return 'unknown'
  if (innocent) return 'valid'
  const unsharedHere = unshared(a)
  const known = body.culprits.every(c =>
    c.code === 'unshared' ? unsharedHere.includes(c.member) : concur(a, [c]),
  )
  return known ? 'valid' : 'unknown'
}
