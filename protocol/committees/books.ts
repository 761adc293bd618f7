/**
 * Everything that one life of a peer knows of a study with committees: the study's ledger, the committee that the peer
 * is in now, and, if it was drawn to decide, what the committees have delivered. The steps in this folder work on it.
 */
import { type Fault, verdictOf } from '../fault.ts'
import { memberKeys } from '../ledger/certificate.ts'
import { decodeEntry, type Entry } from '../ledger/entry.ts'
import { genesis, type LedgerState } from '../ledger/state.ts'
import type { Applied } from '../model/apply.ts'
import { initialState } from '../model/initial.ts'
import { stateHash } from '../model/state.ts'
import type { PeerConfig } from '../peer/books.ts'
import { Effects } from '../peer/effects.ts'
import { Models } from '../peer/models.ts'
import type { Durable, MemberId, Millis, ModelState, Verdict } from '../ports.ts'
import { assert } from '../result.ts'
import { Future } from '../round/future.ts'
import { PART_PACE, Sync } from '../round/sync.ts'
import { encode } from '../wire/codec.ts'
import { plainEnvelope } from '../wire/envelope.ts'
import type { Body, StreamType } from '../wire/messages.ts'
import type { Ballot } from './ballot.ts'
import type { Delivery } from './delivery.ts'
import type { Draw } from './draw.ts'
import type { Inner, PartMachine } from './inner.ts'

/** Keys of durable records beside those of the ledger, the model and the votes. */
export const RECORD = {
  /** Records of the machine in the committee. */
  inner: 'committee/',
  /** The own committee's sum, as a message. */
  own: 'committee-sum',
  /** What was delivered to a decider, by committee. */
  delivered: 'delivered/',
} as const

/** What the sums of some committees make together. */
export interface Total {
  readonly sum: Uint32Array
  readonly hash: Uint8Array
  /** Undefined until the model is here that it is applied to. */
  applied: { readonly outcome: Applied<ModelState>; readonly modelHash: Uint8Array } | undefined
}

export class CommitteeBooks {
  readonly config: PeerConfig
  readonly makePart: (config: PeerConfig) => PartMachine
  readonly keys: ReadonlyMap<MemberId, Uint8Array>
  readonly effects = new Effects()
  readonly connected = new Set<MemberId>()
  readonly future = new Future()
  /** What is told to any member, and to those who decide with this one. */
  readonly sync = new Sync(PART_PACE)
  readonly bench = new Sync()
  /** Time of the present input. */
  now: Millis = 0
  /** Undefined before the start of this life. */
  entropy: Uint8Array | undefined
  state: LedgerState
  /** When the last entry was adopted here, or this life began. */
  since: Millis = 0
  /** The model that the ledger names; undefined while it must be fetched. */
  model: ModelState | undefined
  readonly models: Models
  /** What this hospital still has to add of former updates, between its committees. */
  residual: Float32Array | undefined
  ballot: Ballot | undefined
  inner: Inner | undefined
  /** Records of a former life in the present committee, until its machine begins. */
  restored: Durable = new Map()
  /** Keys of all records that are of the present round only. */
  readonly roundKeys = new Set<string>()
  /** The own committee's sum, the next decider that it is sent to, and when. */
  own: { readonly message: Uint8Array; step: number; at: Millis } | undefined
  readonly delivered = new Map<number, Delivery>()
  readonly totals = new Map<string, Total | 'computing'>()
  /** The last entry is still to be pushed on, once its model is here. */
  toSpread = false
  /** A step further: what was kept for later may be of use now. */
  moved = false
  waiting = ''

  constructor(config: PeerConfig, makePart: (config: PeerConfig) => PartMachine) {
    this.config = config
    this.makePart = makePart
    this.keys = memberKeys(config.charter)
    assert(this.keys.has(config.self), 'the peer is a member of its charter')
    this.model = initialState(config.charter)
    this.state = genesis(config.charter, config.charterHash, stateHash(this.model))
    this.models = new Models(this)
  }

  /** The lot of the present round; a charter with committees always has one. */
  get draw(): Draw {
    assert(this.state.draw !== undefined, 'the charter has committees')
    return this.state.draw
  }

  get decides(): boolean {
    return this.state.voters.includes(this.config.self)
  }

  /** The round that is to be summed; after the last, the one that there is not. */
  get round(): number {
    const { phase, plan } = this.state
    return phase.kind === 'between' ? phase.round : plan.last + 1
  }

  entryOf(value: Uint8Array): Entry | undefined {
    const entry = decodeEntry(value)
    return entry.ok ? entry.value : undefined
  }

  blame(peer: MemberId, f: Fault): Verdict {
    this.effects.emit({ kind: 'fault', peer, fault: f })
    return verdictOf(f)
  }

  send<T extends StreamType>(to: MemberId, type: T, body: Body<T>): void {
    this.emit(to, plainEnvelope(type, this.config.self, encode(body)))
  }

  emit(to: MemberId, bytes: Uint8Array): void {
    if (to !== this.config.self) this.effects.emit({ kind: 'send', to, bytes })
  }
}
