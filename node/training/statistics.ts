/** Feature sums for the pooled normalisation, and the normalisation itself. */
import { type Charter, expandedFeatureCount } from '../../config/charter.ts'
import type { Learned, ModelState } from '../../protocol/ports.ts'
import type { Rows } from './dataset.ts'

/** [min, max] of each model input: the charter's range of a number, [0, 1] of everything else. */
export function inputRanges(charter: Charter): (readonly [min: number, max: number])[] {
  return charter.data.features.flatMap((f): (readonly [number, number])[] => {
    if (f.type === 'number') return [[f.min, f.max]]
    return Array.from({ length: f.type === 'category' ? f.values.length - 1 : 1 }, () => [0, 1] as const)
  })
}

/**
 * Sums of u and u^2 for each input over `rows`, u = (x - min) / (max - min) in [0, 1]: the charter's ranges bound what
 * one row can add, whatever a hospital's data hold.
 */
export function sumFeatures(charter: Charter, rows: Rows): NonNullable<Learned['featureSums']> {
  const ranges = inputRanges(charter)
  const d = expandedFeatureCount(charter)
  const first = new Float64Array(d)
  const second = new Float64Array(d)
  for (let i = 0; i < rows.x.length; i++) {
    const [min, max] = ranges[i % d]!
    // Float32 may have rounded a value just over the edge of its range.
    const u = max > min ? Math.min(1, Math.max(0, (rows.x[i]! - min) / (max - min))) : 0
    first[i % d]! += u
    second[i % d]! += u * u
  }
  return { first, second }
}

/** (x - mean) / deviation for each input; a deviation of 0 (an input that never varies) counts as 1. */
export function normalise(
  x: Float32Array,
  { mean, deviation }: Pick<ModelState, 'mean' | 'deviation'>,
): Float32Array {
  const d = mean.length
  return x.map((value, i) => (value - mean[i % d]!) / (deviation[i % d]! || 1))
}
