/** What certified entries say that each member did and did not do (DESIGN 7), without any sum having been opened for it. */
import type { Charter } from '../../config/charter.ts'
import type { Body } from '../ledger/entry.ts'
import type { MemberId } from '../ports.ts'

export interface Receipt {
  /** Attempts that were opened with it, and without it though it could have been there. */
  readonly opened: number
  readonly absent: number
  /** Attempts to whose sum it gave an input in time, and those of which it was left out, by reason. */
  readonly delivered: number
  readonly leftOut: Readonly<Record<string, number>>
  /** Faults that entries name it for, by code. */
  readonly faults: Readonly<Record<string, number>>
  /** Attempts that came to nothing in which it was in conflict with another, or did not do its part. */
  readonly conflicts: number
  /** Training rows that it declared last, and how often it declared other ones than before; undefined: never. */
  readonly samples: number | undefined
  readonly samplesChanged: number
  /** Audits that it was in. */
  readonly audits: number
}

const NONE: Receipt = {
  opened: 0,
  absent: 0,
  delivered: 0,
  leftOut: {},
  faults: {},
  conflicts: 0,
  samples: undefined,
  samplesChanged: 0,
  audits: 0,
}

/** Of each member of the charter, in its order. `entries`: of a ledger that holds, from the first on. */
export function receiptsOf(
  { members }: Pick<Charter, 'members'>,
  entries: readonly Body[],
): ReadonlyMap<MemberId, Receipt> {
  const all = new Map(members.map(m => [m.id, NONE]))
  const change = (member: MemberId, by: (r: Receipt) => Partial<Receipt>) => {
    const before = all.get(member) ?? NONE
    all.set(member, { ...before, ...by(before) })
  }
  let cohort: readonly MemberId[] = []
  let survivors: readonly MemberId[] = []
  for (const body of entries) {
    switch (body.kind) {
      case 'RoundOpened':
        cohort = body.cohort.map(c => c.member)
        for (const { member, samples } of body.cohort) {
          const isOther = (r: Receipt) =>
            samples !== undefined && r.samples !== undefined && r.samples !== samples
          change(member, r => ({
            opened: r.opened + 1,
            samples: samples ?? r.samples,
            samplesChanged: r.samplesChanged + (isOther(r) ? 1 : 0),
          }))
        }
        for (const member of body.absent) change(member, r => ({ absent: r.absent + 1 }))
        break
      case 'SurvivorsFixed':
        survivors = body.survivors.map(s => s.member)
        for (const member of survivors) change(member, r => ({ delivered: r.delivered + 1 }))
        for (const { member, reason } of body.leftOut)
          change(member, r => ({ leftOut: counted(r.leftOut, reason) }))
        break
      case 'RoundClosed':
        if (body.audit) for (const member of survivors) change(member, r => ({ audits: r.audits + 1 }))
        for (const { member, code } of body.faults) change(member, r => ({ faults: counted(r.faults, code) }))
        break
      case 'RoundAborted':
        for (const { member, code } of body.culprits)
          change(member, r => ({ faults: counted(r.faults, code) }))
        for (const place of new Set(body.conflicts.flat()))
          if (cohort[place] !== undefined) change(cohort[place], r => ({ conflicts: r.conflicts + 1 }))
        break
    }
  }
  return all
}

function counted(counts: Readonly<Record<string, number>>, name: string): Readonly<Record<string, number>> {
  return { ...counts, [name]: (counts[name] ?? 0) + 1 }
}
