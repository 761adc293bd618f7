import { describe, expect, it, test } from 'vitest'
import type { Event } from '../../../../protocol/ports.ts'
import {
  type Course,
  CourseWriter,
  figuresOf,
  isWithin,
  median,
  medianFigures,
  type RoundCourse,
} from '../../../e2e/netns/course.ts'
import { compare, explain } from '../../../e2e/netns/table.ts'

/** Rounds of 1 s with .4 s between them, 1000 bytes a second; the one that is struck takes 30 s longer. */
function course(struck: number, count = 9): Course {
  const rounds: RoundCourse[] = []
  let at = 500
  const mark = (ms: number) => ({ at: ms, bytes: ms })
  for (let round = 0; round < count; round++) {
    const closed = at + 1000 + (round === struck ? 30_000 : 0)
    rounds.push({
      round,
      attempts: 1,
      opened: mark(at),
      closed: mark(closed),
      closedEverywhere: mark(closed + 50),
      survivors: 8,
    })
    at = closed + 400
  }
  const from = rounds[struck]!.opened.at + 600
  return { rounds, cut: { from: mark(from), to: mark(from + 30_000) } }
}

describe('the figures of a course', () => {
  it('are those of quiet rounds, of the cut, and of the whole', () => {
    expect(figuresOf(course(5))).toEqual({
      roundMs: 1400,
      openMs: 1000,
      roundBytes: 1400,
      cutRoundMs: 30_450,
      recoveryMs: 450,
      cutBytes: 30_450,
      studyMs: 9 * 1400 - 400 + 30_050,
      studyBytes: 9 * 1400 - 400 + 30_050,
    })
  })

  it('leave out a round that the cut only reaches after its end', () => {
    const { rounds, cut } = course(5)
    const early = { from: { at: rounds[4]!.closed.at + 100, bytes: 0 }, to: cut.to }
    const slow = rounds.map(r => (r.round === 4 ? { ...r, opened: { at: r.opened.at - 9000, bytes: 0 } } : r))
    expect(figuresOf({ rounds: slow.filter(r => r.round > 3), cut: early }).roundMs).toBe(1400)
  })

  it('need quiet rounds and an end after the cut', () => {
    const { rounds, cut } = course(5)
    expect(() => figuresOf({ rounds: rounds.slice(0, 5), cut })).toThrow(/too few/)
    expect(() => figuresOf({ rounds: rounds.slice(5, 6), cut })).toThrow(/too few/)
  })

  it('have a median, of several courses as well', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(() => median([])).toThrow(RangeError)
    const figures = figuresOf(course(5))
    const other = { ...figures, roundMs: 1500, openMs: 900 }
    expect(medianFigures([figures, other, other])).toEqual(other)
  })
})

describe('a course', () => {
  it('is written from the events of all hospitals, in their order', () => {
    const writer = new CourseWriter()
    let at = 0
    const note = (event: object) => writer.note(event as Event, () => ({ at: ++at, bytes: 10 * at }))
    note({ kind: 'waiting', reason: 'votes', for: [] })
    note({ kind: 'roundOpened', round: 1, attempt: 0 })
    note({ kind: 'roundOpened', round: 1, attempt: 0 })
    note({ kind: 'roundOpened', round: 1, attempt: 1 })
    note({ kind: 'survivorsFixed', round: 1, attempt: 1, survivors: ['a', 'b'] })
    note({ kind: 'roundClosed', round: 1, attempt: 1 })
    note({ kind: 'roundClosed', round: 1, attempt: 1 })
    note({ kind: 'roundOpened', round: 2, attempt: 0 })
    const cut = { from: { at: 0, bytes: 0 }, to: { at: 0, bytes: 0 } }
    expect(writer.course(cut).rounds).toEqual([
      {
        round: 1,
        attempts: 2,
        opened: { at: 1, bytes: 10 },
        survivors: 2,
        closed: { at: 2, bytes: 20 },
        closedEverywhere: { at: 3, bytes: 30 },
      },
    ])
  })
})

describe('the comparison', () => {
  const real = figuresOf(course(5))

  it('allows a quarter either way', () => {
    expect(isWithin(100, 125, 0.25)).toBe(true)
    expect(isWithin(100, 126, 0.25)).toBe(false)
    expect(isWithin(100, 75, 0.25)).toBe(true)
    expect(isWithin(100, 74, 0.25)).toBe(false)
  })

  it('judges times and bytes, shows what it does not judge, and names what is off', () => {
    expect(compare(real, real, [real], real)).toMatchObject({ agree: true })
    const slower = { ...real, roundMs: real.roundMs * 1.3 }
    const verdict = compare(real, slower, [real, slower], real)
    expect(verdict.agree).toBe(false)
    const off = verdict.lines.filter(line => line.includes('OFF'))
    expect(off).toHaveLength(1)
    expect(off[0]).toMatch(
      /^a round, from opening to opening, s +1\.40 +1\.82 +1\.30 {2}OFF +1\.40 to 1\.82 +1\.40$/,
    )
    expect(compare(real, { ...real, roundBytes: real.roundBytes / 2 }, [real], real).agree).toBe(false)
    const late = compare(real, { ...real, recoveryMs: 3 * real.recoveryMs }, [real], real)
    expect(late.agree).toBe(true)
    expect(late.lines.join('\n')).toContain('3.00 *')
  })
})

test('what a round is made of adds up', () => {
  const parts = { bare: 1000, lossy: 1250, working: 1750, waiting: 3000 }
  const text = explain(parts, { bytes: 1000, payloadBytes: 700, ackBytes: 100 }).join('\n')
  expect(text).toContain('round of 3.00 s, 1.00 s are latency and training, 0.25 s lost packets')
  expect(text).toContain('0.50 s the work on messages and 1.25 s the wait')
  expect(text).toContain("70 % are what TCP carried, 20 % its headers and IP's, 10 % bare")
})
