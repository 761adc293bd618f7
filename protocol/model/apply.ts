/**
 * From the opened sum to the next global model. Only + - * /, Math.sqrt (IEEE 754 rounds it correctly), Math.fround and
 * comparisons, in one fixed order: every peer gets the same bits.
 */
import type { Charter, Feature } from '../../config/charter.ts'
import type { Metrics, ModelState, Section, Task } from '../ports.ts'
import { sectionRange } from '../sum/layout.ts'
import { dequantise } from '../sum/quantise.ts'
import { histogramAuc } from './metrics.ts'

export interface Applied {
  readonly state: ModelState
  /** Of the model that the round started from; undefined where nothing was measured. */
  readonly metrics: Metrics | undefined
  /** Training rows of all survivors, each hospital's counted up to weightMax. */
  readonly samples: number
}

/** `residues`: the opened sum, in [0, p), in the layout that `sections` gives. */
export function applySum(
  charter: Charter,
  task: Task,
  sections: readonly Section[],
  residues: Uint32Array,
  state: ModelState,
): Applied {
  const read = (name: string): Float64Array => {
    const [from, to] = sectionRange(sections, name)
    const { scale } = sections.find(s => s.name === name)!
    return Float64Array.from(residues.subarray(from, to), r => dequantise(r, scale))
  }
  switch (task) {
    case 'statistics': {
      const samples = counted(read)
      return {
        state: normalised(charter, samples, read('first'), read('second'), state),
        metrics: undefined,
        samples,
      }
    }
    case 'train': {
      const next = { ...state, parameters: stepped(state.parameters, read('update'), read('weight')[0]!) }
      return { state: next, metrics: measured(read), samples: counted(read) }
    }
    case 'evaluate':
      return { state, metrics: measured(read), samples: 0 }
  }
}

/** Sample-weighted FedAvg (McMahan 2017, Algorithm 1): parameters + sum(w_i delta_i) / sum(w_i). */
function stepped(parameters: Float32Array, update: Float64Array, weight: number): Float32Array {
  // Rounding can leave a trace where nobody had a training row.
  if (weight < 1e-6) return parameters
  return parameters.map((x, i) => Math.fround(x + update[i]! / weight))
}

/** Mean and deviation (divisor n - 1) of each feature in its own unit, from sums of u = (x - min) / (max - min). */
function normalised(
  charter: Charter,
  samples: number,
  first: Float64Array,
  second: Float64Array,
  state: ModelState,
): ModelState {
  const ranges = charter.data.features.flatMap(rangesOf)
  const mean = new Float64Array(ranges.length)
  const deviation = new Float64Array(ranges.length)
  ranges.forEach(([min, width], j) => {
    const m = samples > 0 ? first[j]! / samples : 0
    const variance = samples > 1 ? (second[j]! - samples * m * m) / (samples - 1) : 0
    const deviationU = variance > 1e-9 ? Math.sqrt(variance) : 0
    mean[j] = min + m * width
    deviation[j] = deviationU > 0 ? deviationU * width : 1
  })
  return { ...state, mean, deviation }
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

/** A hospital's vector is whatever it signs: no sum may be such that the round could never be closed. */
function counted(read: (name: string) => Float64Array): number {
  return Math.max(0, read('samples')[0]!)
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
