/**
 * Everything that one life of a peer knows. The steps in this folder work on it; nothing outside `peer.ts` and this
 * folder sees it.
 */
import { type Charter, declaresSamples, protection } from '../../config/charter.ts'
import type { Consensus } from '../consensus/tendermint.ts'
import { type Fault, type FaultCode, fault, verdictOf } from '../fault.ts'
import { memberKeys } from '../ledger/certificate.ts'
import { decodeEntry, type Entry } from '../ledger/entry.ts'
import type { Plan } from '../ledger/plan.ts'
import { genesis, type LedgerState } from '../ledger/state.ts'
import { initialHash, initialModel } from '../model/initial.ts'
import type { Durable, HeldModel, MemberId, Millis, ModelState, Verdict } from '../ports.ts'
import { CHARGES_RECORD, encodeCharges } from '../privacy/charges.ts'
import { NO_RELEASES, type Releases, withOne } from '../privacy/policy.ts'
import { assert } from '../result.ts'
import type { Attempt, Outcome } from '../round/attempt.ts'
import { Future } from '../round/future.ts'
import type { Finding, Hands } from '../round/hands.ts'
import { Join } from '../round/join.ts'
import { Known, prefixOf } from '../round/known.ts'
import type { Outlook } from '../round/propose.ts'
import type { Stage } from '../round/receive.ts'
import { PACE, PART_PACE, Sync } from '../round/sync.ts'
import { encode } from '../wire/codec.ts'
import {
  openEnvelope,
  plainEnvelope,
  type RawEnvelope,
  sealEnvelope,
  verifyEnvelope,
} from '../wire/envelope.ts'
import type { Body, StreamType } from '../wire/messages.ts'
import { Effects } from './effects.ts'
import { Models } from './models.ts'

export interface PeerConfig {
  readonly charter: Charter
  /** SHA-256 of the charter's canonical form; 32 bytes. */
  readonly charterHash: Uint8Array
  /** Hash of the study's first charter; 32 bytes. */
  readonly network: Uint8Array
  readonly self: MemberId
  /** Seed of the Ed25519 key that the charter names for `self`; 32 bytes. */
  readonly seed: Uint8Array
  /** Training rows of this hospital; told where the charter has contributions audited and nothing noised. */
  readonly samples?: number
  /** Of a ledger that is a part of another: what it is about and starts from. Else the charter says it. */
  readonly part?: {
    readonly plan: Plan
    readonly model: ModelState
    readonly modelHash: Uint8Array
    readonly residual: Float32Array | undefined
  }
}

/** Keys of durable records beside those of the ledger, of the model and of an attempt. */
export const CONSENSUS_PREFIX = 'consensus/'

export class Books {
  readonly config: PeerConfig
  readonly keys: ReadonlyMap<MemberId, Uint8Array>
  /** All members, in the charter's order. */
  readonly members: readonly MemberId[]
  readonly effects = new Effects()
  readonly hands: Hands
  readonly connected = new Set<MemberId>()
  readonly sync: Sync
  readonly known = new Known()
  readonly future = new Future()
  /** Time of the present input. */
  now: Millis = 0
  /** Undefined before the start of this life. */
  entropy: Uint8Array | undefined
  state: LedgerState
  /** When the last entry was adopted here, or this life began. */
  since: Millis = 0
  /** The model that the ledger names; undefined while it must be fetched. A long one in `MODEL_RECORD`. */
  model: HeldModel | undefined
  readonly models: Models
  /**
   * What this hospital could not send of its updates and still has to add, where the charter has that (SPEC D4); in memory alone:
   * a restart loses it, and nothing patient-derived outlasts the process.
   */
  residual: Float32Array | undefined
  /** The sum that this ledger hands on, once it is certified and if this peer has opened it. */
  sum: Uint32Array | undefined
  /** What this hospital has given of noised sums. */
  spent: Releases = NO_RELEASES
  toldSpent = false
  join: Join
  attempt: Attempt | undefined
  /** Signatures for members that are suspended, as this life was given them. */
  readonly appeals = new Map<MemberId, readonly Uint8Array[]>()
  /** Faults found between attempts: at most one a member, for the next attempt to name. */
  readonly charges: Finding[] = []
  /** Records of the attempt that a former life was in. */
  restored: Durable = new Map()
  /** The end of an attempt that others have closed before this peer knew its model, which it is about to know. */
  coming: Attempt | undefined
  /** What the attempt gives, once it is stored. */
  outcomeStored: Outcome | undefined
  /** A step further than when messages were last kept for later: they may be of use now. */
  moved = false
  consensus!: Consensus
  consensusStarted = false
  consensusRecords: string[] = []
  consensusWakeAt: Millis | undefined
  /** What people were last told that is waited for. */
  waiting = ''
  toldFinished = false
  settled = false

  constructor(config: PeerConfig) {
    this.config = config
    this.keys = memberKeys(config.charter)
    this.members = [...this.keys.keys()]
    assert(this.keys.has(config.self), 'the peer is a member of its charter')
    const { charter, charterHash, part } = config
    this.join = new Join(declaresSamples(charter))
    this.sync = new Sync(part ? PART_PACE : PACE)
    const model = part?.model ?? initialModel(charter)
    this.model = model
    this.residual = part?.residual
    this.state = genesis(charter, charterHash, part?.modelHash ?? initialHash(charter), part?.plan)
    this.models = new Models(this)
    this.hands = this.#makeHands()
  }

  outlook(): Outlook {
    const { state, join, attempt, appeals, since, now } = this
    return { state, join, attempt, appeals, since, now }
  }

  stage(): Stage {
    const { phase, head } = this.state
    return { phase, head, join: this.join, attempt: this.attempt, now: this.now }
  }

  entryOf(value: Uint8Array): Entry | undefined {
    const entry = decodeEntry(value)
    return entry.ok ? entry.value : undefined
  }

  isSigned(raw: RawEnvelope): boolean {
    return verifyEnvelope(raw, this.config.network, this.keys.get(raw.from)!)
  }

  blame(peer: MemberId, f: Fault): Verdict {
    this.effects.emit({ kind: 'fault', peer, fault: f })
    return verdictOf(f)
  }

  /** Holds a fault against a member, in the present attempt or the next; false: it was known. */
  charge(finding: Finding): boolean {
    if (this.attempt) return this.attempt.find(finding)
    if (this.charges.some(c => c.member === finding.member)) return false
    this.charges.push(finding)
    return true
  }

  send<T extends StreamType>(to: MemberId, type: T, body: Body<T>): Uint8Array {
    const bytes = plainEnvelope(type, this.config.self, encode(body))
    this.effects.emit({ kind: 'send', to, bytes })
    return bytes
  }

  #makeHands(): Hands {
    const { self, seed, network } = this.config
    return {
      self,
      now: () => this.now,
      connected: member => this.connected.has(member),
      sign: (type, body) => sealEnvelope({ network, type, from: self, seed }, encode(body)),
      publish: (slot, message) => {
        this.known.add(slot, message, prefixOf(message), true)
        this.effects.emit({ kind: 'publish', bytes: message })
      },
      remember: (slot, message) => void this.known.add(slot, message, prefixOf(message)),
      deliver: (to, slot, type, body) => this.sync.keepDirect(to, slot, this.send(to, type, body)),
      send: (to, type, body) => void this.send(to, type, body),
      sendStored: (to, of, key, from, end) =>
        this.effects.emit({ kind: 'sendPart', to, type: 'part', of, key, from, end, within: undefined }),
      store: (puts, release) => this.effects.store(puts, [], release),
      charge: task => {
        if (!protection(this.config.charter)) return []
        this.spent = withOne(this.spent, task)
        return [[CHARGES_RECORD, encodeCharges(this.spent)]]
      },
      write: (draft, at, data) => this.effects.emit({ kind: 'write', draft, at, data }),
      authentic: message => {
        const raw = openEnvelope(message)
        return raw.ok && this.keys.has(raw.value.from) && this.isSigned(raw.value) ? raw.value : undefined
      },
      work: (work, done, failed) =>
        this.effects.run({ kind: 'vector', work }, r => r.kind === 'vector' && done(r), failed),
      learn: (job, done) => this.effects.run(job, r => r.kind === 'learn' && done(r)),
      fault: (peer, code: FaultCode, detail) =>
        this.effects.emit({ kind: 'fault', peer, fault: fault(code, detail) }),
      event: event => this.effects.emit({ kind: 'event', event }),
    }
  }
}
