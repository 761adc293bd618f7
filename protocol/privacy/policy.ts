/**
 * What noised sums cost a patient or a hospital: the accountant of a charter that protects them (SPEC P). Every figure is an upper
 * bound, by Renyi divergences at whole orders, at which they are those of the continuous Gaussian for shifts by whole numbers
 * (Canonne, Kamath, Steinke 2020, proposition 5), sampled or not.
 */
import { type Charter, type Protection, protection, survivorsFloor } from '../../config/charter.ts'
import { taskOf } from '../ledger/plan.ts'
import { Memo } from '../memo.ts'
import type { Noise, Section, Task } from '../ports.ts'
import { assert } from '../result.ts'
import { type PrivacyEvent, rdpOf } from './accountant.ts'
import {
  GAUSSIAN_MIN,
  type Group,
  groupsOf,
  isNoisedSum,
  noisedLayout,
  noisyCohort,
  PURPOSE,
  roundingFactor,
} from './layout.ts'
import { type DiscreteGaussianNoise, epsilonFromRdp, ORDERS, type SkellamNoise, sumTau } from './rdp.ts'
import { addingMin, levelEnds, type NoisyCohort } from './shares.ts'

/** How many noised sums of each task a hospital has given its part of, or the study has opened. */
export type Releases = Readonly<Record<Task, number>>

export const NO_RELEASES: Releases = { statistics: 0, train: 0, evaluate: 0 }

/** What sums of 32-bit numbers may add to what one row changes in them. */
const FLOATS = 1.001
/** Of delta, what is kept for the chance that rounding widens a sum by more than is counted. */
const ROUNDING_SHARE = 1e-3

/** Divergences of one release, at each of the ORDERS. */
type Curve = readonly number[]

const known = new Memo<Charter, Readonly<Record<Task, Curve>>>()

/** Those of all hospitals' rounds, each at its first attempt. */
export function plannedReleases({ training }: Pick<Charter, 'training'>): Releases {
  return { statistics: 1, train: training.rounds, evaluate: 1 }
}

/** Of all sums up to and with a round's. */
export function releasesUpTo(charter: Charter, round: number): Releases {
  const { rounds } = charter.training
  const isOver = taskOf(charter, round) === 'evaluate'
  return { statistics: 1, train: Math.min(round, rounds), evaluate: isOver ? 1 : 0 }
}

export function withOne(releases: Releases, task: Task): Releases {
  return { ...releases, [task]: releases[task] + 1 }
}

/**
 * Epsilon, at the charter's delta, of one patient's row or one hospital after `releases`, against all who see the sums and up to max(f, 1) hospitals
 * that know their own noise. 0 without releases.
 */
export function epsilonOfReleases(charter: Charter, releases: Releases): number {
  const privacy = protection(charter)
  if (!privacy || Object.values(releases).every(count => count === 0)) return 0
  const curves = curvesOf(charter, privacy)
  const tasks = Object.keys(curves) as Task[]
  const at = new Map(
    ORDERS.map((order, i) => [
      order,
      tasks.reduce((sum, task) => sum + costOf(releases[task], curves[task][i]!), 0),
    ]),
  )
  return epsilonFromRdp(order => at.get(order)!, privacy.delta * (1 - ROUNDING_SHARE))
}

/** None of what is unbounded costs nothing. */
function costOf(count: number, divergence: number): number {
  return count === 0 ? 0 : count * divergence
}

/** As an entry has it, in whole millionths: of the sums that the study has opened, each of them once. */
export function openedEpsilon(charter: Charter, round: number): number {
  return Math.ceil(epsilonOfReleases(charter, releasesUpTo(charter, round)) * 1e6) / 1e6
}

/** Whether one more release keeps a hospital within its charter's budget. */
export function isWithinBudget(charter: Charter, spent: Releases, task: Task): boolean {
  const privacy = protection(charter)
  return !privacy || epsilonOfReleases(charter, withOne(spent, task)) <= privacy.epsilonMax
}

function curvesOf(charter: Charter, privacy: Protection): Readonly<Record<Task, Curve>> {
  const before = known.get(charter)
  if (before) return before
  const curve = (task: Task) => ORDERS.map(divergenceOf(charter, privacy, task))
  const curves = { statistics: curve('statistics'), train: curve('train'), evaluate: curve('evaluate') }
  known.set(charter, curves)
  return curves
}

/** Of one release of a task, at a given order; Infinity where nothing is known of it. */
function divergenceOf(charter: Charter, privacy: Protection, task: Task): (order: number) => number {
  const groups = eventsOf(charter, privacy, task)
  if (!groups) return () => Number.POSITIVE_INFINITY
  const worst = (events: readonly PrivacyEvent[], order: number) =>
    events.reduce((most, event) => Math.max(most, event.steps * rdpOf(event, order)), 0)
  return atWhole(order => groups.reduce((sum, events) => sum + worst(events, order), 0))
}

/**
 * What one release of a task is for the accountant: of each group all that it may be, of which the worst counts; undefined: there is too
 * little noise in it to say.
 */
function eventsOf(
  charter: Charter,
  privacy: Protection,
  task: Task,
): readonly (readonly PrivacyEvent[])[] | undefined {
  if (privacy.unit === 'patient' && !isNoisedSum(privacy, task)) {
    const sigma = privacy.noiseMultiplier[PURPOSE[task]] / FLOATS
    const { localUpdates } = charter.training
    return [[{ mechanism: 'gaussian', q: privacy.samplingRate, sigma, steps: localUpdates }]]
  }
  const beta = (privacy.delta * ROUNDING_SHARE) / (charter.training.rounds + 2) / 3
  const sums = cohortsOf(charter).map(cohort => ({
    cohort,
    sections: noisedLayout(charter, privacy, task, cohort.cohort),
  }))
  const groups = groupsOf(charter, privacy, task).map(group =>
    sums.map(({ cohort, sections }) => openedNoise(group, sections, cohort, beta)),
  )
  const one = { q: 1, steps: 1 }
  if (privacy.unit === 'hospital')
    return groups.map(noises => noises.map(noise => ({ mechanism: 'skellam', ...one, ...noise })))
  if (task !== 'train')
    return groups.map(noises => noises.map(noise => ({ mechanism: 'discreteGaussian', ...one, ...noise })))
  const [update] = groups
  assert(update !== undefined && groups.length === 1, 'a training round sums the update alone')
  const isLittle = (variance: number) => variance > 0 && variance < GAUSSIAN_MIN
  if (sums.some(({ sections }) => sections[0]!.noise!.levels.some(isLittle))) return undefined
  const sigma = update.reduce(
    (least, noise) => Math.min(least, noise.sigma / noise.l2),
    Number.POSITIVE_INFINITY,
  )
  return [[{ mechanism: 'gaussian', q: privacy.samplingRate, sigma, steps: 1 }]]
}

/** All cohorts that may sum: they have other scales, and so other rounding, and other levels of noise. */
function cohortsOf(charter: Charter): readonly NoisyCohort[] {
  const least = survivorsFloor(charter)
  return Array.from({ length: charter.members.length - least + 1 }, (_, i) => noisyCohort(charter, least + i))
}

/** A group's sum as it is opened, with the least noise that any number of dropouts leaves in it, of hospitals that do not tell theirs. */
function openedNoise(
  { change, sums }: Group,
  sections: readonly Section[],
  cohort: NoisyCohort,
  beta: number,
): SkellamNoise & DiscreteGaussianNoise {
  const section = sections.find(s => s.name === sums[0]!.name)!
  const l2 = change * section.scale * FLOATS * roundingFactor(section, change, beta)
  const dimension = sums.reduce((d, s) => d + s.length, 0)
  // Of whole numbers.
  const l1 = Math.min(l2 * Math.sqrt(dimension), l2 * l2)
  return { l1, l2, dimension, ...leastNoise(section.noise!, cohort) }
}

/** The shares of more hospitals than those that add noise at least make it no less private. */
function leastNoise({ levels }: Noise, cohort: NoisyCohort): Pick<DiscreteGaussianNoise, 'sigma' | 'tau'> {
  const kept = levelEnds(cohort).map((end, j) => {
    const count = addingMin(cohort, end)
    const draws = levels.slice(0, j + 1).flatMap(variance => (variance > 0 ? [{ variance, count }] : []))
    return { variance: draws.reduce((sum, d) => sum + d.variance * count, 0), tau: sumTau(draws) }
  })
  return {
    sigma: Math.sqrt(Math.min(...kept.map(k => k.variance))),
    tau: Math.max(...kept.map(k => k.tau)),
  }
}

/** At other orders nothing is known of noise in whole numbers. */
function atWhole(divergence: (order: number) => number): (order: number) => number {
  return order => (Number.isInteger(order) ? divergence(order) : Number.POSITIVE_INFINITY)
}
