/**
 * From the opened sum to the next global model. Only + - * /, Math.sqrt (IEEE 754 rounds it correctly), Math.fround and
 * comparisons, in one fixed order: every peer gets the same bits.
 *
 * A masked input proves nothing about its size: a malicious member can move any element of the sum to any residue. So
 * every sum, whatever it is, gives a model and numbers that peers and entries accept.
 */
import type { Charter, Feature } from '../../config/charter.ts'
import type { Lanes } from '../../config/lanes.ts'
import type { HeldModel, Metrics, ModelState, Section, Task } from '../ports.ts'
import { assert } from '../result.ts'
import { lengthOf, nothingStored, type ReadStored } from '../stored.ts'
import {
  addUnfactored,
  basisFor,
  factoredLength,
  factorsOf,
  firstBasis,
  nextBasis,
  otherFactor,
} from '../sum/factors.ts'
import { roundingDeviation, sectionRange } from '../sum/layout.ts'
import { dequantise, unpackInto } from '../sum/quantise.ts'
import { rotateBack, rotatedLength, rotationFactor } from '../sum/rotation.ts'
import { drawn } from '../sum/selection.ts'
import { floats, integers, stepFloats } from '../sum/simd.ts'
import { histogramAuc } from './metrics.ts'
import { blankState, readParameters } from './state.ts'

/** Values that are read at a time, so that there is no second vector of them; whole elements, however many lanes they have. */
const CHUNK = 12 * 1024

export interface Applied<Model extends HeldModel = ModelState> {
  /** The one before it where nothing has changed. */
  readonly state: Model | ModelState
  /** Of the model that the round started from; undefined where nothing was measured. */
  readonly metrics: Metrics | undefined
  /** Training rows of all survivors, each hospital's counted up to weightMax. */
  readonly samples: number
}

/**
 * `residues`: the opened sum, in [0, p), in the layout that `sections` gives for `task` and the cohort; `publicSeed`: as in the
 * inputs, needed where a section is rotated or drawn from or has factors. Never throws on account of what the residues are.
 *
 * `host.memory`: where the next model may lie; that of the residues too, which then are none any more. `host.read`: of a
 * model's parameters that lie in the store.
 */
export function applySum<Model extends HeldModel>(
  charter: Charter,
  task: Task,
  sections: readonly Section[],
  residues: Uint32Array,
  state: Model,
  publicSeed?: Uint8Array,
  host: Host = {},
): Applied<Model> {
  const read = (name: string): Float64Array => {
    const [from, to] = sectionRange(sections, name)
    const { scale } = sections.find(s => s.name === name)!
    const out = new Float64Array(to - from)
    for (let i = 0; i < out.length; i++) out[i] = dequantise(residues[from + i]!, scale)
    return out
  }
  switch (task) {
    case 'statistics': {
      const samples = samplesIn(sections, residues)
      const noise = roundingDeviation(sections.find(s => s.name === 'first')!)
      const normalisation = normalise(charter, samples, read('first'), read('second'), noise)
      return { state: { ...state, ...normalisation }, metrics: undefined, samples }
    }
    case 'train': {
      const section = sections.find(s => s.name === 'update')!
      const update = residues.subarray(...sectionRange(sections, 'update'))
      const weight = read('weight')[0]!
      const found = { metrics: measured(read), samples: samplesIn(sections, residues) }
      return { state: stepped(charter, state, update, section, weight, publicSeed, host), ...found }
    }
    case 'evaluate':
      return { state, metrics: measured(read), samples: 0 }
  }
}

/** What of the machine that applies a sum it may use. */
export interface Host {
  readonly memory?: ArrayBufferLike | undefined
  readonly read?: ReadStored
}

/** Sample-weighted FedAvg (McMahan 2017, Algorithm 1): parameters + sum(w_i delta_i) / sum(w_i). */
function stepped<Model extends HeldModel>(
  charter: Charter,
  state: Model,
  update: Uint32Array,
  section: Section,
  weight: number,
  publicSeed: Uint8Array | undefined,
  { memory, read = nothingStored }: Host,
): Model | ModelState {
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
  const start = (next: ModelState) => readParameters(state, next.parameters, 0, read)
  if (factors) {
    const length = factoredLength(factors, summed!)
    const meanAt = meanOf(update, section, length, weight, publicSeed)
    const values = Float64Array.from({ length }, (_, i) => meanAt(i))
    const basis = basisFor(factors, summed!, state.basis, publicSeed)
    const next = blankState(p, { ...state, basis: nextBasis(factors, summed!, values) }, memory)
    start(next)
    const into = { out: next.parameters, start: next.parameters, factor: 1, sign: 1 } as const
    addUnfactored(factors, summed!, values, basis, into)
    return next
  }
  if (rotated) {
    const meanAt = meanOf(update, section, p, weight, publicSeed)
    const next = blankState(p, state, memory)
    const { parameters } = next
    start(next)
    for (let i = 0; i < p; i++) parameters[i] = Math.fround(parameters[i]! + meanAt(i))
    return next
  }
  // What is not drawn stays as it is, and the drawn ones lie apart: then the next model needs memory of its own.
  const places = oneIn === 1 ? undefined : drawn(p, oneIn, publicSeed!)
  const pieces = unpacked(update, section.length, lanes)
  const next = blankState(p, state, places ? undefined : memory)
  const { parameters } = next
  if (places) start(next)
  for (const [from, some] of pieces) {
    if (places) {
      for (let i = 0; i < some.length; i++) {
        const at = places[from + i]!
        parameters[at] = Math.fround(parameters[at]! + some[i]! / scale / weight)
      }
    } else {
      const values = floats.subarray(0, some.length)
      readParameters(state, values, from, read)
      stepFloats(some.length, scale, weight)
      parameters.set(values, from)
    }
  }
  return next
}

/** The mean of what the hospitals gave, rotated back: its `length` values, one at a time. What was not drawn is 0. */
function meanOf(
  update: Uint32Array,
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

/**
 * The first `length` integers in the elements of a sum, some at a time, which are there (in simd.ts) until the next are. From the
 * end on, and the first of them are kept at once: a model in the memory of its sum begins with a header.
 */
function unpacked(elements: Uint32Array, length: number, lanes: Lanes): Generator<[number, Int32Array]> {
  return fromTheEnd(elements, elements.slice(0, CHUNK / lanes), length, lanes)
}

function* fromTheEnd(
  elements: Uint32Array,
  head: Uint32Array,
  length: number,
  lanes: Lanes,
): Generator<[number, Int32Array]> {
  for (let from = CHUNK * Math.floor(Math.max(0, length - 1) / CHUNK); from >= 0; from -= CHUNK) {
    const some = integers.subarray(0, Math.min(CHUNK, length - from))
    unpackInto(some, from === 0 ? head : elements.subarray(from / lanes), lanes)
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
  const ranges = charter.data.features.flatMap(rangesOf)
  const mean = new Float64Array(ranges.length)
  const deviation = new Float64Array(ranges.length)
  ranges.forEach(([min, width], j) => {
    const m = samples > 0 ? Math.min(1, Math.max(0, first[j]! / samples)) : 0
    // Values in [0, 1] have at most this sum of squared distances.
    const squares = Math.min(samples / 4, second[j]! - samples * m * m)
    // Six deviations of its error e2 - 2 m e1, m <= 1.
    const varies = samples > 1 && squares > 6 * Math.sqrt(5) * noise
    const spread = varies ? Math.sqrt(squares / (samples - 1)) * width : 1
    mean[j] = min + m * width
    // A width near the smallest double leaves 0.
    deviation[j] = spread > 0 ? spread : 1
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
export function samplesIn(sections: readonly Section[], residues: Uint32Array): number {
  const counts = sections.find(s => s.name === 'samples')
  if (!counts) return 0
  const [at] = sectionRange(sections, 'samples')
  return Math.max(0, dequantise(residues[at]!, counts.scale))
}

/** Undefined also where the histograms cannot be counts: somebody's were not. */
function measured(read: (name: string) => Float64Array): Metrics | undefined {
  const positives = read('positives')
  const negatives = read('negatives')
  const counts = [...positives, ...negatives]
  const testSamples = counts.reduce((a, b) => a + b, 0)
  if (testSamples === 0 || counts.some(c => c < 0)) return undefined
  return {
    testSamples,
    auc: histogramAuc(positives, negatives),
    accuracy: Math.max(0, Math.min(1, read('correct')[0]! / testSamples)),
    loss: Math.max(0, read('lossSum')[0]! / testSamples),
  }
}
