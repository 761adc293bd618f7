/**
 * The machine: one hospital's peer as a pure function of its inputs (SPEC M1 to M5). It keeps the ledger's state,
 * one consensus instance for the next entry and one attempt of a round; after each input it does all that has
 * become possible and returns the effects at once.
 */
import type { Charter } from '../config/charter.ts'
import { ascii, concatBytes, equalBytes, fromHex, toHex, u32be } from './bytes.ts'
import { type ConsensusMessage, isConsensusType, parseConsensus } from './consensus/message.ts'
import { Consensus, proposerAt, type Step } from './consensus/tendermint.ts'
import { hkdf } from './crypto/kdf.ts'
import { type Fault, type FaultCode, fault, verdictOf } from './fault.ts'
import { decodeRecord, encodeRecord, type LedgerRecord, recordKey } from './ledger/certificate.ts'
import { decodeEntry, type Entry, encodeEntry } from './ledger/entry.ts'
import { applyEntry, genesis, type LedgerState } from './ledger/state.ts'
import { applyRecord } from './ledger/verify.ts'
import { initialState } from './model/initial.ts'
import { decodeState, encodeState, stateHash } from './model/state.ts'
import type {
  Durable,
  Effect,
  Input,
  Job,
  JobResult,
  Machine,
  MemberId,
  Millis,
  ModelState,
  Output,
  Task,
  Verdict,
} from './ports.ts'
import { assert } from './result.ts'
import { Attempt, evidenceOf } from './round/attempt.ts'
import { openDueAt, takeoverMs, takeovers } from './round/claims.ts'
import { eventOf, waitsFor } from './round/describe.ts'
import { Future } from './round/future.ts'
import type { Finding, Hands } from './round/hands.ts'
import { advanceInput } from './round/input.ts'
import { decodeSeed, encodeSeed, Join, type SeedRecord } from './round/join.ts'
import { Known, prefixOf } from './round/known.ts'
import { advanceOpening, beginOpening } from './round/opening.ts'
import { judge, type Outlook, PATIENCE_VIEWS, proposable } from './round/propose.ts'
import { reassignMs, receiptMs } from './round/receipts.ts'
import {
  placeOf,
  receiveDirect,
  receiveGossip,
  receiveOther,
  retryEarly,
  type Stage,
} from './round/receive.ts'
import { RECORDS } from './round/records.ts'
import { restoreAttempt, restoreReveal } from './round/restore.ts'
import { contradict, replaceable, slotOf } from './round/slots.ts'
import { ANSWER_BYTES_MAX, readHave, Sync } from './round/sync.ts'
import { decode, encode } from './wire/codec.ts'
import {
  openEnvelope,
  plainEnvelope,
  type RawEnvelope,
  sealEnvelope,
  verifyEnvelope,
} from './wire/envelope.ts'
import {
  BODIES,
  type Body,
  GOSSIP_TYPES,
  type GossipType,
  STREAM_TYPES,
  type StreamType,
} from './wire/messages.ts'

export interface PeerConfig {
  readonly charter: Charter
  /** SHA-256 of the charter's canonical form; 32 bytes. */
  readonly charterHash: Uint8Array
  /** Hash of the study's first charter; 32 bytes. */
  readonly network: Uint8Array
  readonly self: MemberId
  /** Seed of the Ed25519 key that the charter names for `self`; 32 bytes. */
  readonly seed: Uint8Array
}

const MODEL_RECORD = 'model'
const CONSENSUS_PREFIX = 'consensus/'

export class Peer implements Machine {
  readonly #c: PeerConfig
  readonly #keys: ReadonlyMap<MemberId, Uint8Array>
  readonly #connected = new Set<MemberId>()
  readonly #sync = new Sync()
  readonly #known = new Known()
  readonly #jobs = new Map<number, (result: JobResult) => void>()
  readonly #entries = new WeakMap<Uint8Array, Entry>()
  readonly #hands: Hands
  #now: Millis = 0
  #out: Effect[] = []
  #entropy: Uint8Array | undefined
  #state: LedgerState
  /** When the last entry was adopted here, or this life began. */
  #since: Millis = 0
  #model: ModelState | undefined
  #join = new Join()
  #attempt: Attempt | undefined
  /** Faults found between attempts: at most one a member, for the next attempt to name. */
  readonly #charges: Finding[] = []
  #restored: Durable = new Map()
  #future = new Future()
  #consensus: Consensus
  #consensusStarted = false
  #consensusRecords: string[] = []
  #consensusWakeAt: Millis | undefined
  #nextJob = 1
  #waiting = ''
  #settled = false

  constructor(config: PeerConfig) {
    this.#c = config
    this.#keys = new Map(config.charter.members.map(m => [m.id, fromHex(m.publicKey)]))
    assert(this.#keys.has(config.self), 'the peer is a member of its charter')
    const model = initialState(config.charter)
    this.#model = model
    this.#state = genesis(config.charter, config.charterHash, stateHash(model))
    this.#consensus = this.#newConsensus()
    this.#hands = this.#makeHands()
  }

  /** The ledger's state as this peer holds it. */
  get state(): LedgerState {
    return this.#state
  }

  /** The global model of the last closed round, if this peer holds it. */
  get model(): ModelState | undefined {
    return this.#model
  }

  handle(input: Input, now: Millis): Output {
    this.#now = now
    this.#out = []
    let verdict: Verdict | undefined
    switch (input.kind) {
      case 'start':
        this.#start(input.entropy, input.durable)
        break
      case 'connected':
        this.#connected.add(input.peer)
        this.#tell(input.peer)
        break
      case 'disconnected':
        this.#connected.delete(input.peer)
        break
      case 'message':
        verdict = this.#receive(input.from, input.via, input.bytes)
        break
      case 'jobDone': {
        const done = this.#jobs.get(input.id)
        this.#jobs.delete(input.id)
        done?.(input.result)
        break
      }
      case 'jobFailed':
        if (this.#jobs.delete(input.id))
          this.#emit({ kind: 'event', event: { kind: 'jobFailed', reason: input.reason } })
        break
      case 'tick':
        break
    }
    if (this.#entropy) this.#advance()
    return { effects: this.#out, wakeAt: this.#wakeAt(), verdict }
  }

  // --- life ---

  #start(entropy: Uint8Array, durable: Durable): void {
    assert(entropy.length === 32 && !this.#entropy, 'a life starts once, with 32 fresh bytes')
    this.#entropy = hkdf(entropy, ascii('medmesh/1 entropy'), 32)
    this.#since = this.#now
    const initial = this.#state.modelHash
    for (const key of [...durable.keys()].filter(k => k.startsWith('ledger/')).sort()) {
      const record = decodeRecord(durable.get(key)!)
      const entry = record.ok ? decodeEntry(record.value.entry) : record
      const next = entry.ok ? applyEntry(this.#state, entry.value) : entry
      assert(next.ok, `the stored ledger holds at ${key}`)
      this.#state = next.value
    }
    const stored = durable.get(MODEL_RECORD)
    const model = stored && decodeState(stored, this.#c.charter)
    if (model?.ok && equalBytes(stateHash(model.value), this.#state.modelHash)) this.#model = model.value
    else if (!equalBytes(this.#state.modelHash, initial)) this.#model = undefined
    this.#restored = new Map([...durable].filter(([key]) => key.startsWith('attempt/')))
    this.#restoreKeys(decodeSeed(durable.get(RECORDS.seed)))
    this.#consensus = this.#newConsensus()
    this.#restoreConsensus(durable)
    const { phase } = this.#state
    const round = phase.kind === 'between' ? phase.round : 'opened' in phase ? phase.opened.round : 0
    this.#emit({ kind: 'event', event: { kind: 'started', height: this.#state.height, round } })
  }

  #restoreKeys(record: SeedRecord | undefined): void {
    const { phase } = this.#state
    const here = phase.kind === 'between' ? phase : 'opened' in phase ? phase.opened : undefined
    if (!record || !here || record.round !== here.round || record.attempt !== here.attempt) return
    this.#announceKeys(record)
  }

  #restoreConsensus(durable: Durable): void {
    const records = [...durable].filter(([key]) => key.startsWith(CONSENSUS_PREFIX)).sort()
    if (records.length === 0) return
    this.#consensusRecords = records.map(([key]) => key)
    this.#consensusStarted = true
    this.#apply(
      this.#consensus.restore(
        records.map(([, bytes]) => bytes),
        this.#now,
      ),
    )
  }

  // --- what has become possible ---

  #advance(): void {
    for (;;) {
      const height = this.#state.height
      this.#announce()
      this.#openAttempt()
      if (this.#attempt?.opening) advanceOpening(this.#attempt)
      else if (this.#attempt) advanceInput(this.#attempt)
      if (this.#state.height === height) this.#decide()
      if (this.#state.height === height) break
    }
    this.#inform()
  }

  /** Announces fresh keys for the next attempt, once. */
  #announce(): void {
    const { phase, head } = this.#state
    if (phase.kind !== 'between' || this.#join.own || !this.#state.voters.includes(this.#c.self)) return
    const { round, attempt } = phase
    const info = concatBytes(ascii('medmesh/1 attempt seed'), u32be(round, attempt), head)
    const seed = hkdf(this.#entropy!, info, 32)
    // Forward secrecy: who reads this process's memory later cannot derive the seeds of attempts that are over.
    this.#entropy = hkdf(this.#entropy!, ascii('medmesh/1 next entropy'), 32)
    this.#announceKeys({ round, attempt, head, seed })
  }

  #announceKeys(record: SeedRecord): void {
    const self = this.#c.self
    const body = this.#join.adopt(record)
    const message = this.#hands.sign('keys', body)
    this.#store([[RECORDS.seed, encodeSeed(record)]], [], () => {
      this.#join.accept(self, body, message, this.#now)
      this.#hands.publish(`keys:${self}`, message)
    })
  }

  /** The attempt begins when the entry that opens it and all keys that it names are here. */
  #openAttempt(): void {
    const { phase } = this.#state
    if (this.#attempt || !('opened' in phase)) return
    const keys = this.#join.keysOf(phase.opened)
    if (!keys) return
    const own = this.#join.ownIn(phase.opened, this.#c.self)
    const { charter } = this.#c
    const setup = { charter, body: phase.opened, opened: phase.openedHash, keys, own, openedAt: this.#since }
    const attempt = new Attempt(setup, this.#model, this.#hands)
    this.#attempt = attempt
    for (const charge of this.#charges.splice(0)) attempt.find(charge)
    restoreAttempt(attempt, this.#restored)
    // A restarted peer deals the same shares again, so that all that others lack of it can be had.
    advanceInput(attempt)
    if (phase.kind === 'fixed') this.#openSum()
    this.#replayFuture()
  }

  #openSum(): void {
    const { phase } = this.#state
    if (phase.kind !== 'fixed' || !this.#attempt) return
    beginOpening(this.#attempt, phase.fixed, phase.fixedHash, this.#now)
    restoreReveal(this.#attempt, this.#restored)
  }

  #decide(): void {
    if (this.#state.phase.kind === 'finished') return
    if (this.#consensusStarted) this.#apply(this.#consensus.poll(this.#now))
    else if (proposable(this.#outlook())) {
      this.#consensusStarted = true
      this.#apply(this.#consensus.start(this.#now))
    }
  }

  #outlook(): Outlook {
    return {
      state: this.#state,
      join: this.#join,
      attempt: this.#attempt,
      since: this.#since,
      now: this.#now,
    }
  }

  // --- consensus and ledger ---

  #newConsensus(): Consensus {
    const { voters, quorum, height } = this.#state
    const next = height + 1
    return new Consensus({
      network: this.#c.network,
      height: next,
      self: { id: this.#c.self, seed: this.#c.seed },
      voters,
      quorum,
      faultyMax: this.#c.charter.maliciousMax,
      viewTimeoutMs: this.#c.charter.secureSum.viewTimeoutMs,
      proposerOf: view => proposerAt(voters, next, view),
      publicKeyOf: member => this.#keys.get(member)!,
      host: {
        value: () => {
          const body = proposable(this.#outlook())
          if (!body) return undefined
          const at = Math.max(Math.floor(this.#now), this.#state.at)
          return encodeEntry({ height: next, prev: this.#state.head, at, body })
        },
        check: (value, prevoters) => {
          const entry = this.#entryOf(value)
          return entry ? judge(this.#outlook(), entry, prevoters) : 'invalid'
        },
      },
    })
  }

  #entryOf(value: Uint8Array): Entry | undefined {
    const known = this.#entries.get(value)
    if (known) return known
    const entry = decodeEntry(value)
    if (entry.ok) this.#entries.set(value, entry.value)
    return entry.ok ? entry.value : undefined
  }

  /** Performs a step of consensus; its worst fault, if any. */
  #apply(step: Step, relay?: MemberId): Fault | undefined {
    for (const f of step.faults) {
      const peer = f.peer ?? relay
      if (peer !== undefined && f.fault.code !== 'duplicate')
        this.#emit({ kind: 'fault', peer, fault: f.fault })
      if (f.peer !== undefined && f.evidence.length > 0)
        this.#charge({ member: f.peer, code: f.fault.code, evidence: evidenceOf(...f.evidence) })
    }
    if (step.say.length > 0) {
      const puts = [...step.say, ...step.keep].map(bytes => {
        const key = `${CONSENSUS_PREFIX}${String(this.#consensusRecords.length).padStart(6, '0')}`
        this.#consensusRecords.push(key)
        return [key, bytes] as const
      })
      this.#store(puts, [], () => {
        for (const bytes of step.say) this.#emit({ kind: 'publish', bytes })
      })
    }
    if (step.say.length > 0 || this.#consensus.view >= 0) this.#consensusStarted = true
    this.#consensusWakeAt = step.wakeAt
    if (step.decided) {
      const record = { entry: step.decided.value, certificate: step.decided.certificate }
      const next = applyRecord(this.#state, this.#c.network, record)
      assert(next.ok, 'what a quorum decided follows')
      this.#adopt(record, next.value)
    }
    return step.faults.map(f => f.fault).find(f => verdictOf(f) === 'reject') ?? step.faults[0]?.fault
  }

  /** One certified entry further: durable, told, and the next step begins. */
  #adopt(record: LedgerRecord, next: LedgerState): void {
    const entry = this.#entryOf(record.entry)!
    const before = this.#state.phase
    const task: Task =
      before.kind === 'between' ? before.task : 'opened' in before ? before.opened.task : 'evaluate'
    const puts: [string, Uint8Array][] = [[recordKey(next.height), encodeRecord(record)]]
    const deletes = this.#consensusRecords
    if (!equalBytes(next.modelHash, this.#state.modelHash)) {
      const outcome = this.#attempt?.opening?.outcome
      const computed = outcome && equalBytes(outcome.modelHash, next.modelHash)
      this.#model = computed ? outcome.model : undefined
      if (computed) puts.push([MODEL_RECORD, encodeState(outcome.model)])
    }
    const over = !('opened' in next.phase)
    if (over) deletes.push(...Object.values(RECORDS))
    const event = eventOf(entry, task)
    this.#store(puts, deletes, () => {
      if (event) this.#emit({ kind: 'event', event })
    })
    this.#state = next
    this.#since = this.#now
    this.#waiting = ''
    this.#consensusRecords = []
    this.#consensusStarted = false
    this.#consensusWakeAt = undefined
    this.#consensus = this.#newConsensus()
    if (over) this.#endAttempt()
    else if (this.#attempt) this.#openSum()
    this.#replayFuture()
  }

  #endAttempt(): void {
    for (const id of this.#jobs.keys()) this.#emit({ kind: 'cancel', id })
    this.#jobs.clear()
    this.#attempt = undefined
    this.#restored = new Map()
    this.#join = new Join()
    this.#known.clear()
    this.#sync.clearAttempt()
  }

  #replayFuture(): void {
    for (const kept of this.#future.take()) this.#receive(kept.from, kept.via, kept.bytes)
  }

  // --- messages ---

  #receive(from: MemberId, via: 'gossip' | 'stream', bytes: Uint8Array): Verdict {
    const prefix = prefixOf(bytes)
    if (this.#known.has(prefix) || this.#sync.hasSeen(prefix)) return 'ignore'
    const raw = openEnvelope(bytes)
    if (!raw.ok) return this.#blame(from, raw.error)
    const { type, from: author } = raw.value
    if (!this.#keys.has(author)) return this.#blame(from, fault('notMember', type))
    if ((STREAM_TYPES as readonly string[]).includes(type)) {
      if (via !== 'stream' || author !== from) return this.#blame(from, fault('wrongChannel', type))
      return this.#receiveStream(raw.value, type as StreamType, prefix)
    }
    if (isConsensusType(type)) return this.#receiveConsensus(raw.value, from, via)
    if ((GOSSIP_TYPES as readonly string[]).includes(type)) {
      return this.#receiveGossip(raw.value, type as GossipType, from, via, prefix)
    }
    return this.#blame(from, fault('malformed', 'unknown type'))
  }

  #blame(peer: MemberId, f: Fault): Verdict {
    this.#emit({ kind: 'fault', peer, fault: f })
    return verdictOf(f)
  }

  #receiveConsensus(raw: RawEnvelope, from: MemberId, via: 'gossip' | 'stream'): Verdict {
    const parsed = parseConsensus(raw)
    if (!parsed.ok) return this.#blame(from, parsed.error)
    const message: ConsensusMessage = parsed.value
    const next = this.#state.height + 1
    if (message.height < next) return 'ignore'
    if (message.height > next) return this.#keepForLater(raw, from, via)
    const worst = this.#apply(this.#consensus.receive(message, this.#now), from)
    // Who relays one of two contradicting messages has done nothing wrong.
    if (!worst || worst.code === 'equivocation') return 'accept'
    return verdictOf(worst)
  }

  #keepForLater(raw: RawEnvelope, from: MemberId, via: 'gossip' | 'stream'): Verdict {
    // Only what its author signed takes of its author's room.
    const signed = raw.sig.length === 0 ? raw.from === from : this.#isSigned(raw)
    if (!signed) return this.#blame(from, fault('badSignature', raw.type))
    return this.#future.keep(raw.from, { from, via, bytes: raw.bytes }) ? 'accept' : 'ignore'
  }

  #isSigned(raw: RawEnvelope): boolean {
    return verifyEnvelope(raw, this.#c.network, this.#keys.get(raw.from)!)
  }

  #stage(): Stage {
    return {
      phase: this.#state.phase,
      head: this.#state.head,
      join: this.#join,
      attempt: this.#attempt,
      now: this.#now,
    }
  }

  #receiveGossip(
    raw: RawEnvelope,
    type: GossipType,
    from: MemberId,
    via: 'gossip' | 'stream',
    prefix: string,
  ): Verdict {
    const decoded = decode<Body<GossipType>>(raw.body, BODIES[type])
    if (!decoded.ok) return this.#blame(from, fault('malformed', `${type}: ${decoded.error}`))
    const body = decoded.value
    const stage = this.#stage()
    const place = placeOf(stage, type, body)
    if (place === 'stale') {
      // Keys under another ledger: late ones are signed all the same, those of another study are not.
      if (type !== 'keys' || this.#isSigned(raw)) return 'ignore'
      return this.#blame(from, fault('wrongNetwork', 'keys that are not signed for this study'))
    }
    if (place === 'later') return this.#keepForLater(raw, from, via)
    if (!this.#isSigned(raw)) return this.#blame(from, fault('badSignature', type))
    const slot = slotOf(type, raw.from, body)
    const before = replaceable(type) ? undefined : this.#known.get(slot)
    if (before) return this.#contradicted(raw, type, body, { slot, before, prefix })
    const routed = receiveGossip(stage, type, raw.from, body, raw.bytes)
    if (routed === 'bad') {
      this.#charge({ member: raw.from, code: 'malformed', evidence: evidenceOf(raw.bytes) })
      return this.#blame(raw.from, fault('malformed', `${type}: not of this attempt's shape`))
    }
    if (routed !== 'taken') return 'ignore'
    this.#known.add(slot, raw.bytes, prefix, replaceable(type))
    if (this.#attempt && (type === 'input' || type === 'claim')) retryEarly(this.#attempt)
    return 'accept'
  }

  /** Not held against whoever relays it; both messages are passed on, once, so that all get to see them. */
  #contradicted<T extends GossipType>(
    raw: RawEnvelope,
    type: T,
    body: Body<T>,
    seen: { readonly slot: string; readonly before: Uint8Array; readonly prefix: string },
  ): Verdict {
    const first = openEnvelope(seen.before)
    if (first.ok && !contradict(first.value, raw)) return 'ignore'
    const evidence = evidenceOf(seen.before, raw.bytes)
    const isNew = this.#charge({ member: raw.from, code: 'equivocation', evidence })
    if (isNew) {
      this.#blame(raw.from, fault('equivocation', `two different ${type} messages`))
      for (const message of [seen.before, raw.bytes]) this.#emit({ kind: 'publish', bytes: message })
    }
    const done = receiveOther(this.#stage(), type, raw.from, body, raw.bytes)
    if (done === 'taken') {
      this.#known.add(seen.slot, raw.bytes, seen.prefix, true)
      if (this.#attempt) retryEarly(this.#attempt)
    } else if (done === 'kept') this.#sync.markSeen(seen.prefix)
    return isNew ? 'accept' : 'ignore'
  }

  /** Holds a fault against a member, in the present attempt or the next; false: it was known. */
  #charge(finding: Finding): boolean {
    if (this.#attempt) return this.#attempt.find(finding)
    if (this.#charges.some(c => c.member === finding.member)) return false
    this.#charges.push(finding)
    return true
  }

  #receiveStream(raw: RawEnvelope, type: StreamType, prefix: string): Verdict {
    const decoded = decode<Body<StreamType>>(raw.body, BODIES[type])
    const from = raw.from
    if (!decoded.ok) return this.#blame(from, fault('malformed', `${type}: ${decoded.error}`))
    const body = decoded.value
    switch (type) {
      case 'status':
        return this.#onStatus(from, body as Body<'status'>)
      case 'entry':
        return this.#onEntry(from, body as Body<'entry'>)
      case 'modelRequest':
        return this.#onModelRequest(from, body as Body<'modelRequest'>)
      case 'model':
        return this.#onModel(from, body as Body<'model'>)
      default: {
        const part = body as Body<'sealed' | 'shard' | 'shardSum' | 'open'>
        const place = placeOf(this.#stage(), type, part)
        if (place === 'stale') return 'ignore'
        if (place === 'later' || !this.#attempt) return this.#keepForLater(raw, from, 'stream')
        const routed = receiveDirect(this.#attempt, type, from, part)
        if (routed === 'bad')
          return this.#blame(from, fault('badShard', `${type}: not what was committed to`))
        if (type !== 'open') this.#sync.markSeen(prefix)
        return 'accept'
      }
    }
  }

  // --- catching up ---

  #tell(peer: MemberId): void {
    if (!this.#entropy || !this.#sync.mayTell(peer, this.#now)) return
    const prefixes = [...this.#known.prefixes(), ...this.#consensus.messages().map(prefixOf)]
    const model = this.#model ? this.#state.modelHash : new Uint8Array(32)
    this.#send(peer, 'status', { height: this.#state.height, have: this.#sync.have(prefixes), model })
  }

  #onStatus(from: MemberId, body: Body<'status'>): Verdict {
    const have = readHave(body.have)
    if (!have) return this.#blame(from, fault('malformed', 'status: have'))
    this.#sync.heard(from, body.height)
    if (!this.#model && equalBytes(body.model, this.#state.modelHash)) {
      this.#send(from, 'modelRequest', { hash: body.model })
    }
    const mine = this.#state.height
    if (body.height > mine) this.#tell(from)
    else if (body.height < mine) {
      for (const height of this.#sync.entriesFor(from, body.height, mine, this.#now)) {
        this.#emit({ kind: 'sendRecord', to: from, key: recordKey(height) })
      }
    } else if (this.#sync.mayAnswer(from, 'status', this.#now)) {
      const votes = this.#consensus.messages().filter(m => !have.has(prefixOf(m)))
      const messages = [
        ...votes,
        ...this.#sync.directFor(from, have),
        ...this.#known.missing(have, ANSWER_BYTES_MAX),
      ]
      for (const bytes of messages) this.#emit({ kind: 'send', to: from, bytes })
    }
    return 'accept'
  }

  #onEntry(from: MemberId, record: Body<'entry'>): Verdict {
    const entry = this.#entryOf(record.entry)
    if (!entry) return this.#blame(from, fault('malformed', 'entry'))
    this.#sync.heard(from, entry.height)
    if (entry.height !== this.#state.height + 1) return 'ignore'
    const next = applyRecord(this.#state, this.#c.network, record)
    if (!next.ok) return this.#blame(from, fault('badCertificate', `height ${entry.height}: ${next.error}`))
    this.#adopt(record, next.value)
    return 'accept'
  }

  #onModelRequest(from: MemberId, { hash }: Body<'modelRequest'>): Verdict {
    if (!this.#model || !equalBytes(hash, this.#state.modelHash)) return 'accept'
    if (this.#sync.mayAnswer(from, 'modelRequest', this.#now)) {
      this.#send(from, 'model', { hash, data: encodeState(this.#model) })
    }
    return 'accept'
  }

  #onModel(from: MemberId, { hash, data }: Body<'model'>): Verdict {
    if (this.#model || !equalBytes(hash, this.#state.modelHash)) return 'ignore'
    const model = decodeState(data, this.#c.charter)
    if (!model.ok || !equalBytes(stateHash(model.value), hash))
      return this.#blame(from, fault('badModel', 'fetched model'))
    this.#store([[MODEL_RECORD, data]], [], () => {})
    this.#model = model.value
    if (this.#attempt) this.#attempt.model = model.value
    return 'accept'
  }

  /** Tells a few peers what is held here when their turn has come, and people what is waited for. */
  #inform(): void {
    const { height, phase } = this.#state
    if (phase.kind === 'finished') {
      const behind = [...this.#keys.keys()].filter(m => m !== this.#c.self && this.#sync.heightOf(m) < height)
      if (behind.length === 0 && !this.#settled) {
        this.#settled = true
        this.#emit({ kind: 'event', event: { kind: 'settled' } })
      }
    }
    const fingerprint = `${height}/${this.#consensus.view}/${this.#known.size}`
    const others = [...this.#connected].sort()
    const turn = this.#sync.turn(others, this.#now, fingerprint)
    for (const peer of turn ?? []) this.#tell(peer)
    if (!turn || phase.kind === 'finished') return
    const voters = this.#consensus.waitsFor().filter(m => m !== this.#c.self)
    const waits = waitsFor(this.#outlook(), voters)
    const text = `${waits.reason}:${waits.for.join()}`
    if (text !== this.#waiting) this.#emit({ kind: 'event', event: { kind: 'waiting', ...waits } })
    this.#waiting = text
  }

  #wakeAt(): Millis | undefined {
    if (!this.#entropy) return undefined
    const { joinDeadlineMs, viewTimeoutMs, inputDeadlineMs, openDeadlineMs } = this.#c.charter.secureSum
    const times = [
      this.#since + joinDeadlineMs,
      this.#since + 2 * joinDeadlineMs,
      this.#since + 3 * (inputDeadlineMs + openDeadlineMs),
    ]
    const a = this.#attempt
    if (a) {
      times.push(a.complainAt, a.inputDueAt, a.inputDueAt + viewTimeoutMs, a.inputDueAt + 3 * viewTimeoutMs)
      times.push(a.inputDueAt + 4 * viewTimeoutMs)
      times.push(...a.deliveredTo.map(d => d.at + reassignMs(a)))
      if (a.unreceiptedAt !== undefined) times.push(a.unreceiptedAt + receiptMs(a))
      const o = a.opening
      if (o)
        times.push(
          o.fixedAt + openDeadlineMs / 4,
          openDueAt(a, o),
          o.fixedAt + (takeovers(a, o) + 1) * takeoverMs(a),
        )
      if (o?.outcome) times.push(o.outcome.at + viewTimeoutMs, o.outcome.at + PATIENCE_VIEWS * viewTimeoutMs)
    }
    const ahead = times.filter(t => t > this.#now)
    if (this.#consensusWakeAt !== undefined) ahead.push(Math.max(this.#consensusWakeAt, this.#now))
    ahead.push(Math.max(this.#sync.nextAt, this.#now + 1))
    return ahead.length === 0 ? undefined : Math.min(...ahead)
  }

  // --- effects ---

  #emit(effect: Effect): void {
    this.#out.push(effect)
  }

  /** Makes `puts` durable before anything that `release` emits leaves. */
  #store(
    puts: readonly (readonly [string, Uint8Array])[],
    deletes: readonly string[],
    release: () => void,
  ): void {
    const outer = this.#out
    this.#out = []
    release()
    const released = this.#out
    this.#out = outer
    this.#emit({ kind: 'store', puts, deletes, release: released })
  }

  #send<T extends StreamType>(to: MemberId, type: T, body: Body<T>): Uint8Array {
    const bytes = plainEnvelope(type, this.#c.self, encode(body))
    this.#emit({ kind: 'send', to, bytes })
    return bytes
  }

  #run(job: Job, done: (result: JobResult) => void): void {
    const id = this.#nextJob++
    this.#jobs.set(id, done)
    this.#emit({ kind: 'job', id, job })
  }

  #makeHands(): Hands {
    const { self, seed, network } = this.#c
    return {
      self,
      now: () => this.#now,
      connected: member => this.#connected.has(member),
      sign: (type, body) => sealEnvelope({ network, type, from: self, seed }, encode(body)),
      publish: (slot, message) => {
        this.#known.add(slot, message, prefixOf(message), true)
        this.#emit({ kind: 'publish', bytes: message })
      },
      remember: (slot, message) => void this.#known.add(slot, message, prefixOf(message)),
      deliver: (to, slot, type, body) => this.#sync.keepDirect(to, slot, this.#send(to, type, body)),
      store: (puts, release) => this.#store(puts, [], release),
      authentic: message => {
        const raw = openEnvelope(message)
        return raw.ok && this.#keys.has(raw.value.from) && this.#isSigned(raw.value) ? raw.value : undefined
      },
      work: (work, done) => this.#run({ kind: 'vector', work }, r => r.kind === 'vector' && done(r)),
      learn: (job, done) => this.#run(job, r => r.kind === 'learn' && done(r)),
      fault: (peer, code: FaultCode, detail) =>
        this.#emit({ kind: 'fault', peer, fault: fault(code, detail) }),
      event: event => this.#emit({ kind: 'event', event }),
    }
  }
}

/** The message in which a stored ledger record travels: what the effect `sendRecord` sends. */
export function recordMessage(self: MemberId, record: Uint8Array): Uint8Array {
  return plainEnvelope('entry', self, record)
}

/** Hex of a model state's hash, as people compare it. */
export function modelHashHex(model: ModelState): string {
  return toHex(stateHash(model))
}
