/**
 * The privacy accountant: what all noised releases together tell of one patient, as (epsilon, delta), and how much noise
 * a budget takes. What is protected is one record; neighbours differ by adding or removing it.
 *
 * All of it is of noise. A secure sum without noise hides who gave what, and bounds nothing of what the sum itself tells.
 */
import { epsilonFromPld, type GaussianSteps } from './pld.ts'
import {
  type DiscreteGaussianNoise,
  discreteGaussianRdp,
  epsilonFromRdp,
  type SkellamNoise,
  sampledGaussianRdp,
  sampledRdp,
  skellamRdp,
} from './rdp.ts'

/** How often, and to how much of the data. */
interface Released {
  /** Probability, in (0, 1], with which each record is in a step's batch, independently of all others. */
  readonly q: number
  /** Steps, each with its own noise: whole, 1 or more. */
  readonly steps: number
}

/**
 * Noised releases of one kind: of a round, a layer or another purpose. `sigma` of a Gaussian is the noise multiplier (noise over
 * sensitivity); of integer noise the standard deviation in grid steps, as are sensitivities.
 */
export type PrivacyEvent = Released &
  (
    | { readonly mechanism: 'gaussian'; readonly sigma: number }
    | ({ readonly mechanism: 'skellam' } & SkellamNoise)
    | ({ readonly mechanism: 'discreteGaussian' } & DiscreteGaussianNoise)
  )

/** `pld` is close and for Gaussian noise only; `rdp` is for all mechanisms, and larger. */
export type AccountantKind = 'rdp' | 'pld'

/** More steps than any study takes; bounds rounding errors. */
const STEPS_MAX = 1e9

/**
 * An upper bound of epsilon, in nats, of all `events` at `delta`. The order of events does not matter. 0 for none.
 *
 * @param delta in (0, 1)
 * @throws RangeError for what is out of its range, and for integer noise with `pld`
 */
export function epsilonOf(
  events: readonly PrivacyEvent[],
  delta: number,
  accountant: AccountantKind,
): number {
  checkDelta(delta)
  for (const event of events) checkEvent(event)
  const merged = mergeEqual(events)
  if (merged.length === 0) return 0
  if (accountant === 'pld') return epsilonFromPld(merged.map(gaussianSteps), delta)
  return epsilonFromRdp(
    order => merged.reduce((sum, event) => sum + event.steps * rdpOf(event, order), 0),
    delta,
  )
}

/**
 * Renyi divergence of one step of `event`. Integer noise is known at whole orders only; at others the next one is a
 * bound, as divergence grows with the order (van Erven and Harremoes 2014, Theorem 3).
 *
 * @param order above 1
 */
export function rdpOf(event: PrivacyEvent, order: number): number {
  const whole = Math.ceil(order)
  switch (event.mechanism) {
    case 'gaussian':
      return sampledGaussianRdp(order, event.q, event.sigma)
    case 'skellam':
      return sampledRdp(whole, event.q, at => skellamRdp(at, event))
    case 'discreteGaussian':
      return sampledRdp(whole, event.q, at => discreteGaussianRdp(at, event))
  }
}

function gaussianSteps(event: PrivacyEvent): GaussianSteps {
  if (event.mechanism !== 'gaussian') {
    throw new RangeError(`the PLD accountant knows Gaussian noise only, not ${event.mechanism}: take RDP`)
  }
  return event
}

/** Events with the same parameters as one, in an order of their own: equal sums whatever order they came in. */
function mergeEqual(events: readonly PrivacyEvent[]): PrivacyEvent[] {
  const merged = new Map<string, PrivacyEvent>()
  for (const event of events) {
    const { steps, ...rest } = event
    const key = JSON.stringify(Object.entries(rest).sort(([a], [b]) => (a < b ? -1 : 1)))
    merged.set(key, { ...event, steps: steps + (merged.get(key)?.steps ?? 0) })
  }
  return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, event]) => event)
}

export interface NoiseGoal {
  readonly q: number
  readonly steps: number
  readonly epsilon: number
  readonly delta: number
  readonly accountant: AccountantKind
}

/** Least and largest noise multiplier that is looked at. */
const SIGMA_LEAST = 0.1
const SIGMA_MOST = 1e6

/**
 * The least noise multiplier of the Gaussian mechanism, from 0.1 on, with which `steps` steps spend at most `epsilon` at
 * `delta`; rounded up to four decimals, or five digits of large ones.
 *
 * @param goal `epsilon` above 0, the others as in epsilonOf
 * @throws RangeError for what is out of its range, and if a million is not enough
 */
export function noiseMultiplierFor(goal: NoiseGoal): number {
  const { epsilon } = goal
  checkPositive('epsilon', epsilon)
  const spent = (sigma: number) => epsilonForNoise(goal, sigma)
  if (spent(SIGMA_LEAST) <= epsilon) return SIGMA_LEAST
  // The answer of RDP is slightly too large, and found at little cost.
  let enough = goal.accountant === 'pld' ? noiseMultiplierFor({ ...goal, accountant: 'rdp' }) : 1
  let least = SIGMA_LEAST
  while (spent(enough) > epsilon) {
    if (enough > SIGMA_MOST) {
      throw new RangeError(`no noise multiplier up to ${SIGMA_MOST} gives epsilon ${epsilon}`)
    }
    least = enough
    enough *= 1.5
  }
  for (let less = enough / 1.5; less > least && spent(less) <= epsilon; less /= 1.5) enough = less
  return leastOnGrid(spent, epsilon, Math.max(least, enough / 1.5), enough)
}

function epsilonForNoise({ q, steps, delta, accountant }: NoiseGoal, sigma: number): number {
  return epsilonOf([{ mechanism: 'gaussian', q, sigma, steps }], delta, accountant)
}

/**
 * The first multiple of a unit between `least`, with which too much is spent, and `enough` with which not: between the two nearest
 * known ones by interpolation of logarithms, which are nearly straight, and by halves where that is slow.
 */
function leastOnGrid(
  spent: (sigma: number) => number,
  epsilon: number,
  least: number,
  enough: number,
): number {
  const perUnit = 10 ** Math.min(4, 4 - Math.floor(Math.log10(enough)))
  const excess = (n: number) => Math.log(spent(n / perUnit) / epsilon)
  let [low, high] = [Math.floor(least * perUnit), Math.ceil(enough * perUnit)]
  let [over, under] = [excess(low), excess(high)]
  for (let tries = 1; high - low > 1; tries++) {
    const along = tries % 4 === 0 || !Number.isFinite(over - under) ? 0.5 : over / (over - under)
    const n = Math.min(high - 1, Math.max(low + 1, Math.ceil(low * (high / low) ** along)))
    const found = excess(n)
    if (found <= 0) [high, under] = [n, found]
    else [low, over] = [n, found]
  }
  return high / perUnit
}

/** @throws RangeError unless 0 < delta < 1 */
function checkDelta(delta: number): void {
  if (!(delta > 0 && delta < 1)) throw new RangeError(`delta ${delta} is not between 0 and 1`)
}

function checkEvent(event: PrivacyEvent): void {
  const { q, steps, sigma } = event
  if (!(q > 0 && q <= 1)) throw new RangeError(`sampling rate q ${q} is not above 0 and at most 1`)
  checkPositive('sigma', sigma)
  checkWhole('steps', steps)
  if (event.mechanism === 'gaussian') return
  checkPositive('l2', event.l2)
  if (event.mechanism === 'skellam') checkPositive('l1', event.l1)
  else {
    if (!(event.tau >= 0)) throw new RangeError(`tau ${event.tau} is not 0 or above`)
    checkWhole('dimension', event.dimension)
  }
}

function checkPositive(name: string, value: number): void {
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new RangeError(`${name} ${value} is not above 0`)
}

function checkWhole(name: string, value: number): void {
  if (!(Number.isInteger(value) && value >= 1 && value <= STEPS_MAX)) {
    throw new RangeError(`${name} ${value} is not a whole number from 1 to ${STEPS_MAX}`)
  }
}
