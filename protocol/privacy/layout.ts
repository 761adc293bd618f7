/**
 * What a round sums where the charter protects patients or hospitals, and the noise that each hospital adds to it (SPEC P).
 *
 * A patient's row is in one sum of each task at most: in a training round's with the gradient of its row, clipped; in the sums for
 * normalisation with its values, each of which lies from 0 to 1 and is taken from the middle; a test row in the counts of the evaluation.
 */
import {
  type Charter,
  expandedFeatureCount,
  type PatientPrivacy,
  type Protection,
  parameterCount,
  survivorsMinOf,
} from '../../config/charter.ts'
import type { Noise, Section, Task } from '../ports.ts'
import { assert } from '../result.ts'
import { HALF } from '../sum/field.ts'
import { addingMin, type NoisyCohort, noiseLevels, varianceOf } from './shares.ts'

/** What noise may take of the room in an element, in standard deviations of all noise together: more comes once in 10^32. */
const TAIL = 12

/** Largest standard deviation of a hospital's noise, in steps: far more than rounding, and what its sampler draws. */
const STEPS_MAX = { discreteGaussian: 2 ** 19, skellam: 4900 } as const satisfies Record<Noise['law'], number>

/**
 * Least variance of a level of noise in training, whose sampled rows are known to be protected by a Gaussian alone: a sum of discrete
 * Gaussians of so much each is one but for less than any number here can tell.
 */
export const GAUSSIAN_MIN = 100

/** Sums that change together by at most `change` (L2) with one patient or hospital, in their unit. */
export interface Group {
  readonly change: number
  readonly sums: readonly { readonly name: string; readonly length: number; readonly bound: number }[]
  /** Whole numbers, that are summed as they are. */
  readonly counts: boolean
}

/** The name of a task in the charter's privacy policy. */
export const PURPOSE = {
  statistics: 'statistics',
  train: 'training',
  evaluate: 'evaluation',
} as const satisfies Record<Task, keyof Protection['noiseMultiplier']>

/** A cohort of `n` of a charter, as the arithmetic of noise sees it. */
export function noisyCohort(charter: Pick<Charter, 'secureSum' | 'maliciousMax'>, n: number): NoisyCohort {
  return { cohort: n, survivorsMin: survivorsMinOf(charter, n), maliciousMax: charter.maliciousMax }
}

/** Whether the noise of a task is in its sum, and not in what each hospital gives already. */
export function isNoisedSum(privacy: Protection, task: Task): boolean {
  return task !== 'train' || privacy.unit === 'hospital' || privacy.noise === 'sum'
}

/** L2 norm, at most, of what one row adds to an update. */
function rowBound({ training }: Pick<Charter, 'training'>, { clipNorm }: PatientPrivacy): number {
  return training.learningRate * clipNorm
}

export function groupsOf(charter: Charter, privacy: Protection, task: Task): readonly Group[] {
  const isPatient = privacy.unit === 'patient'
  const { weightMax, clipNorm } = charter.training
  const { bins, rowsMax, lossMax } = charter.evaluation
  switch (task) {
    case 'statistics': {
      const d = expandedFeatureCount(charter)
      const rows = isPatient ? weightMax : 1
      // Of values from 0 to 1 less 1/2, and of their squares.
      const sums = (name: string, most: number): Group => ({
        change: most * Math.sqrt(d),
        sums: [{ name, length: d, bound: most * rows }],
        counts: false,
      })
      return [sums('first', 1 / 2), sums('second', 1 / 4)]
    }
    case 'train': {
      const change = isPatient ? rowBound(charter, privacy) : clipNorm
      const bound = isPatient ? change * weightMax : change
      return [{ change, sums: [{ name: 'update', length: parameterCount(charter), bound }], counts: false }]
    }
    case 'evaluate': {
      // A hospital counts as one row, with as much of it in each bar as of its rows.
      const rows = isPatient ? rowsMax : 1
      const bars = ['positives', 'negatives'].map(name => ({ name, length: bins, bound: rows }))
      return [
        { change: 1, sums: bars, counts: isPatient },
        { change: 1, sums: [{ name: 'correct', length: 1, bound: rows }], counts: isPatient },
        { change: lossMax, sums: [{ name: 'lossSum', length: 1, bound: rows * lossMax }], counts: false },
      ]
    }
  }
}

/**
 * The sections of a task's vector for a cohort of `n`, with noise: in all of them together as much as the charter's noiseMultiplier
 * says, divided alike among the groups that a patient or a hospital changes, so that together they cost what one sum with it costs.
 * Where hospitals are protected `weight` counts them, without noise: who gives is in the entry anyway.
 */
export function noisedLayout(
  charter: Charter,
  privacy: Protection,
  task: Task,
  n: number,
): readonly Section[] {
  const groups = groupsOf(charter, privacy, task)
  const cohort = noisyCohort(charter, n)
  const shares = addingMin(cohort, n - cohort.survivorsMin)
  const multiplier = privacy.noiseMultiplier[PURPOSE[task]] * Math.sqrt(groups.length)
  const law = privacy.unit === 'patient' ? 'discreteGaussian' : 'skellam'
  const least = law === 'discreteGaussian' && task === 'train' ? GAUSSIAN_MIN : 1
  const plain = { lanes: 1, rotated: false, oneIn: 1, factor: undefined } as const
  const sections = groups.flatMap(({ change, sums, counts }) =>
    sums.map(({ name, length, bound }): Section => {
      const deviation = multiplier * change
      // Of each hospital's part of the room, what all noise takes.
      const noiseRoom = (TAIL * deviation * Math.sqrt(n / shares)) / n
      const room = (HALF / n - 1 - TAIL) / (bound + noiseRoom)
      const scale = counts ? 1 : Math.min(room, (STEPS_MAX[law] * Math.sqrt(shares)) / deviation)
      const noise: Noise = { law, levels: noiseLevels((deviation * scale) ** 2, cohort, least) }
      const taken = n * (bound * scale + (counts ? 0 : 1)) + TAIL * Math.sqrt(n * varianceOf(noise))
      assert(taken <= HALF, `section ${name} and its noise fit for ${n} hospitals`)
      return { ...plain, name, length, bound, scale, noise }
    }),
  )
  const weight: Section = { ...plain, name: 'weight', length: 1, bound: 1, scale: 1, noise: undefined }
  return privacy.unit === 'hospital' ? [...sections, weight] : sections
}

/**
 * By how much rounding widens what one patient or hospital can change in a section, as a factor, but for a probability of `beta`. With the same
 * chances sums that differ by g are rounded to whole numbers that differ in each place by the one below g or the one above, with mean
 * g: the squares of these sum up to |g|^2 + length / 4 at most on average, and by Hoeffding's inequality rarely to much more.
 */
export function roundingFactor({ scale, length }: Section, change: number, beta: number): number {
  if (scale === 1) return 1
  const steps = change * scale
  const surely = steps + Math.sqrt(length)
  const spread = Math.sqrt(2 * Math.log(1 / beta)) * (steps + Math.sqrt(length) / 2)
  return Math.min(surely, Math.sqrt(steps ** 2 + length / 4 + spread)) / steps
}
