import { describe, expect, it } from 'vitest'
import { Board } from '../../../../node/demo/board.ts'
import { demoJson, faultsOf } from '../../../../node/demo/result.ts'
import { isSettled, notes, roundRows } from '../../../../node/demo/tree.ts'
import type { EventLine } from '../../../../node/event-line.ts'
import { MEMBERS, recordOf, Script } from './script.ts'

function lineOf(member: string, bytesSent: number, event: EventLine['event'], at = 0): EventLine {
  return { at, member, bytesSent, event }
}

describe('the board', () => {
  it('counts bytes for the round that the hospital was in, and all of them', () => {
    const board = new Board(['a1'])
    board.apply(lineOf('a1', 10, { kind: 'ready', peerId: 'p', backend: 'wasm', addresses: [] }))
    board.apply(lineOf('a1', 30, opened(0)))
    board.apply(lineOf('a1', 100, opened(1)))
    board.apply(lineOf('a1', 160, { kind: 'peers', connected: [] }))
    expect(board.rounds.get(0)!.bytesSent.get('a1')).toBe(30)
    expect(board.rounds.get(1)!.bytesSent.get('a1')).toBe(130)
    expect(board.bytesOf('a1')).toBe(160)
  })

  it('counts a restarted process from zero, and late lines of the old one not twice', () => {
    const board = new Board(['a1'])
    board.apply(lineOf('a1', 100, opened(1)))
    board.lost({ member: 'a1', round: 1, phase: 'sharing', from: 5 })
    board.apply(lineOf('a1', 120, { kind: 'peers', connected: [] }))
    board.restarted('a1', 9)
    // More than the old counter: a counter that only watched for a decrease would lose 120 of these.
    board.apply(lineOf('a1', 150, { kind: 'peers', connected: [] }))
    expect(board.bytesOf('a1')).toBe(270)
  })

  it('gives the metrics of a closing round to the model of the round before', () => {
    const board = new Script(3).run()
    expect(board.metricsAfter(1)?.auc).toBe(board.rounds.get(2)!.metrics?.auc)
    expect(board.metricsAfter(3)?.auc).toBe(board.rounds.get(4)!.metrics?.auc)
  })

  it('says what a hospital waits for also while vectors are on their way', () => {
    const board = new Board(['a1'])
    board.apply(lineOf('a1', 0, { kind: 'waiting', reason: 'inputs', for: ['b1'] }))
    const vector = { what: 'slice', vector: '00', bytesDone: 0, bytesTotal: 9, state: 'going' } as const
    board.apply(lineOf('a1', 0, { kind: 'transfer', round: 0, attempt: 0, way: 'to', peer: 'b1', ...vector }))
    expect(board.waiting.get('a1')).toBe('inputs: b1')
  })

  it('names two hospitals that hold different models after a round', () => {
    const script = new Script(2)
    expect(script.run().disagreement).toBeUndefined()
    const board = script.run({
      hashOf: (member, round) => (member === 'va' && round === 1 ? 'ff' : `m${round}`),
    })
    expect(board.disagreement?.round).toBe(1)
    expect(board.disagreement?.hashes.get('va')).toBe('ff')
  })

  it('takes the earliest opening and the earliest close as the time of a round, whatever the order of lines', () => {
    const board = new Board(['a1', 'b1'])
    board.apply(lineOf('b1', 0, opened(1), 120))
    board.apply(lineOf('a1', 0, opened(1), 100))
    board.apply(lineOf('b1', 0, closed(1), 400))
    board.apply(lineOf('a1', 0, closed(1), 300))
    expect(board.rounds.get(1)).toMatchObject({ openedAt: 100, closedAt: 300 })
  })

  it('keeps what is known of a closed round when a restarted hospital replays its opening', () => {
    const board = new Script(2).run()
    board.apply(lineOf('va', 0, { ...opened(1), cohort: ['va'] }, 99_999))
    expect(board.rounds.get(1)!.cohort).toEqual(MEMBERS)
  })

  it('knows the first round in which a lost hospital is in the cohort again', () => {
    const board = new Script(5).run({ lost: { member: 'hungarian', round: 2, backIn: 4 } })
    expect(board.outages).toMatchObject([{ member: 'hungarian', round: 2, backInRound: 4 }])
    expect(board.rounds.get(2)!.survivors).not.toContain('hungarian')
  })
})

describe('the JSON', () => {
  it('has exactly the agreed fields, training rounds only, and plain numbers', () => {
    const json = demoJson(recordOf(new Script(3).run({ lost: { member: 'va', round: 2, backIn: 3 } })))
    expect(Object.keys(json)).toEqual([
      'hospitals',
      'rounds',
      'modelHash',
      'auc',
      'accuracy',
      'faults',
      'ledger',
    ])
    expect(json.rounds.map(r => r.round)).toEqual([1, 2, 3])
    expect(Object.keys(json.rounds[0]!)).toEqual([
      'round',
      'attempt',
      'cohort',
      'survivors',
      'seconds',
      'bytesSent',
      'auc',
    ])
    expect(Object.keys(json.rounds[0]!.bytesSent)).toEqual(MEMBERS)
    expect(new Set(Object.values(json.modelHash)).size).toBe(1)
    expect(Object.keys(json.auc)).toEqual(['local', 'federated', 'pooled'])
    expect(Object.keys(json.auc.local)).toEqual(MEMBERS)
    expect(Object.keys(json.ledger)).toEqual(['entries', 'verified'])
    expect(JSON.parse(JSON.stringify(json))).toEqual(json)
  })

  it('writes what cannot be told as null', () => {
    const record = recordOf(new Script(1).run())
    const none = { rows: 3, auc: undefined, accuracy: 1 }
    const json = demoJson({
      ...record,
      comparison: { ...record.comparison, pooled: { on: new Map(), all: none } },
    })
    expect(json.auc.pooled).toBeNull()
  })

  it('lists the killed hospital, who was left out, faults and given-up attempts by round', () => {
    const board = new Script(4).run({ lost: { member: 'va', round: 2, backIn: 3 } })
    board.apply(
      lineOf('cleveland', 0, {
        kind: 'roundAborted',
        round: 1,
        attempt: 0,
        reason: 'notOpened',
        culprits: [],
      }),
    )
    expect(faultsOf(board)).toMatchObject([
      { kind: 'aborted', round: 1, attempt: 0 },
      { kind: 'killed', member: 'va', round: 2, survivor: false, backInRound: 3 },
      { kind: 'leftOut', member: 'va', round: 2, reason: 'silent' },
    ])
  })
})

describe('the tree', () => {
  it('writes a training round only when the next one has measured its model', () => {
    const board = new Board(MEMBERS)
    for (const event of [opened(1), closed(1)]) board.apply(lineOf('va', 0, event))
    expect(isSettled(board, board.rounds.get(1)!)).toBe(false)
    for (const event of [opened(2), closed(2)]) board.apply(lineOf('va', 0, event))
    expect(isSettled(board, board.rounds.get(1)!)).toBe(true)
  })

  it('labels statistics and evaluation and marks who was left out', () => {
    const board = new Script(3).run({ lost: { member: 'va', round: 2, backIn: 3 } })
    const rows = (round: number) => roundRows(board, board.rounds.get(round)!, 3)
    expect(rows(0)[0]).toContain('statistics')
    expect(rows(4)[0]).toContain('evaluation')
    expect(rows(2)[0]).toMatch(/round 2 of 3 .* 4 +3 .*✗/)
    expect(rows(1)[0]).not.toContain('✗')
  })

  it('says how the lost hospital fared and that it is back', () => {
    const board = new Script(4).run({ lost: { member: 'va', round: 2, backIn: 4 } })
    expect(notes(board, board.rounds.get(2)!).join('\n')).toMatch(
      /va killed \(SIGKILL\).*without it[\s\S]*va left out: silent/,
    )
    expect(notes(board, board.rounds.get(4)!)).toEqual(['va is back in the cohort'])
  })
})

function opened(round: number) {
  return {
    kind: 'roundOpened' as const,
    round,
    attempt: 0,
    task: 'train' as const,
    cohort: ['a1'],
    absent: [],
  }
}

function closed(round: number) {
  return {
    kind: 'roundClosed' as const,
    round,
    attempt: 0,
    task: 'train' as const,
    modelHash: 'aa',
    metrics: undefined,
    faults: [],
  }
}
