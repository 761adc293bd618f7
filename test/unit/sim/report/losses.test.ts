/** On a constructed run with known troubles: what each absence coincides with, and what each fault cost. */
import { describe, expect, it } from 'vitest'
import type { Injected } from '../../../../sim/observer.ts'
import { lossesOf, median } from '../../../../sim/report/losses.ts'
import type { RoundRecord, RunResult } from '../../../../sim/result.ts'
import { played } from './script.ts'

const ALL = ['a', 'b', 'c', 'd']

interface Says {
  readonly to: number
  readonly leftOut?: Record<string, string>
  readonly tries?: RoundRecord['tries']
  readonly fixedAt?: number
}

/** Rounds one after the other, each from the end of the one before. */
function run(
  rounds: readonly Says[],
  injected: readonly Omit<Injected, 'detail'>[],
  liars: readonly string[] = [],
) {
  const base = played({ n: 4, rounds: 1 })
  let from = 0
  return {
    ...base,
    hospitals: ALL.map(id => ({
      ...base.hospitals[0]!,
      id,
      behaviour: liars.includes(id) ? 'lateInput' : undefined,
    })),
    injected: injected.map(i => ({ ...i, detail: '' })),
    virtualMs: rounds.at(-1)!.to,
    rounds: rounds.map((r, round): RoundRecord => {
      const openedAt = from + 10
      const leftOut = Object.entries(r.leftOut ?? {}).map(([member, reason]) => ({ member, reason }))
      from = r.to
      return {
        ...base.rounds[1]!,
        round,
        openedAt,
        fixedAt: r.fixedAt ?? r.to - 10,
        closedAt: r.to,
        attempts: (r.tries?.length ?? 0) + 1,
        tries: r.tries ?? [],
        leftOut,
        survivors: ALL.filter(m => !leftOut.some(l => l.member === m)),
      }
    }),
  } satisfies RunResult
}

const outage = (who: string, at: number, forMs: number, kind = 'outage') => ({
  kind,
  hospitals: [who],
  at,
  forMs,
})
const calm = (n: number, from = 0, ms = 100): Says[] =>
  Array.from({ length: n }, (_, i) => ({ to: from + ms * (i + 1) }))

describe('what each outage cost', () => {
  it('counts rounds missed, inputs lost and what the others waited longer than a calm round', () => {
    const { faults, losses, unexplainedMs } = lossesOf(
      run(
        [
          ...calm(3),
          { to: 700, leftOut: { b: 'silent' } },
          { to: 850, leftOut: { b: 'absent' } },
          { to: 950 },
        ],
        [outage('b', 350, 480)],
      ),
    )
    expect(losses).toEqual([
      {
        round: 3,
        member: 'b',
        reason: 'silent',
        inputLost: true,
        fault: 0,
        after: false,
        behaviour: undefined,
      },
      {
        round: 4,
        member: 'b',
        reason: 'absent',
        inputLost: false,
        fault: 0,
        after: false,
        behaviour: undefined,
      },
    ])
    expect(faults).toMatchObject([{ roundsMissed: 2, inputsLost: 1, retries: 0, waitedMs: 300 + 50 }])
    expect(unexplainedMs).toBe(0)
  })

  it('puts an absence to the fault of that hospital, not to one of another at the same time', () => {
    const { losses } = lossesOf(
      run([...calm(2), { to: 400, leftOut: { c: 'absent' } }], [outage('b', 210, 150), outage('c', 215, 20)]),
    )
    expect(losses[0]).toMatchObject({ member: 'c', fault: 1 })
  })

  it('prefers what cuts a hospital off to what slows it down, then what lasts longer in the round', () => {
    const says: Says[] = [...calm(2), { to: 400, leftOut: { b: 'silent' } }]
    const of = (...injected: Omit<Injected, 'detail'>[]) => lossesOf(run(says, injected)).losses[0]!.fault
    expect(of(outage('b', 200, 200, 'clog'), outage('b', 300, 5, 'crash'))).toBe(1)
    expect(of(outage('b', 210, 5), outage('b', 230, 90), outage('b', 350, 20))).toBe(1)
  })

  it('says that a hospital was coming back when its outage ended in the round before, and not later', () => {
    const says: Says[] = [
      ...calm(2),
      { to: 300, leftOut: { b: 'absent' } },
      { to: 400, leftOut: { b: 'absent' } },
    ]
    const { losses } = lossesOf(run(says, [outage('b', 150, 20)]))
    expect(losses.map(l => [l.round, l.fault, l.after])).toEqual([
      [2, 0, true],
      [3, undefined, false],
    ])
  })

  it('does not put an absence to a fault that began after the survivors were fixed', () => {
    const says: Says[] = [...calm(2), { to: 300, fixedAt: 250, leftOut: { b: 'silent' } }]
    expect(lossesOf(run(says, [outage('b', 260, 20)])).losses[0]!.fault).toBeUndefined()
  })

  it('shares a wait between the faults that cost a hospital its place, and gives none to the others', () => {
    const says: Says[] = [...calm(3), { to: 600, leftOut: { b: 'silent', c: 'silent' } }]
    const { faults } = lossesOf(run(says, [outage('a', 320, 50), outage('b', 310, 50), outage('c', 310, 50)]))
    expect(faults.map(f => f.waitedMs)).toEqual([0, 100, 100])
  })

  it('gives a wait without absences to the faults of that time, and one without faults to none', () => {
    const waits = lossesOf(
      run([...calm(3), { to: 600 }, { to: 900, leftOut: { d: 'silent' } }], [outage('b', 350, 100)]),
    )
    expect(waits.faults[0]!.waitedMs).toBe(200)
    expect(waits.unexplainedMs).toBe(200)
    expect(waits.losses[0]).toMatchObject({ member: 'd', fault: undefined })
  })

  it('counts an attempt that was given up for a fault of its culprit, else for what covers most of it', () => {
    const of = (culprits: readonly string[], liars: readonly string[] = []) => {
      const tries = [
        {
          attempt: 0,
          committee: undefined,
          openedAt: 310,
          fixedAt: undefined,
          endedAt: 410,
          cohort: 4,
          aborted: 'culprit',
          culprits: culprits.map(member => ({ member, code: 'unshared' })),
        },
      ]
      const struck = [outage('a', 300, 20), outage('b', 320, 80)]
      const { faults, liarsMs } = lossesOf(run([...calm(3), { to: 550, tries }], struck, liars))
      return { retries: faults.map(f => f.retries), waited: faults.map(f => f.waitedMs), liarsMs }
    }
    expect(of([])).toEqual({ retries: [0, 1], waited: [75, 75], liarsMs: 0 })
    expect(of(['a'])).toMatchObject({ retries: [1, 0] })
    expect(of(['c'])).toMatchObject({ retries: [0, 1] })
    // What a malicious hospital spoilt is put to no fault: neither the attempt nor the time that it took.
    expect(of(['c'], ['c'])).toEqual({ retries: [0, 0], waited: [25, 25], liarsMs: 100 })
  })

  it('takes calm rounds as the measure: an excess is none of theirs, and it is the median that counts', () => {
    const { times } = lossesOf(run([{ to: 100 }, { to: 220 }, { to: 320 }, { to: 470 }], []))
    expect(times.map(t => [t.calm, t.excessMs])).toEqual([
      [true, 0],
      [true, 0],
      [true, 0],
      [true, 0],
    ])
    const late = lossesOf(run([{ to: 100 }, { to: 220 }, { to: 320 }, { to: 620 }], [outage('a', 330, 5)]))
    expect(late.times[3]!.excessMs).toBe(300 - 100)
  })

  it('tells liars from the unlucky', () => {
    const says: Says[] = [...calm(2), { to: 300, leftOut: { d: 'undelivered' } }]
    expect(lossesOf(run(says, [], ['d'])).losses[0]).toMatchObject({
      behaviour: 'lateInput',
      fault: undefined,
    })
  })

  it('has nothing to say of a run without rounds', () => {
    const base = played({ n: 4, rounds: 1 })
    expect(lossesOf({ ...base, rounds: [], injected: [] })).toEqual({
      losses: [],
      faults: [],
      times: [],
      liarsMs: 0,
      unexplainedMs: 0,
    })
  })
})

describe('the median', () => {
  it('is the middle one, of an even number the lower, of none nothing', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([])]).toEqual([2, 2, undefined])
  })
})
