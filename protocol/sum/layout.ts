/**
 * What a round sums: the sections of its vector, and for each the finest scale at which the sum of all hospitals'
 * bounded contributions cannot wrap (SPEC S6).
 */
import { type Charter, expandedFeatureCount, parameterCount, protection } from '../../config/charter.ts'
import { LANE_MAX, lanesOf } from '../../config/lanes.ts'
import type { Section, Task } from '../ports.ts'
import { isNoisedSum, noisedLayout } from '../privacy/layout.ts'
import { varianceOf } from '../privacy/shares.ts'
import { assert } from '../result.ts'
import { factoredLength, factorSummed, factorsOf } from './factors.ts'
import { HALF } from './field.ts'
import { rotatedLength } from './rotation.ts'
import { drawnLength } from './selection.ts'

/** Steps from 0 to the bound below which rounding would drown what a hospital gives. */
const STEPS_MIN = 2 ** 10

const BELOW_ONE = 1 - 2 ** -50

/** Of what is not an update in fewer bytes. */
const PLAIN = { lanes: 1, rotated: false, oneIn: 1, factor: undefined, noise: undefined } as const

/**
 * Where a rotated update is cut, in standard deviations of the values of one at the clipping norm; they are nearly normal and
 * have no nearer hard bound than the norm itself. From 2 for a single step to 4 for 256 and more: the fewer the steps, the
 * more of the blur of wider ones it is worth to save for what is cut. At 2 the sum of such updates is 5 % too short, at 3 it
 * is .3 %, at 4 less than .01 %; of an update that weighs less than `weightMax`, or was not clipped, as good as nothing is cut.
 */
function cutAt(steps: number): number {
  const bits = 32 - Math.clz32(steps)
  return Math.min(4, 1.75 + bits / 4)
}

/**
 * The sections of a task's vector in their order, for a cohort of `n`. Counts have scale 1 and are exact; the other
 * sections are stochastically rounded at n * (bound * scale + 1) = (p - 1) / 2, and a compressed update at the whole number
 * bound * scale of steps that n times fit in a lane. Throws when that cannot be: the charter's rules
 * (CHARTER_QUANTISATION) let no such charter be signed.
 *
 * `round`: the study's, which says where factors are summed which of them are.
 */
export function layoutFor(charter: Charter, task: Task, n: number, round = 1): readonly Section[] {
  assert(Number.isInteger(n) && n > 0 && HALF / n - 1 >= STEPS_MIN, `${n} hospitals leave enough steps`)
  const privacy = protection(charter)
  if (privacy && isNoisedSum(privacy, task)) return noisedLayout(charter, privacy, task, n)
  const { weightMax, clipNorm } = charter.training
  const real = (name: string, length: number, bound: number): Section => {
    return { ...PLAIN, name, length, bound, scale: (HALF / n - 1) / bound }
  }
  const count = (name: string, length: number, bound: number): Section => {
    assert(n * bound <= HALF, `counts of section ${name} fit for ${n} hospitals`)
    return { ...PLAIN, name, length, bound, scale: 1 }
  }
  const { compression } = charter.secureSum
  const lanes = lanesOf(charter.secureSum)
  const packed = ({ rotation, oneIn = 1 }: NonNullable<typeof compression>): Section => {
    const steps = Math.floor(LANE_MAX[lanes] / n)
    assert(steps >= 1, `${n} hospitals leave steps in a lane`)
    const factors = factorsOf(charter)
    const factor = factors && factorSummed(round)
    const values = factors ? factoredLength(factors, factor!) : parameterCount(charter)
    const whole = rotation ? rotatedLength(values) : values
    const bound = rotation ? Math.min(1, cutAt(steps) / Math.sqrt(whole)) * clipNorm : clipNorm
    // No product with a bound is rounded to more than so many steps.
    const scale = (steps / bound) * BELOW_ONE
    const length = drawnLength(whole, oneIn)
    return { name: 'update', length, bound, scale, lanes, rotated: rotation, oneIn, factor, noise: undefined }
  }
  const { bins, rowsMax, lossMax } = charter.evaluation
  const evaluation = [
    count('positives', bins, rowsMax),
    count('negatives', bins, rowsMax),
    count('correct', 1, rowsMax),
    real('lossSum', 1, rowsMax * lossMax),
  ]
  switch (task) {
    case 'statistics': {
      const d = expandedFeatureCount(charter)
      return [count('samples', 1, weightMax), real('first', d, weightMax), real('second', d, weightMax)]
    }
    case 'train': {
      const update = compression ? packed(compression) : real('update', parameterCount(charter), clipNorm)
      const weight = real('weight', 1, 1)
      // Counts without noise would tell of patients.
      return privacy ? [update, weight] : [update, weight, count('samples', 1, weightMax), ...evaluation]
    }
    case 'evaluate':
      return evaluation
  }
}

/** Standard deviation, at most, of the error in a value of a rounded section's sum, of one lane; in the section's unit. */
export function errorDeviation({ bound, scale, noise }: Section): number {
  const n = HALF / (bound * scale + 1)
  // Going up or down by chance within one step has a variance of at most 1/4.
  return Math.sqrt(n * (1 / 4 + varianceOf(noise))) / scale
}

/** Elements of the vector that a section takes. */
export function elementsOf({ length, lanes }: Section): number {
  return Math.ceil(length / lanes)
}

export function vectorLength(sections: readonly Section[]): number {
  return sections.reduce((sum, s) => sum + elementsOf(s), 0)
}

/** Half-open range of a section's elements in the vector; throws when there is no such section. */
export function sectionRange(sections: readonly Section[], name: string): [from: number, to: number] {
  let from = 0
  for (const s of sections) {
    const to = from + elementsOf(s)
    if (s.name === name) return [from, to]
    from = to
  }
  throw new RangeError(`no section ${name}`)
}
