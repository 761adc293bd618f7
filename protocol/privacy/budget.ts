/** Whether a charter's noise gives the epsilon that it promises, and what would. */
import { type Charter, type Protection, protection } from '../../config/charter.ts'
import { epsilonOfReleases, plannedReleases } from './policy.ts'

type Multipliers = Protection['noiseMultiplier']

export interface Shortfall {
  /** What the planned rounds cost with the charter's noise. */
  readonly epsilon: number
  /** Multipliers with which they cost epsilonMax at most: with more noise in training, or if need be in all sums; undefined: none do. */
  readonly enough: Multipliers | undefined
}

const FACTOR_MAX = 2 ** 12
/** How near to the least factor that is enough. */
const PRECISION = 1.001

/** Undefined: the planned rounds, none of them tried again, cost no more than epsilonMax. */
export function shortfall(charter: Charter): Shortfall | undefined {
  const privacy = protection(charter)
  if (!privacy) return undefined
  const planned = plannedReleases(charter)
  const epsilonWith = (noiseMultiplier: Multipliers) =>
    epsilonOfReleases({ ...charter, privacy: { ...privacy, noiseMultiplier } }, planned)
  // Of the charter itself: what is worked out of it is kept with it, for the node that runs it.
  const epsilon = epsilonOfReleases(charter, planned)
  if (epsilon <= privacy.epsilonMax) return undefined
  const isEnough = (multipliers: Multipliers) => epsilonWith(multipliers) <= privacy.epsilonMax
  const { noiseMultiplier: now } = privacy
  const enough =
    least(factor => ({ ...now, training: up(now.training, factor) }), isEnough) ??
    least(factor => {
      const { statistics, training, evaluation } = now
      return {
        statistics: up(statistics, factor),
        training: up(training, factor),
        evaluation: up(evaluation, factor),
      }
    }, isEnough)
  return { epsilon, enough }
}

function least(
  of: (factor: number) => Multipliers,
  isEnough: (multipliers: Multipliers) => boolean,
): Multipliers | undefined {
  let [low, high] = [1, FACTOR_MAX]
  if (!isEnough(of(high))) return undefined
  while (high / low > PRECISION) {
    const middle = Math.sqrt(low * high)
    if (isEnough(of(middle))) high = middle
    else low = middle
  }
  return of(high)
}

/** Rounded up to what a person writes. */
function up(multiplier: number, factor: number): number {
  return Math.ceil(multiplier * factor * 100) / 100
}
