/** A small consortium's ledger, entry by entry, for the tests of this folder. */
import { type Charter, declaresSamples } from '../../../../config/charter.ts'
import { ascii, concatBytes } from '../../../../protocol/bytes.ts'
import { voteBody } from '../../../../protocol/consensus/message.ts'
import { NOTHING_TRACKED } from '../../../../protocol/contribution/standing.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import type { Certificate, LedgerRecord } from '../../../../protocol/ledger/certificate.ts'
import { type Body, type Entry, encodeEntry, entryHash } from '../../../../protocol/ledger/entry.ts'
import { signRestoration } from '../../../../protocol/ledger/restore.ts'
import { applyEntry, genesis, type LedgerState } from '../../../../protocol/ledger/state.ts'
import type { MemberId } from '../../../../protocol/ports.ts'
import { openEnvelope, sealEnvelope } from '../../../../protocol/wire/envelope.ts'
import { memberName, seedOf, testCharter } from '../../../support/consortium.ts'

export const hash = (text: string) => sha256(ascii(text))
export const network = hash('network')
export const initialModel = hash('model 0')

/** Five hospitals, f = 1 (quorum 4), two training rounds: rounds 0 to 3. */
export const charter: Charter = testCharter({ n: 5, f: 1, rounds: 2 })
export const members: MemberId[] = charter.members.map(m => m.id)
export const charterHash = hash('charter')
export const start = (): LedgerState => genesis(charter, charterHash, initialModel)

export type BodyOf<K extends Body['kind']> = Extract<Body, { kind: K }>

export function opened(state: LedgerState, cohort: readonly MemberId[] = members): BodyOf<'RoundOpened'> {
  if (state.phase.kind !== 'between') throw new Error(state.phase.kind)
  const { round, attempt, task } = state.phase
  return {
    kind: 'RoundOpened',
    round,
    attempt,
    task,
    charter: state.charterHash,
    model: state.modelHash,
    cohort: cohort.map(member => ({
      member,
      keys: hash(`keys of ${member}`),
      ...(declaresSamples(state.charter) && { samples: 100 }),
    })),
    absent: members.filter(m => !cohort.includes(m)),
  }
}

export function fixed(state: LedgerState, survivors?: readonly MemberId[]): BodyOf<'SurvivorsFixed'> {
  if (state.phase.kind !== 'opened') throw new Error(state.phase.kind)
  const { round, attempt, cohort } = state.phase.opened
  const stay = survivors ?? cohort.map(c => c.member)
  return {
    kind: 'SurvivorsFixed',
    round,
    attempt,
    survivors: stay.map(member => ({ member, root: hash(`root of ${member}`) })),
    leftOut: cohort
      .filter(c => !stay.includes(c.member))
      .map(({ member }) => ({ member, reason: 'silent', evidence: [] })),
    owners: [cohort[0]!.member],
  }
}

export function closed(state: LedgerState, model?: Uint8Array): BodyOf<'RoundClosed'> {
  if (state.phase.kind !== 'fixed') throw new Error(state.phase.kind)
  const { round, attempt, task } = state.phase.opened
  return {
    kind: 'RoundClosed',
    round,
    attempt,
    seeds: hash('seeds'),
    sum: hash('sum'),
    model: model ?? (task === 'evaluate' ? state.modelHash : hash(`model after ${round}`)),
    samples: 700,
    metrics: task === 'statistics' ? null : { testSamples: 240, auc: 0.8, accuracy: 0.75, loss: 0.5 },
    epsilon: 0,
    faults: [],
  }
}

export function aborted(
  state: LedgerState,
  reason: BodyOf<'RoundAborted'>['reason'],
  culprits: readonly MemberId[] = [],
): BodyOf<'RoundAborted'> {
  if (state.phase.kind !== 'opened' && state.phase.kind !== 'fixed') throw new Error(state.phase.kind)
  const { round, attempt } = state.phase.opened
  return {
    kind: 'RoundAborted',
    round,
    attempt,
    reason,
    culprits: culprits.map(member => ({ member, code: 'badShard', evidence: [ascii('evidence')] })),
    conflicts: [],
  }
}

export function entryOf(state: LedgerState, body: Body, over: Partial<Entry> = {}): Entry {
  return { height: state.height + 1, prev: state.head, at: state.at + 1000, body, ...over }
}

/** The state after `body`; throws when the ledger refuses it. */
export function apply(state: LedgerState, body: Body): LedgerState {
  const applied = applyEntry(state, entryOf(state, body))
  if (!applied.ok) throw new Error(applied.error)
  return applied.value
}

/** Why the ledger refuses `body`; 'accepted' when it does not. */
export function refusal(state: LedgerState, body: Body, over: Partial<Entry> = {}): string {
  const applied = applyEntry(state, entryOf(state, body, over))
  return applied.ok ? 'accepted' : applied.error
}

export const toOpened = (state: LedgerState) => apply(state, opened(state))
export function toFixed(state: LedgerState): LedgerState {
  const open = toOpened(state)
  return apply(open, fixed(open))
}
export function toClosed(state: LedgerState): LedgerState {
  const fix = toFixed(state)
  return apply(fix, closed(fix))
}

function signature(member: MemberId, height: number, view: number, id: Uint8Array): Uint8Array {
  const seed = seedOf(members.indexOf(member))
  if (memberName(members.indexOf(member)) !== member) throw new Error('not a member')
  const body = voteBody(height, view, id)
  const raw = openEnvelope(sealEnvelope({ network, type: 'precommit', from: member, seed }, body))
  return raw.ok ? raw.value.sig : concatBytes()
}

export function certify(
  entryBytes: Uint8Array,
  height: number,
  signers: readonly MemberId[],
  view = 0,
): Certificate {
  const id = entryHash(entryBytes)
  return { view, votes: signers.map(member => ({ member, sig: signature(member, height, view, id) })) }
}

/** A finished study: all records in order. `note` sees each state that an entry was made on. */
export function wholeLedger(): LedgerRecord[] {
  const records: LedgerRecord[] = []
  let state = start()
  const add = (body: Body) => {
    const entry = encodeEntry(entryOf(state, body))
    const signers = state.voters.slice(0, state.quorum)
    records.push({ entry, certificate: certify(entry, state.height + 1, signers) })
    state = apply(state, body)
  }
  while (state.phase.kind !== 'finished') {
    if (state.phase.kind === 'between') add(opened(state))
    else if (state.phase.kind === 'opened') add(fixed(state))
    else if (state.phase.kind === 'fixed') add(closed(state))
    else add({ kind: 'StudyFinished', rounds: 2, model: state.modelHash })
  }
  return records
}

/** At the start of a study in which five audits in a row suspend; so many speak against these members already. */
export function spokenAgainst(of: readonly MemberId[], audits = 5): LedgerState {
  const standing = { probationAfter: 2, suspendAfter: 3 }
  const audited = { ...charter, contribution: { audit: { oneIn: 1, groupSize: 3 }, standing } }
  const tracked = { ...NOTHING_TRACKED, against: new Map(of.map(m => [m, audits])) }
  return { ...genesis(audited, charterHash, initialModel), tracked }
}

/** Signed by these. */
export function restored(
  { suspensions, charterHash }: LedgerState,
  member: MemberId,
  by: readonly MemberId[],
): BodyOf<'MemberRestored'> {
  const entry = suspensions.get(member) ?? new Uint8Array(32)
  const signatures = by.map(m =>
    signRestoration({ member, entry, charterHash }, m, seedOf(members.indexOf(m))),
  )
  return { kind: 'MemberRestored', member, signatures }
}
