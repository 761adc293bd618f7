/**
 * Composition of privacy loss distributions by Fourier transform, as an upper bound of epsilon: gridding, truncation
 * and rounding all err on its side.
 *
 * The loss of many steps is a sum of independent losses (Koskela, Jalko, Honkela, 'Computing Tight Differential Privacy
 * Guarantees Using FFT', 2020). Its tail is far below the rounding errors of a transform. So losses are tilted first, weighted
 * by e^(tilt * loss), which moves the bulk to where epsilon is; untilting takes the errors down with the tail.
 */
import { multiplyPower, powerError, type Spectrum, transform, transformError } from './fft.ts'
import { type Direction, gridLosses, type Losses, lossRange, type SampledGaussian } from './loss.ts'

/** Steps of the sampled Gaussian mechanism, all alike. */
export interface GaussianSteps extends SampledGaussian {
  readonly steps: number
}

/** Part of delta that each truncation may take. */
const TRUNCATED = 1e-6
/** Part of the tilted losses that may be above the window, or below it. */
const ALIASED = 1e-12
/** The grid may add about this part to epsilon. */
const COARSENESS = 2e-5
/** Points of the grid for a first look, and at most: of one step's losses, and of the window of all. */
const FIRST_POINTS = 2 ** 13
const LOSSES_MAX = 2 ** 20
/** Of a finer grid the rounding errors of probabilities would be no small part of a step. */
const STEP_LEAST = 1e-8
const WINDOW_MAX = 2 ** 18
/** Epsilon is about so many points above 0, at least. */
const POINTS_BELOW = 100
const PASSES = 3
/** Relative error of sums and exponentials over a whole grid, taken as a factor. */
const SUMMING = 1 + 1e-9

/**
 * An upper bound of the epsilon that all `parts` together have at `delta`, for neighbours by adding or removing one
 * record: the larger of both directions. Mostly within 1e-4 of the exact value, relatively; Infinity where the
 * bound is useless (single losses above 500).
 *
 * @param delta in (0, 1)
 */
export function epsilonFromPld(parts: readonly GaussianSteps[], delta: number): number {
  const removed = epsilonOneWay(parts, delta, 'remove', 0)
  return parts.every(({ q }) => q === 1) ? removed : epsilonOneWay(parts, delta, 'add', removed)
}

/** Losses with how often they are composed; the grid is one for all. */
interface Composed {
  readonly step: number
  readonly parts: readonly { readonly losses: Losses; readonly steps: number }[]
}

/** The epsilon of one direction, but not less than `floor`. */
function epsilonOneWay(
  parts: readonly GaussianSteps[],
  delta: number,
  direction: Direction,
  floor: number,
): number {
  const steps = parts.reduce((sum, part) => sum + part.steps, 0)
  const ranges = parts.map(part => lossRange(part, direction, (TRUNCATED * delta) / steps))
  const widest = Math.max(...ranges.map(([from, to]) => to - from))
  const grid = (step: number): Composed => ({
    step,
    parts: parts.map((part, i) => ({
      losses: gridLosses(part, direction, step, ranges[i]!),
      steps: part.steps,
    })),
  })
  // A first look tells where epsilon is about, and so how fine the grid has to be.
  const first = grid(Math.max(STEP_LEAST, widest / FIRST_POINTS))
  const finite = delta - infinityOf(first)
  if (finite <= 0) return Number.POSITIVE_INFINITY
  const chernoff = (tilt: number) => (totalCumulant(first, tilt) - Math.log(finite)) / tilt
  let tilt = leastAt(chernoff)
  // A bound already: all that follows can only lower it.
  let epsilon = chernoff(tilt)
  for (let pass = 0; pass < PASSES && epsilon > floor; pass++) {
    const window = windowOf(first, tilt)
    const span = window.to - window.from
    const fine = Math.sqrt((12 * COARSENESS * Math.max(epsilon, span / 1000)) / (steps * (tilt + 1)))
    const least = Math.max(STEP_LEAST, widest / LOSSES_MAX, span / WINDOW_MAX)
    const step = Math.max(least, Math.min(first.step, fine, epsilon / POINTS_BELOW))
    epsilon = Math.min(epsilon, epsilonInWindow(step === first.step ? first : grid(step), window, delta))
    // Where few large losses decide, epsilon is far below the Chernoff bound, and so is the tilt that moves the bulk there.
    const height = (tilt: number) => totalCumulant(first, tilt) - tilt * epsilon
    const better = leastAt(height)
    if (height(tilt) < height(better) + 3 && step < (3 * epsilon) / POINTS_BELOW) break
    tilt = better
  }
  return Math.max(floor, epsilon)
}

function infinityOf({ parts }: Composed): number {
  return SUMMING * parts.reduce((sum, { losses, steps }) => sum + steps * losses.infinity, 0)
}

/** Where the composed loss is looked at: from 0 or below. */
interface Window {
  readonly tilt: number
  readonly from: number
  readonly to: number
  /** The tilt whose Chernoff bound `to` is. */
  readonly far: number
}

function windowOf(composed: Composed, tilt: number): Window {
  const cumulant = (tilt: number) => totalCumulant(composed, tilt)
  // Of the tilted losses, what is outside comes back at the other end: from above too much of it, once it is untilted.
  const outside = Math.log(ALIASED) + cumulant(tilt)
  const above = (more: number) => (cumulant(tilt + more) - outside) / more
  const below = (less: number) => (cumulant(tilt - less) - outside) / less
  const far = leastAt(above)
  return { tilt, from: Math.min(0, -below(leastAt(below))), to: above(far), far: tilt + far }
}

/** About where a function with one valley is least, on a logarithmic scale: golden section. */
function leastAt(f: (x: number) => number): number {
  const ratio = (Math.sqrt(5) - 1) / 2
  let from = Math.log(1e-4)
  let to = Math.log(1e7)
  let [a, b] = [to - ratio * (to - from), from + ratio * (to - from)]
  let [fa, fb] = [f(Math.exp(a)), f(Math.exp(b))]
  while (to - from > 0.02) {
    if (fa < fb) {
      ;[to, b, fb] = [b, a, fa]
      a = to - ratio * (to - from)
      fa = f(Math.exp(a))
    } else {
      ;[from, a, fa] = [a, b, fb]
      b = from + ratio * (to - from)
      fb = f(Math.exp(b))
    }
  }
  return Math.exp((from + to) / 2)
}

/** log of E[e^(tilt * loss)] of one step, its finite part; Infinity, which bounds nothing, where all terms underflow. */
function cumulantOf({ lowest, mass }: Losses, step: number, tilt: number): number {
  const largest = tilt * step * (tilt > 0 ? lowest + mass.length - 1 : lowest)
  let sum = 0
  for (let i = 0; i < mass.length; i++) sum += mass[i]! * Math.exp(tilt * step * (lowest + i) - largest)
  return sum > 0 ? largest + Math.log(sum) : Number.POSITIVE_INFINITY
}

function totalCumulant({ parts, step }: Composed, tilt: number): number {
  return parts.reduce((sum, { losses, steps }) => sum + steps * cumulantOf(losses, step, tilt), 0)
}

function epsilonInWindow(composed: Composed, window: Window, delta: number): number {
  const { step } = composed
  const lowest = Math.floor(window.from / step)
  const size = 2 ** Math.max(3, Math.ceil(Math.log2(window.to / step - lowest + 2)))
  const { values, scale, error } = composeTilted(composed, window.tilt, size)
  const top = lowest + size - 1
  const above = Math.exp(totalCumulant(composed, window.far) - window.far * top * step)
  const infinity = infinityOf(composed) + SUMMING * above
  return epsilonAt(delta, step, lowest, size, infinity, index => {
    const value = values[((index % size) + size) % size]!
    return (Math.max(0, value) + error) * Math.exp(scale - window.tilt * index * step) * SUMMING
  })
}

/** The composed tilted losses modulo `size` grid steps, by e^(scale - tilt * loss) the true ones. `error`: of each value. */
function composeTilted({ parts, step }: Composed, tilt: number, size: number) {
  const product: Spectrum = { re: new Float64Array(size).fill(1), im: new Float64Array(size) }
  const relative = transformError(size)
  let scale = 0
  let error = 0
  let power = 0
  for (const { losses, steps } of parts) {
    const cumulant = cumulantOf(losses, step, tilt)
    const base: Spectrum = { re: tilted(losses, step, tilt, cumulant, size), im: new Float64Array(size) }
    // No frequency of a distribution is above 1, so an error grows at most by the number of steps.
    error += steps * relative * norm(base.re) * 1.01
    transform(base)
    multiplyPower(product, base, steps)
    const reach = Math.abs(cumulant) + tilt * step * (Math.abs(losses.lowest) + losses.mass.length)
    scale += steps * (cumulant + (reach + 16) * 2 ** -51)
    power += steps
  }
  const whole = Math.hypot(norm(product.re), norm(product.im)) / Math.sqrt(size)
  error += (powerError(power + parts.length) + relative) * whole
  transform(product, true)
  return { values: product.re, scale, error }
}

function norm(values: Float64Array): number {
  let square = 0
  for (const value of values) square += value * value
  return Math.sqrt(square)
}

function tilted(
  { lowest, mass }: Losses,
  step: number,
  tilt: number,
  cumulant: number,
  size: number,
): Float64Array {
  const folded = new Float64Array(size)
  for (let i = 0; i < mass.length; i++) {
    const index = lowest + i
    folded[((index % size) + size) % size]! += mass[i]! * Math.exp(tilt * step * index - cumulant)
  }
  return folded
}

/**
 * Where the hockey-stick divergence, infinity + sum of mass(i) (1 - e^(epsilon - i step)) over the losses above epsilon,
 * comes to `delta`. From the top down, with sums of positive terms only; 0 if it stays below down to there.
 */
function epsilonAt(
  delta: number,
  step: number,
  lowest: number,
  size: number,
  infinity: number,
  massAt: (index: number) => number,
): number {
  if (infinity >= delta) return Number.POSITIVE_INFINITY
  const fade = Math.exp(-step)
  const gain = -Math.expm1(-step)
  let hockey = infinity
  // Sum of mass(i) e^(epsilon - i step), of Q in units of P at epsilon.
  let weighted = 0
  for (let index = lowest + size - 1; index > 0; index--) {
    const all = weighted + massAt(index)
    const next = hockey + gain * all
    weighted = fade * all
    if (next > delta) return (index - 1) * step + Math.log1p((next - delta) / weighted)
    hockey = next
  }
  return 0
}
