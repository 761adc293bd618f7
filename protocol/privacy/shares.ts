/**
 * How much noise each hospital adds so that the sum carries the charter's, whoever is lost and whoever adds none. Up to
 * max(f, 1) hospitals may add none: f that are malicious, and one in any case, since whoever is curious knows its own noise and
 * can subtract it. Of the fewest survivors that a sum is opened with the others must add enough.
 *
 * If more survive there is more noise than was promised. XNoise (Jiang, Wang, Chen, Dordis, EuroSys 2024, arXiv 2209.12528) cuts each
 * hospital's noise in levels, each from a seed of its own: with d dropouts the survivors reveal the seeds of the levels above d, whose
 * noise is taken off. Written for n hospitals that all add noise, level k has the variance v / ((n - k)(n - k + 1)); here n is the
 * cohort less those that may add none. As 1 / ((n - k)(n - k + 1)) = 1 / (n - k) - 1 / (n - k + 1), levels 0 .. d come to
 * v / (n - d) for each of the n - d that survive and add noise: v in all. No level is known to others before the survivors
 * are fixed, and those that stay never are. All of it holds exactly for noise whose sums are of the same law, as Skellam's.
 */
import { plus, type Rational, rational, scaled } from './rational.ts'

export interface NoisePlan {
  /** What the charter promises of the sum, in units of the integers that are summed, squared. */
  readonly variance: Rational
  /** Hospitals of the cohort. */
  readonly cohort: number
  /** Fewest survivors of which a sum is opened. */
  readonly survivorsMin: number
  /** f. */
  readonly maliciousMax: number
}

/** Most hospitals that may add no noise. */
export function idleMax({ maliciousMax }: Pick<NoisePlan, 'maliciousMax'>): number {
  return Math.max(maliciousMax, 1)
}

/**
 * Variance of the noise that each hospital adds: v / (survivorsMin - max(f, 1)). Throws RangeError unless the variance is positive and
 * 0 <= f, max(f, 1) < survivorsMin <= cohort.
 */
export function hospitalVariance(plan: NoisePlan): Rational {
  checkPlan(plan)
  return scaled(plan.variance, 1, plan.survivorsMin - idleMax(plan))
}

/**
 * The same in levels 0 .. cohort - survivorsMin, of which level k is wanted in the sum if k hospitals or more dropped out. Level 0
 * always is: v / n, with n the cohort less max(f, 1). Throws as `hospitalVariance` does.
 */
export function noiseLevels(plan: NoisePlan): Rational[] {
  checkPlan(plan)
  const n = plan.cohort - idleMax(plan)
  return Array.from({ length: plan.cohort - plan.survivorsMin + 1 }, (_, k) =>
    k === 0 ? scaled(plan.variance, 1, n) : scaled(plan.variance, 1, (n - k) * (n - k + 1)),
  )
}

/**
 * How many levels stay in the sum of so many survivors, from level 0 on; the seeds of the others are revealed. Throws RangeError for fewer
 * survivors than a sum is opened with, or more than there are hospitals.
 */
export function levelsKept(plan: NoisePlan, survivors: number): number {
  checkPlan(plan)
  if (!Number.isInteger(survivors) || survivors < plan.survivorsMin || survivors > plan.cohort)
    throw new RangeError(`no sum is opened of ${survivors} survivors`)
  return plan.cohort - survivors + 1
}

/** Variance of the sum's noise if `adding` hospitals add theirs and `levels` of it stay, or all of it. */
export function sumVariance(plan: NoisePlan, adding: number, levels = Number.POSITIVE_INFINITY): Rational {
  return scaled(noiseLevels(plan).slice(0, levels).reduce(plus, rational(0)), adding)
}

function checkPlan({ variance, cohort, survivorsMin, maliciousMax }: NoisePlan): void {
  const isWhole = [cohort, survivorsMin, maliciousMax].every(Number.isSafeInteger)
  if (!isWhole || maliciousMax < 0 || survivorsMin > cohort)
    throw new RangeError('at most all hospitals survive')
  if (survivorsMin <= idleMax({ maliciousMax }))
    throw new RangeError('of the fewest survivors one at least adds noise')
  if (variance.numerator <= 0n) throw new RangeError('noise has a positive variance')
}
