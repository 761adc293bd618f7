/**
 * A learner for simulations that costs next to nothing and whose optimum is known: least squares on labels of -1 and 1,
 * on made-up rows that differ from hospital to hospital in number and in distribution. A run can so be asked whether
 * what the hospitals learned together is right.
 *
 * Only + - * /, Math.sqrt, Math.floor and Math.fround touch a number, so that a seed gives the same bits on every machine.
 */
import { type Charter, parameterCount } from '../../config/charter.ts'
import type { Evaluation, Learned, MemberId, ModelState } from '../../protocol/ports.ts'
import type { Learner } from '../host.ts'
import { Random } from '../random.ts'
import { solvePositive } from './solve.ts'

export interface SyntheticStudy {
  /** Throws RangeError for who is no member. */
  learner(id: MemberId): Learner
  /** Training rows of a member. */
  samples(id: MemberId): number
  /** Weights and bias that fit all members' training rows best, for inputs normalised as `state` says. */
  optimum(state: Pick<ModelState, 'mean' | 'deviation'>): Float64Array | undefined
  /**
   * Euclidean distance of the model's parameters from the optimum; undefined before the statistics round, beyond 256
   * features (the optimum costs their cube) and where the rows do not determine it.
   */
  distance(state: ModelState): number | undefined
}

/** Rows of one hospital: one after the other, each of `features` values in the charter's units, and a label each. */
interface Rows {
  readonly values: Float32Array
  readonly labels: Float64Array
}

interface Hospital {
  readonly train: Rows
  readonly test: Rows
}

/** How the labels follow from the features, and how much hospitals differ: of the width of a feature's range. */
const SHIFT = 0.15
const SPREAD = 0.25
const NOISE = 0.6
const ROWS_MIN = 12
/** Few hospitals have nearly as many more, most have a fifth of it. */
const ROWS_MORE = 180
const OPTIMUM_FEATURES_MAX = 256

/**
 * The study of a charter whose features are numbers and whose model is one unit on them (sim/charter.ts); else throws
 * RangeError. `seed`: unsigned 32-bit.
 */
export function syntheticStudy(charter: Charter, seed: number): SyntheticStudy {
  const d = charter.data.features.length
  if (parameterCount(charter) !== d + 1 || charter.data.features.some(f => f.type !== 'number')) {
    throw new RangeError('the synthetic learner needs numeric features and a model of one unit')
  }
  const ranges = charter.data.features.flatMap(f => (f.type === 'number' ? [{ min: f.min, max: f.max }] : []))
  const random = new Random(seed)
  const truth = Float64Array.from({ length: d }, () => about(random))
  const seeds = new Map(charter.members.map(m => [m.id, random.u32()]))
  const made = new Map<MemberId, Hospital>()
  const hospital = (id: MemberId): Hospital => {
    const own = seeds.get(id)
    if (own === undefined) throw new RangeError(`${id} is no member`)
    const known = made.get(id) ?? makeHospital(ranges, truth, new Random(own))
    made.set(id, known)
    return known
  }
  let raw: Float64Array | false | undefined
  const optimum: SyntheticStudy['optimum'] = ({ mean, deviation }) => {
    if (mean.length === 0 || d > OPTIMUM_FEATURES_MAX) return undefined
    raw ??= pooledOptimum(charter, ranges, [...seeds.keys()].map(hospital)) ?? false
    return raw ? normalised(raw, ranges, mean, deviation) : undefined
  }
  return {
    learner: id => learnerOf(charter, ranges, hospital(id)),
    samples: id => hospital(id).train.labels.length,
    optimum,
    distance: state => {
      const best = optimum(state)
      if (!best) return undefined
      let squares = 0
      for (let j = 0; j <= d; j++)
        squares += (state.parameters[j]! - best[j]!) * (state.parameters[j]! - best[j]!)
      return Math.sqrt(squares)
    },
  }
}

interface Range {
  readonly min: number
  readonly max: number
}

/** Mean 0, deviation 1, never beyond 3: three uniforms. */
function about(random: Random): number {
  return 2 * (random.unit() + random.unit() + random.unit() - 1.5)
}

function makeHospital(ranges: readonly Range[], truth: Float64Array, random: Random): Hospital {
  const u = random.unit()
  const rows = ROWS_MIN + Math.floor(ROWS_MORE * u * u * u)
  const shifts = Float64Array.from(ranges, () => SHIFT * about(random))
  // So that labels are no foregone conclusion however many features there are.
  const perFeature = 1 / Math.sqrt(ranges.length)
  const make = (count: number): Rows => {
    const values = new Float32Array(count * ranges.length)
    const labels = new Float64Array(count)
    for (let i = 0; i < count; i++) {
      let score = NOISE * about(random)
      ranges.forEach(({ min, max }, j) => {
        const z = Math.min(1, Math.max(-1, shifts[j]! + SPREAD * about(random)))
        values[i * ranges.length + j] = (min + max) / 2 + ((max - min) / 2) * z
        score += (truth[j]! * perFeature * z) / SPREAD
      })
      labels[i] = score >= 0 ? 1 : -1
    }
    return { values, labels }
  }
  return { train: make(rows), test: make(8 + Math.floor(rows / 4)) }
}

function learnerOf(charter: Charter, ranges: readonly Range[], { train, test }: Hospital): Learner {
  const samples = train.labels.length
  let sums: Learned['featureSums']
  return job => {
    switch (job.task) {
      case 'statistics':
        sums ??= featureSums(ranges, train)
        return { samples, featureSums: { first: sums.first.slice(), second: sums.second.slice() } }
      case 'train':
        return {
          samples,
          delta: trained(charter, train, job),
          evaluation: evaluated(charter, test, job.model),
        }
      case 'evaluate':
        return { samples: 0, evaluation: evaluated(charter, test, job.model) }
    }
  }
}

/** Sums of u and u^2 over rows, u = (x - min) / (max - min). */
function featureSums(
  ranges: readonly Range[],
  { values, labels }: Rows,
): NonNullable<Learned['featureSums']> {
  const d = ranges.length
  const first = new Float64Array(d)
  const second = new Float64Array(d)
  for (let i = 0; i < labels.length; i++) {
    for (let j = 0; j < d; j++) {
      const { min, max } = ranges[j]!
      const u = Math.min(1, Math.max(0, (values[i * d + j]! - min) / (max - min)))
      first[j]! += u
      second[j]! += u * u
    }
  }
  return { first, second }
}

/** Plain minibatch descent on half of the mean squared error, whatever optimiser the charter names. */
function trained(charter: Charter, { values, labels }: Rows, job: Parameters<Learner>[0]): Float32Array {
  const { localUpdates, batchSize, learningRate } = charter.training
  const { parameters, mean, deviation } = job.model
  const d = mean.length
  const w = Float64Array.from(parameters)
  const random = new Random(new DataView(job.seed.buffer, job.seed.byteOffset).getUint32(0))
  const size = Math.min(batchSize, labels.length)
  const gradient = new Float64Array(d + 1)
  const z = new Float64Array(d)
  for (let step = 0; step < localUpdates; step++) {
    gradient.fill(0)
    for (let k = 0; k < size; k++) {
      const i = size === labels.length ? k : random.below(labels.length)
      let error = w[d]! - labels[i]!
      for (let j = 0; j < d; j++) {
        const x = (values[i * d + j]! - mean[j]!) / deviation[j]!
        z[j] = x
        error += w[j]! * x
      }
      for (let j = 0; j < d; j++) gradient[j]! += error * z[j]!
      gradient[d]! += error
    }
    for (let j = 0; j <= d; j++) w[j]! -= (learningRate * gradient[j]!) / size
  }
  return Float32Array.from(w, (x, j) => Math.fround(x - parameters[j]!))
}

/** The score is (prediction + 1) / 2, cut to [0, 1]; the loss its squared error, as no logarithm is the same everywhere. */
function evaluated(
  charter: Charter,
  { values, labels }: Rows,
  { parameters, mean, deviation }: ModelState,
): Evaluation {
  const { bins, lossMax, rowsMax } = charter.evaluation
  const positives = new Float64Array(bins)
  const negatives = new Float64Array(bins)
  const d = mean.length
  let correct = 0
  let lossSum = 0
  const rows = Math.min(labels.length, rowsMax)
  for (let i = 0; i < rows; i++) {
    let prediction: number = parameters[d]!
    for (let j = 0; j < d; j++) {
      prediction += (parameters[j]! * (values[i * d + j]! - mean[j]!)) / deviation[j]!
    }
    const score = Math.min(1, Math.max(0, (prediction + 1) / 2))
    const label = labels[i]! > 0 ? 1 : 0
    const counts = label === 1 ? positives : negatives
    counts[Math.min(bins - 1, Math.floor(score * bins))]! += 1
    if (score >= 0.5 === (label === 1)) correct++
    lossSum += Math.min(lossMax, (score - label) * (score - label))
  }
  return { positives, negatives, correct, lossSum }
}

/**
 * Least squares over all members' training rows, each member weighed as the charter does: coefficients of
 * z = (2 x - min - max) / (max - min) in [-1, 1], and the constant. Undefined where the rows do not determine them.
 */
function pooledOptimum(
  charter: Charter,
  ranges: readonly Range[],
  hospitals: readonly Hospital[],
): Float64Array | undefined {
  const d = ranges.length
  const size = d + 1
  const normal = new Float64Array(size * size)
  const right = new Float64Array(size)
  const z = new Float64Array(size).fill(1)
  const { weightMax, weighting } = charter.training
  for (const { train } of hospitals) {
    const rows = train.labels.length
    const weight = weighting === 'equal' ? 1 / rows : Math.min(rows, weightMax) / rows
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < d; j++) {
        const { min, max } = ranges[j]!
        z[j] = (2 * train.values[i * d + j]! - min - max) / (max - min)
      }
      for (let a = 0; a < size; a++) {
        right[a]! += weight * z[a]! * train.labels[i]!
        for (let b = 0; b <= a; b++) normal[a * size + b]! += weight * z[a]! * z[b]!
      }
    }
  }
  return solvePositive(normal, right)
}

/** The same line for inputs (x - mean) / deviation. */
function normalised(
  coefficients: Float64Array,
  ranges: readonly Range[],
  mean: Float64Array,
  deviation: Float64Array,
): Float64Array {
  const d = ranges.length
  const out = new Float64Array(d + 1)
  out[d] = coefficients[d]!
  ranges.forEach(({ min, max }, j) => {
    const slope = (2 * coefficients[j]!) / (max - min)
    out[j] = slope * deviation[j]!
    out[d]! += slope * (mean[j]! - (min + max) / 2)
  })
  return out
}
