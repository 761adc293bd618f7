/** Sets of members of a cohort as bits in its order: bit i of byte i >> 3. */
import type { MemberId } from '../ports.ts'

export function bitmapOf(cohort: readonly MemberId[], members: ReadonlySet<MemberId>): Uint8Array {
  const out = new Uint8Array(Math.ceil(cohort.length / 8))
  cohort.forEach((m, i) => {
    if (members.has(m)) out[i >> 3]! |= 1 << (i & 7)
  })
  return out
}

/** Undefined when the length is not the cohort's or a bit beyond it is set. */
export function membersOf(cohort: readonly MemberId[], bitmap: Uint8Array): Set<MemberId> | undefined {
  if (bitmap.length !== Math.ceil(cohort.length / 8)) return undefined
  const out = new Set<MemberId>()
  for (let i = 0; i < 8 * bitmap.length; i++) {
    if ((bitmap[i >> 3]! & (1 << (i & 7))) === 0) continue
    const member = cohort[i]
    if (member === undefined) return undefined
    out.add(member)
  }
  return out
}
