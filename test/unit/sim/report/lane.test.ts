import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Lane } from '../../../../sim/report/lane.ts'

const PHASES = ['between', 'learning', 'sharing', 'delivered', 'opening']

/** `rounds` rounds of five phases of 10 ms each. */
function rounds(lane: Lane, count: number): number {
  let at = 0
  for (let round = 0; round < count; round++) {
    for (const what of PHASES) {
      lane.phase(at, what, round)
      at += 10
    }
  }
  return at
}

describe('a lane', () => {
  it('has one stretch for each phase, none of no length, and ends at the end', () => {
    const lane = new Lane(100)
    lane.phase(0, 'between', 0)
    lane.phase(5, 'learning', 0)
    lane.phase(5, 'sharing', 0)
    lane.phase(9, 'sharing', 0)
    expect(lane.until(12).spans).toEqual([
      { kind: 'phase', what: 'between', round: 0, from: 0, to: 5 },
      { kind: 'phase', what: 'sharing', round: 0, from: 5, to: 12 },
    ])
  })

  it('adds up the time without a process, and the time struck, each moment once and none after the end', () => {
    const lane = new Lane(100)
    lane.phase(0, 'between', 0)
    lane.down(10, 'crash', 0)
    lane.phase(25, 'between', 0)
    lane.struck('outage', 'outage', 0, 30, 20)
    lane.struck('paused', 'pause', 0, 40, 20)
    lane.struck('hindered', 'clog', 0, 40, 500)
    lane.struck('outage', 'outage', 0, 90, 100)
    const { spans, downMs, struckMs } = lane.until(100)
    expect(downMs).toBe(15)
    expect(struckMs).toBe(30 + 10)
    expect(spans.filter(s => s.what === 'outage').map(s => [s.from, s.to])).toEqual([
      [30, 50],
      [90, 100],
    ])
  })

  it('takes the phases of a round together first, then rounds, and covers the same time', () => {
    const lane = new Lane(40)
    const end = rounds(lane, 20)
    const { spans } = lane.until(end)
    expect(spans.length).toBeLessThanOrEqual(40)
    expect(spans[0]).toMatchObject({ what: 'round', round: 0, from: 0, to: 50 })
    const long = new Lane(40)
    const later = rounds(long, 1000)
    const merged = long.until(later).spans
    expect(merged.length).toBeLessThanOrEqual(40)
    expect(merged[0]).toMatchObject({ what: 'rounds', round: 0, from: 0 })
    for (const all of [spans, merged]) {
      all.forEach((s, i) => void expect(s.from).toBe(i === 0 ? 0 : all[i - 1]!.to))
    }
    expect(merged.at(-1)!.to).toBe(later)
  })

  it('keeps a long time without a process apart, however long the run', () => {
    const lane = new Lane(20)
    const at = rounds(lane, 100)
    lane.down(at, 'crash', 100)
    lane.phase(at + 2000, 'between', 100)
    for (let round = 100; round < 300; round++) lane.phase(at + 2000 + round, 'learning', round)
    const { spans } = lane.until(at + 3000)
    expect(spans).toContainEqual({ kind: 'down', what: 'crash', round: 100, from: at, to: at + 2000 })
    expect(spans.length).toBeLessThanOrEqual(20)
  })

  it('is bounded and without gaps whatever happens', () => {
    const step = fc.record({
      what: fc.constantFrom(...PHASES, 'down', 'outage', 'clog'),
      after: fc.nat(50),
      next: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), fc.integer({ min: 4, max: 12 }), (steps, max) => {
        const lane = new Lane(max)
        let [at, round, downMs, since] = [0, 0, 0, -1]
        lane.phase(0, 'between', 0)
        for (const { what, after, next } of steps) {
          at += after
          if (next) round++
          if (what === 'outage' || what === 'clog')
            lane.struck(what === 'clog' ? 'hindered' : 'outage', what, round, at, after)
          else if (what === 'down') {
            if (since < 0) since = at
            lane.down(at, 'crash', round)
          } else {
            if (since >= 0) downMs += at - since
            since = -1
            lane.phase(at, what, round)
          }
        }
        const told = lane.until(at + 1)
        if (since >= 0) downMs += at + 1 - since
        expect(told.downMs).toBe(downMs)
        expect(lane.until(at + 1)).toEqual(told)
        const { spans } = told
        const course = spans.filter(s => s.kind === 'phase' || s.kind === 'down')
        expect(course.length).toBeLessThanOrEqual(max)
        expect(spans.length).toBeLessThanOrEqual(2 * max)
        expect(course[0]!.from).toBe(0)
        expect(course.at(-1)!.to).toBe(at + 1)
        course.forEach((s, i) => {
          expect(s.to).toBeGreaterThan(s.from)
          if (i > 0) expect(s.from).toBe(course[i - 1]!.to)
        })
      }),
    )
  })
})
