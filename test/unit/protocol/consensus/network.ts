/**
 * Consensus on an in-memory network for property tests: random order, loss, repetition, crashes with restart from what
 * was durable, and liars that sign whatever they like. First anything goes, then the network heals.
 */
import { ascii, toHex } from '../../../../protocol/bytes.ts'
import {
  type ConsensusMessage,
  parseConsensus,
  proposalBody,
  voteBody,
} from '../../../../protocol/consensus/message.ts'
import { Consensus, proposerAt, type Step } from '../../../../protocol/consensus/tendermint.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { publicKeyOf } from '../../../../protocol/crypto/sign.ts'
import {
  type Authority,
  type Certificate,
  verifyCertificate,
} from '../../../../protocol/ledger/certificate.ts'
import type { MemberId } from '../../../../protocol/ports.ts'
import { openEnvelope, sealEnvelope } from '../../../../protocol/wire/envelope.ts'

export const network = sha256(ascii('a study'))
export const height = 5

export function names(n: number): MemberId[] {
  return Array.from({ length: n }, (_, i) => `peer-${i}`)
}

export function seedOf(member: MemberId): Uint8Array {
  return sha256(ascii(`seed of ${member}`))
}

const keys = new Map(names(10).map(m => [m, publicKeyOf(seedOf(m))]))
export function keyOf(member: MemberId): Uint8Array {
  return keys.get(member)!
}

export function parse(bytes: Uint8Array): ConsensusMessage {
  const raw = openEnvelope(bytes)
  const parsed = raw.ok ? parseConsensus(raw.value) : raw
  if (!parsed.ok) throw new Error(parsed.error.detail)
  return parsed.value
}

export function seal(from: MemberId, type: ConsensusMessage['type'], body: Uint8Array): Uint8Array {
  return sealEnvelope({ network, type, from, seed: seedOf(from) }, body)
}

/** Small, fast, seeded (mulberry32); for tests alone. */
export function randomFrom(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), a | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Node {
  readonly id: MemberId
  consensus: Consensus
  durable: Uint8Array[]
  started: boolean
  down: boolean
  wakeAt: number | undefined
  decided: Uint8Array | undefined
  /** Whether it can judge others' values by itself. */
  knows: boolean
}

interface Flight {
  readonly to: Node
  readonly bytes: Uint8Array
}

export interface Chaos {
  readonly n: number
  readonly f: number
  /** How many lie indeed: at most f. */
  readonly liars: number
  readonly seed: number
  /** Stretches of trouble before the network heals. */
  readonly eras: number
  readonly lossRate: number
  readonly crashRate: number
  readonly lieRate: number
}

const valid = (value: Uint8Array) => value[0] !== 'x'.charCodeAt(0)

export class Network {
  readonly #o: Chaos
  readonly #random: () => number
  readonly #voters: MemberId[]
  readonly #liars: MemberId[]
  readonly #nodes: Node[]
  readonly #authority: Authority
  readonly #parsed = new WeakMap<Uint8Array, ConsensusMessage>()
  /** What honest members ever signed, by slot. */
  readonly #slots = new Map<string, string>()
  readonly #values = new Map<string, Uint8Array>()
  #flights: Flight[] = []
  #now = 0
  #healed = false
  readonly #cut = new Set<string>()
  #decision: Uint8Array | undefined

  constructor(chaos: Chaos) {
    this.#o = chaos
    this.#random = randomFrom(chaos.seed)
    this.#voters = names(chaos.n)
    const offset = this.#below(chaos.n)
    this.#liars = Array.from({ length: chaos.liars }, (_, i) => this.#voters[(offset + i) % chaos.n]!)
    const quorum = Math.floor((chaos.n + chaos.f) / 2) + 1
    this.#authority = { network, voters: this.#voters, quorum, publicKeyOf: keyOf }
    this.#nodes = this.#voters.filter(m => !this.#liars.includes(m)).map(id => this.#boot(id))
  }

  /** Anything goes. Throws when two values are decided, or an honest peer breaks a rule or is blamed. */
  runChaos(): void {
    for (let era = 0; era < this.#o.eras; era++) {
      this.#cutSome()
      for (const node of this.#nodes) {
        if (this.#random() < 0.3) node.knows = true
        if (node.down) {
          if (this.#random() < 0.7) this.#restart(node)
        } else if (!node.started && this.#random() < 0.7) this.#perform(node, this.#start(node))
      }
      for (let lies = 0; lies < 2 * this.#o.liars; lies++) if (this.#random() < this.#o.lieRate) this.#lie()
      if (this.#random() < 0.2) this.#remind(this.#pick(this.#nodes))
      // Half of the time in step, so that locks and decisions come about; else all in disorder.
      const inStep = this.#random() < 0.5
      for (let turn = 0; turn < 3; turn++) {
        const most = inStep ? Infinity : this.#below(200)
        for (let i = 0; i < most && this.#flights.length > 0; i++) this.#deliverOne()
        this.#now += inStep ? 400 : this.#below(60)
        for (const node of this.#nodes) {
          if (!node.down && (inStep || this.#random() < 0.7)) {
            this.#perform(node, node.consensus.poll(this.#now))
          }
        }
      }
    }
  }

  /** Those that have decided are cut off, what is under way is lost, and the others talk freely. */
  runApart(rounds: number): void {
    this.#healed = true
    this.#flights = []
    const rest = this.#nodes.filter(n => n.decided === undefined)
    for (const node of rest) this.#wake(node)
    this.#talk(rest, rounds)
  }

  /** Synchrony: all honest peers are up, and what is held reaches everyone. Returns false when nothing is decided. */
  heal(rounds: number): boolean {
    this.#healed = true
    for (const node of this.#nodes) this.#wake(node)
    return this.#talk(this.#nodes, rounds)
  }

  #wake(node: Node): void {
    node.knows = true
    if (node.down) this.#restart(node)
    this.#perform(node, this.#start(node))
  }

  #talk(nodes: readonly Node[], rounds: number): boolean {
    for (let i = 0; i < rounds; i++) {
      for (let lies = 0; lies < this.#o.liars; lies++) if (this.#random() < this.#o.lieRate) this.#lie()
      while (this.#flights.length > 0) this.#deliverOne()
      if (this.#exchange(nodes)) continue
      if (nodes.every(n => n.decided !== undefined)) return true
      const wakes = nodes.map(n => n.wakeAt).filter(t => t !== undefined)
      if (wakes.length === 0) {
        if (nodes.some(n => n.decided !== undefined)) continue
        return false
      }
      this.#now = Math.max(this.#now, Math.min(...wakes))
      for (const node of nodes) this.#perform(node, node.consensus.poll(this.#now))
    }
    return false
  }

  /** For a while some peers get none of some types: what locks here and leaves others behind. */
  #cutSome(): void {
    this.#cut.clear()
    for (const type of ['proposal', 'prevote', 'precommit']) {
      const share = this.#pick([0, 0, 0.3, 0.8])
      for (const { id } of this.#nodes) if (this.#random() < share) this.#cut.add(`${type}/${id}`)
    }
  }

  /** One peer sends all that it holds to another. */
  #remind(to: Node): void {
    const from = this.#pick(this.#nodes.filter(n => !n.down))
    for (const bytes of from?.consensus.messages() ?? []) this.#flights.push({ to, bytes })
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)]!
  }

  #boot(id: MemberId): Node {
    const value = ascii(`value of ${id}`)
    this.#values.set(toHex(sha256(value)), value)
    const node: Node = {
      id,
      consensus: undefined as unknown as Consensus,
      durable: [],
      started: false,
      down: false,
      wakeAt: undefined,
      decided: undefined,
      knows: this.#random() < 0.7,
    }
    node.consensus = this.#consensus(node, value)
    return node
  }

  #consensus(node: Node, value = ascii(`value of ${node.id}`)): Consensus {
    return new Consensus({
      network,
      height,
      self: { id: node.id, seed: seedOf(node.id) },
      voters: this.#voters,
      quorum: this.#authority.quorum,
      faultyMax: this.#o.f,
      viewTimeoutMs: 20,
      proposerOf: view => proposerAt(this.#voters, height, view),
      publicKeyOf: keyOf,
      host: {
        value: () => (node.knows ? value : undefined),
        check: (candidate, prevoters) => {
          if (!valid(candidate)) return 'invalid'
          const vouched = prevoters.filter(m => m !== node.id).length > this.#o.f
          return node.knows || vouched ? 'valid' : 'unknown'
        },
      },
    })
  }

  #start(node: Node): Step {
    node.started = true
    return node.consensus.start(this.#now)
  }

  #restart(node: Node): void {
    node.down = false
    node.consensus = this.#consensus(node)
    this.#perform(node, node.consensus.restore(node.durable, this.#now))
  }

  /** What a peer does with a step: store, then publish; a crash may come before either. */
  #perform(node: Node, step: Step): void {
    for (const { peer, fault } of step.faults) {
      const honest = this.#nodes.some(n => n.id === peer)
      if (honest && !['early', 'stale', 'duplicate'].includes(fault.code)) {
        throw new Error(`honest ${peer} is blamed: ${fault.code}`)
      }
    }
    const crashing = !this.#healed && this.#random() < this.#o.crashRate
    const says = step.say.length > 0 || step.decided !== undefined
    if (crashing && says && this.#random() < 0.5) {
      this.#crash(node)
      return
    }
    const stored = new Set(node.durable.map(toHex))
    node.durable.push(...[...step.say, ...step.keep].filter(bytes => !stored.has(toHex(bytes))))
    for (const bytes of step.say) this.#witness(bytes)
    if (step.decided !== undefined) {
      this.#decide(node, step.decided.value, step.decided.certificate)
      node.wakeAt = undefined
    } else node.wakeAt = step.wakeAt
    if (crashing) this.#crash(node)
    else for (const bytes of [...step.say, ...step.pass]) this.#broadcast(bytes)
  }

  #crash(node: Node): void {
    if (node.decided !== undefined) return
    node.down = true
    node.wakeAt = undefined
  }

  #witness(bytes: Uint8Array): void {
    const m = this.#parse(bytes)
    const slot = `${m.from}/${m.type}/${m.view}`
    const before = this.#slots.get(slot)
    if (before !== undefined && before !== toHex(bytes)) throw new Error(`${slot} was signed twice`)
    this.#slots.set(slot, toHex(bytes))
  }

  #decide(node: Node, value: Uint8Array, certificate: Certificate): void {
    if (!valid(value)) throw new Error('an invalid value was decided')
    const certified = verifyCertificate(this.#authority, { height, hash: sha256(value) }, certificate)
    if (!certified.ok) throw new Error(certified.error)
    if (this.#decision !== undefined && toHex(this.#decision) !== toHex(value)) {
      throw new Error('two values were decided')
    }
    this.#decision = value
    node.decided = value
  }

  #parse(bytes: Uint8Array): ConsensusMessage {
    const known = this.#parsed.get(bytes) ?? parse(bytes)
    this.#parsed.set(bytes, known)
    return known
  }

  #broadcast(bytes: Uint8Array): void {
    for (const to of this.#nodes) this.#flights.push({ to, bytes })
  }

  #deliverOne(): void {
    const lossy = !this.#healed
    if (this.#flights.length === 0) return
    const at = this.#below(this.#flights.length)
    const flight = this.#flights[at]!
    const repeated = lossy && this.#random() < 0.1
    if (!repeated) {
      this.#flights[at] = this.#flights.at(-1)!
      this.#flights.pop()
    }
    if (lossy && this.#random() < this.#o.lossRate) return
    const message = this.#parse(flight.bytes)
    if (lossy && this.#cut.has(`${message.type}/${flight.to.id}`)) {
      return
    }
    if (flight.to.down || flight.to.decided !== undefined) return
    this.#perform(flight.to, flight.to.consensus.receive(message, this.#now))
  }

  /** What every peer holds goes to all that lack it; decisions too. Whether anything new was sent. */
  #exchange(nodes: readonly Node[]): boolean {
    let sent = false
    const held = nodes.map(n => new Set([...n.consensus.messages()].map(toHex)))
    const decided = nodes.some(n => n.decided !== undefined)
    for (const [i, to] of nodes.entries()) {
      if (to.decided !== undefined) continue
      if (decided && this.#random() < 0.3) {
        to.decided = this.#decision
        to.wakeAt = undefined
        continue
      }
      for (const from of nodes) {
        if (from === to) continue
        for (const bytes of from.consensus.messages()) {
          const hex = toHex(bytes)
          if (held[i]!.has(hex)) continue
          const before = to.consensus.messages().length
          this.#perform(to, to.consensus.receive(this.#parse(bytes), this.#now))
          if (to.decided !== undefined) return true
          if (to.consensus.messages().length > before) {
            held[i]!.add(hex)
            sent = true
          }
        }
      }
    }
    return sent
  }

  /** Liars say anything that they can sign: something else to everyone, or the same to all to tip the scales. */
  #lie(): void {
    if (this.#liars.length === 0) return
    const near = this.#pick(this.#nodes).consensus.view
    const view = Math.max(0, near + this.#pick([0, 0, 0, 0, 0, 0, -1, 1, 40]))
    const turn = proposerAt(this.#voters, height, view)
    const liar = this.#liars.includes(turn) && this.#random() < 0.7 ? turn : this.#pick(this.#liars)
    const proposals = this.#nodes.flatMap(n => this.#proposals(n))
    const now = proposals.filter(p => p.view === view)
    const twoFaced = this.#random() < 0.5
    const anything = () => {
      const list = now.length > 0 && this.#random() < 0.7 ? now : proposals
      if (list.length > 0 && this.#random() < 0.8) return this.#pick(list).value
      return this.#random() < 0.1 ? ascii('x invalid') : this.#pick([...this.#values.values()])
    }
    const said = new Map<string, Uint8Array>()
    const say = (to: Node, type: ConsensusMessage['type']) => {
      const validView = this.#random() < 0.7 ? -1 : this.#below(view + 1) - 1
      const value = anything()
      const id = twoFaced && this.#random() < 0.25 ? null : sha256(value)
      const body =
        type === 'proposal' ? proposalBody(height, view, validView, value) : voteBody(height, view, id)
      const bytes = (twoFaced ? undefined : said.get(type)) ?? seal(liar, type, body)
      said.set(type, bytes)
      this.#flights.push({ to, bytes })
    }
    for (const to of this.#nodes) {
      if (twoFaced && this.#random() < 0.3) continue
      if (turn === liar && now.length === 0) say(to, 'proposal')
      say(to, 'prevote')
      say(to, 'precommit')
    }
  }

  #proposals(node: Node) {
    return node.consensus
      .messages()
      .map(bytes => this.#parse(bytes))
      .filter(m => m.type === 'proposal')
  }
}
