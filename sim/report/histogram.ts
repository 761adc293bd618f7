/**
 * A distribution of very many values in a fixed amount of memory: bins by repeated doubling, 64 to each doubling, so that
 * a quantile is off by at most 1 in 128. Without logarithms, which may differ between machines.
 */
import type { Distribution } from '../result.ts'

/** Bins to each doubling. */
const SUB = 64
const SUB_BITS = 6
/** Values are counted in whole units up to 2^53. */
const BINS = SUB * (53 - SUB_BITS + 1)
/** Equal bins of a `Distribution`. */
const EQUAL_BINS = 40

export class Histogram {
  readonly #unit: number
  readonly #counts = new Float64Array(BINS)
  #count = 0
  #sum = 0
  #min = Number.POSITIVE_INFINITY
  #max = 0

  /** `unit`: the finest difference that matters; a power of two, such as 1 or 1 / 64. */
  constructor(unit: number) {
    this.#unit = unit
  }

  /** `value`: not negative; what is not a number or is infinite is a bug of the caller. */
  add(value: number): void {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) throw new RangeError(`${value} is not counted`)
    const bin = binOf(Math.min(Math.floor(value / this.#unit), Number.MAX_SAFE_INTEGER))
    this.#counts[bin] = this.#counts[bin]! + 1
    this.#count++
    this.#sum += value
    if (value < this.#min) this.#min = value
    if (value > this.#max) this.#max = value
  }

  /** All zero where nothing was counted. */
  distribution(): Distribution {
    const count = this.#count
    const min = count === 0 ? 0 : this.#min
    return {
      count,
      mean: count === 0 ? 0 : this.#sum / count,
      min,
      p50: this.#quantile(0.5),
      p90: this.#quantile(0.9),
      p99: this.#quantile(0.99),
      max: this.#max,
      bins: this.#equalBins(min),
      steps: this.#steps(),
    }
  }

  /** The least value that at least this share of all does not exceed. */
  #quantile(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count))
    let seen = 0
    for (let bin = 0; bin < BINS; bin++) {
      seen += this.#counts[bin]!
      if (seen >= rank) return this.#within(bin)
    }
    return 0
  }

  /** The middle of a bin, or the smallest or largest value where those are nearer. */
  #within(bin: number): number {
    const middle = ((lower(bin) + lower(bin + 1)) / 2) * this.#unit
    return Math.max(this.#min, Math.min(this.#max, middle))
  }

  #equalBins(min: number): number[] {
    if (this.#count === 0) return []
    const width = (this.#max - min) / EQUAL_BINS
    if (width === 0) return [this.#count]
    const bins = new Array<number>(EQUAL_BINS).fill(0)
    this.#counts.forEach((n, bin) => {
      if (n === 0) return
      const at = Math.min(EQUAL_BINS - 1, Math.floor((this.#within(bin) - min) / width))
      bins[at] = bins[at]! + n
    })
    return bins
  }

  #steps(): Distribution['steps'] {
    const steps: { from: number; to: number; count: number }[] = []
    this.#counts.forEach((count, bin) => {
      if (count === 0) return
      const { from, to } = quarterOf(lower(bin))
      const last = steps.at(-1)
      if (last && last.from === from * this.#unit) last.count += count
      else steps.push({ from: from * this.#unit, to: to * this.#unit, count })
    })
    return steps
  }
}

/** floor(log2(x)) for a whole x of 1 to 2^53 - 1. */
function exponent(x: number): number {
  return x < 0x8000_0000 ? 31 - Math.clz32(x) : 31 + 31 - Math.clz32(Math.floor(x / 0x8000_0000))
}

function binOf(x: number): number {
  if (x < SUB) return x
  const shift = exponent(x) - SUB_BITS
  return SUB * shift + Math.floor(x / 2 ** shift)
}

/** The least whole number in a bin. */
function lower(bin: number): number {
  if (bin < SUB) return bin
  const shift = Math.floor(bin / SUB) - 1
  return (bin - SUB * shift) * 2 ** shift
}

/** The quarter of a doubling that `x` is in. */
function quarterOf(x: number): { from: number; to: number } {
  if (x < 4) return { from: x, to: x + 1 }
  const width = 2 ** (exponent(x) - 2)
  const from = Math.floor(x / width) * width
  return { from, to: from + width }
}
