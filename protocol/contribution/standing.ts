/**
 * What becomes of a member by what audits say of it (SPEC A8, A9): from certified entries alone, so that all come to the same. A member
 * whose score says after so many audits in a row that it gives nothing, or pulls against the model, is on probation; after so many more it is
 * due to be suspended, which an entry says. One that says that it gives ends it; what cannot be told changes nothing.
 */
import { type Charter, parameterCount } from '../../config/charter.ts'
import type { RoundClosed, RoundOpened } from '../ledger/entry.ts'
import { weightOf } from '../model/contribution.ts'
import type { MemberId } from '../ports.ts'
import { groupsOf } from './groups.ts'
import { CUT, cutTo, tooLong } from './lengths.ts'
import { type AuditRecord, recordOf } from './record.ts'
import { type Says, scoresOf } from './scores.ts'
import { SKETCH, sketchFrom } from './sketch.ts'

/** Audits that are remembered: more than scores look at. */
const AUDITS_MAX = 128

export interface Tracked {
  /** The last ones, the latest last. */
  readonly audits: readonly AuditRecord[]
  /** The same with the groups that do not count. */
  readonly whole: readonly AuditRecord[]
  /** Who gives more than it may, by all of them. */
  readonly long: ReadonlySet<MemberId>
  /** Audits in a row that speak against a member; those not named have none. */
  readonly against: ReadonlyMap<MemberId, number>
}

export const NOTHING_TRACKED: Tracked = { audits: [], whole: [], long: new Set(), against: new Map() }

const SPEAK_AGAINST: readonly Says[] = ['gives nothing', 'pulls against the model']

export type Standing = 'good' | 'probation' | 'suspended'

/** After a closed round. `survivors`: those of whose inputs it is. */
export function track(
  tracked: Tracked,
  charter: Charter,
  cohort: RoundOpened['cohort'],
  survivors: readonly MemberId[],
  closed: RoundClosed,
): Tracked {
  const records = auditRecords(charter, cohort, survivors, closed)
  if (!records) return tracked
  const audits = [...tracked.audits, records.counted].slice(-AUDITS_MAX)
  const whole = [...tracked.whole, records.whole].slice(-AUDITS_MAX)
  const members = membersIn(charter, audits)
  const long = tooLong(whole, members, charter.training.clipNorm)
  if (!charter.contribution?.standing) return { ...tracked, audits, whole, long }
  const scores = scoresOf(audits, members)
  const against = new Map<MemberId, number>()
  for (const { id } of charter.members) {
    const before = tracked.against.get(id) ?? 0
    const { says } = scores.get(id)!
    const isNew = survivors.includes(id)
    const now =
      long.has(id) || SPEAK_AGAINST.includes(says) ? before + (isNew ? 1 : 0) : says === 'gives' ? 0 : before
    if (now > 0) against.set(id, now)
  }
  return { audits, whole, long, against }
}

/** What a closed round says of who gave, by the groups that count and by all; undefined: it was not audited. */
function auditRecords(
  charter: Charter,
  cohort: RoundOpened['cohort'],
  survivors: readonly MemberId[],
  { audit, seeds }: RoundClosed,
): { readonly counted: AuditRecord; readonly whole: AuditRecord } | undefined {
  const { contribution } = charter
  if (!audit || !contribution) return undefined
  const length = Math.min(SKETCH, parameterCount(charter))
  // That they are sketches was checked with the entry.
  const read = (bytes: Uint8Array) => sketchFrom(bytes, length)!
  const weights = new Map(
    cohort.map(({ member, samples }) => [member, samples === undefined ? 1 : weightOf(charter, samples)]),
  )
  const of = {
    rows: new Map(cohort.map(({ member, samples }) => [member, samples ?? 0])),
    weights,
    progress: read(audit.progress),
  }
  const groups = groupsOf(seeds, survivors, contribution.audit.groupSize).map((members, g) => {
    const weight = members.reduce((w, m) => w + weights.get(m)!, 0)
    const sum = cutTo(read(audit.groups[g]!.sum), CUT * charter.training.clipNorm * weight)
    return { members, sum }
  })
  const counted = groups.filter((_, g) => audit.groups[g]!.counts)
  return { counted: recordOf({ ...of, groups: counted }), whole: recordOf({ ...of, groups }) }
}

/** Members of the charter, and those that they were before they were restored. */
export function membersIn(charter: Charter, audits: readonly AuditRecord[]): readonly MemberId[] {
  const all = new Set(charter.members.map(m => m.id))
  for (const { weights } of audits) for (const member of weights.keys()) all.add(member)
  return [...all]
}

/** A restored member begins anew: what it gave before is held against nobody. */
export function forgiven({ audits, whole, long, against }: Tracked, member: MemberId): Tracked {
  // No member's name: it has a space in it.
  const former = `former ${member}`
  const renamed = (m: MemberId) => (m === member ? former : m)
  const anew = (audit: AuditRecord): AuditRecord => ({
    ...audit,
    groups: audit.groups.map(g => ({ ...g, members: g.members.map(renamed) })),
    rows: new Map([...audit.rows].map(([m, r]) => [renamed(m), r])),
    weights: new Map([...audit.weights].map(([m, w]) => [renamed(m), w])),
  })
  return {
    audits: audits.map(anew),
    whole: whole.map(anew),
    long: new Set([...long].filter(m => m !== member)),
    against: new Map([...against].filter(([m]) => m !== member)),
  }
}

/** Of a member that is not suspended. */
export function standingOf(
  { contribution }: Pick<Charter, 'contribution'>,
  tracked: Tracked,
  member: MemberId,
): Standing {
  const against = tracked.against.get(member) ?? 0
  const standing = contribution?.standing
  return standing && against >= standing.probationAfter ? 'probation' : 'good'
}

/** Who is due to be suspended, in the charter's order. */
export function dueIn(
  { contribution, members }: Pick<Charter, 'contribution' | 'members'>,
  tracked: Tracked,
): readonly MemberId[] {
  const standing = contribution?.standing
  if (!standing) return []
  const most = standing.probationAfter + standing.suspendAfter
  return members.map(m => m.id).filter(m => (tracked.against.get(m) ?? 0) >= most)
}
