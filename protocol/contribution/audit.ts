/**
 * What an audit finds in the groups' sums, and which of them count (SPEC A5). A group whose update is longer than its members may
 * have given has somebody in it that broke the rules: its sum is left out of the round's.
 */
import type { Charter } from '../../config/charter.ts'
import { samplesIn } from '../model/apply.ts'
import type { GroupSum, Section } from '../ports.ts'
import { P } from '../sum/field.ts'
import { sectionRange } from '../sum/layout.ts'
import type { Pieces } from '../sum/pieces.ts'
import { dequantise } from '../sum/quantise.ts'
import { featuresOf } from './features.ts'
import { movesOf } from './moves.ts'

/** What an entry says of one group, by the order of groups. */
export interface AuditedGroup {
  /** Whether its sum is in the round's. */
  readonly counts: boolean
  /** Of its members' weights together, as they summed them. */
  readonly weight: number
  /** Training rows, as they summed them; 0 where rows are not counted. */
  readonly samples: number
  /** See \`features.ts\`. */
  readonly features: readonly number[]
}

/** Of each group that counts the features are relative to the others that do. */
export function auditGroups(
  charter: Pick<Charter, 'training'>,
  sections: readonly Section[],
  groups: readonly GroupSum[],
  carried: Float32Array | undefined,
): readonly AuditedGroup[] {
  const read = groups.map(({ sum, weight, hospitals }) => {
    const update = updateIn(sections, sum)
    const [at] = sectionRange(sections, 'weight')
    const given = dequantise(sum[at]!, sectionOf(sections, 'weight').scale)
    const counts = !isBeyond(charter, sections, sum, hospitals, weight)
    const found = {
      counts,
      weight: Math.min(hospitals, Math.max(0, given)),
      samples: samplesIn(sections, sum),
    }
    // Who declares much and gives nothing, not even weight, is to stand out.
    return { found, compared: { update, weight } }
  })
  const counted = read.filter(g => g.found.counts).map(g => g.compared)
  const moves = movesOf(carried, sectionOf(sections, 'update').length)
  const features = counted.length > 0 ? featuresOf(counted, moves) : []
  let next = 0
  return read.map(({ found }) => ({ ...found, features: found.counts ? features[next++]! : [] }))
}

/**
 * Whether an update's sum is longer than so many hospitals of `weight` together may have made it: clipNorm for a weight of 1, and a
 * step of rounding in each value of each.
 */
export function isBeyond(
  { training }: Pick<Charter, 'training'>,
  sections: readonly Section[],
  sum: Pieces,
  hospitals: number,
  weight: number,
): boolean {
  const { scale, length } = sectionOf(sections, 'update')
  const most = training.clipNorm * weight * FLOATS + (hospitals * Math.sqrt(length)) / scale
  let energy = 0
  for (const value of updateIn(sections, sum)) energy += value * value
  return energy > most * most
}

/** What sums of 32-bit numbers may add to a norm. */
const FLOATS = 1.001

/** Sum of the groups that count, residue by residue; undefined: none does. */
export function countedSum(
  groups: readonly GroupSum[],
  audited: readonly AuditedGroup[],
): Uint32Array | undefined {
  const counted = groups.filter((_, g) => audited[g]!.counts)
  return counted[0]?.sum.map((_, i) => counted.reduce((sum, g) => sum + g.sum[i]!, 0) % P)
}

function updateIn(sections: readonly Section[], sum: Pieces): Float64Array {
  const { scale } = sectionOf(sections, 'update')
  return Float64Array.from(sum.subarray(...sectionRange(sections, 'update')), r => dequantise(r, scale))
}

function sectionOf(sections: readonly Section[], name: string): Section {
  return sections.find(s => s.name === name)!
}
