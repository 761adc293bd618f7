/** The outcome of a demo: one record for the terminal, the report and the JSON. */
import type { Charter } from '../../config/charter.ts'
import type { MemberId } from '../../protocol/ports.ts'
import type { LedgerEntry } from '../cli/ledger-file.ts'
import type { ContributionReport } from '../contribution.ts'
import type { Board, RoundView } from './board.ts'
import type { Comparison } from './compare.ts'

export interface LedgerOutcome {
  readonly entries: readonly LedgerEntry[]
  /** Signatures checked in each hospital's copy. */
  readonly signatures: number
  readonly head: string
  /** Every hospital's copy was verified offline, and all are the same chain. */
  readonly verified: boolean
}

export interface DemoRecord {
  readonly title: string
  readonly seed: number
  /** Training rounds. */
  readonly rounds: number
  readonly charterHash: string
  readonly threshold: number
  readonly maliciousMax: number
  /** What the charter protects by noise. */
  readonly privacy: Charter['privacy']
  readonly quorum: number
  readonly hospitals: readonly {
    readonly member: MemberId
    readonly name: string
    readonly trainRows: number
    readonly testRows: number
    /** Its training rows are of one class: alone it can learn nothing. */
    readonly oneClass: boolean
  }[]
  readonly board: Board
  readonly comparison: Comparison
  readonly ledger: LedgerOutcome
  /** Undefined where the charter has no audits. */
  readonly contribution: ContributionReport | undefined
  readonly seconds: number
}

export type DemoFault =
  | {
      readonly kind: 'killed'
      readonly member: MemberId
      readonly signal: 'SIGKILL'
      readonly round: number
      readonly phase: string
      /** Whether its input of that round counted all the same. */
      readonly survivor: boolean
      readonly secondsAway: number | null
      readonly backInRound: number | null
    }
  | { readonly kind: 'leftOut'; readonly member: MemberId; readonly round: number; readonly reason: string }
  | { readonly kind: 'fault'; readonly member: MemberId; readonly round: number; readonly fault: string }
  | {
      readonly kind: 'aborted'
      readonly round: number
      readonly attempt: number
      readonly reason: string
      readonly culprits: readonly MemberId[]
    }

/** What `--json` writes. Scores are of the pooled test rows; bytes are those that a hospital wrote to its sockets. */
export interface DemoJson {
  readonly hospitals: readonly MemberId[]
  /** Training rounds. `auc`: of the model after the round, pooled, from certified sums. */
  readonly rounds: readonly {
    readonly round: number
    readonly attempt: number
    readonly cohort: readonly MemberId[]
    readonly survivors: readonly MemberId[]
    readonly seconds: number | null
    readonly bytesSent: Readonly<Record<MemberId, number>>
    readonly auc: number | null
  }[]
  readonly modelHash: Readonly<Record<MemberId, string>>
  readonly auc: ModelScores
  readonly accuracy: ModelScores
  readonly faults: readonly DemoFault[]
  readonly ledger: { readonly entries: number; readonly verified: boolean }
}

/** `local` and `pooled` are models for comparison only. null: cannot be told, as an AUC of one class. */
export interface ModelScores {
  readonly local: Readonly<Record<MemberId, number | null>>
  readonly federated: number | null
  readonly pooled: number | null
}

export function demoJson(record: DemoRecord): DemoJson {
  const { board } = record
  return {
    hospitals: board.members,
    rounds: trainingRounds(board).map(view => ({
      round: view.round,
      attempt: view.attempt,
      cohort: view.cohort,
      survivors: view.survivors,
      seconds: secondsOf(view) ?? null,
      bytesSent: Object.fromEntries(board.members.map(m => [m, view.bytesSent.get(m) ?? 0])),
      auc: board.metricsAfter(view.round)?.auc ?? null,
    })),
    modelHash: Object.fromEntries(board.members.map(m => [m, board.finished.get(m) ?? ''])),
    auc: scores(record.comparison, 'auc'),
    accuracy: scores(record.comparison, 'accuracy'),
    faults: faultsOf(board),
    ledger: { entries: record.ledger.entries.length, verified: record.ledger.verified },
  }
}

export function trainingRounds(board: Board): RoundView[] {
  return board.ordered().filter(view => view.task === 'train')
}

/** From the first opening of the round to its close, all attempts included. */
export function secondsOf(view: RoundView): number | undefined {
  return view.closedAt === undefined ? undefined : (view.closedAt - view.openedAt) / 1000
}

/** All that did not go smoothly, in the order of rounds. */
export function faultsOf(board: Board): DemoFault[] {
  const faults: DemoFault[] = board.outages.map(o => ({
    kind: 'killed',
    member: o.member,
    signal: 'SIGKILL',
    round: o.round,
    phase: o.phase,
    survivor: board.rounds.get(o.round)?.survivors.includes(o.member) ?? false,
    secondsAway: o.until === undefined ? null : (o.until - o.from) / 1000,
    backInRound: o.backInRound ?? null,
  }))
  for (const { round, leftOut, faults: found, aborted } of board.ordered()) {
    for (const abort of aborted) faults.push({ kind: 'aborted', round, ...abort })
    for (const left of leftOut) faults.push({ kind: 'leftOut', round, ...left })
    for (const fault of found) faults.push({ kind: 'fault', round, ...fault })
  }
  return faults.sort((a, b) => a.round - b.round)
}

function scores(comparison: Comparison, of: 'auc' | 'accuracy'): ModelScores {
  return {
    local: Object.fromEntries([...comparison.own].map(([member, row]) => [member, row.all[of] ?? null])),
    federated: comparison.federated.all[of] ?? null,
    pooled: comparison.pooled.all[of] ?? null,
  }
}
