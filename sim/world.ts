/**
 * Hospitals on a virtual network: one thread, one event heap, virtual time, one seed. A run is a function of its
 * options and is replayed by them.
 */
import type { Job, MemberId, Millis } from '../protocol/ports.ts'
import { GOSSIP_MESSAGE_BYTES_MAX, STREAM_MESSAGE_BYTES_MAX } from '../protocol/wire/limits.ts'
import { EventHeap } from './heap.ts'
import { type HostSetup, SimHost } from './host.ts'
import { Random } from './random.ts'

type Supplied = 'net' | 'clock' | 'random' | 'jobMs' | 'clockOffsetMs' | 'diskMs' | 'onCrash'

export interface WorldOptions {
  readonly seed: number
  readonly hosts: readonly Omit<HostSetup, Supplied>[]
  /** Milliseconds from one hospital to another; default 5 to 25. */
  readonly latencyMs?: (random: Random, from: MemberId, to: MemberId) => Millis
  /** Whether a message is lost (gossip to one member, or direct); default never. */
  readonly loses?: (random: Random, from: MemberId, to: MemberId, bytes: Uint8Array) => boolean
  /** Whether a message arrives a second time, later; default never. */
  readonly repeats?: (random: Random) => boolean
  readonly jobMs?: (job: Job, id: MemberId) => Millis
  /** How much a hospital's clock is ahead of the others; default 0. */
  readonly clockOffsetMs?: (id: MemberId) => Millis
  /** How long a commit takes; default 0: durable at once. */
  readonly diskMs?: (random: Random, id: MemberId) => Millis
  /** Whether the others notice a crash that a step ran into, by a broken connection; default true. */
  readonly noticesCrash?: boolean
  /** What a receiver gets of what was sent: to record it or to change it; undefined: nothing. */
  readonly onWire?: (
    from: MemberId,
    to: MemberId,
    via: 'gossip' | 'stream',
    bytes: Uint8Array,
  ) => Uint8Array | undefined
}

const START_MS = 1_800_000_000_000

export class World {
  readonly hosts: ReadonlyMap<MemberId, SimHost>
  readonly random: Random
  readonly #o: WorldOptions
  readonly #heap = new EventHeap()
  readonly #cut = new Set<string>()
  #now: Millis = START_MS
  events = 0

  constructor(options: WorldOptions) {
    this.#o = options
    this.random = new Random(options.seed)
    const clock = { now: () => this.#now, at: (at: Millis, run: () => void) => this.#heap.push({ at, run }) }
    const net = {
      publish: (from: SimHost, bytes: Uint8Array) => {
        checkSize(bytes, GOSSIP_MESSAGE_BYTES_MAX)
        for (const to of this.hosts.values()) if (to !== from) this.#deliver(from, to, 'gossip', bytes)
      },
      send: (from: SimHost, to: MemberId, bytes: Uint8Array) => {
        checkSize(bytes, STREAM_MESSAGE_BYTES_MAX)
        if (to === from.id) throw new RangeError(`${to} is not another member`)
        this.#deliver(from, this.host(to), 'stream', bytes)
      },
    }
    this.hosts = new Map(
      options.hosts.map(h => {
        const jobMs = (job: Job) => options.jobMs?.(job, h.id) ?? 20
        const diskMs = () => options.diskMs?.(this.random, h.id) ?? 0
        const clockOffsetMs = options.clockOffsetMs?.(h.id) ?? 0
        const onCrash = (host: SimHost) => void (options.noticesCrash === false || this.partFrom(host))
        const random = new Random(this.random.u32())
        return [h.id, new SimHost({ ...h, clock, net, random, jobMs, clockOffsetMs, diskMs, onCrash })]
      }),
    )
  }

  get now(): Millis {
    return this.#now
  }

  host(id: MemberId): SimHost {
    const host = this.hosts.get(id)
    if (!host) throw new RangeError(`no host ${id}`)
    return host
  }

  /** Starts a host (again) and tells it and the others of each other. */
  start(id: MemberId): void {
    this.host(id).start()
    this.#meet(this.host(id))
  }

  startAll(): void {
    for (const id of this.hosts.keys()) this.start(id)
  }

  crash(id: MemberId): void {
    this.host(id).crash()
    this.partFrom(this.host(id))
  }

  /** Others see that a host is gone, after a while. */
  partFrom(gone: SimHost): void {
    for (const other of this.hosts.values()) {
      if (other !== gone)
        other.later(
          this.#now + 50,
          () => void (gone.up || other.input({ kind: 'disconnected', peer: gone.id })),
        )
    }
  }

  /** Nothing passes between the two, in either direction, until they are joined. */
  cut(a: MemberId, b: MemberId): void {
    this.#cut.add(link(a, b))
    this.host(a).input({ kind: 'disconnected', peer: b })
    this.host(b).input({ kind: 'disconnected', peer: a })
  }

  join(a: MemberId, b: MemberId): void {
    if (this.#cut.delete(link(a, b))) this.#connect(this.host(a), this.host(b))
  }

  at(inMs: Millis, run: () => void): void {
    this.#heap.push({ at: this.#now + inMs, run })
  }

  /** Runs until `done`, or until `limitMs` of virtual time have passed; whether it was done. */
  run(done: () => boolean, limitMs: Millis): boolean {
    const end = this.#now + limitMs
    while (!done()) {
      const event = this.#heap.pop()
      if (!event || event.at > end) return false
      this.#now = Math.max(this.#now, event.at)
      this.events++
      event.run()
    }
    return true
  }

  #meet(host: SimHost): void {
    for (const other of this.hosts.values()) {
      if (other !== host && other.up && !this.#cut.has(link(host.id, other.id))) this.#connect(host, other)
    }
  }

  #connect(a: SimHost, b: SimHost): void {
    const at = this.#now + 30
    a.later(at, () => void (b.up && a.input({ kind: 'connected', peer: b.id })))
    b.later(at, () => void (a.up && b.input({ kind: 'connected', peer: a.id })))
  }

  #deliver(from: SimHost, to: SimHost, via: 'gossip' | 'stream', sent: Uint8Array): void {
    if (!to.up || this.#cut.has(link(from.id, to.id))) return
    if (this.#o.loses?.(this.random, from.id, to.id, sent)) return
    const bytes = this.#o.onWire ? this.#o.onWire(from.id, to.id, via, sent) : sent
    if (!bytes) return
    const copies = this.#o.repeats?.(this.random) ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      const latency = this.#o.latencyMs?.(this.random, from.id, to.id) ?? 5 + 20 * this.random.unit()
      to.later(this.#now + latency, () => void to.input({ kind: 'message', from: from.id, via, bytes }))
    }
  }
}

function link(a: MemberId, b: MemberId): string {
  return a < b ? `${a}|${b}` : `${b}|${a}`
}

/** As strict as a real network: a machine that says too much must be found out here. */
function checkSize(bytes: Uint8Array, max: number): void {
  if (bytes.length === 0 || bytes.length > max) {
    throw new RangeError(`a message of ${bytes.length} bytes; 1 to ${max} are allowed`)
  }
}
