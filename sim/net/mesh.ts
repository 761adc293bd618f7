/**
 * Who is whose neighbour in the gossip mesh, after gossipsub 1.1 as js-libp2p has it: a neighbour too few is grafted at
 * once or at the next heartbeat, those too many are pruned and not grafted again for a minute, and who sends what is invalid
 * loses its place and, in the end, its hearing. Links are mutual from the moment at which they are made.
 */
import type { Millis } from '../../protocol/ports.ts'
import type { Random } from '../random.ts'

/** As `node/net/gossip.ts` and gossipsub's defaults have them. */
export const GOSSIP = {
  /** Neighbours wanted, at least, at most; with six others or fewer everybody is everybody's neighbour. */
  degree: 6,
  degreeMin: 4,
  degreeMax: 12,
  heartbeatMs: 1000,
  /** Heartbeats for which a message is advertised to others than neighbours. */
  advertised: 3,
  /** To how many it is advertised each time: this share of them, and at least so many. */
  lazyShare: 0.25,
  lazyMin: 6,
  /** Messages of which a receiver tells its neighbours that it needs no other copy. */
  idontwantBytesMin: 512,
  /** Bytes of a message's identifier: key and sequence number. */
  idBytes: 46,
  backoffMs: 60_000,
  /** Scores are minus the square of invalid messages, which fade by this factor each second. */
  fading: 0.95,
  gossipThreshold: -10,
  graylistThreshold: -80,
} as const

export interface MeshWorld {
  readonly now: () => Millis
  readonly up: (i: number) => boolean
  /** Whether the two have a direct connection, as `a` sees it. */
  readonly connected: (a: number, b: number) => boolean
}

export class Mesh {
  readonly #n: number
  readonly #w: MeshWorld
  readonly #random: Random
  readonly #degree: number
  readonly #degreeMin: number
  readonly #neighbours: number[][]
  readonly #backoff = new Map<number, Millis>()
  readonly #invalid = new Map<number, { count: number; at: Millis }>()

  constructor(n: number, random: Random, world: MeshWorld) {
    this.#n = n
    this.#random = random
    this.#w = world
    const others = n - 1
    this.#degree = Math.max(1, Math.min(others, GOSSIP.degree))
    this.#degreeMin = others <= GOSSIP.degree ? this.#degree : GOSSIP.degreeMin
    this.#neighbours = Array.from({ length: n }, () => [])
  }

  get degree(): number {
    return this.#degree
  }

  neighbours(i: number): readonly number[] {
    return this.#neighbours[i]!
  }

  /** Two have a connection now: they are neighbours if one of them wants and the other has room. */
  joined(a: number, b: number): void {
    const few = (i: number) => this.#neighbours[i]!.length < this.#degreeMin
    if (few(a) || few(b)) this.#graft(a, b)
  }

  parted(a: number, b: number): void {
    remove(this.#neighbours[a]!, b)
    remove(this.#neighbours[b]!, a)
  }

  /** A life has ended, and with it what it held against others. */
  down(i: number): void {
    for (const j of this.#neighbours[i]!) remove(this.#neighbours[j]!, i)
    this.#neighbours[i] = []
    if (this.#invalid.size === 0) return
    for (const key of [...this.#invalid.keys()])
      if (Math.floor(key / this.#n) === i) this.#invalid.delete(key)
  }

  /** Whether `a`'s neighbourhood is as it should be. */
  heartbeat(a: number): void {
    const mine = this.#neighbours[a]!
    if (this.#invalid.size > 0) {
      for (const b of [...mine]) if (this.score(a, b) < 0) this.#prune(a, b)
    }
    if (mine.length < this.#degreeMin) {
      for (const b of this.others(a, this.#n, b => this.#mayGraft(a, b))) {
        if (mine.length >= this.#degree) break
        this.#graft(a, b)
      }
    }
    while (mine.length > GOSSIP.degreeMax) this.#prune(a, mine[this.#random.below(mine.length)]!)
  }

  /** What `a` thinks of `b`; 0 or less. */
  score(a: number, b: number): number {
    if (this.#invalid.size === 0) return 0
    const count = this.#fadedCount(a * this.#n + b)
    return 0 - count * count
  }

  /** `b` has handed `a` a message that no honest peer sends. */
  rejected(a: number, b: number): void {
    const key = a * this.#n + b
    this.#invalid.set(key, { count: this.#fadedCount(key) + 1, at: this.#w.now() })
  }

  /** Up to `count` connected hosts that will do, at random, not the neighbours. */
  others(a: number, count: number, will: (b: number) => boolean): number[] {
    const found: number[] = []
    const take = (b: number) => {
      if (b === a || found.includes(b) || this.#neighbours[a]!.includes(b)) return
      if (this.#w.connected(a, b) && will(b)) found.push(b)
    }
    const few = Math.min(count, GOSSIP.degreeMax)
    // Nearly all are connected: a few tries find them, without a look at a thousand.
    if (this.#n > 4 * GOSSIP.degreeMax) {
      for (let k = 0; k < 8 * few && found.length < few; k++) take(this.#random.below(this.#n))
      return found
    }
    const all = Array.from({ length: this.#n }, (_, i) => i)
    for (let k = this.#n - 1; k >= 0 && found.length < few; k--) {
      const at = this.#random.below(k + 1)
      take(all[at]!)
      all[at] = all[k]!
    }
    return found
  }

  #mayGraft(a: number, b: number): boolean {
    if (!this.#w.up(b) || this.score(a, b) < 0 || this.score(b, a) < 0) return false
    if (this.#neighbours[b]!.length >= GOSSIP.degreeMax) return false
    const now = this.#w.now()
    return (
      (this.#backoff.get(a * this.#n + b) ?? 0) <= now && (this.#backoff.get(b * this.#n + a) ?? 0) <= now
    )
  }

  #graft(a: number, b: number): void {
    const mine = this.#neighbours[a]!
    if (mine.includes(b) || mine.length >= GOSSIP.degreeMax || !this.#mayGraft(a, b)) return
    mine.push(b)
    this.#neighbours[b]!.push(a)
  }

  #prune(a: number, b: number): void {
    this.parted(a, b)
    this.#backoff.set(a * this.#n + b, this.#w.now() + GOSSIP.backoffMs)
    this.#backoff.set(b * this.#n + a, this.#w.now() + GOSSIP.backoffMs)
  }

  #fadedCount(key: number): number {
    const invalid = this.#invalid.get(key)
    if (!invalid) return 0
    const seconds = Math.min(200, Math.floor((this.#w.now() - invalid.at) / 1000))
    let count = invalid.count
    for (let s = 0; s < seconds; s++) count *= GOSSIP.fading
    return count < 0.01 ? 0 : count
  }
}

function remove(list: number[], value: number): void {
  const at = list.indexOf(value)
  if (at >= 0) list.splice(at, 1)
}
