/**
 * Gossip over the mesh: an author sends to its neighbours, each of whom passes on what its machine accepts; others than
 * neighbours hear of it at heartbeats and ask. A copy that comes second costs bytes and nothing else, so only the first of
 * each host is an event.
 */
import type { Millis, Verdict } from '../../protocol/ports.ts'
import type { Random } from '../random.ts'
import { GOSSIP, type Mesh } from './mesh.ts'

/** A host and a message: nothing yet; in its machine's hands; passed on. */
const UNSEEN = 0
const SEEN = 1
const PASSED = 2

/** One publication. The same bytes published again are another one, as gossipsub's identifiers go. */
export class Publication {
  readonly bytes: Uint8Array
  readonly author: number
  readonly at: Millis
  readonly state: Uint8Array
  /** First arrival at each host: expected, or had. */
  readonly first: Float64Array
  passed = 0

  constructor(bytes: Uint8Array, author: number, at: Millis, n: number) {
    this.bytes = bytes
    this.author = author
    this.at = at
    this.state = new Uint8Array(n)
    this.first = new Float64Array(n).fill(Number.POSITIVE_INFINITY)
  }
}

export interface GossipWorld {
  readonly n: number
  readonly now: () => Millis
  readonly at: (time: Millis, run: () => void) => void
  readonly up: (i: number) => boolean
  readonly runs: (i: number) => boolean
  readonly connected: (a: number, b: number) => boolean
  /** Puts a copy on the wire. It asks `expects` when it knows its time, and ends in `arrived` or `failed` if so. */
  readonly hop: (publication: Publication, from: number, to: number) => void
  readonly meanLatency: (from: number, to: number) => Millis
  readonly latency: (from: number, to: number) => Millis
  readonly deliver: (
    from: number,
    to: number,
    bytes: Uint8Array,
    sentAt: Millis,
    judged: (verdict: Verdict) => void,
  ) => void
  /** Control messages, so many of so many bytes: they count, and are not sent. */
  readonly control: (from: number, bytes: number, count: number) => void
}

export class Gossip {
  readonly #w: GossipWorld
  readonly #mesh: Mesh
  readonly #random: Random
  /** Of the last heartbeats. */
  #recent: Publication[] = []
  #activeUntil: Millis = 0
  #beating = false

  constructor(mesh: Mesh, random: Random, world: GossipWorld) {
    this.#mesh = mesh
    this.#random = random
    this.#w = world
  }

  publish(author: number, bytes: Uint8Array): void {
    const m = this.#publication(author, bytes)
    const neighbours = this.#mesh.neighbours(author)
    for (const h of neighbours) this.#hop(m, author, h)
    const missing = this.#mesh.degree - neighbours.length
    if (missing > 0) for (const h of this.#mesh.others(author, missing, () => true)) this.#hop(m, author, h)
  }

  /** As if to all, and sent to one alone, which passes it on: what only a liar does. */
  whisper(author: number, to: number, bytes: Uint8Array): void {
    this.#hop(this.#publication(author, bytes), author, to)
  }

  #publication(author: number, bytes: Uint8Array): Publication {
    const m = new Publication(bytes, author, this.#w.now(), this.#w.n)
    m.state[author] = PASSED
    m.first[author] = m.at
    m.passed = 1
    this.#recent.push(m)
    this.wake()
    return m
  }

  /** What a life has seen ends with it. */
  down(i: number): void {
    for (const m of this.#recent) {
      if (m.state[i] === PASSED) m.passed--
      m.state[i] = UNSEEN
      m.first[i] = Number.POSITIVE_INFINITY
    }
  }

  /** Heartbeats go on for a while: something has happened that they have to do with. */
  wake(): void {
    const w = this.#w
    this.#activeUntil = w.now() + (GOSSIP.advertised + 2) * GOSSIP.heartbeatMs
    if (this.#beating) return
    this.#beating = true
    this.#nextBeat()
  }

  #nextBeat(): void {
    const { heartbeatMs } = GOSSIP
    const now = this.#w.now()
    this.#w.at((Math.floor(now / heartbeatMs) + 1) * heartbeatMs, () => this.#beat())
  }

  /** One event for the heartbeats of all; what follows from each comes at its host's own time within the second. */
  #beat(): void {
    const w = this.#w
    const now = w.now()
    for (let i = 0; i < w.n; i++) if (w.runs(i)) this.#mesh.heartbeat(i)
    const oldest = now - GOSSIP.advertised * GOSSIP.heartbeatMs
    this.#recent = this.#recent.filter(m => m.at > oldest)
    for (const m of this.#recent) if (m.passed < w.n) this.#advertise(m)
    this.#beating = now < this.#activeUntil
    if (this.#beating) this.#nextBeat()
    this.#controlBytes()
  }

  /** Whoever lacks a message and is no neighbour of a holder may be told of it by one of them. */
  #advertise(m: Publication): void {
    const w = this.#w
    for (let h = 0; h < w.n; h++) {
      if (m.state[h] !== UNSEEN || m.first[h] !== Number.POSITIVE_INFINITY || !w.runs(h)) continue
      const g = this.#advertiser(m, h)
      if (g === undefined) continue
      const ms = this.#random.unit() * GOSSIP.heartbeatMs + w.latency(g, h)
      // IHAVE, IWANT, and then the message.
      w.at(w.now() + ms, () => {
        if (m.state[h] !== UNSEEN || !w.runs(h)) return
        w.at(w.now() + w.latency(h, g), () => {
          if (m.state[g] === PASSED && w.runs(g)) this.#hop(m, g, h)
        })
      })
    }
  }

  #advertiser(m: Publication, h: number): number | undefined {
    const { n, connected } = this.#w
    const start = this.#random.below(n)
    for (let k = 0; k < n; k++) {
      const g = (start + k) % n
      if (g === h || m.state[g] !== PASSED || !connected(g, h)) continue
      if (this.#mesh.neighbours(g).includes(h) || this.#mesh.score(h, g) < GOSSIP.gossipThreshold) continue
      if (this.#random.chance(this.#lazyShare())) return g
    }
    return undefined
  }

  #lazyShare(): number {
    const others = Math.max(1, this.#w.n - 1 - GOSSIP.degree)
    return Math.min(1, Math.max(GOSSIP.lazyMin / others, GOSSIP.lazyShare))
  }

  #controlBytes(): void {
    const w = this.#w
    const others = w.n - 1 - this.#mesh.degree
    if (others <= 0 || this.#recent.length === 0) return
    const bytes = this.#recent.length * GOSSIP.idBytes
    const told = Math.floor(others * this.#lazyShare())
    for (let i = 0; i < w.n; i++) if (w.runs(i)) w.control(i, bytes, told)
  }

  #hop(m: Publication, g: number, h: number): void {
    const w = this.#w
    const { first, state } = m
    if (
      state[h] !== UNSEEN &&
      m.bytes.length >= GOSSIP.idontwantBytesMin &&
      first[h]! + w.meanLatency(h, g) <= w.now()
    ) {
      return
    }
    w.hop(m, g, h)
  }

  /** Whether a copy that arrives then is the first that the host gets, as far as one knows. */
  expects(m: Publication, h: number, at: Millis): boolean {
    if (m.state[h] !== UNSEEN || m.first[h]! <= at) return false
    m.first[h] = at
    return true
  }

  /** A copy is there that was sent at `sentAt`. */
  arrived(m: Publication, g: number, h: number, sentAt: Millis): void {
    if (m.state[h] !== UNSEEN) return
    if (this.#mesh.score(h, g) < GOSSIP.graylistThreshold) {
      this.failed(m, h)
      return
    }
    m.state[h] = SEEN
    const neighbours = this.#mesh.neighbours(h)
    if (m.bytes.length >= GOSSIP.idontwantBytesMin) this.#w.control(h, GOSSIP.idBytes, neighbours.length - 1)
    this.#w.deliver(g, h, m.bytes, sentAt, verdict => {
      if (verdict === 'reject') this.#mesh.rejected(h, g)
      if (verdict !== 'accept') return
      m.state[h] = PASSED
      m.passed++
      for (const to of this.#mesh.neighbours(h)) if (to !== g) this.#hop(m, h, to)
    })
  }

  /** The copy that was expected first did not come: the next one counts, if there is one on the way. */
  failed(m: Publication, h: number): void {
    const w = this.#w
    if (m.state[h] !== UNSEEN || !w.up(h)) return
    m.first[h] = Number.POSITIVE_INFINITY
    for (const g of this.#mesh.neighbours(h)) {
      if (m.state[g] !== PASSED || !w.connected(g, h)) continue
      // What comes from it is dropped unread, whenever it comes.
      if (this.#mesh.score(h, g) < GOSSIP.graylistThreshold) continue
      const sentAt = m.first[g]!
      const at = Math.max(w.now(), sentAt + w.latency(g, h))
      if (at >= m.first[h]!) continue
      m.first[h] = at
      w.at(at, () => {
        if (w.runs(h)) this.arrived(m, g, h, sentAt)
      })
    }
  }
}
