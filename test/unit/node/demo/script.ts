/** A study as four hospitals would tell it, without running one: for the tests of board, tree, JSON and report. */
import { Board } from '../../../../node/demo/board.ts'
import type { DemoRecord } from '../../../../node/demo/result.ts'
import type { Event } from '../../../../protocol/ports.ts'

export const MEMBERS = ['cleveland', 'hungarian', 'switzerland', 'va']

export interface Course {
  readonly lost?: { readonly member: string; readonly round: number; readonly backIn: number }
  readonly hashOf?: (member: string, round: number) => string
}

export class Script {
  readonly rounds: number

  /** `rounds`: training rounds. */
  constructor(rounds: number) {
    this.rounds = rounds
  }

  run({ lost, hashOf = (_, round) => `m${round}` }: Course = {}): Board {
    const board = new Board(MEMBERS)
    let at = 1000
    const bytes = new Map(MEMBERS.map(m => [m, 0]))
    const tell = (member: string, event: Event) => {
      bytes.set(member, bytes.get(member)! + 500)
      board.apply({ at: ++at, member, bytesSent: bytes.get(member)!, event })
    }
    const away = (m: string, round: number) => lost?.member === m && round > lost.round && round < lost.backIn
    for (let round = 0; round <= this.rounds + 1; round++) {
      const task = round === 0 ? 'statistics' : round > this.rounds ? 'evaluate' : 'train'
      const cohort = MEMBERS.filter(m => !away(m, round))
      const dies = lost?.round === round ? lost.member : undefined
      const survivors = cohort.filter(m => m !== dies)
      if (lost?.backIn === round) {
        board.restarted(lost.member, ++at)
        bytes.set(lost.member, 0)
      }
      const where = { round, attempt: 0 }
      for (const m of cohort) {
        tell(m, {
          kind: 'roundOpened',
          ...where,
          task,
          cohort,
          absent: MEMBERS.filter(a => !cohort.includes(a)),
        })
        tell(m, { kind: 'phase', ...where, phase: 'sharing' })
      }
      if (dies !== undefined) board.lost({ member: dies, round, phase: 'sharing', from: ++at })
      const leftOut = dies === undefined ? [] : [{ member: dies, reason: 'silent' }]
      const metrics =
        round === 0 ? undefined : { testSamples: 254, auc: 0.5 + round / 50, accuracy: 0.7, loss: 0.5 }
      for (const m of survivors) {
        tell(m, { kind: 'survivorsFixed', ...where, survivors, leftOut })
        tell(m, { kind: 'roundClosed', ...where, task, modelHash: hashOf(m, round), metrics, faults: [] })
      }
    }
    for (const m of MEMBERS) {
      tell(m, { kind: 'studyFinished', rounds: this.rounds, modelHash: hashOf(m, this.rounds + 1) })
    }
    return board
  }
}

export function recordOf(board: Board): DemoRecord {
  const scores = (auc: number) => ({ rows: 50, auc, accuracy: auc - 0.1 })
  const row = (auc: number) => ({ on: new Map(MEMBERS.map(m => [m, scores(auc)])), all: scores(auc) })
  return {
    title: 'A study',
    seed: 1,
    rounds: board.ordered().length - 2,
    charterHash: 'c'.repeat(64),
    threshold: 3,
    maliciousMax: 1,
    privacy: { unit: 'none' },
    quorum: 3,
    hospitals: MEMBERS.map(member => ({
      member,
      name: `Hospital ${member}`,
      trainRows: 100,
      testRows: 50,
      oneClass: false,
    })),
    board,
    comparison: {
      own: new Map(MEMBERS.map((m, i) => [m, row(0.6 + i / 20)])),
      federated: row(0.88),
      pooled: row(0.89),
    },
    contribution: undefined,
    ledger: { entries: [], signatures: 0, head: 'd'.repeat(64), verified: true },
    seconds: 12.3,
  }
}
