/**
 * One production peer among hospitals that all conspire: they hold every key but its own, so they can certify anything, sign
 * anything and answer anything. The peer stands on a disk that survives its crashes.
 */
import { toHex } from '../../protocol/bytes.ts'
import { precommitBody } from '../../protocol/consensus/message.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { sign } from '../../protocol/crypto/sign.ts'
import { Driver } from '../../protocol/driver.ts'
import { encodeRecord } from '../../protocol/ledger/certificate.ts'
import {
  type Body as EntryBody,
  encodeEntry,
  entryHash,
  type SurvivorsFixed,
} from '../../protocol/ledger/entry.ts'
import { wholeModel } from '../../protocol/model/state.ts'
import { Peer, type PeerConfig, recordMessage } from '../../protocol/peer.ts'
import type { Input, Job, MemberId } from '../../protocol/ports.ts'
import { levelsAbove } from '../../protocol/privacy/shares.ts'
import type { CohortContext } from '../../protocol/round/context.ts'
import { decodeSeed } from '../../protocol/round/join.ts'
import {
  type AttemptKeys,
  attemptKeys,
  dealShares,
  type MemberShares,
  openShares,
  selfCommitment,
} from '../../protocol/round/secrets.ts'
import { residueBytes } from '../../protocol/sum/field.ts'
import { runVectorWork } from '../../protocol/sum/kernels.ts'
import { layoutFor, vectorLength } from '../../protocol/sum/layout.ts'
import { shardRange } from '../../protocol/sum/shards.ts'
import { decode, encode } from '../../protocol/wire/codec.ts'
import { openEnvelope, plainEnvelope, sealEnvelope, signingBytes } from '../../protocol/wire/envelope.ts'
import { BODIES, type Body, type BodyType, GOSSIP_TYPES } from '../../protocol/wire/messages.ts'
import { Disk } from '../../sim/disk.ts'
import type { Learner } from '../../sim/host.ts'
import { Random } from '../../sim/random.ts'
import { type CharterOptions, memberName, seedOf, syntheticLearner, testCharter } from './consortium.ts'

class Crash extends Error {}

export type SharesFor = MemberShares

/** What a reveal that left said of one member. */
export interface Revealed {
  readonly round: number
  readonly attempt: number
  readonly member: MemberId
  readonly kind: 'self' | 'mask' | 'neither'
  readonly bytes: string
}

export class Conspiracy {
  readonly n: number
  readonly config: PeerConfig
  readonly victim = memberName(0)
  readonly others: readonly MemberId[]
  readonly #disk = new Disk()
  /** All that ever reached the victim, for replays. */
  readonly sent: {
    readonly from: MemberId
    readonly via: 'gossip' | 'stream'
    readonly bytes: Uint8Array
  }[] = []
  readonly revealed: Revealed[] = []
  /** Shares of seeds of levels of noise that left, 0 for what is none. */
  readonly revealedLevels: {
    readonly round: number
    readonly attempt: number
    readonly member: MemberId
    readonly level: number
  }[] = []
  peer!: Peer
  now = 1_800_000_000_000
  readonly #random: Random
  readonly #learner: Learner
  #driver!: Driver
  #jobs: { readonly id: number; readonly job: Job }[] = []
  /** Effects until the next crash; undefined: none is planned. */
  #crashIn: number | undefined
  /** The victim's seeds and shares, by `${round}/${attempt}`: what a reveal is compared with. */
  readonly #keys = new Map<string, Body<'keys'>>()
  readonly #announced = new Map<string, Body<'keys'>>()
  readonly #secrets = new Map<string, Map<MemberId, SharesFor>>()

  constructor(
    o: Pick<CharterOptions, 'edit'> & { n: number; f: number; gossipBytesMax: number; seed: number },
  ) {
    this.n = o.n
    const { edit, ...rest } = o
    const charter = testCharter({ ...rest, rounds: 2, ...(edit && { edit }) })
    const charterHash = sha256(new TextEncoder().encode('conspiracy'))
    this.config = { charter, charterHash, network: charterHash, self: this.victim, seed: seedOf(0) }
    this.others = charter.members.map(m => m.id).filter(m => m !== this.victim)
    this.#random = new Random(o.seed)
    this.#learner = syntheticLearner(charter, new Random(o.seed + 1)).learner
    this.start()
  }

  // --- the victim's host ---

  /** What is durable. */
  get disk(): ReadonlyMap<string, Uint8Array> {
    return this.#disk.records
  }

  start(): void {
    this.#jobs = []
    this.#crashIn = undefined
    this.#disk.crash('lost', this.#random)
    this.peer = new Peer(this.config)
    this.#driver = new Driver(this.peer, this.victim, {
      publish: bytes => this.#effect(() => this.#left(bytes)),
      send: (_to, bytes) => this.#effect(() => this.#left(bytes)),
      shutOut: () => {},
      commit: (puts, deletes, durable) => {
        this.#effect(() => {
          this.#disk.finish(this.#disk.begin(puts, deletes))
        })
        durable()
      },
      write: (draft, at, data) => this.#disk.write(draft, at, data),
      read: key => this.disk.get(key),
      readBytes: (key, from, end) => this.#disk.read(key)?.subarray(from, end),
      startJob: (id, job) => void this.#jobs.push({ id, job }),
      cancelJob: id => {
        this.#jobs = this.#jobs.filter(j => j.id !== id)
      },
      fault: () => {},
      event: () => {},
      wakeAt: () => {},
    })
    this.input({ kind: 'start', entropy: this.#random.bytes(32), durable: new Map(this.disk) })
    for (const peer of this.others) this.input({ kind: 'connected', peer })
  }

  /** The process dies before the k-th effect from now; what was durable stays. */
  crashIn(k: number): void {
    this.#crashIn = k
  }

  input(input: Input): void {
    try {
      this.#driver.input(input, this.now)
    } catch (error) {
      if (!(error instanceof Crash)) throw error
      this.start()
    }
  }

  tick(ms: number): void {
    this.now += ms
    this.input({ kind: 'tick' })
  }

  runJobs(): void {
    const { access } = this.#disk
    for (let job = this.#jobs.shift(); job; job = this.#jobs.shift()) {
      const { id } = job
      const result =
        job.job.kind === 'learn'
          ? ({
              kind: 'learn',
              learned: this.#learner({ ...job.job, model: wholeModel(job.job.model, access.read) }),
            } as const)
          : ({ kind: 'vector', output: runVectorWork(job.job.work, access) } as const)
      this.input({ kind: 'jobDone', id, result })
    }
  }

  #effect(act: () => void): void {
    if (this.#crashIn !== undefined && this.#crashIn-- <= 0) throw new Crash()
    act()
  }

  #left(bytes: Uint8Array): void {
    const raw = openEnvelope(bytes)
    if (!raw.ok || raw.value.from !== this.victim) return
    if (raw.value.type === 'keys') {
      const body = decode(raw.value.body, BODIES.keys)
      if (body.ok) this.#keys.set(`${body.value.round}/${body.value.attempt}`, body.value)
    }
    if (raw.value.type !== 'reveal') return
    const body = decode(raw.value.body, BODIES.reveal)
    if (body.ok) this.#noteReveal(body.value, bytes)
  }

  #noteReveal(body: Body<'reveal'>, bytes: Uint8Array): void {
    const { round, attempt } = body
    const known = this.#secrets.get(`${round}/${attempt}`)
    this.config.charter.members.forEach(({ id: member }, i) => {
      const share = toHex(body.shares.subarray(32 * i, 32 * i + 32))
      const dealt = known?.get(member)
      const isSelf = dealt !== undefined && toHex(dealt.self) === share
      const isMask = dealt !== undefined && toHex(dealt.mask) === share
      const kind = isSelf ? 'self' : isMask ? 'mask' : 'neither'
      this.revealed.push({ round, attempt, member, kind, bytes: toHex(sha256(bytes)) })
    })
    for (let at = 32 * this.n; at < body.shares.length; at += 32) {
      const share = toHex(body.shares.subarray(at, at + 32))
      const levelOf = (shares: SharesFor) => shares.levels.findIndex(s => toHex(s) === share) + 1
      const [member, level] = [...(known ?? [])]
        .map(([m, shares]) => [m, levelOf(shares)] as const)
        .find(([, l]) => l > 0) ?? ['nobody', 0]
      this.revealedLevels.push({ round, attempt, member, level })
    }
  }

  // --- the conspirators ---

  deliver(from: MemberId, via: 'gossip' | 'stream', bytes: Uint8Array): void {
    this.sent.push({ from, via, bytes })
    this.input({ kind: 'message', from, via, bytes })
  }

  say<T extends BodyType>(from: MemberId, type: T, body: Body<T>): void {
    if ((GOSSIP_TYPES as readonly string[]).includes(type)) {
      const seed = seedOf(this.config.charter.members.findIndex(m => m.id === from))
      const { network } = this.config
      this.deliver(from, 'gossip', sealEnvelope({ network, type, from, seed }, encode(body)))
    } else this.deliver(from, 'stream', plainEnvelope(type, from, encode(body)))
  }

  /** An entry with the certificate of all conspirators, at `height` after the victim's (1: the next). */
  certify(body: EntryBody, ahead = 1): void {
    const { state } = this.peer
    const height = state.height + ahead
    const entry = encodeEntry({ height, prev: state.head, at: Math.max(this.now, state.at), body })
    const hash = entryHash(entry)
    const signed = precommitBody(height, 0, hash)
    const votes = this.others.map(member => {
      const seed = seedOf(this.config.charter.members.findIndex(m => m.id === member))
      return { member, sig: sign(seed, signingBytes(this.config.network, 'precommit', member, signed)) }
    })
    const from = this.others[0]!
    this.deliver(
      from,
      'stream',
      recordMessage(from, encodeRecord({ entry, certificate: { view: 0, votes } })),
    )
  }

  /** A conspirator's secrets of an attempt: the same however often they are asked for. */
  keysOf(member: MemberId, round: number, attempt: number): AttemptKeys {
    return attemptKeys(sha256(new TextEncoder().encode(`${member} ${round} ${attempt}`)))
  }

  /** The same announcement, also when the ledger is further. */
  keysBody(member: MemberId, round: number, attempt: number): Body<'keys'> {
    const name = `${member} ${round} ${attempt}`
    const body = this.#announced.get(name) ?? this.#makeKeys(member, round, attempt)
    this.#announced.set(name, body)
    return body
  }

  #makeKeys(member: MemberId, round: number, attempt: number): Body<'keys'> {
    const keys = this.keysOf(member, round, attempt)
    const { head } = this.peer.state
    const selfCommit = selfCommitment(keys.selfSeed)
    return { round, attempt, head, mask: keys.mask.publicKey, channel: keys.channel.publicKey, selfCommit }
  }

  announce(): void {
    const { phase } = this.peer.state
    const of = phase.kind === 'between' ? phase : 'opened' in phase ? phase.opened : undefined
    if (!of) return
    for (const m of this.others) this.say(m, 'keys', this.keysBody(m, of.round, of.attempt))
  }

  /** Opens the attempt with everybody, if it can be. */
  open(): void {
    const { phase, modelHash } = this.peer.state
    if (phase.kind !== 'between') return
    const { round, attempt, task } = phase
    const own = this.#keys.get(`${round}/${attempt}`)
    if (!own) return
    const { network, charterHash, charter } = this.config
    const cohort = charter.members.map(({ id: member }, i) => {
      const body = member === this.victim ? own : this.keysBody(member, round, attempt)
      const message = sealEnvelope({ network, type: 'keys', from: member, seed: seedOf(i) }, encode(body))
      return { member, keys: sha256(message) }
    })
    this.certify({
      kind: 'RoundOpened',
      round,
      attempt,
      task,
      charter: charterHash,
      model: modelHash,
      cohort,
      absent: [],
    })
  }

  context(): CohortContext | undefined {
    const { phase } = this.peer.state
    if (!('opened' in phase)) return undefined
    const { round, attempt } = phase.opened
    const own = this.#keys.get(`${round}/${attempt}`)
    if (!own) return undefined
    const cohort = phase.opened.cohort.map(c => c.member)
    const keys = new Map(cohort.map(m => [m, m === this.victim ? own : this.keysBody(m, round, attempt)]))
    const threshold = Math.floor((this.n + this.config.charter.maliciousMax) / 2) + 1
    const levels = levelsAbove(layoutFor(this.config.charter, phase.opened.task, cohort.length, round))
    return { round, attempt, opened: phase.openedHash, cohort, keys, threshold, levels, audits: false }
  }

  /** Shares of all conspirators for the victim; notes what the victim now holds. */
  deal(): void {
    const context = this.context()
    if (!context) return
    const { round, attempt } = context
    this.#noteSecrets(context)
    for (const m of this.others) {
      const dealt = dealShares(context, m, this.keysOf(m, round, attempt))
      this.say(m, 'offer', dealt.offer)
      this.say(m, 'sealed', dealt.sealed.get(this.victim)!)
    }
  }

  #noteSecrets(context: CohortContext): void {
    const { round, attempt } = context
    const record = decodeSeed(this.disk.get('attempt/seed'))
    if (!record || record.round !== round || record.attempt !== attempt) return
    const own = attemptKeys(record.seed)
    const secrets = new Map([[this.victim, dealShares(context, this.victim, own).own]])
    for (const m of this.others) {
      const dealt = dealShares(context, m, this.keysOf(m, round, attempt))
      const opened = openShares(context, this.victim, own, m, dealt.sealed.get(this.victim)!)
      if (opened) secrets.set(m, opened)
    }
    this.#secrets.set(`${round}/${attempt}`, secrets)
  }

  /** Masked inputs of the conspirators: any residues. `variant`: other ones. */
  inputs(variant = 0): void {
    const context = this.context()
    if (!context) return
    for (const m of this.others) this.say(m, 'input', this.#inputBody(context, m, variant))
  }

  #inputBody(context: CohortContext, member: MemberId, variant: number): Body<'input'> {
    const { round, attempt, opened } = context
    const words = this.#vector(context, member, variant)
    const shards = this.#shards(words.length)
    const parts = Array.from({ length: shards }, (_, k) =>
      residueBytes(words.slice(...shardRange(words.length, shards, k))),
    )
    const hashes = Buffer.concat(parts.map(p => sha256(p)))
    const data = shards === 1 ? parts[0]! : new Uint8Array(0)
    return { round, attempt, opened, offers: sha256(opened), hashes: new Uint8Array(hashes), data }
  }

  #vector(context: CohortContext, member: MemberId, variant: number): Uint32Array {
    const { phase } = this.peer.state
    const { task, round } = 'opened' in phase ? phase.opened : { task: 'statistics' as const, round: 0 }
    const length = vectorLength(layoutFor(this.config.charter, task, this.n, round))
    const random = new Random(context.cohort.indexOf(member) + 100 * context.attempt + 1000 * variant)
    return Uint32Array.from({ length }, () => random.u32() >>> 1).map(x => x % 2_147_483_647)
  }

  #shards(length: number): number {
    return 4 * length <= this.config.charter.secureSum.gossipBytesMax ? 1 : this.n
  }

  /** The survivors are fixed: a set of the cohort, as a bitmap, however little it has to do with what was delivered. */
  fix(bitmap: number): void {
    const context = this.context()
    if (!context) return
    const { round, attempt, cohort } = context
    const survivors = cohort.filter((_, i) => (bitmap >> i) & 1)
    const length = this.#vector(context, this.victim, 0).length
    const shards = this.#shards(length)
    const input = this.disk.get('attempt/input')
    const raw = input && openEnvelope(input)
    const own = raw?.ok ? decode(raw.value.body, BODIES.input) : undefined
    const rootOf = (m: MemberId) => {
      if (m !== this.victim) return sha256(this.#inputBody(context, m, 0).hashes)
      return own?.ok ? sha256(own.value.hashes) : new Uint8Array(32)
    }
    const body: SurvivorsFixed = {
      kind: 'SurvivorsFixed',
      round,
      attempt,
      survivors: survivors.map(member => ({ member, root: rootOf(member) })),
      leftOut: cohort
        .filter(m => !survivors.includes(m))
        .map(member => ({ member, reason: 'silent', evidence: [] })),
      owners: Array.from({ length: shards }, (_, k) => this.others[k % this.others.length]!),
    }
    this.certify(body)
  }

  /** Claims of every shard, with any hash: the victim must not reveal before them. */
  claims(variant = 0): void {
    const { phase } = this.peer.state
    if (phase.kind !== 'fixed') return
    const { round, attempt, owners } = phase.fixed
    owners.forEach((owner, shard) => {
      const sum = sha256(Uint8Array.of(shard, variant))
      this.say(owner, 'claim', { round, attempt, fixed: phase.fixedHash, shard, sum })
    })
  }

  abort(): void {
    const { phase } = this.peer.state
    if (!('opened' in phase)) return
    const { round, attempt } = phase.opened
    const reason = phase.kind === 'opened' ? 'tooFewInputs' : 'notOpened'
    this.certify({ kind: 'RoundAborted', round, attempt, reason, culprits: [], conflicts: [] })
  }
}
