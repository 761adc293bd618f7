/**
 * From the opened sum to the next global model. Only + - * /, Math.sqrt (IEEE 754 rounds it correctly), Math.fround and
 * comparisons, in one fixed order: every peer gets the same bits.
 *
 * A masked input proves nothing about its size: a malicious member can move any element of the sum to any residue. So
 * every sum, whatever it is, gives a model and numbers that peers and entries accept.
 */
import { type Charter, type Feature, protection } from '../../config/charter.ts'
import type { Lanes } from '../../config/lanes.ts'
import type { HeldModel, Metrics, ModelState, Rest, Section, Task } from '../ports.ts'
import { assert } from '../result.ts'
import { lengthOf, NO_STORE, type StoreAccess } from '../stored.ts'
import {
  addUnfactored,
  basisFor,
  factoredLength,
  factorsOf,
  firstBasis,
  nextBasis,
  otherFactor,
} from '../sum/factors.ts'
import { errorDeviation, sectionRange } from '../sum/layout.ts'
import { type Pieces, stretch } from '../sum/pieces.ts'
import { dequantise, unpackInto } from '../sum/quantise.ts'
import { rotateBack, rotatedLength, rotationFactor } from '../sum/rotation.ts'
import { drawn } from '../sum/selection.ts'
import { floats, integers, stepFloats } from '../sum/simd.ts'
import { histogramAuc } from './metrics.ts'
import { inMemory, type MakeModel } from './next.ts'
import { readParameters } from './state.ts'

/** Values that are read at a time, so that there is no second vector of them; whole elements, however many lanes they have. */
const CHUNK = 12 * 1024

export interface Applied<Model extends HeldModel = HeldModel> {
  /** The one before it where nothing has changed. */
  readonly state: Model
  /** Of the model that the round started from; undefined where nothing was measured. */
  readonly metrics: Metrics | undefined
  /** Training rows of all survivors, each hospital's counted up to weightMax. */
  readonly samples: number
}

/**
 * `residues`: the opened sum, in [0, p), in the layout that `sections` gives for `task` and the cohort; `publicSeed`: as in the
 * inputs, needed where a section is rotated or drawn from or has factors. Never throws on account of what the residues are.
 *
 * `store`: of a model's parameters that do not lie in memory. `make`: where the next model is made.
 */
export function applySum(
  charter: Charter,
  task: Task,
  sections: readonly Section[],
  residues: Pieces,
  state: ModelState,
  publicSeed?: Uint8Array,
): Applied<ModelState>
export function applySum(
  charter: Charter,
  task: Task,
  sections: readonly Section[],
  residues: Pieces,
  state: HeldModel,
  publicSeed: Uint8Array,
  host: Host,
): Applied
export function applySum(
  charter: Charter,
  task: Task,
  sections: readonly Section[],
  residues: Pieces,
  state: HeldModel,
  publicSeed?: Uint8Array,
  host: Host = HERE,
): Applied {
  const read = (name: string): Float64Array => {
    const [from, to] = sectionRange(sections, name)
    const { scale } = sections.find(s => s.name === name)!
    return Float64Array.from(residues.subarray(from, to), residue => dequantise(residue, scale))
  }
  const privacy = protection(charter)
  switch (task) {
    case 'statistics': {
      const samples = samplesIn(sections, residues)
      const errorOf = (name: string) => errorDeviation(sections.find(s => s.name === name)!)
      if (privacy) {
        const error = errorOf('second')
        const rows = privacy.unit === 'patient' ? privacy.patients : Math.max(1, read('weight')[0]!)
        const normalisation = normaliseNoised(charter, rows, read('first'), read('second'), error)
        return { state: { ...state, ...normalisation }, metrics: undefined, samples }
      }
      const noise = errorOf('first')
      const normalisation = normalise(charter, samples, read('first'), read('second'), noise)
      return { state: { ...state, ...normalisation }, metrics: undefined, samples }
    }
    case 'train': {
      const section = sections.find(s => s.name === 'update')!
      const update = stretch(residues, ...sectionRange(sections, 'update'))
      const isStep = privacy?.unit === 'patient' && privacy.noise === 'sum'
      const weight = isStep ? privacy.samplingRate * privacy.patients : read('weight')[0]!
      // Counts without noise would tell of patients.
      const metrics = privacy ? undefined : measured(read)
      const found = { metrics, samples: samplesIn(sections, residues) }
      return { state: stepped(charter, state, update, section, weight, publicSeed, host), ...found }
    }
    case 'evaluate':
      return { state, metrics: measured(read, privacy !== undefined), samples: 0 }
  }
}

/** What of the machine that applies a sum it may use. */
export interface Host {
  readonly store: StoreAccess
  readonly make: MakeModel
}
const HERE: Host = { store: NO_STORE, make: inMemory }

/**
 * Sample-weighted FedAvg (McMahan 2017, Algorithm 1): parameters + sum(w_i delta_i) / sum(w_i). Under noise a step of DP-SGD (Abadi
 * 2016, Algorithm 1) over all rows, whose `weight` is how many of them are drawn on average.
 */
function stepped(
  charter: Charter,
  state: HeldModel,
  update: Pieces,
  section: Section,
  weight: number,
  publicSeed: Uint8Array | undefined,
  { store: { read }, make }: Host,
): HeldModel {
  const { lanes, scale, oneIn, rotated, factor: summed } = section
  assert(
    publicSeed !== undefined || (oneIn === 1 && !rotated && !summed),
    'a section of which it is needed has a seed',
  )
  const factors = summed && factorsOf(charter)
  // Nobody had a training row: whoever has one weighs at least so much, but for rounding.
  if (weight < 1 / charter.training.weightMax / 2) {
    return factors ? { ...state, basis: firstBasis(factors, otherFactor(summed!), publicSeed!) } : state
  }
  const p = lengthOf(state.parameters)
  if (factors || rotated || oneIn > 1) {
    // Each value of the sum belongs to many places, or to one anywhere.
    const parameters = new Float32Array(p)
    readParameters(state, parameters, 0, read)
    let rest: Rest = state
    if (factors) {
      const length = factoredLength(factors, summed!)
      const meanAt = meanOf(update, section, length, weight, publicSeed)
      const values = Float64Array.from({ length }, (_, i) => meanAt(i))
      const basis = basisFor(factors, summed!, state.basis, publicSeed)
      addUnfactored(factors, summed!, values, basis, {
        out: parameters,
        start: parameters,
        factor: 1,
        sign: 1,
      })
      rest = { ...state, basis: nextBasis(factors, summed!, values) }
    } else addMean(parameters, update, section, weight, publicSeed!)
    const next = make(p, rest)
    next.put(parameters)
    return next.done()
  }
  const next = make(p, state)
  for (const [from, some] of unpacked(update, section.length, lanes)) {
    const values = floats.subarray(0, some.length)
    readParameters(state, values, from, read)
    stepFloats(some.length, scale, weight)
    next.put(values)
  }
  return next.done()
}

/** What is not drawn stays as it is. */
function addMean(
  parameters: Float32Array,
  update: Pieces,
  section: Section,
  weight: number,
  publicSeed: Uint8Array,
): void {
  const p = parameters.length
  if (section.rotated) {
    const meanAt = meanOf(update, section, p, weight, publicSeed)
    for (let i = 0; i < p; i++) parameters[i] = Math.fround(parameters[i]! + meanAt(i))
    return
  }
  const { length, lanes, scale, oneIn } = section
  const places = drawn(p, oneIn, publicSeed)
  for (const [from, some] of unpacked(update, length, lanes)) {
    for (let i = 0; i < some.length; i++) {
      const at = places[from + i]!
      parameters[at] = Math.fround(parameters[at]! + some[i]! / scale / weight)
    }
  }
}

/** The mean of what the hospitals gave, rotated back: its `length` values, one at a time. What was not drawn is 0. */
function meanOf(
  update: Pieces,
  { length: given, lanes, scale, oneIn, rotated }: Section,
  length: number,
  weight: number,
  publicSeed: Uint8Array | undefined,
): (at: number) => number {
  const whole = rotated ? rotatedLength(length) : length
  const places = oneIn === 1 ? undefined : drawn(whole, oneIn, publicSeed!)
  const numbers = rotated ? new Float32Array(whole) : new Float64Array(whole)
  for (const [from, some] of unpacked(update, given, lanes)) {
    for (let i = 0; i < some.length; i++) numbers[places?.[from + i] ?? from + i] = some[i]!
  }
  if (numbers instanceof Float32Array) rotateBack(numbers, length, publicSeed!)
  const turns = rotated ? rotationFactor(length) : 1
  return at => (numbers[at]! * turns) / scale / weight
}

/** The first `length` integers in the elements of a sum, some at a time, which are there (in simd.ts) until the next are. */
function* unpacked(elements: Pieces, length: number, lanes: Lanes): Generator<[from: number, Int32Array]> {
  for (let from = 0; from < length; from += CHUNK) {
    const some = integers.subarray(0, Math.min(CHUNK, length - from))
    const to = from + some.length
    unpackInto(some, elements.subarray(from / lanes, Math.ceil(to / lanes)), lanes)
    yield [from, some]
  }
}

/**
 * Mean and deviation (divisor n - 1) of each feature in its own unit, from sums of u = (x - min) / (max - min) and of
 * u^2. A feature that never varies, or too little to be told from rounding, has deviation 1.
 * `noise`: standard deviation of the error in a sum.
 */
function normalise(
  charter: Charter,
  samples: number,
  first: Float64Array,
  second: Float64Array,
  noise: number,
): Pick<ModelState, 'mean' | 'deviation'> {
  return inUnits(charter, j => {
    const m = samples > 0 ? Math.min(1, Math.max(0, first[j]! / samples)) : 0
    // Values in [0, 1] have at most this sum of squared distances.
    const squares = Math.min(samples / 4, second[j]! - samples * m * m)
    // Six deviations of its error e2 - 2 m e1, m <= 1.
    const varies = samples > 1 && squares > 6 * Math.sqrt(5) * noise
    return [m, varies ? Math.sqrt(squares / (samples - 1)) : undefined]
  })
}

/** Variance of what is spread evenly from 0 to 1. */
const EVEN = 1 / 12

/**
 * The same from noised sums of u - 1/2 and of its square over about so many rows. A feature whose variance cannot be told from
 * noise, of standard deviation `noise` in its sum, is taken for one that is spread evenly.
 */
function normaliseNoised(
  charter: Charter,
  rows: number,
  first: Float64Array,
  second: Float64Array,
  noise: number,
): Pick<ModelState, 'mean' | 'deviation'> {
  return inUnits(charter, j => {
    const m = Math.min(1 / 2, Math.max(-1 / 2, first[j]! / rows))
    const variance = Math.min(1 / 4, second[j]! / rows - m * m)
    return [m + 1 / 2, Math.sqrt(variance > (3 * noise) / rows ? variance : EVEN)]
  })
}

/** In each feature's own unit, from what `of` says of u; without a spread the deviation is 1. */
function inUnits(
  charter: Charter,
  of: (feature: number) => readonly [mean: number, spread: number | undefined],
): Pick<ModelState, 'mean' | 'deviation'> {
  const ranges = charter.data.features.flatMap(rangesOf)
  const mean = new Float64Array(ranges.length)
  const deviation = new Float64Array(ranges.length)
  ranges.forEach(([min, width], j) => {
    const [m, spread] = of(j)
    mean[j] = min + m * width
    const wide = spread === undefined ? 1 : spread * width
    // A width near the smallest double leaves 0.
    deviation[j] = wide > 0 ? wide : 1
  })
  return { mean, deviation }
}

/** Lower end and width of each expanded feature. */
function rangesOf(feature: Feature): [min: number, width: number][] {
  switch (feature.type) {
    case 'number':
      return [[feature.min, feature.max - feature.min]]
    case 'boolean':
      return [[0, 1]]
    case 'category':
      return feature.values.slice(1).map(() => [0, 1])
  }
}

/**
 * Training rows that a sum counts; 0 where none are counted. A hospital's vector is whatever it signs: no sum may be such
 * that the round could never be closed.
 */
export function samplesIn(sections: readonly Section[], residues: Pieces): number {
  const counts = sections.find(s => s.name === 'samples')
  if (!counts) return 0
  const [residue] = residues.subarray(...sectionRange(sections, 'samples'))
  return Math.max(0, dequantise(residue!, counts.scale))
}

/** Undefined also where the histograms cannot be counts: somebody's were not, or there is more noise in them than counts. */
function measured(read: (name: string) => Float64Array, isNoisy = false): Metrics | undefined {
  const positives = read('positives')
  const negatives = read('negatives')
  const counts = [...positives, ...negatives]
  const rows = counts.reduce((a, b) => a + b, 0)
  if (isNoisy ? rows < 1 : rows === 0 || counts.some(c => c < 0)) return undefined
  return {
    // Of hospitals that are protected each counts as one.
    testSamples: Math.round(rows),
    auc: histogramAuc(positives, negatives),
    accuracy: Math.max(0, Math.min(1, read('correct')[0]! / rows)),
    loss: Math.max(0, read('lossSum')[0]! / rows),
  }
}
