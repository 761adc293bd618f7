/**
 * Hospitals on a virtual network: one thread, one event heap, virtual time, one seed. A run is a function of its
 * options and is replayed by them.
 */
import type { Draw } from '../config/scenario.ts'
import type { MemberId, Millis } from '../protocol/ports.ts'
import { GOSSIP_MESSAGE_BYTES_MAX, STREAM_MESSAGE_BYTES_MAX } from '../protocol/wire/limits.ts'
import type { DiskCrash } from './disk.ts'
import { EventHeap } from './heap.ts'
import { type HostSetup, type HostWorld, SimHost, type Step } from './host.ts'
import type { LinkOf, Traffic } from './net/lines.ts'
import { Network, type NetworkOptions } from './net/network.ts'
import type { Direction } from './net/reach.ts'
import type { Injected, Observer } from './observer.ts'
import { meanOf, Random } from './random.ts'
import { tapsOf } from './taps.ts'

export interface WorldOptions {
  /** Unsigned, 32 bits. */
  readonly seed: number
  readonly hosts: readonly HostSetup[]
  readonly network?: NetworkOptions
  readonly observers?: readonly Observer[]
  /** Asked before and after each effect of each host; true: crash here. */
  readonly onStep?: (step: Step) => boolean
  /** A crash at a step takes the whole machine with it, so that the others notice late; default false. */
  readonly silentSteps?: boolean
  /** A machine threw: its host stops and the others go on. Without it the run throws. */
  readonly onBroken?: (host: SimHost, error: unknown) => void
}

/** Ends a fault; once, and nothing where it is over already. */
export type Undo = () => void

const START_MS = 1_800_000_000_000

export class World {
  readonly hosts: ReadonlyMap<MemberId, SimHost>
  readonly random: Random
  readonly #o: WorldOptions
  readonly #taps: Observer
  readonly #heap = new EventHeap()
  readonly #net: Network
  #now: Millis = START_MS
  #healings = 0
  /** Events of the heap so far. */
  events = 0

  constructor(options: WorldOptions) {
    this.#o = options
    this.#taps = tapsOf(options.observers ?? [])
    this.random = new Random(options.seed)
    const own: HostWorld = {
      epoch: START_MS,
      now: () => this.#now,
      at: (time, run) => this.#heap.push(time, run),
      taps: this.#taps,
      net: {
        publish: (from, bytes) => {
          checkSize(bytes, GOSSIP_MESSAGE_BYTES_MAX)
          this.#net.publish(from.index, bytes)
        },
        shutOut: (by, peers) => this.#net.shutOut(by.index, new Set(peers.map(p => this.host(p).index))),
        send: (from, to, bytes) => {
          checkSize(bytes, STREAM_MESSAGE_BYTES_MAX)
          if (to === from.id) throw new RangeError(`${to} is not another member`)
          const { index } = this.host(to)
          if (from.whispers(bytes)) this.#net.whisper(from.index, index, bytes)
          else this.#net.send(from.index, index, bytes)
        },
      },
      onStep: options.onStep,
      onDown: (host, why, error) => this.#ended(host, why, error),
    }
    const hosts = options.hosts.map((h, i) => new SimHost(h, i, own, new Random(this.random.u32())))
    this.hosts = new Map(hosts.map(h => [h.id, h]))
    if (this.hosts.size !== hosts.length) throw new RangeError('two hosts have one name')
    const { now, at, taps } = own
    const random = new Random(this.random.u32())
    this.#net = new Network(options.network ?? {}, { hosts, now, at, taps, random })
    this.#taps.onWorld?.(this)
  }

  /** Unix time in milliseconds; it begins at 1.8e12. */
  get now(): Millis {
    return this.#now
  }

  host(id: MemberId): SimHost {
    const host = this.hosts.get(id)
    if (!host) throw new RangeError(`no host ${id}`)
    return host
  }

  /** What a host's line has carried. */
  traffic(id: MemberId): Traffic {
    return this.#net.traffic(this.host(id).index)
  }

  /** Whether `a` sees a connection to `b`. */
  connected(a: MemberId, b: MemberId): boolean {
    return this.#net.connected(this.host(a).index, this.host(b).index)
  }

  /** A host's neighbours in the gossip mesh. */
  neighbours(id: MemberId): MemberId[] {
    const ids = [...this.hosts.keys()]
    return this.#net.neighbours(this.host(id).index).map(i => ids[i]!)
  }

  // --- lives ---

  /** Begins a life of a host that is down. */
  start(id: MemberId): void {
    const host = this.host(id)
    host.start()
    if (host.up) this.#net.up(host.index)
  }

  startAll(): void {
    for (const id of this.hosts.keys()) this.start(id)
  }

  /**
   * Ends a host's life. `disk`: what becomes of commits that are not durable yet. `vanished`: its whole machine is gone, so
   * that the others notice only because nothing comes any more; else its system tells them that the process is.
   */
  crash(id: MemberId, disk: DiskCrash = 'lost', how: 'killed' | 'vanished' = 'killed'): void {
    const host = this.#running(id)
    host.crash(disk)
    this.#net.down(host.index, how === 'vanished')
    this.#taps.onCrash?.(host, 'scheduled')
  }

  /** The process stands still until that is undone, or until its life ends. */
  pause(id: MemberId): Undo {
    const host = this.#running(id)
    const resume = host.pause()
    this.#net.stopped(host.index)
    return once(() => {
      if (resume()) this.#net.stopped(host.index)
    })
  }

  /** Jobs and commits that begin meanwhile take `factor` times as long. */
  slow(id: MemberId, factor: number): Undo {
    if (!(factor > 0)) throw new RangeError(`a factor of ${factor}`)
    return once(this.host(id).slow(factor))
  }

  // --- the network's faults: those that overlap end with the last ---

  /** Nothing passes between the two, in either direction. */
  cut(a: MemberId, b: MemberId): Undo {
    const undos = [this.block(a, b), this.block(b, a)]
    return () => {
      for (const undo of undos) undo()
    }
  }

  /** Nothing passes from one to the other. */
  block(from: MemberId, to: MemberId): Undo {
    const [a, b] = this.#pair(from, to)
    this.#net.block(a, b)
    return this.#undo(() => this.#net.unblock(a, b))
  }

  /** Nothing reaches the host (`in`), nothing leaves it (`out`), or neither: its line is down. */
  isolate(id: MemberId, direction: Direction = 'both'): Undo {
    const { index } = this.host(id)
    this.#net.isolate(index, direction)
    return this.#undo(() => this.#net.rejoin(index, direction))
  }

  /** Everything from one to the other takes so much longer; drawn for each message. */
  clog(from: MemberId, to: MemberId, delayMs: Draw): Undo {
    if (!(meanOf(delayMs) >= 0)) throw new RangeError('a clog of less than nothing')
    const [a, b] = this.#pair(from, to)
    this.#net.clog(a, b, delayMs)
    return this.#undo(() => this.#net.unclog(a, b, delayMs))
  }

  /** Other links from now on; what is on its way stays as it is. */
  relink(links: LinkOf): void {
    this.#net.relink(links)
  }

  /** All faults of the network end, and its links lose, double and reorder nothing any more; undoing them does nothing then. */
  heal(): void {
    this.#healings++
    this.#net.heal()
  }

  /** Tells the observers of something that the scenario does. */
  inject(what: Omit<Injected, 'at'>): void {
    this.#taps.onInjected?.({ ...what, at: this.#now })
  }

  // --- time ---

  /** Runs something so many milliseconds from now. */
  at(inMs: Millis, run: () => void): void {
    this.#heap.push(this.#now + inMs, run)
  }

  /** Runs until `done`, or until `limitMs` of virtual time have passed; whether it was done. */
  run(done: () => boolean, limitMs: Millis): boolean {
    const heap = this.#heap
    const { afterEvent } = this.#taps
    const end = this.#now + limitMs
    while (!done()) {
      const at = heap.nextAt
      if (at > end) {
        this.#now = end
        return false
      }
      if (at > this.#now) this.#now = at
      this.events++
      heap.pop()!()
      afterEvent?.(this.#now)
    }
    return true
  }

  #running(id: MemberId): SimHost {
    const host = this.host(id)
    if (!host.up) throw new RangeError(`${id} is down`)
    return host
  }

  #pair(a: MemberId, b: MemberId): [number, number] {
    if (a === b) throw new RangeError(`${a} has no link to itself`)
    return [this.host(a).index, this.host(b).index]
  }

  /** After a healing there is nothing to undo. */
  #undo(undo: () => void): Undo {
    const before = this.#healings
    return once(() => {
      if (before === this.#healings) undo()
    })
  }

  #ended(host: SimHost, why: 'step' | 'broken', error: unknown): void {
    const { onBroken, silentSteps } = this.#o
    host.crash('lost')
    this.#net.down(host.index, why === 'step' && silentSteps === true)
    if (why === 'step') this.#taps.onCrash?.(host, why)
    else this.#taps.onCrash?.(host, why, error)
    if (why === 'step') return
    if (!onBroken) throw error
    onBroken(host, error)
  }
}

/** As strict as a real network: a machine that says too much must be found out here. */
function checkSize(bytes: Uint8Array, max: number): void {
  if (bytes.length === 0 || bytes.length > max) {
    throw new RangeError(`a message of ${bytes.length} bytes; 1 to ${max} are allowed`)
  }
}

function once(undo: () => void): Undo {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    undo()
  }
}
