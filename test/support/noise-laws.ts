/**
 * The laws of noise by their definitions, with nothing of the samplers in it: Skellam's as the difference of two Poisson variables, the
 * discrete Gaussian's by its exponential.
 */

import { expect } from 'vitest'
import { type Rational, scaled } from '../../protocol/privacy/rational.ts'
import { fitOf, type Law } from './chi-square.ts'

/** Probabilities are integers, of 2^LAW_BITS. */
export const LAW_BITS = 300n
const ONE = 1n << LAW_BITS

/** Exact but for 2^-270: P(X - Y = k) where X and Y are Poisson variables of mean variance / 2. */
export function skellamExact(variance: Rational): (k: number) => bigint {
  const weights = poisson(variance.numerator, 2n * variance.denominator)
  const total = weights.reduce((a, b) => a + b, 0n)
  const p = weights.map(w => (w * ONE) / total)
  const known = new Map<number, bigint>()
  return k => {
    const distance = Math.abs(k)
    let sum = known.get(distance) ?? 0n
    if (!known.has(distance)) {
      for (let i = distance; i < p.length; i++) sum += p[i]! * p[i - distance]!
      sum >>= LAW_BITS
      known.set(distance, sum)
    }
    return sum
  }
}

/** Multiples of e^-mu mu^i / i! for consecutive i, mu = n / d: from the most probable on, both ways, until nothing is left. */
function poisson(n: bigint, d: bigint): bigint[] {
  const mode = n / d
  const down: bigint[] = []
  for (let [i, w] = [mode, ONE]; i > 0n; i--) {
    w = (w * i * d) / n
    if (w === 0n) break
    down.push(w)
  }
  const up: bigint[] = []
  for (let [i, w] = [mode + 1n, ONE]; ; i++) {
    w = (w * n) / (d * i)
    if (w === 0n) break
    up.push(w)
  }
  return [...down.toReversed(), ONE, ...up]
}

/** The same in floats, for the outcomes that are more probable than 1e-20. */
export function skellamLaw(variance: Rational): Law {
  const exact = skellamExact(variance)
  return symmetric(k => Number(exact(k)) / 2 ** Number(LAW_BITS))
}

/** P(k) proportional to exp(-k^2 / 2 v). */
export function discreteGaussianLaw({ numerator, denominator }: Rational): Law {
  const weight = (k: number) => Math.exp((-k * k * Number(denominator)) / 2 / Number(numerator))
  let total = 1
  for (let k = 1; weight(k) > 0; k++) total += 2 * weight(k)
  return symmetric(k => weight(k) / total)
}

/** Of the sum of `m` independent draws of a symmetric law on consecutive integers: convolved in floats. */
export function sumLaw(law: Law, m: number): Law {
  const reach = Math.max(...law.keys())
  const one = Float64Array.from({ length: 2 * reach + 1 }, (_, i) => law.get(i - reach)!)
  let sum = one
  for (let parts = 2; parts <= m; parts++) {
    const next = new Float64Array(sum.length + one.length - 1)
    sum.forEach((p, i) => {
      for (let j = 0; j < one.length; j++) next[i + j]! += p * one[j]!
    })
    sum = next
  }
  return symmetric(k => sum[m * reach + k] ?? 0)
}

/**
 * log(P(z) / Q(z)) for z = 0 .. m - 1, where P is the law of the sum of `m` discrete Gaussians of the parameter `each` and Q one discrete
 * Gaussian of m each; exact but for 2^-250. It is that for all z: 1 more in each of m addends that sum to z takes their weight times
 * e^-((2 z + m) / 2 each), and Q's at z by the same.
 */
export function logRatios(each: Rational, m: number): number[] {
  const one = gaussianWeights(each)
  let sum = one
  for (let parts = 2; parts <= m; parts++) sum = convolved(sum, one)
  const single = gaussianWeights(scaled(each, m))
  const [ofSum, ofSingle] = [sum, single].map(w => w.reduce((a, b) => a + b, 0n)) as [bigint, bigint]
  const at = (weights: readonly bigint[], z: number) => weights[(weights.length - 1) / 2 + z]!
  return Array.from({ length: m }, (_, z) => {
    const q = at(single, z) * ofSum
    const difference = ((at(sum, z) * ofSingle - q) << LAW_BITS) / q
    return Math.log1p(Number(difference) / 2 ** Number(LAW_BITS))
  })
}

/** e^(-k^2 / 2v) of ONE for k = -K .. K, until nothing is left: e^(-1 / 2v) by its series, and powers of it. */
function gaussianWeights({ numerator, denominator }: Rational): bigint[] {
  let root = 0n
  let term = ONE
  for (let i = 1n; term !== 0n; i++) {
    root += term
    term = (-term * denominator) / (2n * numerator * i)
  }
  const right = [ONE]
  // From k to k + 1 the weight falls by the root's power of 2k + 1.
  let step = root
  for (let w = (ONE * step) >> LAW_BITS; w > 0n; w = (w * step) >> LAW_BITS) {
    right.push(w)
    step = (((step * root) >> LAW_BITS) * root) >> LAW_BITS
  }
  return [...right.slice(1).toReversed(), ...right]
}

function convolved(a: readonly bigint[], b: readonly bigint[]): bigint[] {
  const sum = new Array<bigint>(a.length + b.length - 1).fill(0n)
  a.forEach((x, i) => {
    b.forEach((y, j) => {
      sum[i + j]! += x * y
    })
  })
  return sum.map(x => x >> LAW_BITS)
}

function symmetric(probability: (k: number) => number): Law {
  const law = new Map<number, number>()
  for (let k = 0; ; k++) {
    const p = probability(k)
    if (p < 1e-20) return law
    law.set(k, p).set(-k, p)
  }
}

export function moment(law: Law, power: number): number {
  let sum = 0
  for (const [k, p] of law) sum += p * k ** power
  return sum
}

/** Mean, variance, fourth moment and tails within 5 standard errors, and all of it by chi-square. */
export function expectDrawsOf(draws: Int32Array, law: Law): void {
  for (const power of [1, 2, 4]) {
    const found = draws.reduce((sum, x) => sum + x ** power, 0) / draws.length
    const expected = moment(law, power)
    const error = Math.sqrt((moment(law, 2 * power) - expected ** 2) / draws.length)
    expect(Math.abs(found - expected) / error, `moment ${power}`).toBeLessThan(5)
  }
  const sigma = Math.sqrt(moment(law, 2))
  for (const sigmas of [1, 2, 3, 3.5, 4])
    for (const side of [-1, 1]) {
      let p = 0
      for (const [k, q] of law) if (side * k > sigmas * sigma) p += q
      const found = draws.reduce((count, x) => count + Number(side * x > sigmas * sigma), 0)
      const error = Math.sqrt(draws.length * p * (1 - p))
      // Rare ones are Poisson variables: of a mean below 1 more than 10 are not seen.
      expect(Math.abs(found - draws.length * p), `${side * sigmas} sigma`).toBeLessThan(
        5 * Math.max(error, 2),
      )
    }
  expect(fitOf(draws, law), 'chi-square').toBeGreaterThan(1e-6)
}
