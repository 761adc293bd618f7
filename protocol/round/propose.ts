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
import {
  applyEntry,
  cohortMin,
  eligible,
  type LedgerState,
  restores,
  suspensionDue,
} from '../ledger/state.ts'
import type { MemberId, Millis } from '../ports.ts'
import { openedEpsilon } from '../privacy/policy.ts'
import { encode } from '../wire/codec.ts'
import { EVIDENCE_MAX } from '../wire/limits.ts'
import { type Attempt, evidenceOf } from './attempt.ts'
import { openDueAt } from './claims.ts'
import { unshared } from './complaints.ts'
import { conflictsOf } from './conflicts.ts'
import { accusations, bounded, concur, proves, provesMisdealt } from './evidence.ts'
import type { Join } from './join.ts'
import { isHeld, isReceipted, survivorsNow } from './receipts.ts'
import { allTags } from './verify.ts'

/** For how many views' time a peer insists on faults that only it may have seen. */
export const PATIENCE_VIEWS = 6

export interface Outlook {
  readonly state: LedgerState
  readonly join: Join
  readonly attempt: Attempt | undefined
  /** Signatures that this peer was given for members that are suspended. */
  readonly appeals: ReadonlyMap<MemberId, readonly Uint8Array[]>
  /** When this peer adopted the last entry, or started. */
  readonly since: Millis
  readonly now: Millis
}

/** The body that this peer would propose now; undefined while it would rather wait. */
export function proposable(o: Outlook): Body | undefined {
  const { phase } = o.state
  switch (phase.kind) {
    case 'between':
      return suspensionDue(o.state) ?? restoration(o) ?? openRound(o)
    case 'opened':
      if (!o.attempt) return abandon(o, 'tooFewInputs')
      return fixSurvivors(o, o.attempt) ?? abortInput(o, o.attempt)
    case 'fixed':
      if (!o.attempt) return abandon(o, 'notOpened')
      return closeRound(o, o.attempt) ?? abortOpening(o, o.attempt)
    case 'complete':
      return { kind: 'StudyFinished', rounds: o.state.charter.training.rounds, model: o.state.modelHash }
    case 'finished':
      return undefined
  }
}

/** Of a member for whom a quorum has signed. */
function restoration({ state, appeals }: Outlook): Body | undefined {
  return [...appeals]
    .map(([member, signatures]) => ({ kind: 'MemberRestored' as const, member, signatures: [...signatures] }))
    .find(body => restores(state, body))
}

function timing(o: Outlook) {
  return o.state.charter.secureSum
}

function openRound(o: Outlook): RoundOpened | undefined {
  const { phase } = o.state
  if (phase.kind !== 'between') return undefined
  if (o.join.announced.size < cohortMin(o.state)) return undefined
  const candidates = eligible(o.state)
  const due = o.now >= o.since + timing(o).joinDeadlineMs
  if (!due && candidates.some(m => !o.join.announced.has(m))) return undefined
  const cohort = cohortNow(o)
  if (cohort.length < cohortMin(o.state)) return undefined
  return {
    kind: 'RoundOpened',
    round: phase.round,
    attempt: phase.attempt,
    task: phase.task,
    charter: o.state.charterHash,
    model: o.state.modelHash,
    cohort: cohort.map(member => {
      const { hash: keys, body } = o.join.announced.get(member)!
      return { member, keys, ...(body.samples !== undefined && { samples: body.samples }) }
    }),
    absent: candidates.filter(m => !cohort.includes(m)),
  }
}

/** Who can take part now; culprits of earlier attempts only where there are too few others for long. */
function cohortNow(o: Outlook): readonly MemberId[] {
  const isHere = (m: MemberId) => o.join.announced.has(m) && !o.join.doubted.has(m)
  const here = eligible(o.state).filter(isHere)
  return here.length < cohortMin(o.state) && isLongDue(o) ? o.state.voters.filter(isHere) : here
}

function isLongDue(o: Outlook): boolean {
  return o.now >= o.since + 2 * timing(o).joinDeadlineMs
}

function fixSurvivors(o: Outlook, a: Attempt): SurvivorsFixed | undefined {
  // Who is held now was noted when it became so.
  if (a.receiptedAt.size < a.survivorsMin) return undefined
  const { survivors, owners } = survivorsNow(a)
  // After the deadline receipts get one more step's time to spread, so that nobody is left out by a race.
  const due = o.now >= a.inputDueAt + timing(o).viewTimeoutMs
  const awaited = a.cohort.filter(m => !a.barred.has(m))
  if (survivors.length < a.survivorsMin || (survivors.length < awaited.length && !due)) return undefined
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
  const corrupt = a.findings.find(f => f.member === member && a.barred.has(member))
  if (corrupt) return { member, reason: 'corrupt', evidence: [...corrupt.evidence] }
  const commitment = a.commitments.get(member)
  if (commitment) return { member, reason: 'undelivered', evidence: evidenceOf(commitment.message) }
  return { member, reason: unshared(a).includes(member) ? 'unshared' : 'silent', evidence: [] }
}

function abortInput(o: Outlook, a: Attempt): RoundAborted | undefined {
  const { round, attempt } = a.context
  const dealers = misdealt(a)
  const others = unsharedCulprits(a).filter(c => !dealers.some(d => d.member === c.member))
  // Nobody is accused twice: no such entry is valid (seed 1009362).
  const sure = bounded([...dealers, ...others])
  if (sure.length > 0)
    return { kind: 'RoundAborted', round, attempt, reason: 'culprit', culprits: sure, conflicts: [] }
  const dueAt = a.inputDueAt + 4 * timing(o).viewTimeoutMs
  if (o.now < dueAt) return undefined
  const culprits = culpritsAt(o, a, dueAt)
  const reason = culprits.length > 0 ? 'culprit' : 'tooFewInputs'
  return { kind: 'RoundAborted', round, attempt, reason, culprits, conflicts: conflictsToName(o, a) }
}

/** Those that dealt different shares to different members: inputs may have been made of either. */
function misdealt(a: Attempt): Accusation[] {
  return a.findings
    .filter(f => f.code === 'equivocation' && a.misdealt.has(f.member))
    .map(({ member, code, evidence }) => ({ member, code, evidence: [...evidence] }))
}

/**
 * Accusations that others will agree to. What only this peer has seen is held against the member for some views; were it for
 * ever, then liars that show themselves to one peer each could keep all entries from being decided.
 */
function agreeable(o: Outlook, a: Attempt, since: Millis): Accusation[] {
  const all = accusations(a)
  return o.now < since + PATIENCE_VIEWS * timing(o).viewTimeoutMs ? all : all.filter(c => proves(a, c))
}

function culpritsAt(o: Outlook, a: Attempt, since: Millis): Accusation[] {
  return agreeable(o, a, since).filter(c => a.cohort.includes(c.member))
}

/** Those without whose shares nobody can mask, with the complaints that say so. */
function unsharedCulprits(a: Attempt): Accusation[] {
  return unshared(a).map(member => ({
    member,
    code: 'unshared',
    evidence: [...a.complaints.values()].flatMap(c => c.get(member) ?? []).slice(0, EVIDENCE_MAX),
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
    seeds: outcome.seeds,
    sum: outcome.sumHash,
    model: outcome.modelHash,
    samples: outcome.samples,
    metrics: outcome.metrics ?? null,
    epsilon: openedEpsilon(a.setup.charter, a.context.round),
    faults: agreeable(o, a, outcome.at),
    ...(outcome.audit && { audit: outcome.audit }),
  }
}

function abortOpening(o: Outlook, a: Attempt): RoundAborted | undefined {
  if (!a.opening || a.opening.outcome || o.now < openDueAt(a, a.opening)) return undefined
  const { round, attempt } = a.context
  const culprits = culpritsAt(o, a, openDueAt(a, a.opening))
  return {
    kind: 'RoundAborted',
    round,
    attempt,
    reason: culprits.length > 0 ? 'culprit' : 'notOpened',
    culprits,
    conflicts: conflictsToName(o, a),
  }
}

/** An attempt whose keys are lost: all that held a member's have restarted, and it does not say them again (seed 1005543). */
function abandon(o: Outlook, reason: 'tooFewInputs' | 'notOpened'): RoundAborted | undefined {
  const { phase } = o.state
  if (!('opened' in phase) || !isStuck(o)) return undefined
  const { round, attempt } = phase.opened
  return { kind: 'RoundAborted', round, attempt, reason, culprits: [], conflicts: [] }
}

/** None once the attempt is stuck: peers that do not come to know the same of each other must not be held up by it. */
function conflictsToName(o: Outlook, a: Attempt): RoundAborted['conflicts'] {
  return isStuck(o) ? [] : conflictsOf(a)
}

/** Whether it has lasted so long that whoever cannot get further agrees to give up, whatever it was that others lacked. */
function isStuck(o: Outlook): boolean {
  return o.now >= stuckAt(o.state, o.since)
}

/** When an attempt whose last entry came at `since` counts as stuck; never where there is none. */
export function stuckAt({ charter, phase }: LedgerState, since: Millis): Millis {
  if (!('opened' in phase)) return Infinity
  const { inputDeadlineMs, openDeadlineMs } = charter.secureSum
  return since + 3 * (inputDeadlineMs + openDeadlineMs) * (phase.opened.attempt + 1)
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
    case 'MemberSuspended':
    case 'MemberRestored':
      // All that there is to it follows from the ledger and signatures.
      return 'valid'
    default:
      return 'invalid'
  }
}

function judgeOpened(o: Outlook, body: RoundOpened): Judgement {
  if (!o.join.keysOf(body)) return 'unknown'
  const dueAt = o.since + timing(o).joinDeadlineMs
  for (const m of body.absent) {
    const announced = o.join.announced.get(m)
    if (announced && o.join.doubted.has(m)) continue
    if (announced ? announced.at <= dueAt : o.now < dueAt) return 'unknown'
  }
  const candidates = eligible(o.state)
  if (body.cohort.every(c => candidates.includes(c.member))) return 'valid'
  const here = candidates.filter(m => o.join.announced.has(m) && !o.join.doubted.has(m))
  return isLongDue(o) && here.length < cohortMin(o.state) ? 'valid' : 'unknown'
}

function judgeFixed(o: Outlook, body: SurvivorsFixed): Judgement {
  const a = o.attempt
  if (!a) return 'unknown'
  for (const { member, root } of body.survivors) {
    const commitment = a.commitments.get(member)
    if (!commitment || !equalBytes(commitment.root, root) || !isHeld(a, member)) return 'unknown'
  }
  // Also where each peer sums by itself: their number tells how the sum is cut for its hash.
  if (body.owners.length !== a.shards) return 'invalid'
  if (a.shards > 1 && !ownersHold(a, body)) return 'unknown'
  for (const { member, reason, evidence } of body.leftOut) {
    if (reason === 'corrupt') {
      const known = a.barred.has(member) || proves(a, { member, code: 'equivocation', evidence })
      if (!known) return 'unknown'
      continue
    }
    if (reason === 'unshared' && !unshared(a).includes(member)) return 'unknown'
    if (reason === 'undelivered' && !a.commitments.has(member)) return 'unknown'
    // Who is only late is waited for until the deadline; who delivered in time may not be left out.
    if (o.now < a.inputDueAt || isInTime(o, a, member)) return 'unknown'
  }
  return 'valid'
}

/**
 * Whether a member's input was held by the deadline. Some steps later it must also be at owners that hold the others', which
 * an honest member sees to: who keeps its slices where they are of no use cannot keep a round from going on.
 */
function isInTime(o: Outlook, a: Attempt, member: MemberId): boolean {
  if ((a.receiptedAt.get(member) ?? Infinity) > a.inputDueAt) return false
  if (o.now < a.inputDueAt + 3 * timing(o).viewTimeoutMs) return true
  return survivorsNow(a).survivors.includes(member)
}

function ownersHold(a: Attempt, body: SurvivorsFixed): boolean {
  return body.owners.every((owner, shard) =>
    body.survivors.every(s => isReceipted(a, owner, shard, s.member)),
  )
}

function judgeClosed(o: Outlook, body: RoundClosed): Judgement {
  const own = o.attempt && closeRound({ ...o, now: Infinity }, o.attempt)
  if (!own || !o.attempt) return 'unknown'
  const same =
    equalBytes(own.seeds, body.seeds) &&
    equalBytes(own.sum, body.sum) &&
    equalBytes(own.model, body.model) &&
    own.samples === body.samples &&
    own.epsilon === body.epsilon &&
    JSON.stringify(own.metrics) === JSON.stringify(body.metrics) &&
    equalBytes(encode(own.audit ?? null), encode(body.audit ?? null))
  if (!same) return 'invalid'
  return concur(o.attempt, body.faults) ? 'valid' : 'unknown'
}

function judgeAborted(o: Outlook, body: RoundAborted): Judgement {
  const a = o.attempt
  const own = proposable(o)
  const innocent = body.culprits.length === 0
  const peace = body.conflicts.length === 0
  if (innocent && peace && isStuck(o)) return 'valid'
  if (!a) return 'unknown'
  const known = peace ? [] : conflictsOf(a)
  if (!body.conflicts.every(([x, y]) => known.some(k => k[0] === x && k[1] === y))) return 'unknown'
  const unsharedHere = unshared(a)
  const isSure = (c: Accusation) =>
    c.code === 'unshared' ? unsharedHere.includes(c.member) || proves(a, c) : provesMisdealt(a, c)
  if (!a.opening && !innocent && body.culprits.every(isSure)) return 'valid'
  if (own?.kind !== 'RoundAborted') return 'unknown'
  return innocent || body.culprits.every(c => isSure(c) || concur(a, [c])) ? 'valid' : 'unknown'
}
