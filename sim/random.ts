/** The simulator's one source of chance: a small seeded generator (sfc32, Doty-Humphrey), the same on every machine. */

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
    return Uint8Array.from({ length: n }, () => this.u32() & 255)
  }
}
