/**
 * A hospital that lies: the production machine, whose words are rewritten before they leave, and which says more than it
 * would. It owns its keys, so what it says instead is signed as well as the truth. What a lie may do is what a
 * malicious member may do (THREATS).
 */
import { toHex } from '../../protocol/bytes.ts'
import { type ConsensusMessage, isConsensusType, parseConsensus } from '../../protocol/consensus/message.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { LedgerState } from '../../protocol/ledger/state.ts'
import { wholeModel } from '../../protocol/model/state.ts'
import { MODEL_RECORD } from '../../protocol/peer/models.ts'
import { type Footprint, Peer, type PeerConfig, partMessage } from '../../protocol/peer.ts'
import type {
  Effect,
  HeldModel,
  Input,
  Machine,
  MemberId,
  Millis,
  ModelState,
  Output,
  Value,
  VectorOutput,
  VectorWork,
  Verdict,
} from '../../protocol/ports.ts'
import { RECORDS, sliceOf } from '../../protocol/round/records.ts'
import { draftOf, isStored, isWhole, type StoreAccess } from '../../protocol/stored.ts'
import { residueBytes } from '../../protocol/sum/field.ts'
import { runVectorWork } from '../../protocol/sum/kernels.ts'
import { decode, encode } from '../../protocol/wire/codec.ts'
import { openEnvelope, plainEnvelope, sealEnvelope } from '../../protocol/wire/envelope.ts'
import { GOSSIP_MESSAGE_BYTES_MAX, PART_BYTES, STREAM_MESSAGE_BYTES_MAX } from '../../protocol/wire/limits.ts'
import { BODIES, type Body, type BodyType, GOSSIP_TYPES } from '../../protocol/wire/messages.ts'
import { accessTo, Drafts } from '../drafts.ts'
import { Random } from '../random.ts'
import { Coalition } from './coalition.ts'

/** What the honest machine was about to say. */
export interface Said {
  readonly type: string
  /** Recipient of a direct message; undefined: everybody. */
  readonly to: MemberId | undefined
  /** Decoded, where the type is none of consensus. */
  readonly body: unknown
  readonly consensus: ConsensusMessage | undefined
  readonly bytes: Uint8Array
}

/** What is said instead, or besides. */
export interface Says {
  /** Undefined: as it would have gone; for what is said besides: everybody. */
  readonly to?: MemberId
  readonly bytes: Uint8Array
}

/** Undefined: nothing to lie about here. */
export type Lie = (said: Said, liar: Liar) => readonly Says[] | undefined

/** An effect that leaves the hospital. */
export type Leaves = Extract<Effect, { kind: 'publish' | 'send' | 'sendRecord' | 'sendPart' }>

/** How a hospital misbehaves, beyond single words. Each is made for one life of one liar and may keep state. */
export interface Tactic {
  /** Rewrites what the own machine says. */
  readonly lie?: Lie
  /** Changes what the own machine is given; undefined: it never gets it. */
  readonly hears?: (input: Input, liar: Liar) => Input | undefined
  /** Said besides, after each input. */
  readonly besides?: (input: Input, liar: Liar) => readonly Says[]
  /** Whatever leaves, also what it passes on of others; undefined: as it is. */
  readonly leaves?: (effect: Leaves, liar: Liar) => readonly Leaves[] | undefined
  /** When it wants to be asked again, whatever the own machine wants. */
  readonly wakeAt?: (liar: Liar) => Millis | undefined
  /** What the network is told of a received message, and so whether it is passed on; undefined: the machine's word. */
  readonly verdict?: (input: Input & { kind: 'message' }, liar: Liar) => Verdict | undefined
}

/** Own lies that are remembered, so that they are not taken for the truth when they come back. */
const SAID_MAX = 4_096
/** Sums and jobs that are remembered. */
const KEPT_MAX = 512

export class Liar implements Machine {
  readonly config: PeerConfig
  readonly peer: Peer
  readonly coalition: Coalition
  readonly random: Random
  readonly #tactics: readonly Tactic[]
  readonly #said = new Set<string>()
  /** Sums that this machine has computed, as bytes, by their hash. */
  readonly sums = new Map<string, Uint8Array>()
  /** Its vectors in the store, by their records' keys, and its drafts: what it gives of them can be a lie too. */
  readonly #vectors = new Map<string, Uint8Array>()
  readonly #drafts = new Drafts()
  /** Hashes of the slices of its own inputs. */
  readonly slices = new Set<string>()
  /** What it gives though its machine holds no such vector, by the hash that it has named it by. */
  readonly forged = new Map<string, Uint8Array>()
  /** Work that the own machine has asked for, by job. */
  readonly jobs = new Map<number, VectorWork>()
  now: Millis = 0
  /** When the present attempt was opened here, by the hospital's clock; and when inputs are due in it. */
  openedAt: Millis = 0
  inputDueAt: Millis = Number.POSITIVE_INFINITY
  #wakeAt: Millis | undefined
  #opened = ''

  constructor(
    config: PeerConfig,
    how: readonly (Lie | Tactic)[],
    coalition: Coalition = new Coalition([config], 1),
    random: Random = new Random(1),
  ) {
    this.config = config
    this.peer = new Peer(config)
    this.coalition = coalition
    this.random = random
    this.#tactics = how.map(h => (typeof h === 'function' ? { lie: h } : h))
  }

  get state(): LedgerState {
    return this.peer.state
  }

  get model(): HeldModel | undefined {
    return this.peer.model
  }

  /** The same in memory. */
  get wholeModel(): ModelState | undefined {
    const { model } = this
    if (!model || isWhole(model)) return model
    const isHere = !isStored(model.parameters) || this.#vectors.has(MODEL_RECORD)
    return isHere ? wholeModel(model, this.#access.read) : undefined
  }

  get sum(): Uint32Array | undefined {
    return this.peer.sum
  }

  get residual(): Float32Array | undefined {
    return this.peer.residual
  }

  get footprint(): Footprint {
    return this.peer.footprint
  }

  get self(): MemberId {
    return this.config.self
  }

  /** All members but this one, in the charter's order. */
  get others(): readonly MemberId[] {
    return this.config.charter.members.map(m => m.id).filter(m => m !== this.self)
  }

  /** The attempt that is open or to be opened, as `round/attempt`; '' after the last. */
  get attempt(): string {
    const { phase } = this.peer.state
    const of = phase.kind === 'between' ? phase : 'opened' in phase ? phase.opened : undefined
    return of ? `${of.round}/${of.attempt}` : ''
  }

  /** The cohort of the present attempt, as the own machine knows it; empty between attempts. */
  get cohort(): readonly MemberId[] {
    const { phase } = this.peer.state
    return 'opened' in phase ? phase.opened.cohort.map(c => c.member) : []
  }

  handle(input: Input, now: Millis): Output {
    this.now = now
    if (input.kind === 'start')
      for (const [key, value] of input.durable) if (isVector(key)) this.#vectors.set(key, value)
    if (input.kind === 'message') this.coalition.hears(this.self, input.via, input.bytes)
    let heard: Input | undefined = input
    for (const t of this.#tactics) heard = heard && t.hears ? t.hears(heard, this) : heard
    const effects: Effect[] = []
    let verdict: Verdict | undefined = input.kind === 'message' ? 'ignore' : undefined
    if (heard) {
      if (heard.kind === 'jobDone') effects.push(...this.#keep(heard, input))
      const output = this.peer.handle(heard, now)
      this.#wakeAt = output.wakeAt
      this.#noteOpened()
      verdict = output.verdict ?? verdict
      for (const e of output.effects) effects.push(...this.#rewrite(e))
    }
    for (const says of this.#forgedParts(input)) effects.push(...this.#leave(this.#effect(says)))
    for (const t of this.#tactics) {
      for (const says of t.besides?.(input, this) ?? []) effects.push(...this.#leave(this.#effect(says)))
      if (input.kind === 'message') verdict = t.verdict?.(input, this) ?? verdict
    }
    return { effects, wakeAt: this.#nextWake(), verdict }
  }

  /** A message of this member with another body; signed where its kind is signed. */
  says<T extends BodyType>(type: T, body: Body<T>): Uint8Array {
    return sayAs(this.config, type, body)
  }

  /** Signs any body as any type. */
  signs(type: string, body: Uint8Array): Uint8Array {
    const { network, self, seed } = this.config
    return sealEnvelope({ network, type, from: self, seed }, body)
  }

  #noteOpened(): void {
    const { phase } = this.peer.state
    if (!('opened' in phase) || this.#opened === this.attempt) return
    this.#opened = this.attempt
    this.openedAt = this.now
    const patience = Math.min(phase.opened.attempt + 1, 8)
    this.inputDueAt = this.now + this.config.charter.secureSum.inputDeadlineMs * patience
  }

  #nextWake(): Millis | undefined {
    const times = this.#tactics.map(t => t.wakeAt?.(this)).filter(at => at !== undefined)
    if (this.#wakeAt !== undefined) times.push(this.#wakeAt)
    // A time that is over would be one without end.
    return times.length === 0 ? undefined : Math.max(this.now + 1, Math.min(...times))
  }

  get #access(): StoreAccess {
    return accessTo(this.#drafts, name => this.#drafts.get(name) ?? this.#vectors.get(name))
  }

  /** What a job has made; what a tactic has changed of it is to be in its draft too. */
  #keep(heard: Input & { kind: 'jobDone' }, input: Input): Effect[] {
    const work = this.jobs.get(heard.id)
    if (!work || heard.result.kind !== 'vector') return []
    const { output } = heard.result
    this.#keepSum(output)
    const draft = draftOf({ kind: 'vector', work })
    if (draft === undefined) return []
    // Once more, for what only its host has seen of it.
    if (output.kind === 'apply') runVectorWork(work, this.#access)
    const made = output.kind === 'mask' ? output.masked : output.kind === 'sum' ? output.sum : undefined
    if (!made) return []
    const data = residueBytes(made)
    this.#drafts.write(draft, 0, data)
    return heard === input ? [] : [{ kind: 'write', draft, at: 0, data }]
  }

  #keepSum(output: VectorOutput): void {
    if (output.kind === 'sum') this.sums.set(toHex(output.hash), residueBytes(output.sum!))
    if (output.kind === 'mask') for (const hash of output.shardHashes) this.slices.add(toHex(hash))
    bound(this.sums, KEPT_MAX)
    bound(this.slices, KEPT_MAX)
    bound(this.forged, KEPT_MAX)
  }

  /** What is asked for of the vectors that it has made up. */
  #forgedParts(input: Input): Says[] {
    if (this.forged.size === 0 || input.kind !== 'message') return []
    const raw = openEnvelope(input.bytes)
    if (!raw.ok || raw.value.type !== 'ask') return []
    const body = decode<Body<'ask'>>(raw.value.body, BODIES.ask)
    if (!body.ok) return []
    const { round, attempt, opened, hash, part } = body.value
    const data = this.forged.get(toHex(hash))?.subarray(PART_BYTES * part, PART_BYTES * (part + 1))
    if (!data) return []
    return [{ to: input.from, bytes: this.says('part', { round, attempt, opened, hash, part, data }) }]
  }

  #rewrite(effect: Effect): Effect[] {
    switch (effect.kind) {
      case 'publish':
        return this.#lie(effect, undefined).flatMap(e => this.#leave(e))
      case 'send':
        return this.#lie(effect, effect.to).flatMap(e => this.#leave(e))
      case 'sendRecord':
        return this.#leave(effect)
      case 'sendPart': {
        const all = this.#drafts.get(effect.key) ?? this.#vectors.get(effect.key)
        const data = all?.subarray(effect.from, effect.end)
        if (!data || effect.within) return this.#leave(effect)
        return this.#rewrite({ kind: 'send', to: effect.to, bytes: partMessage(this.self, effect, data) })
      }
      case 'store':
        for (const [key, value] of effect.puts) if (isVector(key)) this.#storeVector(key, value)
        for (const key of effect.deletes) {
          this.#vectors.delete(key)
          this.#drafts.delete(key)
        }
        this.coalition.stores(this.self, effect.puts)
        return [{ ...effect, release: effect.release.flatMap(e => this.#rewrite(e)) }]
      case 'write':
        this.#drafts.write(effect.draft, effect.at, effect.data)
        return [effect]
      case 'job':
        if (effect.job.kind === 'vector') this.jobs.set(effect.id, effect.job.work)
        bound(this.jobs, KEPT_MAX)
        return [effect]
      default:
        return [effect]
    }
  }

  #storeVector(key: string, value: Value): void {
    const bytes =
      value instanceof Uint8Array
        ? value
        : (this.#drafts.get(value.sameAs)?.slice() ?? this.#vectors.get(value.sameAs))
    if (bytes) this.#vectors.set(key, bytes)
  }

  #lie(effect: Extract<Leaves, { kind: 'publish' | 'send' }>, to: MemberId | undefined): Leaves[] {
    const said = this.#read(effect.bytes, to)
    if (!said || this.#said.has(nameOf(said.bytes))) return [effect]
    for (const t of this.#tactics) {
      const instead = t.lie?.(said, this)
      if (!instead) continue
      // What is sent again to one member is the version that this member was told.
      return instead
        .filter(s => to === undefined || s.to === undefined || s.to === to)
        .map(s => this.#effect(s, to))
    }
    return [effect]
  }

  #effect(says: Says, as?: MemberId): Leaves {
    this.#said.add(nameOf(says.bytes))
    bound(this.#said, SAID_MAX)
    const to = says.to ?? as
    return to === undefined ? { kind: 'publish', bytes: says.bytes } : { kind: 'send', to, bytes: says.bytes }
  }

  /** No more than a network takes, whatever a tactic makes. */
  #leave(effect: Leaves): Leaves[] {
    let all: readonly Leaves[] = [effect]
    for (const t of this.#tactics) if (t.leaves) all = all.flatMap(e => t.leaves!(e, this) ?? [e])
    return all.filter(e => {
      if (!('bytes' in e)) return true
      const max = e.kind === 'publish' ? GOSSIP_MESSAGE_BYTES_MAX : STREAM_MESSAGE_BYTES_MAX
      return e.bytes.length > 0 && e.bytes.length <= max && (e.kind === 'publish' || e.to !== this.self)
    })
  }

  #read(bytes: Uint8Array, to: MemberId | undefined): Said | undefined {
    const raw = openEnvelope(bytes)
    if (!raw.ok || raw.value.from !== this.self) return undefined
    const { type } = raw.value
    if (isConsensusType(type)) {
      const parsed = parseConsensus(raw.value)
      return parsed.ok ? { type, to, body: undefined, consensus: parsed.value, bytes } : undefined
    }
    if (!(type in BODIES)) return undefined
    const body = decode<unknown>(raw.value.body, BODIES[type as BodyType])
    return body.ok ? { type, to, body: body.value, consensus: undefined, bytes } : undefined
  }
}

function isVector(key: string): boolean {
  return (
    key === RECORDS.masked || key === RECORDS.outcome || key === MODEL_RECORD || sliceOf(key) !== undefined
  )
}

/** The machine of a hospital that tells these lies, the first that applies to each message. */
export function liar(...how: readonly (Lie | Tactic)[]): (config: PeerConfig) => Machine {
  return config => new Liar(config, how)
}

/** A member's message with any body of its type; signed where its kind is signed. */
export function sayAs<T extends BodyType>(config: PeerConfig, type: T, body: Body<T>): Uint8Array {
  const { network, self, seed } = config
  if ((GOSSIP_TYPES as readonly string[]).includes(type)) {
    return sealEnvelope({ network, type, from: self, seed }, encode(body))
  }
  return plainEnvelope(type, self, encode(body))
}

/** A lie about one kind of message: other bodies for it. */
export function about<T extends BodyType>(
  type: T,
  change: (body: Body<T>, liar: Liar, said: Said) => Body<T> | undefined,
): Lie {
  return (said, l) => {
    if (said.type !== type) return undefined
    const body = change(said.body as Body<T>, l, said)
    return body && [{ bytes: l.says(type, body) }]
  }
}

/** Tells the first half of the others the truth and the rest something else. */
export function twoFaced<T extends BodyType>(
  type: T,
  change: (body: Body<T>, liar: Liar, version: number) => Body<T>,
  versionOf: (index: number) => number = i => i % 2,
): Lie {
  return (said, l) => {
    if (said.type !== type) return undefined
    return l.others.map((to, i) => {
      const version = versionOf(i)
      return {
        to,
        bytes: version === 0 ? said.bytes : l.says(type, change(said.body as Body<T>, l, version)),
      }
    })
  }
}

/** Says nothing of these kinds. */
export function silentAbout(...types: readonly string[]): Lie {
  return said => (types.includes(said.type) ? [] : undefined)
}

/** Bytes with one bit changed. */
export function flipped(bytes: Uint8Array, at = 0): Uint8Array {
  const out = bytes.slice()
  if (out.length > 0) out[at % out.length]! ^= 1
  return out
}

function nameOf(bytes: Uint8Array): string {
  return toHex(sha256(bytes))
}

/** Forgets the oldest. */
function bound(kept: Set<unknown> | Map<unknown, unknown>, max: number): void {
  for (const key of kept.keys()) {
    if (kept.size <= max) return
    kept.delete(key)
  }
}
