/**
 * Who can reach whom: cuts of single directions, lines that are down, and network address translation. Faults are counted,
 * so that two that overlap end with the second.
 */

export type Direction = 'both' | 'in' | 'out'

export class Reach {
  readonly #n: number
  /** Cuts from a to b, at a * n + b. */
  readonly #cuts: Uint16Array
  readonly #deaf: Uint16Array
  readonly #mute: Uint16Array
  readonly #nat: Uint8Array
  /** Hosts that can be dialled, in their order: those that can relay. */
  readonly open: readonly number[]

  constructor(nat: readonly boolean[]) {
    const n = nat.length
    this.#n = n
    this.#cuts = new Uint16Array(n * n)
    this.#deaf = new Uint16Array(n)
    this.#mute = new Uint16Array(n)
    this.#nat = Uint8Array.from(nat, x => (x ? 1 : 0))
    this.open = nat.flatMap((x, i) => (x ? [] : [i]))
  }

  isNat(i: number): boolean {
    return this.#nat[i] === 1
  }

  /** Whether packets get from a to b, if a knows how. */
  passes(a: number, b: number): boolean {
    return this.#cuts[a * this.#n + b] === 0 && this.#mute[a] === 0 && this.#deaf[b] === 0
  }

  /** Whether packets get through in both directions. */
  joins(a: number, b: number): boolean {
    return this.passes(a, b) && this.passes(b, a)
  }

  /** Whether the two can have a direct connection: one of them can be dialled. */
  direct(a: number, b: number): boolean {
    return this.#nat[a] === 0 || this.#nat[b] === 0
  }

  block(from: number, to: number): void {
    this.#cuts[from * this.#n + to]!++
  }

  unblock(from: number, to: number): void {
    takeOne(this.#cuts, from * this.#n + to)
  }

  isolate(i: number, direction: Direction): void {
    if (direction !== 'out') this.#deaf[i]!++
    if (direction !== 'in') this.#mute[i]!++
  }

  rejoin(i: number, direction: Direction): void {
    if (direction !== 'out') takeOne(this.#deaf, i)
    if (direction !== 'in') takeOne(this.#mute, i)
  }

  clear(): void {
    this.#cuts.fill(0)
    this.#deaf.fill(0)
    this.#mute.fill(0)
  }

  /**
   * Through whom the connection of two hosts behind NAT goes: the first that will do, from a place that the pair fixes, so
   * that not all use the same one.
   */
  relayFor(a: number, b: number, isUp: (i: number) => boolean): number | undefined {
    const { open } = this
    const lo = Math.min(a, b)
    const hi = Math.max(a, b)
    for (let k = 0; k < open.length; k++) {
      const r = open[(lo * 31 + hi + k) % open.length]!
      if (isUp(r) && this.joins(a, r) && this.joins(r, b)) return r
    }
    return undefined
  }
}

function takeOne(counts: Uint16Array, i: number): void {
  if (counts[i] === 0) throw new RangeError('ended a fault that is not there')
  counts[i]!--
}
