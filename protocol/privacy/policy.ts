/**
 * What noised sums cost a patient or a hospital: the accountant of a charter that protects them (SPEC P). Every figure is an upper
 * bound, by Renyi divergences at whole orders, at which they are those of the continuous Gaussian for shifts by whole numbers
 * (Canonne, Kamath, Steinke 2020, proposition 5), sampled or not.
 */
import { type Charter, type Protection, protection } from '../../config/charter.ts'
import { taskOf } from '../ledger/plan.ts'
import { Memo } from '../memo.ts'
import type { Task } from '../ports.ts'
import { assert } from '../result.ts'
import { type PrivacyEvent, rdpOf } from './accountant.ts'
import { groupsOf, isNoisedSum, noisedLayout, noisyHospitals, PURPOSE, roundingFactor } from './layout.ts'
import { epsilonFromRdp, ORDERS } from './rdp.ts'

/** How many noised sums of each task a hospital has given its part of, or the study has opened. */
export type Releases = Readonly<Record<Task, number>>

export const NO_RELEASES: Releases = { statistics: 0, train: 0, evaluate: 0 }

/** What sums of 32-bit numbers may add to what one row changes in them. */
const FLOATS = 1.001
/** Of delta, what is kept for the chance that rounding widens a sum by more than is counted. */
const ROUNDING_SHARE = 1e-3

/** Least variance of a hospital's noise in training. */
const VARIANCE_MIN = 100

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
  const events = eventsOf(charter, privacy, task)
  if (!events) return () => Number.POSITIVE_INFINITY
  return atWhole(order => events.reduce((sum, event) => sum + event.steps * rdpOf(event, order), 0))
}

/** What one release of a task is for the accountant; undefined: there is too little noise in it to say. */
function eventsOf(charter: Charter, privacy: Protection, task: Task): readonly PrivacyEvent[] | undefined {
  if (privacy.unit === 'patient' && !isNoisedSum(privacy, task)) {
    const sigma = privacy.noiseMultiplier[PURPOSE[task]] / FLOATS
    const { localUpdates } = charter.training
    return [{ mechanism: 'gaussian', q: privacy.samplingRate, sigma, steps: localUpdates }]
  }
  const parts = noisyHospitals(charter)
  const sections = noisedLayout(charter, privacy, task, charter.members.length)
  const beta = (privacy.delta * ROUNDING_SHARE) / (charter.training.rounds + 2) / 3
  const noises = groupsOf(charter, privacy, task).map(({ change, sums }) => {
    const section = sections.find(s => s.name === sums[0]!.name)!
    const l2 = change * section.scale * FLOATS * roundingFactor(section, change, beta)
    const dimension = sums.reduce((d, s) => d + s.length, 0)
    return {
      // Of whole numbers.
      l1: Math.min(l2 * Math.sqrt(dimension), l2 * l2),
      l2,
      // The shares of more hospitals than these make it no less private.
      sigma: Math.sqrt(section.noise!.variance * parts),
      parts,
      dimension,
    }
  })
  const one = { q: 1, steps: 1 }
  if (privacy.unit === 'hospital') return noises.map(noise => ({ mechanism: 'skellam', ...one, ...noise }))
  if (task !== 'train') return noises.map(noise => ({ mechanism: 'discreteGaussian', ...one, ...noise }))
  const [first] = noises
  assert(first !== undefined && noises.length === 1, 'a training round sums the update alone')
  // So much noise in each share that their sum is a discrete Gaussian but for less than any number here can tell.
  if (first.sigma ** 2 / parts < VARIANCE_MIN) return undefined
  return [{ mechanism: 'gaussian', q: privacy.samplingRate, sigma: first.sigma / first.l2, steps: 1 }]
}

/** At other orders nothing is known of noise in whole numbers. */
function atWhole(divergence: (order: number) => number): (order: number) => number {
  return order => (Number.isInteger(order) ? divergence(order) : Number.POSITIVE_INFINITY)
}
