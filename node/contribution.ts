/** Who gives and who does not, by what everybody can compute from the ledger: for people and programs. */
import type { Charter } from '../config/charter.ts'
import { type Receipt, receiptsOf } from '../protocol/contribution/receipts.ts'
import { curvesOf, type Interval, type Says, type Score } from '../protocol/contribution/scores.ts'
import { membersIn, type Standing, standingOf } from '../protocol/contribution/standing.ts'
import type { Body } from '../protocol/ledger/entry.ts'
import type { LedgerState } from '../protocol/ledger/state.ts'
import type { MemberId } from '../protocol/ports.ts'

export interface ContributionReport {
  readonly member: string
  readonly study: string
  /** Audits so far, and those of which members speak is judged; undefined: the charter has none. */
  readonly audits: number | undefined
  readonly members: readonly MemberReport[]
}

interface MemberReport {
  readonly member: string
  readonly standing: Standing
  readonly says: Says
  /** Audits in a row that speak against it. */
  readonly against: number
  /** 1 is what is usual among all; undefined: cannot be told. */
  readonly own: Interval | undefined
  /** 0 is usual; far below: against the model. */
  readonly pull: Interval | undefined
  readonly receipt: Receipt
  /** After each audit. */
  readonly curve: readonly Pick<Score, 'says' | 'own' | 'pull'>[]
}

/** Of a ledger that holds: its state, and what its entries say. `member`: who asks. */
export function contributionOf(
  member: MemberId,
  charter: Charter,
  state: LedgerState,
  entries: readonly Body[],
): ContributionReport {
  const receipts = receiptsOf(charter, entries)
  const { audits } = state.tracked
  const curves = curvesOf(audits, membersIn(charter, audits))
  const members = charter.members.map(({ id }): MemberReport => {
    const curve = curves.map(scores => {
      const { says, own, pull } = scores.get(id)!
      return { says, own, pull }
    })
    const { says, own, pull } = curve.at(-1) ?? { says: 'cannot tell yet', own: undefined, pull: undefined }
    const isOut = state.suspended.includes(id)
    return {
      member: id,
      standing: isOut ? 'suspended' : standingOf(charter, state.tracked, id),
      says: state.tracked.long.has(id) ? 'gives more than it may' : says,
      against: state.tracked.against.get(id) ?? 0,
      own,
      pull,
      receipt: receipts.get(id)!,
      curve,
    }
  })
  const of = { member, study: charter.study.id, members }
  return { ...of, audits: charter.contribution ? audits.length : undefined }
}

/** A heading and a line for each member. */
export function contributionCells({ member, members }: ContributionReport): string[][] {
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || '-'
  const rows = members.map(m => [
    m.member === member ? `${m.member} (you)` : m.member,
    m.standing,
    m.says,
    shown(m.own),
    shown(m.pull),
    String(m.receipt.audits),
    m.receipt.samples === undefined ? '-' : String(m.receipt.samples),
    `${m.receipt.delivered} of ${m.receipt.opened + m.receipt.absent}`,
    counts(m.receipt.leftOut),
    counts(m.receipt.faults),
  ])
  const head = [
    'member',
    'standing',
    'says',
    'own',
    'pull',
    'audits',
    'rows',
    'gave in',
    'left out',
    'faults',
  ]
  return [head, ...rows]
}

/** What the columns mean. */
export const MEANING: readonly string[] = [
  'own: how much of a hospital’s own its updates have, for each row that it declared; 1 is what is usual. pull: along the way of the model;',
  '0 is usual. Both with three deviations to either side. cannot tell yet: too few audits, or an interval that is too wide. Nothing is said of one round.',
]

/** Why a member was marked, and what to do about it. */
export function adviceFor({ members }: ContributionReport): readonly string[] {
  return members.flatMap(m => ADVICE[m.says].map(line => `${m.member}: ${line}`))
}

const ADVICE: Readonly<Record<Says, readonly string[]>> = {
  gives: [],
  'cannot tell yet': [],
  'gives nothing': [
    'its updates have nothing of its own: ask it whether its node trains on its data, and on as many rows as it declares',
  ],
  'pulls against the model': [
    'its updates go against the model: ask it whether its labels are coded as the charter has them',
  ],
  'gives more than it may': [
    'its updates are longer than clipNorm, which a node never sends: ask it which software it runs, and how its key is kept',
  ],
}

function shown(interval: Interval | undefined): string {
  if (!interval) return '-'
  const { low, value, high } = interval
  return `${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`
}
