/** What an audit must find (SPEC A5), from what the hospitals are known to have given. */
import type { Charter } from '../../config/charter.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { auditGroups } from '../../protocol/contribution/audit.ts'
import { groupsOf } from '../../protocol/contribution/groups.ts'
import type { RoundClosed, RoundOpened } from '../../protocol/ledger/entry.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { encode } from '../../protocol/wire/codec.ts'
import type { Masking } from './inputs.ts'
import { residueSum } from './integers.ts'

/** Groups of survivors in a closed round that was audited; else all of them as one. */
export function groupsIn(
  { contribution }: Charter,
  survivors: readonly MemberId[],
  { audit, seeds }: RoundClosed,
): readonly (readonly MemberId[])[] {
  return audit ? groupsOf(seeds, survivors, contribution!.audit.groupSize) : [survivors]
}

/** What is wrong with a certified audit; undefined: nothing that can be known. `maskingOf`: undefined for liars. */
export function wrongAudit(
  charter: Charter,
  cohort: RoundOpened['cohort'],
  groups: readonly (readonly MemberId[])[],
  audit: NonNullable<RoundClosed['audit']>,
  maskingOf: (member: MemberId) => Masking | undefined,
): string | undefined {
  const { weightMax, clipNorm } = charter.training
  const declared = groups.map(group => {
    const rows = group.map(m => cohort.find(c => c.member === m)?.samples)
    const weight = rows.reduce<number>(
      (sum, r) => sum + (r === undefined ? 1 : Math.min(r, weightMax) / weightMax),
      0,
    )
    return { rows, weight }
  })
  const sums = groups.map((group, g) => {
    const maskings = group.map(maskingOf)
    if (!maskings.every(m => m !== undefined)) return undefined
    const { weight, rows } = declared[g]!
    return { sum: residueSum(maskings.map(m => m.clear.kept(0))), hospitals: group.length, weight, rows }
  })
  for (const [g, found] of audit.groups.entries()) {
    // A model of few parameters is its own sketch; rounding is far less than a hundredth.
    const most = 1.01 * clipNorm * declared[g]!.weight + 0.01
    if (found.counts && lengthIn(found.sum) > most)
      return `counts ${groups[g]!.join(', ')}, who gave more than they may`
    const known = sums[g]
    if (!known) continue
    if (!found.counts) return `leaves out ${groups[g]!.join(', ')}, who kept to the rules`
    const rows = known.rows.reduce<number>((sum, r) => sum + Math.min(r ?? 0, weightMax), 0)
    if (found.samples !== rows) return `counts ${found.samples} rows of a group that has ${rows}`
  }
  if (!sums.every(s => s !== undefined)) return undefined
  const [member] = groups[0]!
  const again = auditGroups(charter, maskingOf(member!)!.work.sections, sums)
  return equalBytes(encode(again), encode(audit.groups)) ? undefined : 'is not what the groups gave'
}

/** Of the vector in a sketch. */
function lengthIn(sketch: Uint8Array): number {
  const view = new DataView(sketch.buffer, sketch.byteOffset, sketch.byteLength)
  let squares = 0
  for (let at = 0; at < sketch.length; at += 4) squares += view.getFloat32(at, true) ** 2
  return Math.sqrt(squares)
}
