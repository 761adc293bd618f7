/**
 * Links and access lines: what carries messages from one hospital to another, and how long that takes. Bytes wait for their
 * turn on the sender's uplink, go through the pipe of their direction, and wait for the receiver's downlink; into a cut they
 * go when it ends, or never.
 */
import type { Link } from '../../config/scenario.ts'
import type { MemberId, Millis } from '../../protocol/ports.ts'
import type { Hop, Observer, Via } from '../observer.ts'
import type { Random } from '../random.ts'
import { afterCut, DEFAULT_LINK, Pipe, TRANSPORT, wireBytes } from './link.ts'
import type { Reach } from './reach.ts'

export type LinkOf = (from: MemberId, to: MemberId) => Link

export interface LinesOptions {
  /** The link in each direction; default 5 to 25 ms, nothing lost. */
  readonly links?: LinkOf
  /** For tests of the machine: a hop's message that is lost for good, which no transport does. Default never. */
  readonly loses?: (random: Random, from: MemberId, to: MemberId, bytes: Uint8Array) => boolean
}

export interface LineHost {
  readonly id: MemberId
  readonly up: boolean
  readonly uplinkMbps: number
  readonly downlinkMbps: number
}

export interface LinesWorld {
  readonly hosts: readonly LineHost[]
  readonly now: () => Millis
  readonly at: (time: Millis, run: () => void) => void
  readonly random: Random
  readonly taps: Observer
}

export interface Traffic {
  /** On the wire, headers of all layers included. */
  readonly bytesSent: number
  readonly bytesReceived: number
  /** Published or sent by the hospital itself, once each. */
  readonly messagesSent: number
}

/** A wait for the downlink that is shorter is not worth an event. */
const DOWNLINK_GRAIN_MS = 0.5

/** One message on one link. */
export interface Flight {
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

export class Lines {
  readonly #w: LinesWorld
  readonly #n: number
  readonly #reach: Reach
  readonly #loses: LinesOptions['loses']
  #links: LinkOf
  readonly #pipes: ((Pipe | undefined)[] | undefined)[]
  /** What was sent into a cut, by direction. */
  readonly #held = new Map<number, Held>()
  /** When the access lines have sent and received what they were given so far. */
  readonly #uplinkFreeAt: Float64Array
  readonly #downlinkFreeAt: Float64Array
  readonly #takenInAt: Float64Array
  readonly #msPerUpByte: Float64Array
  readonly #msPerDownByte: Float64Array
  readonly #sent: Float64Array
  readonly #received: Float64Array
  readonly #messages: Float64Array

  constructor(options: LinesOptions, reach: Reach, world: LinesWorld) {
    const { hosts } = world
    this.#w = world
    this.#n = hosts.length
    this.#reach = reach
    this.#loses = options.loses
    this.#links = options.links ?? (() => DEFAULT_LINK)
    this.#pipes = Array.from(hosts, () => undefined)
    this.#uplinkFreeAt = new Float64Array(this.#n)
    this.#downlinkFreeAt = new Float64Array(this.#n)
    this.#takenInAt = new Float64Array(this.#n)
    this.#msPerUpByte = Float64Array.from(hosts, h => 8 / (h.uplinkMbps * 1000))
    this.#msPerDownByte = Float64Array.from(hosts, h => 8 / (h.downlinkMbps * 1000))
    this.#sent = new Float64Array(this.#n)
    this.#received = new Float64Array(this.#n)
    this.#messages = new Float64Array(this.#n)
  }

  traffic(i: number): Traffic {
    return {
      bytesSent: this.#sent[i]!,
      bytesReceived: this.#received[i]!,
      messagesSent: this.#messages[i]!,
    }
  }

  /** Counts a message of a hospital's own. */
  said(i: number): void {
    this.#messages[i]!++
  }

  /** From `a` to `b`; made when it is first used, as most pairs of many hospitals never talk to each other. */
  pipe(a: number, b: number): Pipe {
    let row = this.#pipes[a]
    if (row === undefined) {
      row = new Array<Pipe | undefined>(this.#n)
      this.#pipes[a] = row
    }
    const pipe = row[b] ?? new Pipe(this.#link(a, b), this.#link(b, a))
    row[b] = pipe
    return pipe
  }

  /** Of something small, at random. */
  latency(a: number, b: number): Millis {
    const pipe = this.#pipes[a]?.[b]
    const { random } = this.#w
    return pipe ? pipe.latency(random) : random.draw(this.#link(a, b).latencyMs)
  }

  /** When all that was sent that way has arrived. */
  drainedAt(a: number, b: number): Millis {
    return this.#pipes[a]?.[b]?.drainedAt ?? 0
  }

  /** A fresh connection. */
  reset(a: number, b: number): void {
    this.#pipes[a]?.[b]?.reset(this.#w.now())
  }

  /** Other links from now on. */
  relink(links: LinkOf): void {
    this.#links = links
    this.#pipes.forEach((row, a) => {
      row?.forEach((pipe, b) => void pipe?.relink(this.#link(a, b), this.#link(b, a)))
    })
  }

  /** All clogs end, and nothing is lost, doubled or reordered any more. */
  heal(): void {
    const before = this.#links
    this.relink((from, to) => ({ ...before(from, to), lossRate: 0, duplicateRate: 0, reorderRate: 0 }))
    for (const row of this.#pipes) for (const pipe of row ?? []) pipe?.unclogAll()
  }

  /** Counts a copy that is handed to the transport; its bytes on the wire, or 0 where a test takes it away. */
  leaves(from: number, to: number, via: Via, bytes: Uint8Array): number {
    const wire = wireBytes(bytes.length, via)
    this.#sent[from]! += wire
    this.#w.taps.onHop?.(this.hop(from, to, via, bytes))
    if (!this.#loses?.(this.#w.random, this.#id(from), this.#id(to), bytes)) return wire
    this.#w.taps.onLoss?.(this.hop(from, to, via, bytes), 'lost')
    return 0
  }

  /** Puts a message on its link, or holds it while that is cut. */
  fly(flight: Flight): void {
    const { from, to, via, wire } = flight
    if (this.#reach.passes(from, to)) this.landAt(flight, this.transmit(from, to, via, wire))
    else this.hold(flight)
  }

  /** It is on its way, and at the receiver's line at `at`. */
  landAt(flight: Flight, at: Millis): void {
    this.#w.at(at, () => {
      const { from, to } = flight
      if (!flight.stands()) this.#lose(flight)
      else if (!this.#reach.passes(from, to)) this.hold(flight)
      else this.#receive(flight)
    })
  }

  #receive(flight: Flight): void {
    const { from, to, wire } = flight
    this.#received[to]! += wire
    this.#answer(to, from)
    const now = this.#w.now()
    const at = this.#downlinkFree(to, wire)
    // Nothing is taken in before what came first.
    if (at < now + DOWNLINK_GRAIN_MS && this.#takenInAt[to]! <= now) {
      flight.arrived()
      return
    }
    this.#takenInAt[to] = at
    this.#w.at(at, () => (flight.stands() ? flight.arrived() : this.#lose(flight)))
  }

  /** What the transport sends back for a message, whatever becomes of it above. */
  #answer(from: number, to: number): void {
    this.#pipes[from]?.[to]?.used(this.#w.now())
    this.#sent[from]! += TRANSPORT.answerBytes
    this.#received[to]! += TRANSPORT.answerBytes
  }

  /** A copy that nobody waits for: it costs bytes and time on the downlink. */
  spare(from: number, to: number, wire: number): void {
    this.#received[to]! += wire
    this.#answer(to, from)
    this.#downlinkFree(to, wire)
  }

  #lose(flight: Flight): void {
    const { from, to, via, bytes } = flight
    this.#w.taps.onLoss?.(
      this.hop(from, to, via, bytes, flight.sentAt),
      this.#w.hosts[to]!.up ? 'cut' : 'down',
    )
    flight.lost?.()
  }

  /** Bytes wait for their turn on the uplink, and then for the link. When they are at the other end of it. */
  transmit(from: number, to: number, via: Via, wire: number): Millis {
    const now = this.#w.now()
    const free = Math.max(now, this.#uplinkFreeAt[from]!) + wire * this.#msPerUpByte[from]!
    this.#uplinkFreeAt[from] = free
    const pipe = this.pipe(from, to)
    const at = pipe.send(free, wire, via, this.#w.random)
    if (pipe.losses > 0) {
      this.#sent[from]! += pipe.losses * Math.min(wire, TRANSPORT.segmentBytes + TRANSPORT.segmentHeaderBytes)
      this.tellInjected('loss', from, to)
    }
    if (pipe.reordered) this.tellInjected('reorder', from, to)
    return at
  }

  /** When bytes that have come now are through the downlink. */
  #downlinkFree(to: number, wire: number): Millis {
    const free = Math.max(this.#w.now(), this.#downlinkFreeAt[to]!) + wire * this.#msPerDownByte[to]!
    this.#downlinkFreeAt[to] = free
    return free
  }

  /** What goes to so many others beside the messages; as much comes back. */
  control(i: number, bytes: number, count: number): void {
    const wire = count * (wireBytes(bytes, 'stream') + TRANSPORT.answerBytes)
    this.#sent[i]! += wire
    this.#received[i]! += wire
  }

  /** The cut between the two is over: what was sent into it goes on, before all that is sent from now on. */
  reopened(a: number, b: number): void {
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      const held = this.#held.get(this.#key(x, y))
      if (!held) continue
      this.#held.delete(this.#key(x, y))
      const now = this.#w.now()
      const pipe = this.pipe(x, y)
      pipe.stall(now + afterCut(now - held.since, pipe.rttMs))
      for (const flight of held.flights) {
        if (flight.stands()) this.fly(flight)
        else this.#lose(flight)
      }
    }
  }

  /** What was sent into a cut will never arrive. */
  dropHeld(x: number, y: number): void {
    const held = this.#held.get(this.#key(x, y))
    if (!held) return
    this.#held.delete(this.#key(x, y))
    for (const flight of held.flights) this.#lose(flight)
  }

  /** Into a cut. */
  hold(flight: Flight): void {
    const key = this.#key(flight.from, flight.to)
    const held = this.#held.get(key) ?? { since: this.#w.now(), flights: [] }
    this.#held.set(key, held)
    held.flights.push(flight)
  }

  /** For the observers. */
  hop(from: number, to: number, via: Via, bytes: Uint8Array, sentAt = this.#w.now()): Hop {
    return {
      from: this.#id(from),
      to: this.#id(to),
      via,
      bytes,
      wireBytes: wireBytes(bytes.length, via),
      sentAt,
    }
  }

  /** What a link has done by itself. */
  tellInjected(kind: string, from: number, to: number): void {
    const hospitals = [this.#id(from), this.#id(to)]
    this.#w.taps.onInjected?.({ at: this.#w.now(), kind, hospitals, detail: '' })
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
