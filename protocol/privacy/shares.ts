/**
 * How much noise each hospital adds so that the sum carries the charter's, whoever is lost and whoever adds none. Up to
 * max(f, 1) hospitals may add none: f that are malicious, and one in any case, since whoever is curious knows its own noise and
 * can subtract it. With d dropouts the others, n - d - max(f, 1) of them, must add enough: C(d) = ceil(total / (n - d - max(f, 1))) each.
 *
 * Of how many survive nobody knows beforehand. XNoise (Jiang, Wang, Chen, Dordis, EuroSys 2024, arXiv 2209.12528) cuts each hospital's noise
 * in levels, each from a seed of its own: the survivors open the seeds of those that d dropouts do not need, whose noise comes off the
 * sum. There is a level for each dropout there; here one for 0, for 1, for up to 3, 7, 15, ... and for up to as many as there may be, so that the
 * seeds are few: levels 0 .. j together have the variance C(d_j), d_j the most dropouts that they are enough for. All variances are
 * whole numbers, so that all hospitals have the same in any arithmetic.
 */
import type { Noise, Section } from '../ports.ts'
import { MEMBERS_MAX } from '../wire/limits.ts'

export interface NoisyCohort {
  /** Hospitals of the cohort. */
  readonly cohort: number
  /** Fewest survivors of which a sum is opened. */
  readonly survivorsMin: number
  /** f. */
  readonly maliciousMax: number
}

/** Most hospitals that may add no noise. */
export function idleMax({ maliciousMax }: Pick<NoisyCohort, 'maliciousMax'>): number {
  return Math.max(maliciousMax, 1)
}

/**
 * Of each level from 0 on, the most dropouts for which it and those below it are enough. Digests of shares of the levels' seeds go into an
 * offer, which has the room of the largest cohort without any: above 64 hospitals levels for few dropouts are left out, where they
 * matter least, and above 170 there is one level. Throws RangeError unless 0 <= f and max(f, 1) < survivorsMin <= cohort.
 */
export function levelEnds(of: NoisyCohort): readonly number[] {
  checkCohort(of)
  const last = of.cohort - of.survivorsMin
  const above: number[] = []
  for (let end = 1; end < last; end = 2 * end + 1) above.push(end)
  if (last > 0) above.push(last)
  const room = Math.floor((2 * MEMBERS_MAX) / of.cohort) - 2
  return room > 0 ? [0, ...above.slice(-room)] : [last]
}

/**
 * Variances of a hospital's levels, so that the sum has `total`, in units of the integers that are summed, squared: whole numbers, 0 where a
 * level would have less than `least` and is part of the one below it. Throws as `levelEnds` does, and unless total is positive.
 */
export function noiseLevels(total: number, of: NoisyCohort, least = 1): readonly number[] {
  if (!(total > 0 && total < Number.POSITIVE_INFINITY)) throw new RangeError('noise has a positive variance')
  const levels: number[] = []
  let below = 0
  for (const end of levelEnds(of)) {
    const wanted = Math.ceil(total / addingMin(of, end))
    levels.push(wanted - below)
    below = wanted
  }
  for (let j = levels.length - 1; j > 0; j--) if (levels[j]! < least) move(levels, j, j - 1)
  // The lowest has none below it.
  for (let j = 1; j < levels.length && levels[0]! < least; j++) move(levels, j, 0)
  return levels
}

function move(levels: number[], from: number, to: number): void {
  levels[to]! += levels[from]!
  levels[from] = 0
}

/** Hospitals that add noise, at least, when so many have dropped out. */
export function addingMin(of: NoisyCohort, dropouts: number): number {
  return of.cohort - dropouts - idleMax(of)
}

/**
 * The highest level whose noise stays in the sum of so many survivors; the seeds of those above it are opened. Throws RangeError for fewer
 * survivors than a sum is opened of, or more than there are hospitals.
 */
export function levelKept(of: NoisyCohort, survivors: number): number {
  if (!Number.isInteger(survivors) || survivors < of.survivorsMin || survivors > of.cohort)
    throw new RangeError(`no sum is opened of ${survivors} survivors`)
  return levelEnds(of).findIndex(end => end >= of.cohort - survivors)
}

/** Levels above the lowest, of noise that these sections have: those that may come off their sum. */
export function levelsAbove(sections: readonly Section[]): number {
  return sections.reduce((most, { noise }) => Math.max(most, (noise?.levels.length ?? 1) - 1), 0)
}

/** Of all that a hospital adds to a value, of levels up to `kept`. */
export function varianceOf(noise: Noise | undefined, kept = Number.POSITIVE_INFINITY): number {
  return noise === undefined ? 0 : noise.levels.slice(0, kept + 1).reduce((a, b) => a + b, 0)
}

/** The same section with noise of levels up to `kept` alone. */
export function upTo(section: Section, kept: number): Section {
  const { noise } = section
  return noise ? { ...section, noise: { ...noise, levels: noise.levels.slice(0, kept + 1) } } : section
}

function checkCohort({ cohort, survivorsMin, maliciousMax }: NoisyCohort): void {
  const isWhole = [cohort, survivorsMin, maliciousMax].every(Number.isSafeInteger)
  if (!isWhole || maliciousMax < 0 || survivorsMin > cohort || cohort > MEMBERS_MAX)
    throw new RangeError(`at most all hospitals survive, ${MEMBERS_MAX} of them`)
  if (survivorsMin <= idleMax({ maliciousMax }))
    throw new RangeError('of the fewest survivors one at least adds noise')
}
