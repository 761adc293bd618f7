/**
 * A bound on what all sockets carry one way, on average: large messages wait for their turn, everything else goes at
 * once and counts. So a line that the hospital needs for other things keeps room for them, and consensus stays prompt.
 */

/** How much may go at once after a time of rest, in seconds of the rate. */
const BURST_S = 0.25
/** Of the rate, what large messages get however much else there is: one part in so many. */
const SHARE = 8

export interface Clock {
  /** Milliseconds; never goes back. */
  now(): number
  /** Calls back once, some milliseconds from now; returns what takes that back. */
  after(ms: number, call: () => void): () => void
}

export interface BandwidthOptions {
  readonly bytesPerSecond: number
  /** Bytes that all sockets have carried this way since the start. */
  readonly carried: () => number
  /** Bytes that the sockets may have carried of large messages before these are taken: what waits to be read. */
  readonly ahead?: number
  readonly clock?: Clock
}

const CLOCK: Clock = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms)
    return () => clearTimeout(timer)
  },
}

export class Bandwidth {
  readonly #o: BandwidthOptions
  readonly #clock: Clock
  /** What everything has left, and what large messages alone had left. */
  readonly #all: Bucket
  readonly #large: Bucket
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = []
  /** Since when the first of them is the first. */
  #firstSince = 0
  #counted = 0
  /** Bytes that were carried and not taken, or if negative taken and not carried yet. */
  #untaken = 0
  #stopTimer: (() => void) | undefined

  constructor(options: BandwidthOptions) {
    this.#o = options
    this.#clock = options.clock ?? CLOCK
    const now = this.#clock.now()
    this.#all = new Bucket(options.bytesPerSecond, now)
    this.#large = new Bucket(options.bytesPerSecond, now)
  }

  get bytesPerSecond(): number {
    return this.#o.bytesPerSecond
  }

  /** Resolves when so many bytes of a large message may go, or may be followed by more; in the order of the calls. */
  take(bytes: number): Promise<void> {
    return new Promise(go => {
      if (this.#waiting.push({ bytes, go }) > 1) return
      this.#firstSince = this.#clock.now()
      this.#serve()
    })
  }

  /** Whoever waits then waits for ever. */
  close(): void {
    this.#waiting.length = 0
    this.#stopTimer?.()
  }

  #serve(): void {
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      const now = this.#clock.now()
      this.#count(now)
      const patience = this.#firstSince + (1000 * SHARE * first.bytes) / this.#o.bytesPerSecond
      const dueAt = Math.min(this.#all.freeAt, Math.max(this.#large.freeAt, patience))
      if (now < dueAt) {
        this.#stopTimer = this.#clock.after(Math.ceil(dueAt - now), () => this.#serve())
        return
      }
      this.#waiting.shift()
      this.#firstSince = now
      this.#untaken -= first.bytes
      this.#all.spend(first.bytes)
      this.#large.spend(first.bytes)
      first.go()
    }
  }

  /** Spends what went without asking, and what went with a message is not spent twice. */
  #count(now: number): void {
    this.#all.fill(now)
    this.#large.fill(now)
    const carried = this.#o.carried()
    this.#untaken += carried - this.#counted
    this.#counted = carried
    const beyond = this.#untaken - (this.#o.ahead ?? 0)
    if (beyond <= 0) return
    this.#untaken -= beyond
    this.#all.spend(beyond)
  }
}

/** Tokens are bytes; they may be owed. */
class Bucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #at: number

  constructor(bytesPerSecond: number, now: number) {
    this.#perMs = bytesPerSecond / 1000
    this.#burst = bytesPerSecond * BURST_S
    this.#tokens = this.#burst
    this.#at = now
  }

  /** When nothing is owed any more. */
  get freeAt(): number {
    return this.#at - this.#tokens / this.#perMs
  }

  fill(now: number): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs)
    this.#at = now
  }

  spend(bytes: number): void {
    this.#tokens -= bytes
  }
}
