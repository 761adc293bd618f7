/**
 * The network between simulated hospitals: connections, gossip and streams over links with latency, loss and bandwidth.
 * Inside it a hospital is a number. It carries bytes and verdicts as `node/net` does and knows nothing of what they mean.
 */
import type { Draw, Link } from '../../config/scenario.ts'
import type { MemberId, Millis, Verdict } from '../../protocol/ports.ts'
import type { Hop, Observer, Via } from '../observer.ts'
import type { Random } from '../random.ts'
import { CONNECTION_TIMES, Connections, type ConnectionTimes } from './connections.ts'
import { Gossip, type Publication } from './gossip.ts'
import { afterCut, DEFAULT_LINK, Pipe, wireBytes } from './link.ts'
import { Mesh } from './mesh.ts'
import { Outboxes } from './outbox.ts'
import { type Direction, Reach } from './reach.ts'

export type LinkOf = (from: MemberId, to: MemberId) => Link

export interface NetworkOptions {
  /** The link in each direction; default 5 to 25 ms, nothing lost. */
  readonly links?: LinkOf
  readonly times?: Partial<ConnectionTimes>
  /** For tests of the machine: a hop's message that is lost for good, which no transport does. Default never. */
  readonly loses?: (random: Random, from: MemberId, to: MemberId, bytes: Uint8Array) => boolean
}

/** A host as the network sees it. */
export interface NetHost {
  readonly id: MemberId
  readonly up: boolean
  readonly paused: boolean
  readonly uplinkMbps: number
  readonly downlinkMbps: number
  readonly nat: boolean
  /** False: it stands still and has no more room. */
  takes(bytes: number): boolean
  message(from: MemberId, via: Via, bytes: Uint8Array, judged: (verdict: Verdict) => void): void
  told(peer: MemberId, connected: boolean): void
}

export interface NetworkWorld {
  readonly hosts: readonly NetHost[]
  readonly now: () => Millis
  readonly at: (time: Millis, run: () => void) => void
  readonly random: Random
  readonly taps: Observer
}

export interface Traffic {
  /** On the wire, headers of all layers included. */
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly messagesSent: number
}

/** Invalid messages on one stream after which the node hangs up, and for how long (`node/net`). */
const STREAM_REJECTS_MAX = 32
const HOLD_OFF_MS = 10_000
/** A wait for the downlink that is shorter is not worth an event. */
const DOWNLINK_GRAIN_MS = 0.5

/** One message on one link. */
interface Flight {
  readonly from: number
  readonly to: number
  readonly via: Via
  readonly bytes: Uint8Array
  readonly wire: number
  readonly sentAt: Millis
  /** Whether the receiver still has the connection that it came by. */
  stands(): boolean
  arrived(): void
  lost?(): void
}

interface Held {
  readonly since: Millis
  readonly flights: Flight[]
}

export class Network {
  readonly #w: NetworkWorld
  readonly #n: number
  readonly #random: Random
  readonly #options: NetworkOptions
  #links: LinkOf
  readonly #reach: Reach
  readonly #connections: Connections
  readonly #mesh: Mesh
  readonly #gossip: Gossip
  readonly #outboxes = new Outboxes()
  readonly #pipes: (Pipe | undefined)[][]
  /** What was sent into a cut, by direction. */
  readonly #held = new Map<number, Held>()
  readonly #rejects = new Map<number, number>()
  /** When the access lines have sent and received what they were given so far. */
  readonly #uplinkFreeAt: Float64Array
  readonly #downlinkFreeAt: Float64Array
  readonly #msPerUpByte: Float64Array
  readonly #msPerDownByte: Float64Array
  readonly #sent: Float64Array
  readonly #received: Float64Array
  readonly #messages: Float64Array

  constructor(options: NetworkOptions, world: NetworkWorld) {
    const { hosts, now, at, random } = world
    const n = hosts.length
    this.#w = world
    this.#n = n
    this.#random = random
    this.#options = options
    this.#links = options.links ?? (() => DEFAULT_LINK)
    this.#reach = new Reach(hosts.map(h => h.nat))
    this.#pipes = Array.from({ length: n }, () => [])
    const numbers = (of: (h: NetHost) => number = () => 0) => Float64Array.from(hosts, of)
    this.#uplinkFreeAt = numbers()
    this.#downlinkFreeAt = numbers()
    this.#msPerUpByte = numbers(h => 8 / (h.uplinkMbps * 1000))
    this.#msPerDownByte = numbers(h => 8 / (h.downlinkMbps * 1000))
    this.#sent = numbers()
    this.#received = numbers()
    this.#messages = numbers()
    const up = (i: number) => hosts[i]!.up
    const runs = (i: number) => hosts[i]!.up && !hosts[i]!.paused
    const latency = (a: number, b: number) => this.#pipe(a, b).latency(random)
    this.#connections = new Connections(this.#reach, n, { ...CONNECTION_TIMES, ...options.times }, random, {
      now,
      at,
      runs,
      latency,
      drainedAt: (a, b) => this.#pipe(a, b).drainedAt,
      told: (x, y, connected) => this.#told(x, y, connected),
      reopened: (a, b) => this.#reopened(a, b),
      lost: (a, b) => this.#lost(a, b),
      joined: (a, b) => this.#joined(a, b),
    })
    const connected = (a: number, b: number) => {
      return this.#connections.of(a, b) !== 0 && this.#reach.direct(a, b)
    }
    this.#mesh = new Mesh(n, random, { now, up, connected })
    this.#gossip = new Gossip(this.#mesh, random, {
      n,
      now,
      at,
      up,
      runs,
      connected,
      latency,
      meanLatency: (a, b) => this.#pipe(a, b).meanMs,
      hop: (m, g, h) => this.#gossipHop(m, g, h),
      deliver: (g, h, bytes, sentAt, judged) => this.#deliver(g, h, 'gossip', bytes, sentAt, judged),
      control: (i, bytes, count) => this.#control(i, bytes, count),
    })
  }

  // --- hosts ---

  publish(from: number, bytes: Uint8Array): void {
    this.#messages[from]!++
    this.#gossip.publish(from, bytes)
  }

  send(from: number, to: number, bytes: Uint8Array): void {
    this.#messages[from]!++
    if (this.#connections.of(from, to) !== 0) this.#streamHop(from, to, bytes)
    else {
      this.#outboxes.push(this.#key(from, to), bytes, dropped =>
        this.#w.taps.onLoss?.(this.#hop(from, to, 'stream', dropped), 'full'),
      )
    }
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
      this.#dropHeld(i, j)
    }
    this.#connections.down(i, silent)
    this.#gossip.wake()
  }

  /** It stands still now, or goes on. */
  stopped(i: number): void {
    this.#connections.stopped(i)
  }

  traffic(i: number): Traffic {
    return {
      bytesSent: this.#sent[i]!,
      bytesReceived: this.#received[i]!,
      messagesSent: this.#messages[i]!,
    }
  }

  /** Neighbours in the mesh, for checks. */
  neighbours(i: number): readonly number[] {
    return this.#mesh.neighbours(i)
  }

  /** Whether `a` sees a connection to `b`, for checks. */
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

  /** Everything on the link from one to the other takes so much longer, drawn for each message. */
  clog(from: number, to: number, delay: Draw): void {
    this.#pipe(from, to).clog(delay)
  }

  unclog(from: number, to: number, delay: Draw): void {
    this.#pipe(from, to).unclog(delay)
  }

  /** Other links from now on. */
  relink(links: LinkOf): void {
    this.#links = links
    this.#pipes.forEach((row, a) => {
      row.forEach((pipe, b) => void pipe?.relink(this.#link(a, b), this.#link(b, a)))
    })
  }

  /** All cuts and clogs end, and nothing is lost, doubled or reordered any more. */
  heal(): void {
    const before = this.#links
    this.relink((from, to) => ({ ...before(from, to), lossRate: 0, duplicateRate: 0, reorderRate: 0 }))
    for (const row of this.#pipes) for (const pipe of row) pipe?.unclogAll()
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
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      this.#pipe(x, y).reset(this.#w.now())
      this.#rejects.delete(this.#key(x, y))
    }
    if (!this.#reach.direct(a, b)) return
    this.#mesh.joined(a, b)
    this.#gossip.wake()
  }

  #lost(x: number, y: number): void {
    this.#mesh.parted(x, y)
    this.#dropHeld(x, y)
    this.#dropHeld(y, x)
    this.#gossip.wake()
  }

  #told(x: number, y: number, connected: boolean): void {
    const { hosts } = this.#w
    hosts[x]!.told(hosts[y]!.id, connected)
    if (!connected) return
    for (const bytes of this.#outboxes.take(this.#key(x, y))) this.send(x, y, bytes)
  }

  #reopened(a: number, b: number): void {
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      const held = this.#held.get(this.#key(x, y))
      if (!held) continue
      this.#held.delete(this.#key(x, y))
      const now = this.#w.now()
      this.#w.at(now + afterCut(now - held.since, this.#pipe(x, y).rttMs), () => {
        for (const flight of held.flights) {
          if (flight.stands()) this.#fly(flight)
          else this.#lose(flight)
        }
      })
    }
  }

  #dropHeld(x: number, y: number): void {
    const held = this.#held.get(this.#key(x, y))
    if (!held) return
    this.#held.delete(this.#key(x, y))
    for (const flight of held.flights) this.#lose(flight)
  }

  #hold(flight: Flight): void {
    const key = this.#key(flight.from, flight.to)
    const held = this.#held.get(key) ?? { since: this.#w.now(), flights: [] }
    this.#held.set(key, held)
    held.flights.push(flight)
  }

  // --- messages ---

  #gossipHop(m: Publication, g: number, h: number): void {
    const connection = this.#connections.of(g, h)
    if (connection === 0) return
    const wire = this.#leaves(g, h, 'gossip', m.bytes)
    if (wire === 0) return
    if (!this.#reach.passes(g, h)) {
      this.#hold(this.#gossipFlight(m, g, h, connection, wire))
      return
    }
    const at = this.#transmit(g, h, 'gossip', wire)
    const { duplicateRate } = this.#pipe(g, h).link
    if (duplicateRate > 0 && this.#random.chance(duplicateRate)) this.#duplicate(m, g, h, at, connection)
    if (this.#gossip.expects(m, h, at)) {
      this.#landAt(this.#gossipFlight(m, g, h, connection, wire), at)
    } else {
      this.#received[h]! += wire
      this.#downlinkWait(h, wire)
    }
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
    this.#leaves(g, h, 'gossip', m.bytes)
    this.#tellInjected('duplicate', g, h)
    this.#w.at(at + this.#pipe(g, h).latency(this.#random), () => {
      if (this.#connections.of(h, g) === connection) this.#deliver(g, h, 'gossip', m.bytes, sentAt, () => {})
    })
  }

  #streamHop(from: number, to: number, bytes: Uint8Array): void {
    const connection = this.#connections.of(from, to)
    const relay = this.#connections.relayOf(from, to)
    const stands = () => this.#connections.of(to, from) === connection
    const arrived = () =>
      this.#deliver(from, to, 'stream', bytes, sentAt, verdict => {
        if (verdict === 'reject') this.#rejected(to, from)
      })
    const sentAt = this.#w.now()
    const leg = (a: number, b: number, then: () => void) => {
      const wire = this.#leaves(a, b, 'stream', bytes)
      if (wire > 0) this.#fly({ from: a, to: b, via: 'stream', bytes, wire, sentAt, stands, arrived: then })
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

  /** Counts a copy that is handed to the transport; its bytes on the wire, or 0 where a test takes it away. */
  #leaves(from: number, to: number, via: Via, bytes: Uint8Array): number {
    const wire = wireBytes(bytes.length, via)
    this.#sent[from]! += wire
    this.#w.taps.onHop?.(this.#hop(from, to, via, bytes))
    if (!this.#options.loses?.(this.#random, this.#id(from), this.#id(to), bytes)) return wire
    this.#w.taps.onLoss?.(this.#hop(from, to, via, bytes), 'lost')
    return 0
  }

  #fly(flight: Flight): void {
    const { from, to, via, wire } = flight
    if (this.#reach.passes(from, to)) this.#landAt(flight, this.#transmit(from, to, via, wire))
    else this.#hold(flight)
  }

  #landAt(flight: Flight, at: Millis): void {
    this.#w.at(at, () => {
      const { from, to, wire } = flight
      if (!flight.stands()) this.#lose(flight)
      else if (!this.#reach.passes(from, to)) this.#hold(flight)
      else {
        this.#received[to]! += wire
        const wait = this.#downlinkWait(to, wire)
        if (wait < DOWNLINK_GRAIN_MS) flight.arrived()
        else this.#w.at(this.#w.now() + wait, () => (flight.stands() ? flight.arrived() : this.#lose(flight)))
      }
    })
  }

  #lose(flight: Flight): void {
    const { from, to, via, bytes } = flight
    this.#w.taps.onLoss?.(
      this.#hop(from, to, via, bytes, flight.sentAt),
      this.#w.hosts[to]!.up ? 'cut' : 'down',
    )
    flight.lost?.()
  }

  /** Bytes wait for their turn on the uplink, and then for the link. When they are at the other end of it. */
  #transmit(from: number, to: number, via: Via, wire: number): Millis {
    const now = this.#w.now()
    const free = Math.max(now, this.#uplinkFreeAt[from]!) + wire * this.#msPerUpByte[from]!
    this.#uplinkFreeAt[from] = free
    const pipe = this.#pipe(from, to)
    const at = pipe.send(free, wire, via, this.#random)
    if (pipe.losses > 0) this.#tellInjected('loss', from, to)
    if (pipe.reordered) this.#tellInjected('reorder', from, to)
    return at
  }

  /** How long bytes that have come now wait for the downlink. */
  #downlinkWait(to: number, wire: number): Millis {
    const now = this.#w.now()
    const free = Math.max(now, this.#downlinkFreeAt[to]!) + wire * this.#msPerDownByte[to]!
    this.#downlinkFreeAt[to] = free
    return free - now
  }

  #deliver(
    from: number,
    to: number,
    via: Via,
    bytes: Uint8Array,
    sentAt: Millis,
    judged: (verdict: Verdict) => void,
  ): void {
    const host = this.#w.hosts[to]!
    if (!host.takes(bytes.length)) {
      this.#w.taps.onLoss?.(this.#hop(from, to, via, bytes), 'full')
      return
    }
    this.#w.taps.onDelivered?.(this.#hop(from, to, via, bytes, sentAt))
    host.message(this.#id(from), via, bytes, judged)
  }

  /** What goes to so many others beside the messages; as much comes back. */
  #control(i: number, bytes: number, count: number): void {
    const wire = count * wireBytes(bytes, 'stream')
    this.#sent[i]! += wire
    this.#received[i]! += wire
  }

  #hop(from: number, to: number, via: Via, bytes: Uint8Array, sentAt = this.#w.now()): Hop {
    return {
      from: this.#id(from),
      to: this.#id(to),
      via,
      bytes,
      wireBytes: wireBytes(bytes.length, via),
      sentAt,
    }
  }

  #tellInjected(kind: string, from: number, to: number): void {
    const hospitals = [this.#id(from), this.#id(to)]
    this.#w.taps.onInjected?.({ at: this.#w.now(), kind, hospitals, detail: '' })
  }

  #pipe(a: number, b: number): Pipe {
    const row = this.#pipes[a]!
    const pipe = row[b] ?? new Pipe(this.#link(a, b), this.#link(b, a))
    row[b] = pipe
    return pipe
  }

  #link(a: number, b: number): Link {
    return this.#links(this.#id(a), this.#id(b))
  }

  #key(a: number, b: number): number {
    return a * this.#n + b
  }

  #id(i: number): MemberId {
    return this.#w.hosts[i]!.id
  }
}
