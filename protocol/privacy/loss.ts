/**
 * The privacy loss of one step of the sampled Gaussian mechanism on a grid, never less than it is. With P and Q the
 * outputs with and without a record (or the other way about), the loss is log(P/Q) at an output drawn from P.
 */
import { erfc } from './normal.ts'

/**
 * Losses of one step: `mass[i]` is the probability of (lowest + i) grid steps, `infinity` of an unbounded loss.
 * Some mass of Q may be missing, none of P.
 */
export interface Losses {
  readonly lowest: number
  readonly mass: Float64Array
  readonly infinity: number
}

export interface SampledGaussian {
  /** Probability of each record to be in the batch, in (0, 1]. */
  readonly q: number
  /** Noise multiplier: standard deviation of the noise over what one record adds at most. */
  readonly sigma: number
}

/** `remove`: P is with the record, Q without; `add` the other way about. */
export type Direction = 'remove' | 'add'

/** A single loss above this counts as unbounded: no budget is as large. */
const LOSS_MAX = 500
/** Units of rounding allowed for a chain of elementary functions. */
const EIGHT_UNITS = 2 ** -50

/** Smallest and largest loss that matter, when a probability of `tail` may go to infinity. */
export function lossRange(
  { q, sigma }: SampledGaussian,
  direction: Direction,
  tail: number,
): readonly [number, number] {
  // The tail of a normal variable above z is below e^(-z^2 / 2) / 2. Small losses may be rounded up, so 8.3 will do for them.
  const z = Math.sqrt(-2 * Math.log(2 * tail))
  const [from, to] =
    direction === 'remove'
      ? [logRatio(-8.3 * sigma, q, sigma), logRatio(1 + z * sigma, q, sigma)]
      : [-logRatio(8.3 * sigma, q, sigma), -logRatio(-z * sigma, q, sigma)]
  return [Math.max(-LOSS_MAX, from), Math.min(LOSS_MAX, to)]
}

/** log of ((1-q) N(0, sigma^2) + q N(1, sigma^2)) over N(0, sigma^2) at x. */
function logRatio(x: number, q: number, sigma: number): number {
  const t = (2 * x - 1) / (2 * sigma * sigma)
  return t > 0 ? t + Math.log(q + (1 - q) * Math.exp(-t)) : Math.log1p(q * Math.expm1(t))
}

/** The x at which that is s, and how far off the computed one may be; -Infinity if it is above s everywhere. */
function ratioPlace(s: number, q: number, sigma: number): readonly [number, number] {
  if (q === 1) return [sigma * sigma * s + 0.5, 0]
  if (s > 1) return [sigma * sigma * (s - Math.log(q) + Math.log1p(-(1 - q) * Math.exp(-s))) + 0.5, 0]
  const w = Math.expm1(s) / q
  if (w <= -1) return [Number.NEGATIVE_INFINITY, 0]
  return [sigma * sigma * Math.log1p(w) + 0.5, (sigma * sigma * EIGHT_UNITS * Math.abs(w)) / (1 + w)]
}

/** Masses of P and Q above and below an edge of the grid, and a bound on the error of the smaller one of each. */
interface Edge {
  readonly pAbove: number
  readonly pBelow: number
  readonly qAbove: number
  readonly qBelow: number
  readonly error: number
}

function edgeAt(loss: number, { q, sigma }: SampledGaussian, direction: Direction): Edge {
  const [x, off] = ratioPlace(direction === 'remove' ? loss : -loss, q, sigma)
  const zero = tails(x / sigma)
  const one = tails((x - 1) / sigma)
  const above = (1 - q) * zero.above + q * one.above
  const below = (1 - q) * zero.below + q * one.below
  const z = Math.max(Math.abs(x), Math.abs(x - 1)) / sigma
  const error = Number.isFinite(z) ? EIGHT_UNITS * (20 + (z + 1) * z) + ((z + 1) * off) / sigma : 0
  return direction === 'remove'
    ? { pAbove: above, pBelow: below, qAbove: zero.above, qBelow: zero.below, error }
    : { pAbove: zero.below, pBelow: zero.above, qAbove: below, qBelow: above, error }
}

function tails(z: number): { above: number; below: number } {
  const small = erfc(Math.abs(z) / Math.SQRT2) / 2
  return z > 0 ? { above: small, below: 1 - small } : { above: 1 - small, below: small }
}

/**
 * The losses on the grid of `step`. What lies between two points is divided between both, so that the masses of P and
 * of Q are kept: the exact pair is then a post-processing of the gridded one, which no composition can undo (Doroshenko
 * et al., 'Connect the Dots', 2022), and the error is of second order in `step`. Above that division as much goes to the upper
 * point as rounding errors could have left at the lower one, and losses below the range go up to it.
 *
 * @param step of the grid, in nats, above 0
 * @param range from lossRange; what is above it goes to infinity
 */
export function gridLosses(
  mechanism: SampledGaussian,
  direction: Direction,
  step: number,
  range: readonly [number, number],
): Losses {
  const lowest = Math.floor(range[0] / step)
  const mass = new Float64Array(Math.ceil(range[1] / step) - lowest + 1)
  const split = -Math.expm1(-step)
  let before = edgeAt(lowest * step, mechanism, direction)
  let homeless = 0
  mass[0] = before.pBelow
  for (let i = 1; i < mass.length; i++) {
    const lower = (lowest + i - 1) * step
    const edge = edgeAt((lowest + i) * step, mechanism, direction)
    const p = between(before.pAbove, before.pBelow, edge.pAbove, edge.pBelow)
    const q = Math.exp(lower) * between(before.qAbove, before.qBelow, edge.qAbove, edge.qBelow)
    const slack = errorOf(before, lower) + errorOf(edge, lower)
    const up = Math.max(0, p - q) + slack
    // Where the bin holds too little to make good for the errors, infinity does.
    homeless += Math.min(slack, Math.max(0, up - split * p))
    const upper = Math.min(p, up / split)
    mass[i - 1]! += p - upper
    mass[i]! += upper
    before = edge
  }
  return { lowest, mass, infinity: before.pAbove * (1 + before.error) + homeless }
}

/** What lies between two edges, by differences of small numbers. */
function between(above: number, below: number, nextAbove: number, nextBelow: number): number {
  return Math.max(0, above < 0.5 ? above - nextAbove : nextBelow - below)
}

function errorOf({ pAbove, pBelow, qAbove, qBelow, error }: Edge, loss: number): number {
  return error * (Math.min(pAbove, pBelow) + Math.exp(loss) * Math.min(qAbove, qBelow))
}
