/** A life of a peer: what it knows again at its start, and after each input all that has become possible (SPEC M3, M4). */
import { declaresSamples, protection } from '../../config/charter.ts'
import { ascii, concatBytes, equalBytes, u32be } from '../bytes.ts'
import { hkdf } from '../crypto/kdf.ts'
import { decodeRecord } from '../ledger/certificate.ts'
import { decodeEntry } from '../ledger/entry.ts'
import { taskOf } from '../ledger/plan.ts'
import { applyEntry } from '../ledger/state.ts'
import { decodeState, stateHash } from '../model/state.ts'
import type { Durable, Millis } from '../ports.ts'
import { CHARGES_RECORD, decodeCharges } from '../privacy/charges.ts'
import { epsilonOfReleases, isWithinBudget } from '../privacy/policy.ts'
import { assert } from '../result.ts'
import { Attempt } from '../round/attempt.ts'
import { openDueAt, takeoverMs, takeovers } from '../round/claims.ts'
import { startEvents } from '../round/describe.ts'
import { advanceInput } from '../round/input.ts'
import { decodeSeed, encodeSeed, type SeedRecord } from '../round/join.ts'
import { advanceOpening } from '../round/opening.ts'
import { PATIENCE_VIEWS, stuckAt } from '../round/propose.ts'
import { receiptMs } from '../round/receipts.ts'
import { RECORDS } from '../round/records.ts'
import { restoreAttempt } from '../round/restore.ts'
import { lateAt } from '../round/verify.ts'
import { type Books, CONSENSUS_PREFIX } from './books.ts'
import { fetchModel, inform } from './catchup.ts'
import { apply, decide, newConsensus, openSum, shutOut, sumOf } from './decide.ts'
import { keptModel, MODEL_RECORD } from './models.ts'
import { receive } from './receive.ts'

/** First input of a life: the ledger, and what was said and promised at its end, as the store holds them. */
export function start(b: Books, entropy: Uint8Array, durable: Durable): void {
  assert(entropy.length === 32 && !b.entropy, 'a life starts once, with 32 fresh bytes')
  b.entropy = hkdf(entropy, ascii('medmesh/1 entropy'), 32)
  b.since = b.now
  // All begin a part together, and what each says first is on its way to all others.
  if (b.config.part && durable.size === 0) b.sync.rest(b.now)
  b.restored = new Map([...durable].filter(([key]) => key.startsWith('attempt/')))
  const initial = b.state.modelHash
  for (const key of [...durable.keys()].filter(k => k.startsWith('ledger/')).sort()) {
    const record = decodeRecord(durable.get(key)!)
    const entry = record.ok ? decodeEntry(record.value.entry) : record
    const next = entry.ok ? applyEntry(b.state, entry.value) : entry
    assert(entry.ok && next.ok, `the stored ledger holds at ${key}`)
    const { phase } = b.state
    b.state = next.value
    const { body } = entry.value
    if (!next.value.plan.applies && body.kind === 'RoundClosed') b.sum = sumOf(b, phase, body.sum)
  }
  b.spent = decodeCharges(durable.get(CHARGES_RECORD))
  const stored = durable.get(MODEL_RECORD)
  const model = stored && decodeState(stored, b.config.charter)
  if (model?.ok && equalBytes(stateHash(model.value), b.state.modelHash))
    b.model = keptModel(model.value, b.config.charter)
  else if (!equalBytes(b.state.modelHash, initial)) b.model = undefined
  restoreKeys(b, decodeSeed(durable.get(RECORDS.seed)))
  b.consensus = newConsensus(b)
  restoreConsensus(b, durable)
  for (const event of startEvents(b.state)) b.effects.emit({ kind: 'event', event })
  if (b.state.suspended.length > 0) shutOut(b, b.state)
}

function restoreKeys(b: Books, record: SeedRecord | undefined): void {
  const { phase } = b.state
  const here = phase.kind === 'between' ? phase : 'opened' in phase ? phase.opened : undefined
  if (!record || !here || record.round !== here.round || record.attempt !== here.attempt) return
  // Somebody was suspended or restored since.
  if (phase.kind === 'between' && !equalBytes(record.head, b.state.head)) return
  announceKeys(b, record)
}

function restoreConsensus(b: Books, durable: Durable): void {
  const records = [...durable].filter(([key]) => key.startsWith(CONSENSUS_PREFIX)).sort()
  if (records.length === 0) return
  b.consensusRecords = records.map(([key]) => key)
  b.consensusStarted = true
  apply(
    b,
    b.consensus.restore(
      records.map(([, bytes]) => bytes),
      b.now,
    ),
  )
}

/** Does all that has become possible. */
export function advance(b: Books): void {
  do {
    // A step further: what was kept for it is taken in, which may lead a step further again.
    while (b.moved) {
      b.moved = false
      for (const kept of b.future.take()) receive(b, kept.from, kept.via, kept.bytes)
    }
    fetchModel(b)
    announce(b)
    openAttempt(b)
    if (b.attempt?.opening) advanceOpening(b.attempt)
    else if (b.attempt) advanceInput(b.attempt)
    if (!b.moved) decide(b)
  } while (b.moved)
  inform(b)
}

/** Announces fresh keys for the next attempt, once. */
function announce(b: Books): void {
  const { phase, head } = b.state
  if (phase.kind !== 'between' || b.join.own || !b.state.voters.includes(b.config.self)) return
  if (!mayGive(b)) return
  const { round, attempt } = phase
  const info = concatBytes(ascii('medmesh/1 attempt seed'), u32be(round, attempt), head)
  const seed = hkdf(b.entropy!, info, 32)
  // Forward secrecy: who reads this process's memory later cannot derive the seeds of attempts that are over.
  b.entropy = hkdf(b.entropy!, ascii('medmesh/1 next entropy'), 32)
  const { charter, samples } = b.config
  announceKeys(b, { round, attempt, head, seed, ...(declaresSamples(charter) && { samples: samples ?? 0 }) })
}

/** At its budget a hospital is in no cohort any more, and says so. */
function mayGive(b: Books): boolean {
  const { charter } = b.config
  const noised = protection(charter)
  const { phase } = b.state
  const task = phase.kind === 'between' ? taskOf(charter, phase.round) : undefined
  if (!noised || !task || isWithinBudget(charter, b.spent, task)) return true
  if (!b.toldSpent)
    b.effects.emit({
      kind: 'event',
      event: {
        kind: 'budgetSpent',
        unit: noised.unit,
        epsilon: epsilonOfReleases(charter, b.spent),
        epsilonMax: noised.epsilonMax,
      },
    })
  b.toldSpent = true
  return false
}

function announceKeys(b: Books, record: SeedRecord): void {
  const self = b.config.self
  const body = b.join.adopt(record)
  const message = b.hands.sign('keys', body)
  b.effects.store([[RECORDS.seed, encodeSeed(record)]], [], () => {
    b.join.accept(self, body, message, b.now)
    b.hands.publish(`keys:${self}`, message)
  })
}

/** The attempt begins when the entry that opens it and all keys that it names are here. */
function openAttempt(b: Books): void {
  const { phase } = b.state
  if (b.attempt || !('opened' in phase)) return
  const keys = b.join.keysOf(phase.opened)
  if (!keys) return
  const own = b.join.ownIn(phase.opened, b.config.self)
  const { charter } = b.config
  const { plan } = b.state
  const { opened: body, openedHash: opened } = phase
  const setup = { charter, plan, body, opened, keys, own, openedAt: b.since, residual: b.residual }
  const attempt = new Attempt(setup, b.model, b.hands)
  b.attempt = attempt
  for (const charge of b.charges.splice(0)) attempt.find(charge)
  restoreAttempt(attempt, b.restored)
  // A restarted peer deals the same shares again, so that all that others lack of it can be had.
  advanceInput(attempt)
  if (phase.kind === 'fixed') openSum(b)
  b.moved = true
}

/** The next time at which something may become possible that no message brings. */
export function wakeAt(b: Books): Millis | undefined {
  if (!b.entropy) return undefined
  const { joinDeadlineMs, viewTimeoutMs } = b.config.charter.secureSum
  let next = Math.max(b.sync.nextAt, b.now + 1)
  const consider = (at: Millis) => {
    if (at > b.now && at < next) next = at
  }
  if (b.consensusWakeAt !== undefined) next = Math.min(next, Math.max(b.consensusWakeAt, b.now))
  consider(b.since + joinDeadlineMs)
  consider(b.since + 2 * joinDeadlineMs)
  consider(stuckAt(b.state, b.since))
  if (b.models.dueAt !== undefined) consider(b.models.dueAt)
  const a = b.attempt
  if (!a) return next
  consider(a.complainAt)
  for (const views of [0, 1, 3, 4]) consider(a.inputDueAt + views * viewTimeoutMs)
  if (a.fetchDueAt !== undefined) consider(a.fetchDueAt)
  if (a.unreceiptedAt !== undefined) consider(a.unreceiptedAt + receiptMs(a))
  const o = a.opening
  if (!o) return next
  consider(openDueAt(a, o))
  if (o.recovered) {
    consider(lateAt(a, o.recovered))
    consider(o.recovered.at + (takeovers(a, o) + 1) * takeoverMs(a))
  }
  if (!o.outcome) return next
  consider(o.outcome.at + viewTimeoutMs)
  consider(o.outcome.at + PATIENCE_VIEWS * viewTimeoutMs)
  return next
}
