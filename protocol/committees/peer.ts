/**
 * The machine of a study with committees (SPEC T): one hospital's peer as a pure function of its inputs, as `peer.ts` is
 * for a study in which all sum and decide together. That one runs inside of it, for one round at a time, in the committee
 * to which the lot has brought this hospital.
 */
import { ascii, equalBytes } from '../bytes.ts'
import { hkdf } from '../crypto/kdf.ts'
import { decodeRecord } from '../ledger/certificate.ts'
import { decodeEntry } from '../ledger/entry.ts'
import { applyEntry, type LedgerState } from '../ledger/state.ts'
import { decodeState, stateHash } from '../model/state.ts'
import { CONSENSUS_PREFIX, type PeerConfig } from '../peer/books.ts'
import type { Footprint } from '../peer/footprint.ts'
import { MODEL_RECORD } from '../peer/models.ts'
import { Peer } from '../peer.ts'
import type { Durable, Input, Machine, Millis, ModelState, Output, Verdict } from '../ports.ts'
import { assert } from '../result.ts'
import { startEvents } from '../round/describe.ts'
import { takeSeat } from './adopt.ts'
import { CommitteeBooks, RECORD } from './books.ts'
import { beginInner, feed, type Inner, met, type PartMachine, restoredInner } from './inner.ts'
import { deliveryDueAt } from './propose.ts'
import { receive } from './receive.ts'
import { deliverSum, fetchModel, greet, inform } from './spread.ts'

export class CommitteePeer implements Machine {
  readonly #b: CommitteeBooks
  /** As it was last said. */
  #wakeAt: Millis | undefined

  /** `makePart`: makes what it runs in its committee; adversaries put theirs in its place. */
  constructor(config: PeerConfig, makePart: (config: PeerConfig) => PartMachine = part => new Peer(part)) {
    this.#b = new CommitteeBooks(config, makePart)
  }

  /** The state of the study's ledger as this peer holds it. */
  get state(): LedgerState {
    return this.#b.state
  }

  /** The global model of the last closed round, if this peer holds it. */
  get model(): ModelState | undefined {
    return this.#b.model
  }

  /** How much this peer keeps of what others send, its part in the committee included. */
  get footprint(): Footprint {
    const { inner, future, ballot, effects, models } = this.#b
    const own = inner?.peer.footprint ?? NOTHING_KEPT
    return {
      ...own,
      futureMessages: Math.max(own.futureMessages, future.fullest.messages),
      futureBytes: Math.max(own.futureBytes, future.fullest.bytes),
      heard: Math.max(own.heard, ballot?.messages().length ?? 0),
      transfers: own.transfers + models.size,
      jobs: effects.jobs,
    }
  }

  /** The machine of its committee in the present round, for checks; undefined between two. */
  get inner(): Pick<Inner, 'committee' | 'peer'> | undefined {
    return this.#b.inner
  }

  handle(input: Input, now: Millis): Output {
    const b = this.#b
    b.now = now
    let verdict: Verdict | undefined
    let changes = true
    switch (input.kind) {
      case 'start':
        start(b, input.entropy, input.durable)
        break
      case 'connected':
        b.connected.add(input.peer)
        b.models.reconnected(input.peer)
        changes = met(b, 'connected', input.peer) || !b.model
        greet(b, input.peer)
        break
      case 'disconnected':
        b.connected.delete(input.peer)
        changes = met(b, 'disconnected', input.peer) || !b.model
        break
      case 'message':
        verdict = receive(b, input.from, input.via, input.bytes)
        break
      case 'jobDone':
        b.effects.jobDone(input.id, input.result)
        break
      case 'jobFailed':
        b.effects.jobFailed(input.id, input.reason)
        break
      case 'tick':
        if (b.inner?.wakeAt !== undefined && b.now >= b.inner.wakeAt) feed(b, b.inner, { kind: 'tick' })
        break
    }
    // At a start each of a thousand hears of each.
    if (!changes) return { effects: b.effects.take(), wakeAt: this.#wakeAt, verdict }
    if (b.entropy) advance(b)
    this.#wakeAt = wakeAt(b)
    return { effects: b.effects.take(), wakeAt: this.#wakeAt, verdict }
  }
}

const NOTHING_KEPT: Footprint = {
  futureMessages: 0,
  futureBytes: 0,
  known: 0,
  announced: 0,
  seen: 0,
  direct: 0,
  heard: 0,
  transfers: 0,
  versions: 0,
  claims: 0,
  given: 0,
  findings: 0,
  jobs: 0,
}

/** First input of a life: the ledger, and what was said and promised at its end, as the store holds them. */
function start(b: CommitteeBooks, entropy: Uint8Array, durable: Durable): void {
  assert(entropy.length === 32 && !b.entropy, 'a life starts once, with 32 fresh bytes')
  b.entropy = hkdf(entropy, ascii('medmesh/1 entropy'), 32)
  b.since = b.now
  const initial = b.state.modelHash
  for (const key of [...durable.keys()].filter(k => k.startsWith('ledger/')).sort()) {
    const record = decodeRecord(durable.get(key)!)
    const entry = record.ok ? decodeEntry(record.value.entry) : record
    const next = entry.ok ? applyEntry(b.state, entry.value) : entry
    assert(next.ok, `the stored ledger holds at ${key}`)
    b.state = next.value
  }
  const stored = durable.get(MODEL_RECORD)
  const model = stored && decodeState(stored, b.config.charter)
  if (model?.ok && equalBytes(stateHash(model.value), b.state.modelHash)) b.model = model.value
  else if (!equalBytes(b.state.modelHash, initial)) b.model = undefined
  b.restored = restoredInner(durable)
  const ofRound = [RECORD.inner, RECORD.own, RECORD.delivered, CONSENSUS_PREFIX]
  for (const key of durable.keys()) if (ofRound.some(prefix => key.startsWith(prefix))) b.roundKeys.add(key)
  for (const event of startEvents(b.state)) b.effects.emit({ kind: 'event', event })
  takeSeat(b)
  for (const [key, message] of [...durable].sort(byKey)) {
    if (key.startsWith(RECORD.delivered)) receive(b, b.config.self, 'stream', message)
  }
  b.ballot?.restore(durable)
  const own = durable.get(RECORD.own)
  if (own) b.own = { message: own, step: 0, at: b.now }
}

function byKey(x: readonly [string, unknown], y: readonly [string, unknown]): number {
  return x[0] < y[0] ? -1 : 1
}

/** Does all that has become possible. */
function advance(b: CommitteeBooks): void {
  do {
    while (b.moved) {
      b.moved = false
      for (const kept of b.future.take()) receive(b, kept.from, kept.via, kept.bytes)
    }
    fetchModel(b)
    beginInner(b)
    const sum = deliverSum(b)
    // Who decides is handed its own committee's too.
    if (sum) receive(b, b.config.self, 'stream', sum)
    if (!b.moved) b.ballot?.advance()
  } while (b.moved)
  inform(b)
}

/** The next time at which something may become possible that no message brings. */
function wakeAt(b: CommitteeBooks): Millis | undefined {
  if (!b.entropy) return undefined
  let next = b.sync.nextAt
  const consider = (at: Millis | undefined) => {
    if (at !== undefined && at < next) next = at
  }
  consider(b.inner?.wakeAt)
  consider(b.own?.at)
  consider(b.models.dueAt)
  if (b.ballot) {
    consider(b.bench.nextAt)
    for (const at of [deliveryDueAt(b), b.ballot.wakeAt ?? 0]) if (at > b.now) consider(at)
  }
  return Math.max(next, b.now + 1)
}
