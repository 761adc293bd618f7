/**
 * What an audit finds in the groups' sums, and which of them count (SPEC A5). A group whose update is longer than its members may
 * have given has somebody in it that broke the rules: its sum is left out of the round's.
 */
import type { Charter } from '../../config/charter.ts'
import { samplesIn } from '../model/apply.ts'
import { readInitial } from '../model/initialisers.ts'
import { readParameters } from '../model/state.ts'
import type { GroupSum, HeldModel, Section } from '../ports.ts'
import { lengthOf, type ReadStored } from '../stored.ts'
import { P } from '../sum/field.ts'
import { sectionRange } from '../sum/layout.ts'
import type { Pieces } from '../sum/pieces.ts'
import { dequantise } from '../sum/quantise.ts'
import { sketch, sketchBytes } from './sketch.ts'

/** As an entry has it (`RoundClosed.audit`). */
export interface Audited {
  readonly groups: readonly AuditedGroup[]
  readonly progress: Uint8Array
}

export interface AuditedGroup {
  readonly counts: boolean
  readonly weight: number
  readonly samples: number
  readonly sum: Uint8Array
}

export function auditGroups(
  charter: Pick<Charter, 'training'>,
  sections: readonly Section[],
  groups: readonly GroupSum[],
): readonly AuditedGroup[] {
  return groups.map(({ sum, weight, hospitals }) => {
    const [at] = sectionRange(sections, 'weight')
    const given = dequantise(sum[at]!, sectionOf(sections, 'weight').scale)
    return {
      counts: !isBeyond(charter, sections, sum, hospitals, weight),
      weight: Math.min(hospitals, Math.max(0, given)),
      samples: samplesIn(sections, sum),
      sum: sketchBytes(sketch(updateIn(sections, sum))),
    }
  })
}

/** Of the parameters of a model less those that the study began with. */
export function progressOf(
  { model }: Pick<Charter, 'model'>,
  after: HeldModel,
  read: ReadStored,
): Uint8Array {
  const p = lengthOf(after.parameters)
  const [parameters, initial] = [new Float32Array(p), new Float32Array(p)]
  readParameters(after, parameters, 0, read)
  readInitial(model, initial, 0)
  return sketchBytes(sketch(parameters.map((x, i) => x - initial[i]!)))
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
