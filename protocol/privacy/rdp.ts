/**
 * Renyi differential privacy of one step of each mechanism, and what it comes to as (epsilon, delta). Patients are
 * neighbours by adding or removing one record. A `sigma` is that of the noise in the sum.
 */
import { logErfc } from './normal.ts'

/**
 * The orders at which composition is followed: any order gives a true bound, more of them a closer one. Tenths where
 * epsilon is large, whole ones up to 64, then steps of an eighteenth for small epsilons and large noise.
 */
export const ORDERS: readonly number[] = [
  1.01,
  1.02,
  1.05,
  ...Array.from({ length: 99 }, (_, i) => (11 + i) / 10),
  ...Array.from({ length: 54 }, (_, i) => 11 + i),
  ...Array.from({ length: 102 }, (_, i) => Math.round(64 * (1 + 1 / 18) ** (i + 1))),
]

/** Added to a logarithm near 0 that was computed by sums of terms near 1. */
const ROUNDING = 1e-14

/** log(e^a + e^b). */
function logAdd(a: number, b: number): number {
  if (a === Number.NEGATIVE_INFINITY) return b
  return a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b))
}

/** log(1 + e^a). */
function logOnePlus(a: number): number {
  return a > 0 ? a + Math.log1p(Math.exp(-a)) : Math.log1p(Math.exp(a))
}

/** log(e^a - 1) for a > 0. */
function logExpm1(a: number): number {
  return a > 30 ? a + Math.log1p(-Math.exp(-a)) : Math.log(Math.expm1(a))
}

/**
 * The Gaussian mechanism with sensitivity 1 on a batch in which each record is with probability `q`.
 * Mironov, Talwar, Zhang, 'Renyi Differential Privacy of the Sampled Gaussian Mechanism' (2019), section 3.3, whose
 * Theorem 5 says that removal of a record is the worse direction.
 *
 * @param order above 1
 * @param q in (0, 1]
 * @param sigma noise multiplier, above 0
 * @returns the Renyi divergence of one step, in nats
 */
export function sampledGaussianRdp(order: number, q: number, sigma: number): number {
  if (q === 1) return order / (2 * sigma * sigma)
  const log = Number.isInteger(order)
    ? poissonLog(order, q, k => (k * k - k) / (2 * sigma * sigma))
    : fractionalLog(order, q, sigma)
  return log / (order - 1)
}

/**
 * log of the sum over k of C(order, k) (1-q)^(order-k) q^k e^(moment k). The weights sum to 1 and the moments of k = 0
 * and 1 are 0: what is left is 1 + a sum of positive terms, without cancellation.
 */
function poissonLog(order: number, q: number, moment: (k: number) => number): number {
  const stay = Math.log1p(-q)
  const go = Math.log(q)
  let logChoose = Math.log(order)
  let sum = Number.NEGATIVE_INFINITY
  for (let k = 2; k <= order; k++) {
    logChoose += Math.log((order - k + 1) / k)
    sum = logAdd(sum, logChoose + (order - k) * stay + k * go + logExpm1(moment(k)))
  }
  return logOnePlus(sum)
}

/** Partial sums of an alternating tail that are averaged (Euler's transform). */
const AVERAGED = 24

/**
 * The two series of Mironov, Talwar, Zhang, section 3.3: the binomial series converges on either side of z0, where both
 * components of the mixture are equal, in powers of the smaller one. Far out the terms alternate and fall slowly; there
 * the partial sums are averaged again and again, which converges by a factor of two and more each time.
 */
function fractionalLog(order: number, q: number, sigma: number): number {
  const stay = Math.log1p(-q)
  const go = Math.log(q)
  const z0 = sigma * sigma * (stay - go) + 0.5
  const width = Math.SQRT2 * sigma
  const moment = (x: number) => (x * x - x) / (2 * sigma * sigma)
  const last = Math.ceil(order + Math.abs(z0)) + 100
  const partial: number[] = []
  let logChoose = 0
  let sign = 1
  let sum = 0
  for (let i = 0; i <= last; i++) {
    const rest = order - i
    const below = rest * stay + i * go + moment(i) + logErfc((i - z0) / width)
    const above = i * stay + rest * go + moment(rest) + logErfc((z0 - rest) / width)
    const term = (sign * (Math.exp(logChoose + below) + Math.exp(logChoose + above))) / 2
    sum += term
    if (i > order && Math.abs(term) < 1e-17 * sum) return Math.log(sum) + ROUNDING
    if (i > last - AVERAGED) partial.push(sum)
    logChoose += Math.log(Math.abs(rest) / (i + 1))
    if (rest < 0) sign = -sign
  }
  while (partial.length > 1) {
    for (let i = 1; i < partial.length; i++) partial[i - 1] = (partial[i - 1]! + partial[i]!) / 2
    partial.pop()
  }
  return Math.log(partial[0]!) + ROUNDING
}

/**
 * Poisson sampling before any mechanism with the Renyi divergences `rdp` at whole orders.
 * Zhu and Wang, 'Poisson Subsampled Renyi Differential Privacy' (ICML 2019), their upper bound for all mechanisms.
 *
 * @param order whole, 2 or above
 * @param q in (0, 1]
 */
export function sampledRdp(order: number, q: number, rdp: (order: number) => number): number {
  if (q === 1) return rdp(order)
  const moment = (k: number) => (k - 1) * rdp(k) + (k > 2 ? Math.log(3) : 0)
  return poissonLog(order, q, moment) / (order - 1)
}

/** What one record changes at most of the integer vectors that are summed, and the noise in the sum, in grid steps. */
export interface SkellamNoise {
  /** Sensitivities: largest L1 and L2 norm of what one record adds, after rounding. */
  readonly l1: number
  readonly l2: number
  /** Standard deviation of the noise of each coordinate of the sum. */
  readonly sigma: number
}

/**
 * Skellam noise (the difference of two Poisson variables) of variance sigma^2 on each coordinate of an integer vector.
 * Agarwal, Kairouz, Liu, 'The Skellam Mechanism' (NeurIPS 2021), Theorem 3.5 with scale 1: sensitivities are in steps.
 *
 * @param order whole, 2 or above
 */
export function skellamRdp(order: number, { l1, l2, sigma }: SkellamNoise): number {
  const variance = sigma * sigma
  const square = l2 * l2
  const small = ((2 * order - 1) * square + 6 * l1) / (4 * variance * variance)
  return (order * square) / (2 * variance) + Math.min(small, (3 * l1) / (2 * variance))
}

/** As SkellamNoise, of several hospitals that each add discrete Gaussian noise. */
export interface DiscreteGaussianNoise {
  readonly l2: number
  /** Square root of the sum of the draws' sigma^2. */
  readonly sigma: number
  /** Of the draws, see `sumTau`. */
  readonly tau: number
  /** Coordinates of the vector. */
  readonly dimension: number
}

/** Independent discrete Gaussians of one sigma^2. */
export interface Draws {
  readonly variance: number
  readonly count: number
}

/** Of each draw: with less nothing is known (q above .4), and with much less the bound does not hold. */
export const DRAW_VARIANCE_MIN = 1 / 10

/**
 * How far the sum of all these draws is from one discrete Gaussian: the logarithm of a ratio of two of its densities is within tau of that
 * one's. Kairouz, Liu, Steinke, 'The Distributed Discrete Gaussian Mechanism' (ICML 2021): with variances a and b the density of the sum of two is
 * within e^(5 q) of that of one with variance a + b, q = exp(-2 pi^2 / (1 / a + 1 / b)), where q is at most .4, as it is for variances of
 * 1 / 10 and more. So draw after draw, in any order; with the largest first tau is least. Equal ones give the theorem's tau.
 */
export function sumTau(draws: readonly Draws[]): number {
  let tau = 0
  let sum = 0
  for (const { variance, count } of draws.toSorted((a, b) => b.variance - a.variance)) {
    if (!(variance >= DRAW_VARIANCE_MIN))
      throw new RangeError(`nothing is known of sums of discrete Gaussians of variance ${variance}`)
    for (let i = 0; i < count; i++) {
      if (sum > 0) tau += 10 * Math.exp((-2 * Math.PI ** 2 * sum * variance) / (sum + variance))
      sum += variance
    }
  }
  return tau
}

/**
 * A sum of discrete Gaussians, which is not quite one itself. Kairouz, Liu, Steinke (ICML 2021), the bound that is linear in tau, on each
 * coordinate that a record changes. A change of whole numbers reaches at most l2^2 coordinates.
 *
 * @param order above 1
 */
export function discreteGaussianRdp(order: number, noise: DiscreteGaussianNoise): number {
  const { l2, sigma, tau, dimension } = noise
  const changed = Math.min(dimension, l2 * l2)
  return (order * l2 * l2) / (2 * sigma * sigma) + tau * changed
}

/** From here on orders cost much, and epsilon has one valley: past it, the others are left out. */
const LARGE_ORDER = 64

/**
 * The least epsilon that Renyi divergences at ORDERS imply for `delta`. Canonne, Kamath, Steinke, 'The Discrete Gaussian
 * for Differential Privacy' (2020), Proposition 12.
 *
 * @param rdp divergence at an order, in nats; Infinity where none is known
 * @param delta in (0, 1)
 */
export function epsilonFromRdp(rdp: (order: number) => number, delta: number): number {
  let least = Number.POSITIVE_INFINITY
  for (const order of ORDERS) {
    const epsilon = rdp(order) + Math.log1p(-1 / order) - (Math.log(delta) + Math.log(order)) / (order - 1)
    if (epsilon < least) least = epsilon
    else if (order > LARGE_ORDER && epsilon > 1.1 * least) break
  }
  return Math.max(0, least)
}
