/** Whom the attacks are run on, and what an attacker may know beforehand: the charter, the model, other people of the same kind. */
import type { Charter } from '../../config/charter.ts'
import type { ModelState } from '../../protocol/ports.ts'
import type { Rows } from '../training/dataset.ts'
import { inputRanges, normalise } from '../training/statistics.ts'
import { type Random, shuffled } from './random.ts'

/** One person. `x`: d inputs in original units. `y`: 0 or 1. */
export interface Person {
  readonly x: Float32Array
  readonly y: number
}

/** So many people; if there are not so many, some come again. */
export type Draw = (random: Random, count: number) => Person[]

export interface Subject {
  readonly name: string
  readonly kind: 'table' | 'image'
  /** As `openly` makes it: the attacker's best case. */
  readonly charter: Charter
  /** The model of the attacked round, with its normalisation. */
  readonly model: ModelState
  /** People whose updates are attacked. */
  readonly draw: Draw
  /** Others, that never gave an update: what the attacker may know of such people. */
  readonly drawPrior: Draw
  /** Normalised inputs, d numbers: the expected person, the best guess without an update under squared error. */
  readonly expected: Float32Array
  /** Normalised inputs have these limits, by the charter's ranges. */
  readonly limits: readonly (readonly [min: number, max: number])[]
}

/** People of a table. `attacked` and `others` have rows in original units. */
export function tableSubject(
  name: string,
  charter: Charter,
  model: ModelState,
  attacked: Rows,
  others: Rows,
): Subject {
  const range = ([min, max]: readonly [number, number], j: number) =>
    [min, max].map(value => (value - model.mean[j]!) / (model.deviation[j]! || 1)) as [number, number]
  return {
    name,
    kind: 'table',
    charter: openly(charter),
    model,
    draw: drawFrom(attacked),
    drawPrior: drawFrom(others),
    expected: new Float32Array(model.mean.length),
    limits: inputRanges(charter).map(range),
  }
}

function drawFrom({ x, y }: Rows): Draw {
  const d = x.length / y.length
  return (random, count) => {
    const order = shuffled(y.length, random)
    return Array.from({ length: count }, (_, k) => {
      const i = order[k % order.length]!
      return { x: x.slice(i * d, (i + 1) * d), y: y[i]! }
    })
  }
}

/** The charter of the smallest cohort whose sum is opened: of a committee, where there are any. */
export function cohortCharter(charter: Charter): Charter {
  const { committees, members } = charter
  if (!committees) return charter
  const { size, maliciousMax } = committees
  return { ...charter, members: members.slice(0, size), maliciousMax, committees: undefined }
}

/** One step on one row without noise, in all bits, and every hospital counts the same: nothing that is sent can tell more. */
export function openly(charter: Charter): Charter {
  const { training, secureSum, ...rest } = cohortCharter(charter)
  return {
    ...rest,
    training: { ...training, localUpdates: 1, batchSize: 1, optimizer: 'sgd', weighting: 'equal' },
    privacy: { unit: 'none' },
    secureSum: { ...secureSum, compression: undefined },
  }
}

/** A person's inputs as the model takes them. */
export function normalised({ model }: Subject, { x }: Person): Float32Array {
  return normalise(x, model)
}
