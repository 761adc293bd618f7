/**
 * The network between simulated hospitals: connections, gossip and streams over links with latency, loss and bandwidth.
 * Inside it a hospital is a number. It carries bytes and verdicts as `node/net` does and knows nothing of what they mean.
 */
import type { Draw } from '../../config/scenario.ts'
import type { MemberId, Millis, Verdict } from '../../protocol/ports.ts'
import type { Via } from '../observer.ts'
import { CONNECTION_TIMES, Connections, type ConnectionTimes } from './connections.ts'
import { Gossip, type Publication } from './gossip.ts'
import {
  type Flight,
  type LineHost,
  Lines,
  type LinesOptions,
  type LinesWorld,
  type LinkOf,
  type Traffic,
} from './lines.ts'
import { Mesh } from './mesh.ts'
import { Outboxes } from './outbox.ts'
import { type Direction, Reach } from './reach.ts'

export type { LinkOf } from './lines.ts'

export interface NetworkOptions extends LinesOptions {
  readonly times?: Partial<ConnectionTimes>
}

/** A host as the network sees it. */
export interface NetHost extends LineHost {
  readonly paused: boolean
  readonly nat: boolean
  /** False: it stands still and has no more room. */
  takes(bytes: number): boolean
  message(from: MemberId, via: Via, bytes: Uint8Array, judged: (verdict: Verdict) => void): void
  told(peer: MemberId, connected: boolean): void
}

export interface NetworkWorld extends LinesWorld {
  readonly hosts: readonly NetHost[]
}

/** Invalid messages on one stream after which the node hangs up, and for how long (`node/net`). */
const STREAM_REJECTS_MAX = 32
const HOLD_OFF_MS = 10_000

export class Network {
  readonly #w: NetworkWorld
  readonly #n: number
  readonly #reach: Reach
  readonly #lines: Lines
  readonly #connections: Connections
  readonly #mesh: Mesh
  readonly #gossip: Gossip
  readonly #outboxes = new Outboxes()
  readonly #rejects = new Map<number, number>()

  constructor(options: NetworkOptions, world: NetworkWorld) {
    const { hosts, now, at, random } = world
    const n = hosts.length
    this.#w = world
    this.#n = n
    this.#reach = new Reach(hosts.map(h => h.nat))
    this.#lines = new Lines(options, this.#reach, world)
    const up = (i: number) => hosts[i]!.up
    const runs = (i: number) => hosts[i]!.up && !hosts[i]!.paused
    const latency = (a: number, b: number) => this.#lines.latency(a, b)
    this.#connections = new Connections(this.#reach, n, { ...CONNECTION_TIMES, ...options.times }, random, {
      now,
      at,
      runs,
      latency,
      drainedAt: (a, b) => this.#lines.drainedAt(a, b),
      told: (x, y, connected) => this.#told(x, y, connected),
      reopened: (a, b) => this.#lines.reopened(a, b),
      lost: (a, b) => this.#lost(a, b),
      joined: (a, b) => this.#joined(a, b),
    })
    const connected = (a: number, b: number) => this.connected(a, b) && this.#reach.direct(a, b)
    this.#mesh = new Mesh(n, random, { now, up, connected })
    this.#gossip = new Gossip(this.#mesh, random, {
      n,
      now,
      at,
      up,
      runs,
      connected,
      latency,
      meanLatency: (a, b) => this.#lines.pipe(a, b).meanMs,
      hop: (m, g, h) => this.#gossipHop(m, g, h),
      deliver: (g, h, bytes, sentAt, judged) => this.#deliver(g, h, 'gossip', bytes, sentAt, judged),
      control: (i, bytes, count) => this.#lines.control(i, bytes, count),
    })
  }

  // --- hosts ---

  publish(from: number, bytes: Uint8Array): void {
    this.#lines.said(from)
    this.#gossip.publish(from, bytes)
  }

  /** Gossip to one alone; over a stream where the two have no direct connection. */
  whisper(from: number, to: number, bytes: Uint8Array): void {
    if (!this.connected(from, to) || !this.#reach.direct(from, to)) {
      this.send(from, to, bytes)
      return
    }
    this.#lines.said(from)
    this.#gossip.whisper(from, to, bytes)
  }

  send(from: number, to: number, bytes: Uint8Array): void {
    this.#lines.said(from)
    if (this.connected(from, to)) this.#streamHop(from, to, bytes)
    else {
      this.#outboxes.push(this.#key(from, to), bytes, dropped =>
        this.#w.taps.onLoss?.(this.#lines.hop(from, to, 'stream', dropped), 'full'),
      )
    }
  }

  /** `i` has no connection with these, and with all others as before. */
  shutOut(i: number, others: ReadonlySet<number>): void {
    this.#connections.shutOut(i, others)
  }

  /** A life begins. */
  up(i: number): void {
    this.#connections.up(i)
  }

  /** A life has ended; `silent`: nothing of the machine that it ran on is there to tell the others. */
  down(i: number, silent: boolean): void {
    this.#gossip.down(i)
    this.#mesh.down(i)
    for (let j = 0; j < this.#n; j++) {
      this.#outboxes.take(this.#key(i, j))
      this.#lines.dropHeld(i, j)
    }
    this.#connections.down(i, silent)
    this.#gossip.wake()
  }

  /** It stands still now, or goes on. */
  stopped(i: number): void {
    this.#connections.stopped(i)
  }

  traffic(i: number): Traffic {
    return this.#lines.traffic(i)
  }

  /** Neighbours in the mesh. */
  neighbours(i: number): readonly number[] {
    return this.#mesh.neighbours(i)
  }

  /** Whether `a` sees a connection to `b`. */
  connected(a: number, b: number): boolean {
    return this.#connections.of(a, b) !== 0
  }

  // --- faults ---

  block(from: number, to: number): void {
    this.#reach.block(from, to)
    this.#connections.changed(from, to)
  }

  unblock(from: number, to: number): void {
    this.#reach.unblock(from, to)
    this.#connections.changed(from, to)
  }

  isolate(i: number, direction: Direction): void {
    this.#reach.isolate(i, direction)
    this.#allChanged(i)
  }

  rejoin(i: number, direction: Direction): void {
    this.#reach.rejoin(i, direction)
    this.#allChanged(i)
  }

  /** Everything from one to the other takes so much longer, drawn for each message. */
  clog(from: number, to: number, delay: Draw): void {
    this.#lines.pipe(from, to).clog(delay)
  }

  unclog(from: number, to: number, delay: Draw): void {
    this.#lines.pipe(from, to).unclog(delay)
  }

  /** Other links from now on. */
  relink(links: LinkOf): void {
    this.#lines.relink(links)
  }

  /** All cuts and clogs end, and nothing is lost, doubled or reordered any more. */
  heal(): void {
    this.#lines.heal()
    this.#reach.clear()
    for (let a = 0; a < this.#n; a++) {
      for (let b = a + 1; b < this.#n; b++) this.#connections.changed(a, b)
    }
  }

  #allChanged(i: number): void {
    for (let j = 0; j < this.#n; j++) if (j !== i) this.#connections.changed(i, j)
  }

  // --- connections ---

  #joined(a: number, b: number): void {
    this.#lines.reset(a, b)
    this.#lines.reset(b, a)
    this.#rejects.delete(this.#key(a, b))
    this.#rejects.delete(this.#key(b, a))
    if (!this.#reach.direct(a, b)) return
    this.#mesh.joined(a, b)
    this.#gossip.wake()
  }

  #lost(x: number, y: number): void {
    this.#mesh.parted(x, y)
    this.#lines.dropHeld(x, y)
    this.#lines.dropHeld(y, x)
    this.#gossip.wake()
  }

  #told(x: number, y: number, connected: boolean): void {
    const { hosts } = this.#w
    // What waited is older than anything that the machine says to this.
    if (connected) {
      for (const bytes of this.#outboxes.take(this.#key(x, y))) this.#streamHop(x, y, bytes)
    }
    hosts[x]!.told(hosts[y]!.id, connected)
  }

  // --- messages ---

  #gossipHop(m: Publication, g: number, h: number): void {
    const connection = this.#connections.of(g, h)
    if (connection === 0) return
    const lines = this.#lines
    const wire = lines.leaves(g, h, 'gossip', m.bytes)
    if (wire === 0) return
    if (!this.#reach.passes(g, h)) {
      lines.hold(this.#gossipFlight(m, g, h, connection, wire))
      return
    }
    const at = lines.transmit(g, h, 'gossip', wire)
    const { duplicateRate } = lines.pipe(g, h).link
    if (duplicateRate > 0 && this.#w.random.chance(duplicateRate)) this.#duplicate(m, g, h, at, connection)
    if (this.#gossip.expects(m, h, at)) lines.landAt(this.#gossipFlight(m, g, h, connection, wire), at)
    else lines.spare(g, h, wire)
  }

  #gossipFlight(m: Publication, g: number, h: number, connection: number, wire: number): Flight {
    const sentAt = this.#w.now()
    return {
      from: g,
      to: h,
      via: 'gossip',
      bytes: m.bytes,
      wire,
      sentAt,
      stands: () => this.#connections.of(h, g) === connection,
      arrived: () => this.#gossip.arrived(m, g, h, sentAt),
      lost: () => this.#gossip.failed(m, h),
    }
  }

  /** Once more to the machine itself, past what gossip remembers. */
  #duplicate(m: Publication, g: number, h: number, at: Millis, connection: number): void {
    const sentAt = this.#w.now()
    const wire = this.#lines.leaves(g, h, 'gossip', m.bytes)
    if (wire === 0) return
    this.#lines.tellInjected('duplicate', g, h)
    this.#w.at(at + this.#lines.pipe(g, h).latency(this.#w.random), () => {
      if (this.#connections.of(h, g) !== connection) return
      this.#lines.spare(g, h, wire)
      this.#deliver(g, h, 'gossip', m.bytes, sentAt, () => {})
    })
  }

  #streamHop(from: number, to: number, bytes: Uint8Array): void {
    const connection = this.#connections.of(from, to)
    const relay = this.#connections.relayOf(from, to)
    const sentAt = this.#w.now()
    const stands = () => this.#connections.of(to, from) === connection
    const arrived = () =>
      this.#deliver(from, to, 'stream', bytes, sentAt, verdict => {
        if (verdict === 'reject') this.#rejected(to, from)
      })
    const leg = (a: number, b: number, then: () => void) => {
      const wire = this.#lines.leaves(a, b, 'stream', bytes)
      if (wire > 0) {
        this.#lines.fly({ from: a, to: b, via: 'stream', bytes, wire, sentAt, stands, arrived: then })
      }
    }
    if (relay === undefined) leg(from, to, arrived)
    else leg(from, relay, () => leg(relay, to, arrived))
  }

  #rejected(by: number, from: number): void {
    const key = this.#key(by, from)
    const count = (this.#rejects.get(key) ?? 0) + 1
    this.#rejects.set(key, count)
    if (count > STREAM_REJECTS_MAX) this.#connections.holdOff(by, from, HOLD_OFF_MS)
  }

  #deliver(
    from: number,
    to: number,
    via: Via,
    bytes: Uint8Array,
    sentAt: Millis,
    judged: (verdict: Verdict) => void,
  ): void {
    const { hosts, taps } = this.#w
    const host = hosts[to]!
    if (!host.takes(bytes.length)) {
      taps.onLoss?.(this.#lines.hop(from, to, via, bytes, sentAt), 'full')
      return
    }
    taps.onDelivered?.(this.#lines.hop(from, to, via, bytes, sentAt))
    host.message(hosts[from]!.id, via, bytes, judged)
  }

  #key(a: number, b: number): number {
    return a * this.#n + b
  }
}
