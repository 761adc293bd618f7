/** The simulator's one source of chance: a small seeded generator (sfc32, Doty-Humphrey), the same on every machine. */
import type { Draw } from '../config/scenario.ts'

export class Random {
  #a: number
  #b: number
  #c: number
  #d = 1

  /** `seed`: any unsigned 32-bit number. */
  constructor(seed: number) {
    this.#a = seed >>> 0
    this.#b = 0x9e3779b9
    this.#c = 0x243f6a88
    for (let i = 0; i < 16; i++) this.u32()
  }

  u32(): number {
    const t = (this.#a + this.#b + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t
    return t >>> 0
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.u32() / 4_294_967_296
  }

  /** Integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.unit() * n)
  }

  chance(p: number): boolean {
    return this.unit() < p
  }

  /** Approximately normal (sum of twelve uniforms), mean 0, deviation 1: no transcendental function is involved. */
  normal(): number {
    let sum = -6
    for (let i = 0; i < 12; i++) sum += this.unit()
    return sum
  }

  bytes(n: number): Uint8Array {
    const out = new Uint8Array(n)
    for (let i = 0; i < n; i++) out[i] = this.u32()
    return out
  }

  /** One value of a scenario's draw; see `DrawSchema` for the laws. */
  draw(draw: Draw): number {
    if (typeof draw === 'number') return draw
    if ('from' in draw) return draw.from + (draw.to - draw.from) * this.unit()
    return draw.base + heavyTail(this.unit(), draw.jitter)
  }
}

/** Quantile `u` of the jitter of a draw: median .41 `jitter`, mean about `jitter`, cut at 30 times `jitter`. */
export function heavyTail(u: number, jitter: number): number {
  return Math.min(30, 1 / Math.sqrt(1 - u) - 1) * jitter
}

/** The largest that a draw can give. */
export function mostOf(draw: Draw): number {
  if (typeof draw === 'number') return draw
  return 'from' in draw ? draw.to : draw.base + heavyTail(1, draw.jitter)
}

/** The mean of a draw. Of the heavy tail: the integral of min(30, 1 / sqrt(1 - u) - 1) is 1 - 1 / 31. */
export function meanOf(draw: Draw): number {
  if (typeof draw === 'number') return draw
  if ('from' in draw) return (draw.from + draw.to) / 2
  return draw.base + (draw.jitter * 30) / 31
}
