/**
 * What the ledger says so far: a pure fold over entries. `applyEntry` checks all that follows from the charter and
 * the entries before, so that one who only reads the ledger refuses the same entries as one who votes. What
 * needs more than the ledger (keys, deliveries, the sum itself) is checked by voters in `round/`.
 */
import {
  type Charter,
  declaresSamples,
  parameterCount,
  quorum,
  survivorsFloor,
  survivorsMinOf,
} from '../../config/charter.ts'
import { equalBytes } from '../bytes.ts'
import { type Draw, drawOf, nextBeacon } from '../committees/draw.ts'
import { wrongCommittees } from '../committees/summed.ts'
import { groupsOf, isAuditable } from '../contribution/groups.ts'
import { SKETCH, sketchFrom } from '../contribution/sketch.ts'
import { dueIn, forgiven, NOTHING_TRACKED, type Tracked, track } from '../contribution/standing.ts'
import { Memo } from '../memo.ts'
import type { MemberId, Task } from '../ports.ts'
import { assert, err, ok, type Result } from '../result.ts'
import { type Conflict, peaceful, settled } from './conflicts.ts'
import {
  type Accusation,
  type Body,
  type CommitteesSummed,
  type Entry,
  hashOf,
  type RoundAborted,
  type RoundClosed,
  type RoundOpened,
  type SurvivorsFixed,
} from './entry.ts'
import { isSublist, sameList } from './lists.ts'
import { type Plan, studyPlan, taskOf } from './plan.ts'
import { restorers } from './restore.ts'

export type Phase =
  /** The next entry opens this attempt. */
  | { readonly kind: 'between'; readonly round: number; readonly attempt: number; readonly task: Task }
  | { readonly kind: 'opened'; readonly opened: RoundOpened; readonly openedHash: Uint8Array }
  | {
      readonly kind: 'fixed'
      readonly opened: RoundOpened
      readonly openedHash: Uint8Array
      readonly fixed: SurvivorsFixed
      readonly fixedHash: Uint8Array
    }
  /** All rounds are closed: only StudyFinished is missing. */
  | { readonly kind: 'complete' }
  | { readonly kind: 'finished' }

export interface LedgerState {
  readonly charter: Charter
  readonly plan: Plan
  readonly charterHash: Uint8Array
  /** Height of the last entry; 0 before the first. */
  readonly height: number
  /** Hash of the last entry; of the charter before the first. */
  readonly head: Uint8Array
  /** Claimed time of the last entry, 0 before the first. */
  readonly at: number
  readonly phase: Phase
  /** Changes by RoundClosed alone. */
  readonly modelHash: Uint8Array
  /** What audits have told; nothing where there are none. */
  readonly tracked: Tracked
  readonly suspended: readonly MemberId[]
  /** Of each of them the hash of the entry that says so. */
  readonly suspensions: ReadonlyMap<MemberId, Uint8Array>
  /** Culprits of aborted attempts of the present round: not in its later cohorts. */
  readonly excluded: readonly MemberId[]
  /** Of each aborted attempt of the present round, the oldest first, as far as they count. */
  readonly conflicts: readonly (readonly Conflict[])[]
  /** Who decides the next entry, in the charter's order: its members less the suspended, or a committee of them. */
  readonly voters: readonly MemberId[]
  readonly quorum: number
  /** What the next lot is drawn from; where there are no committees, nothing. */
  readonly beacon: Uint8Array
  /** The committees of the present round, and who decides it; undefined where all decide and sum together. */
  readonly draw: Draw | undefined
}

type Applied = Result<LedgerState, string>

/** The state before the first entry. `charterHash` and `initialModelHash`: 32 bytes. */
export function genesis(
  charter: Charter,
  charterHash: Uint8Array,
  initialModelHash: Uint8Array,
  plan: Plan = studyPlan(charter),
): LedgerState {
  const task = taskOf(charter, plan.first)
  assert(task !== undefined, 'a plan begins with a round of the study')
  return seated({
    charter,
    plan,
    charterHash,
    height: 0,
    head: charterHash,
    at: 0,
    phase: { kind: 'between', round: plan.first, attempt: 0, task },
    modelHash: initialModelHash,
    tracked: NOTHING_TRACKED,
    suspended: [],
    suspensions: new Map(),
    excluded: [],
    conflicts: [],
    voters: [],
    quorum: 0,
    beacon: charterHash,
    draw: undefined,
  })
}

/** With those who decide the next entry: all active members, or the committee that is drawn for it. */
function seated(state: LedgerState): LedgerState {
  const { charter, phase } = state
  const active = activeMembers(state)
  const { committees } = charter
  if (!committees) {
    return { ...state, voters: active, quorum: quorum(active.length, charter.maliciousMax) }
  }
  const round = phase.kind === 'between' ? phase.round : state.plan.last + 1
  const draw = drawOf(committees, state.beacon, round, active)
  const voters = draw.deciders
  return { ...state, draw, voters, quorum: quorum(voters.length, committees.maliciousMax) }
}

const membersOf = new Memo<Charter, readonly MemberId[]>()

/** The charter's members, in its order, less the suspended. */
function activeMembers({ charter, suspended }: LedgerState): readonly MemberId[] {
  const all = membersOf.get(charter) ?? charter.members.map(m => m.id)
  membersOf.set(charter, all)
  return suspended.length === 0 ? all : all.filter(m => !suspended.includes(m))
}

/** f of those who decide together: of the committee, where the charter has committees. */
export function faultyMax(charter: Charter): number {
  return charter.committees?.maliciousMax ?? charter.maliciousMax
}

/** Spoilt attempts of a round before conflicts keep anybody out: a line that was down mostly is up again in the next. */
const FORGIVEN = 1

const eligibleIn = new Memo<LedgerState, readonly MemberId[]>()

/**
 * Who may be in the next cohort, in the charter's order; those who are not in it are its `absent`. Culprits, and one or the
 * other of those in conflict, stay out of the round only while enough others are left: a round that could never be opened
 * again would cost everybody the study.
 */
export function eligible(state: LedgerState): readonly MemberId[] {
  if (state.excluded.length === 0 && state.conflicts.length === 0) return state.voters
  const known = eligibleIn.get(state)
  if (known) return known
  const left = unexcluded(state, state.excluded)
  const { phase } = state
  const conflicts = phase.kind === 'between' && phase.attempt > FORGIVEN ? state.conflicts.flat() : []
  const found = (conflicts.length > 0 && peaceful(left, conflicts, cohortMin(state))) || left
  eligibleIn.set(state, found)
  return found
}

function unexcluded(state: LedgerState, excluded: readonly MemberId[]): readonly MemberId[] {
  const others = state.voters.filter(m => !excluded.includes(m))
  return others.length >= cohortMin(state) ? others : state.voters
}

/** Smallest cohort that may be opened now. */
export function cohortMin(state: LedgerState): number {
  return Math.max(state.quorum, survivorsFloor(state.charter))
}

/** The state after `entry`, or why it can never follow. Certificates are checked elsewhere. */
export function applyEntry(state: LedgerState, entry: Entry): Applied {
  if (entry.height !== state.height + 1) return err(`height ${entry.height} after ${state.height}`)
  if (!equalBytes(entry.prev, state.head)) return err('prev is not the hash of the entry before')
  if (entry.at < state.at) return err('at is before the entry before')
  const hash = hashOf(entry)
  const applied = applyBody(state, entry.body, hash)
  if (!applied.ok) return err(`${entry.body.kind}: ${applied.error}`)
  const next = { ...applied.value, height: entry.height, head: hash, at: entry.at }
  // A new lot where there are committees; else voters change with the suspended alone.
  return ok(state.draw ? seated(next) : next)
}

function applyBody(state: LedgerState, body: Body, hash: Uint8Array): Applied {
  switch (body.kind) {
    case 'RoundOpened':
      return applyOpened(state, body, hash)
    case 'SurvivorsFixed':
      return applyFixed(state, body, hash)
    case 'RoundClosed':
      return applyClosed(state, body)
    case 'RoundAborted':
      return applyAborted(state, body)
    case 'CommitteesSummed':
      return applySummed(state, body)
    case 'CharterAdopted':
      return err('this protocol version cannot change the charter of a running study')
    case 'MemberSuspended':
      return applySuspended(state, body, hash)
    case 'MemberRestored':
      return applyRestored(state, body)
    case 'StudyFinished':
      if (state.phase.kind !== 'complete') return err('not all rounds are closed')
      if (body.rounds !== state.charter.training.rounds) return err("rounds are not the charter's")
      if (!equalBytes(body.model, state.modelHash)) return err('model is not the last round’s')
      return ok({ ...state, phase: { kind: 'finished' } })
  }
}

function applyOpened(state: LedgerState, body: RoundOpened, hash: Uint8Array): Applied {
  const phase = state.phase
  if (state.draw) return err('the rounds of this study are summed by committees')
  if (phase.kind !== 'between') return err(`the ledger is ${phase.kind}`)
  if (body.round !== phase.round || body.attempt !== phase.attempt) {
    return err(`round ${body.round}.${body.attempt} instead of ${phase.round}.${phase.attempt}`)
  }
  if (body.task !== phase.task) return err(`task ${body.task} instead of ${phase.task}`)
  if (!equalBytes(body.charter, state.charterHash)) return err('charter is not the one in force')
  if (!equalBytes(body.model, state.modelHash)) return err('model is not the one in force')
  const cohort = body.cohort.map(c => c.member)
  const candidates = eligible(state)
  if (!isSublist(cohort, state.voters))
    return err("cohort is not in the charter's order or has a member that may not")
  if (body.cohort.some(c => (c.samples !== undefined) !== declaresSamples(state.charter)))
    return err('training rows are declared where they are not asked for, or not where they are')
  const absent = candidates.filter(m => !cohort.includes(m))
  if (!sameList(body.absent, absent)) return err('absent is not the rest of those who may take part')
  if (cohort.length < cohortMin(state)) return err(`cohort of ${cohort.length}, at least ${cohortMin(state)}`)
  return ok({ ...state, phase: { kind: 'opened', opened: body, openedHash: hash } })
}

function applyFixed(state: LedgerState, body: SurvivorsFixed, hash: Uint8Array): Applied {
  const phase = state.phase
  if (phase.kind !== 'opened') return err(`the ledger is ${phase.kind}`)
  const other = otherAttempt(phase.opened, body)
  if (other !== undefined) return err(other)
  const cohort = phase.opened.cohort.map(c => c.member)
  const survivors = body.survivors.map(s => s.member)
  if (!isSublist(survivors, cohort)) return err('survivors are not of the cohort, or not in its order')
  const rest = cohort.filter(m => !survivors.includes(m))
  const leftOut = body.leftOut.map(l => l.member)
  if (!sameList(leftOut, rest)) return err('leftOut is not the rest of the cohort')
  const least = survivorsMinOf(state.charter, cohort.length)
  if (survivors.length < least) return err(`${survivors.length} survivors, at least ${least}`)
  if (body.owners.length === 0) return err('no owners')
  if (!body.owners.every(m => cohort.includes(m))) return err('an owner is not of the cohort')
  const { opened, openedHash } = phase
  return ok({ ...state, phase: { kind: 'fixed', opened, openedHash, fixed: body, fixedHash: hash } })
}

function applyClosed(state: LedgerState, body: RoundClosed): Applied {
  const phase = state.phase
  if (phase.kind !== 'fixed') return err(`the ledger is ${phase.kind}`)
  const other = otherAttempt(phase.opened, body)
  if (other !== undefined) return err(other)
  const { task, round } = phase.opened
  const changed = wrongChange(state, task, body)
  if (changed !== undefined) return err(changed)
  const accused = accusation(state, body.faults)
  if (accused !== undefined) return err(accused)
  const audited = wrongAudit(state, task, phase.fixed, body)
  if (audited !== undefined) return err(audited)
  const tracked = trackedAfter(state, phase, body)
  const next = {
    modelHash: body.model,
    excluded: [],
    conflicts: [],
    tracked,
    phase: phaseAfter(state, round),
  }
  return ok({ ...state, ...next })
}

const trackedBy = new Memo<RoundClosed, { readonly from: Tracked; readonly to: Tracked }>()

function trackedAfter(
  { charter, tracked: from }: LedgerState,
  { opened, fixed }: Phase & { kind: 'fixed' },
  body: RoundClosed,
): Tracked {
  if (!body.audit) return from
  // Judged, applied, and by each of the peers of a simulation.
  const known = trackedBy.get(body)
  if (known?.from === from) return known.to
  const survivors = fixed.survivors.map(s => s.member)
  const to = track(from, charter, opened.cohort, survivors, body)
  trackedBy.set(body, { from, to })
  return to
}

/** What is wrong with the model and the metrics that a round of `task` is said to give; undefined: nothing. */
function wrongChange(
  { plan, modelHash }: LedgerState,
  task: Task,
  body: Pick<RoundClosed, 'model' | 'metrics'>,
): string | undefined {
  if (task === 'statistics' && body.metrics !== null) return 'statistics measure no model'
  if (!plan.applies && body.metrics !== null) return 'a part of a round measures no model'
  if (plan.applies && task !== 'evaluate') return undefined
  return equalBytes(body.model, modelHash) ? undefined : 'evaluating changes no model'
}

/** What is wrong with the audit that a round is said to have had; undefined: nothing. */
function wrongAudit(
  { charter, plan }: LedgerState,
  task: Task,
  { survivors }: SurvivorsFixed,
  { audit, seeds }: RoundClosed,
): string | undefined {
  if (!audit) return undefined
  if (!charter.contribution || !plan.applies || !isAuditable(charter, task)) return 'nothing here is audited'
  const { length } = groupsOf(seeds, survivors, charter.contribution.audit.groupSize)
  if (audit.groups.length !== length) return `an audit of ${audit.groups.length} groups instead of ${length}`
  const kept = Math.min(SKETCH, parameterCount(charter))
  const areKept = [audit.progress, ...audit.groups.map(g => g.sum)].every(bytes => sketchFrom(bytes, kept))
  return areKept ? undefined : 'sketches of another length, or with numbers that are not finite'
}

function phaseAfter({ charter, plan }: LedgerState, round: number): Phase {
  const next = round < plan.last ? taskOf(charter, round + 1) : undefined
  if (next !== undefined) return { kind: 'between', round: round + 1, attempt: 0, task: next }
  // A part has no result of its own that a last entry could name.
  return plan.applies ? { kind: 'complete' } : { kind: 'finished' }
}

function applySummed(state: LedgerState, body: CommitteesSummed): Applied {
  const { phase, draw, charter } = state
  if (!draw) return err('this study has no committees')
  if (phase.kind !== 'between') return err(`the ledger is ${phase.kind}`)
  if (body.round !== phase.round) return err(`round ${body.round} instead of ${phase.round}`)
  if (body.task !== phase.task) return err(`task ${body.task} instead of ${phase.task}`)
  const wrong = wrongCommittees(charter, draw, body) ?? wrongChange(state, phase.task, body)
  if (wrong !== undefined) return err(wrong)
  return ok({
    ...state,
    modelHash: body.model,
    beacon: nextBeacon(
      state.beacon,
      body.committees.map(c => c.seeds),
    ),
    phase: phaseAfter(state, phase.round),
  })
}

function applyAborted(state: LedgerState, body: RoundAborted): Applied {
  const phase = state.phase
  if (phase.kind !== 'opened' && phase.kind !== 'fixed') return err(`the ledger is ${phase.kind}`)
  const other = otherAttempt(phase.opened, body)
  if (other !== undefined) return err(other)
  if (body.reason === 'tooFewInputs' && phase.kind !== 'opened') return err('the survivors are fixed already')
  if (body.reason === 'notOpened' && phase.kind !== 'fixed') return err('the survivors are not fixed yet')
  if (body.reason === 'culprit' && body.culprits.length === 0) return err('no culprit is named')
  const accused = accusation(state, body.culprits)
  if (accused !== undefined) return err(accused)
  const cohort = phase.opened.cohort.map(c => c.member)
  const culprits = body.culprits.map(c => c.member)
  if (!culprits.every(m => cohort.includes(m))) return err('a culprit is not of the cohort')
  if (!arePairs(body.conflicts, cohort.length))
    return err('conflicts are not pairs of the cohort in their order')
  const conflicts = body.conflicts.map(([x, y]): Conflict => [cohort[x]!, cohort[y]!])
  const { round, attempt, task } = phase.opened
  const excluded = [...state.excluded, ...culprits]
  return ok({
    ...state,
    excluded,
    conflicts: settled(unexcluded(state, excluded), [...state.conflicts, conflicts], cohortMin(state)),
    phase: { kind: 'between', round, attempt: attempt + 1, task },
  })
}

/** Whether these are pairs of indices below n, each once, the lower first, in ascending order. */
function arePairs(pairs: RoundAborted['conflicts'], n: number): boolean {
  const places = pairs.map(([x, y]) => x * n + y)
  return pairs.every(([x, y], i) => x <= y && y < n && (i === 0 || places[i]! > places[i - 1]!))
}

/** The suspension that is due now; undefined: none, or too few would be left. */
export function suspensionDue(state: LedgerState): (Body & { kind: 'MemberSuspended' }) | undefined {
  const { charter, tracked, head } = state
  return dueIn(charter, tracked)
    .map(member => ({ kind: 'MemberSuspended' as const, member, audits: tracked.against.get(member)! }))
    .find(body => applySuspended(state, body, head).ok)
}

/** Whether a restoration holds now. */
export function restores(state: LedgerState, body: Body & { kind: 'MemberRestored' }): boolean {
  return applyRestored(state, body).ok
}

function applySuspended(
  state: LedgerState,
  { member, audits }: Body & { kind: 'MemberSuspended' },
  hash: Uint8Array,
): Applied {
  // Within an attempt the shares and the threshold rest on the cohort: voters change only between attempts.
  if (state.phase.kind !== 'between') return err(`the ledger is ${state.phase.kind}`)
  const active = activeMembers(state)
  if (!active.includes(member)) return err(`${member} is no active member`)
  if (!dueIn(state.charter, state.tracked).includes(member)) return err(`nothing speaks against ${member}`)
  if (audits !== state.tracked.against.get(member)) return err('not as many audits speak against it')
  const changed = withSuspended(state, new Map([...state.suspensions, [member, hash]]))
  if (active.length - 1 < cohortMin(changed)) return err('too few members would be left to go on')
  return ok(changed)
}

function applyRestored(
  state: LedgerState,
  { member, signatures }: Body & { kind: 'MemberRestored' },
): Applied {
  if (state.phase.kind !== 'between') return err(`the ledger is ${state.phase.kind}`)
  const entry = state.suspensions.get(member)
  if (!entry) return err(`${member} is not suspended`)
  const { charter, charterHash } = state
  const active = activeMembers(state)
  const by = restorers(charter, { member, entry, charterHash }, signatures)
  const count = active.filter(m => by.has(m)).length
  const least = quorum(active.length, charter.maliciousMax)
  if (count < least) return err(`${count} members have signed, at least ${least} must`)
  const suspensions = new Map([...state.suspensions].filter(([m]) => m !== member))
  return ok(withSuspended({ ...state, tracked: forgiven(state.tracked, member) }, suspensions))
}

function withSuspended(state: LedgerState, suspensions: ReadonlyMap<MemberId, Uint8Array>): LedgerState {
  return seated({ ...state, suspensions, suspended: [...suspensions.keys()] })
}

function otherAttempt(
  opened: RoundOpened,
  body: { readonly round: number; readonly attempt: number },
): string | undefined {
  if (body.round === opened.round && body.attempt === opened.attempt) return undefined
  return `round ${body.round}.${body.attempt} instead of ${opened.round}.${opened.attempt}`
}

/** What is wrong with a list of accusations: each names another member of the charter, with evidence. */
function accusation(state: LedgerState, list: readonly Accusation[]): string | undefined {
  const seen = new Set<MemberId>()
  for (const { member, evidence } of list) {
    if (!state.charter.members.some(m => m.id === member)) return `${member} is no member`
    if (seen.has(member)) return `${member} is accused twice`
    if (evidence.length === 0) return `${member} is accused without evidence`
    seen.add(member)
  }
  return undefined
}
