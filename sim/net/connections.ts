/**
 * Connections between hospitals: how they come about, and who notices when that one is gone. Each side has its own view of
 * a connection: a side whose partner vanished goes on sending until it notices.
 */
import type { Draw } from '../../config/scenario.ts'
import type { Millis } from '../../protocol/ports.ts'
import type { Random } from '../random.ts'
import type { Reach } from './reach.ts'

/** How connections are made and watched, as `node/net/links.ts` and its libp2p do it. */
export interface ConnectionTimes {
  /** Until a side notices that nothing comes back any more: the pings of libp2p's connection monitor. */
  readonly noticeMs: Draw
  /** Between two looks at who is away. */
  readonly dialMs: Millis
  /** Round trips until gossip flows: TCP, Noise, Yamux, streams. */
  readonly setupRtts: number
  /** Work of a handshake; a host that makes many connections makes them one after the other. */
  readonly handshakeMs: Millis
}

export const CONNECTION_TIMES: ConnectionTimes = {
  noticeMs: { from: 6000, to: 7000 },
  dialMs: 1000,
  setupRtts: 3,
  handshakeMs: 2,
}

export interface ConnectionsWorld {
  readonly now: () => Millis
  readonly at: (time: Millis, run: () => void) => void
  /** Whether its process runs: it is up and does not stand still. */
  readonly runs: (i: number) => boolean
  /** One way, at random; and when all that was sent that way has arrived. */
  readonly latency: (from: number, to: number) => Millis
  readonly drainedAt: (from: number, to: number) => Millis
  /** `x` has a connection to `y`, or no longer. */
  readonly told: (x: number, y: number, connected: boolean) => void
  /** A connection that was held up goes on; one of its sides gave it up; it is there. */
  readonly reopened: (a: number, b: number) => void
  readonly lost: (a: number, b: number) => void
  readonly joined: (a: number, b: number) => void
}

const NO_RELAY = -1

export class Connections {
  readonly #n: number
  readonly #reach: Reach
  readonly #w: ConnectionsWorld
  readonly #random: Random
  readonly #times: ConnectionTimes
  /** The number of the connection that a sees to b, at a * n + b; 0: none. */
  readonly #view: Uint32Array
  /** Of pairs, at the lower index * n + the higher: a running doubt, a running dial, the relay. */
  readonly #doubt: Uint32Array
  readonly #dial: Uint32Array
  readonly #relay: Int32Array
  /** Until when a pair is not joined again, where one has held the other off. */
  readonly #heldOff = new Map<number, Millis>()
  /** Of each life, those with whom it has no connection. */
  readonly #shut: ReadonlySet<number>[]
  /** Pairs whose connection goes through a relay, by relay; and those that found none. */
  readonly #relayed = new Map<number, Set<number>>()
  readonly #stranded = new Set<number>()
  #count = 0

  constructor(reach: Reach, n: number, times: ConnectionTimes, random: Random, world: ConnectionsWorld) {
    this.#n = n
    this.#reach = reach
    this.#times = times
    this.#random = random
    this.#w = world
    this.#view = new Uint32Array(n * n)
    this.#doubt = new Uint32Array(n * n)
    this.#dial = new Uint32Array(n * n)
    this.#relay = new Int32Array(n * n).fill(NO_RELAY)
    this.#shut = new Array(n).fill(new Set())
  }

  /** The connection that `a` sees to `b`; 0: none. */
  of(a: number, b: number): number {
    return this.#view[a * this.#n + b]!
  }

  /** Through whom the connection goes; undefined: it is direct. */
  relayOf(a: number, b: number): number | undefined {
    const r = this.#relay[this.#pair(a, b)]!
    return r === NO_RELAY ? undefined : r
  }

  /** A life begins: it dials all, and those that see it again dial it. */
  up(i: number): void {
    for (let j = 0; j < this.#n; j++) if (j !== i) this.reconsider(i, j, true)
    if (!this.#reach.isNat(i)) this.#retryStranded()
  }

  /**
   * A life has ended. Its partners get the end of the connection from its system, unless it vanished with it (`silent`) or
   * nothing comes through: then they notice by themselves.
   */
  down(i: number, silent: boolean): void {
    const n = this.#n
    this.#shut[i] = new Set()
    for (let j = 0; j < n; j++) {
      if (j === i) continue
      this.#view[i * n + j] = 0
      this.#dial[this.#pair(i, j)] = 0
      const number = this.#view[j * n + i]!
      if (number === 0) continue
      if (silent || !this.#w.runs(j) || !this.#reach.passes(i, j)) this.#beginDoubt(i, j)
      else this.#end(i, j, number)
    }
    for (const p of [...(this.#relayed.get(i) ?? [])]) this.#relayGone(p, silent)
  }

  /** It stands still, or goes on: what passes it is as good as cut. */
  stopped(i: number): void {
    for (let j = 0; j < this.#n; j++) if (j !== i) this.reconsider(i, j)
    this.#reconsiderThrough(i)
    if (!this.#reach.isNat(i)) this.#retryStranded()
  }

  /** Something has changed on the way between the two. */
  changed(a: number, b: number): void {
    this.reconsider(a, b)
    for (const r of [a, b]) {
      const other = r === a ? b : a
      for (const p of [...(this.#relayed.get(r) ?? [])]) {
        const [x, y] = this.#sides(p)
        if (x === other || y === other) this.reconsider(x, y)
      }
    }
    this.#retryStranded()
  }

  /** `i` hangs up on these and lets them in no more; all others may come again. */
  shutOut(i: number, others: ReadonlySet<number>): void {
    this.#shut[i] = others
    for (let j = 0; j < this.#n; j++) {
      if (j === i) continue
      const number = others.has(j) ? this.of(i, j) : 0
      if (number !== 0) {
        this.#lose(i, j)
        if (this.of(j, i) === number) this.#end(i, j, number)
      }
      this.reconsider(i, j)
    }
  }

  /** `x` hangs up on `y` and does not let it in again for a while. */
  holdOff(x: number, y: number, forMs: Millis): void {
    const number = this.of(x, y)
    if (number === 0) return
    const p = this.#pair(x, y)
    this.#heldOff.set(p, this.#w.now() + forMs)
    this.#lose(x, y)
    if (this.of(y, x) === number) this.#end(x, y, number)
    this.#w.at(this.#w.now() + forMs, () => {
      if (this.#heldOff.get(p)! > this.#w.now()) return
      this.#heldOff.delete(p)
      this.reconsider(x, y)
    })
  }

  reconsider(a: number, b: number, soon = false): void {
    const p = this.#pair(a, b)
    const number = this.of(a, b)
    if (number !== 0 && number === this.of(b, a)) {
      const open = this.#isOpen(a, b, this.#relay[p]!)
      if (!open && this.#doubt[p] === 0) this.#beginDoubt(a, b)
      else if (open && this.#doubt[p] !== 0) {
        this.#doubt[p] = 0
        this.#w.reopened(a, b)
      }
      return
    }
    const route = this.#route(a, b)
    if (route === undefined) this.#dial[p] = 0
    else if (this.#dial[p] === 0) this.#beginDial(a, b, soon)
  }

  /** Who has no connection because no relay was there. */
  #retryStranded(): void {
    if (this.#stranded.size === 0) return
    const pairs = [...this.#stranded]
    this.#stranded.clear()
    for (const p of pairs) this.reconsider(...this.#sides(p))
  }

  #reconsiderThrough(relay: number): void {
    for (const p of [...(this.#relayed.get(relay) ?? [])]) this.reconsider(...this.#sides(p))
  }

  #pair(a: number, b: number): number {
    return a < b ? a * this.#n + b : b * this.#n + a
  }

  #sides(p: number): [number, number] {
    return [Math.floor(p / this.#n), p % this.#n]
  }

  #isOpen(a: number, b: number, relay: number): boolean {
    const { runs } = this.#w
    if (!runs(a) || !runs(b)) return false
    if (relay === NO_RELAY) return this.#reach.joins(a, b)
    return runs(relay) && this.#reach.joins(a, relay) && this.#reach.joins(relay, b)
  }

  /** How a new connection would go: through whom, or `NO_RELAY`; undefined: not at all. */
  #route(a: number, b: number): number | undefined {
    const { runs } = this.#w
    const p = this.#pair(a, b)
    if (!runs(a) || !runs(b) || this.#heldOff.has(p)) return undefined
    if (this.#shut[a]!.has(b) || this.#shut[b]!.has(a)) return undefined
    if (this.#reach.direct(a, b)) return this.#reach.joins(a, b) ? NO_RELAY : undefined
    const relay = this.#reach.relayFor(a, b, runs)
    if (relay === undefined) this.#stranded.add(p)
    return relay
  }

  #beginDial(a: number, b: number, soon: boolean): void {
    const p = this.#pair(a, b)
    const token = ++this.#count
    this.#dial[p] = token
    const { dialMs, setupRtts, handshakeMs } = this.#times
    let ms = this.#random.unit() * handshakeMs * this.#n
    if (!soon) ms += this.#random.unit() * dialMs
    for (let i = 0; i < setupRtts; i++) ms += this.#w.latency(a, b) + this.#w.latency(b, a)
    this.#w.at(this.#w.now() + ms, () => {
      if (this.#dial[p] !== token) return
      this.#dial[p] = 0
      const route = this.#route(a, b)
      if (route !== undefined) this.#join(a, b, route)
    })
  }

  #join(a: number, b: number, relay: number): void {
    const p = this.#pair(a, b)
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      if (this.of(x, y) !== 0) this.#lose(x, y)
    }
    const number = ++this.#count
    this.#doubt[p] = 0
    this.#setRelay(p, relay)
    this.#view[a * this.#n + b] = number
    this.#view[b * this.#n + a] = number
    this.#w.joined(a, b)
    this.#w.told(a, b, true)
    // The first of them may have crashed by what it was told.
    if (this.of(b, a) === number) this.#w.told(b, a, true)
  }

  #setRelay(p: number, relay: number): void {
    const before = this.#relay[p]!
    if (before !== NO_RELAY) this.#relayed.get(before)?.delete(p)
    this.#relay[p] = relay
    if (relay === NO_RELAY) return
    const pairs = this.#relayed.get(relay) ?? new Set()
    this.#relayed.set(relay, pairs)
    pairs.add(p)
  }

  /** `x` no longer has a connection to `y`. */
  #lose(x: number, y: number): void {
    const p = this.#pair(x, y)
    this.#view[x * this.#n + y] = 0
    if (this.of(y, x) === 0) {
      this.#doubt[p] = 0
      this.#setRelay(p, NO_RELAY)
    }
    this.#w.lost(x, y)
    this.#w.told(x, y, false)
  }

  /** The end of the connection goes from `x` to `y`, behind all that was sent. */
  #end(x: number, y: number, number: number): void {
    const at = Math.max(this.#w.now() + this.#w.latency(x, y), this.#w.drainedAt(x, y))
    this.#w.at(at, () => {
      if (this.of(y, x) !== number) return
      this.#lose(y, x)
      this.reconsider(x, y)
    })
  }

  /** Nothing comes back any more: each side notices by itself. */
  #beginDoubt(a: number, b: number): void {
    const p = this.#pair(a, b)
    if (this.#doubt[p] !== 0) return
    const token = ++this.#count
    this.#doubt[p] = token
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      if (this.of(x, y) === 0) continue
      this.#w.at(this.#w.now() + this.#random.draw(this.#times.noticeMs), () => {
        if (this.#doubt[p] !== token || this.of(x, y) === 0) return
        this.#lose(x, y)
        this.reconsider(x, y)
      })
    }
  }

  #relayGone(p: number, silent: boolean): void {
    const [a, b] = this.#sides(p)
    const number = this.of(a, b)
    if (number === 0 || number !== this.of(b, a)) return
    if (silent) {
      this.#beginDoubt(a, b)
      return
    }
    this.#lose(a, b)
    if (this.of(b, a) === number) this.#lose(b, a)
    this.reconsider(a, b)
  }
}
