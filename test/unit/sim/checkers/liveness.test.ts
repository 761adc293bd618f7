import { describe, expect, it } from 'vitest'
import { boundMs, liveness } from '../../../../sim/checkers/liveness.ts'
import { memberName, testCharter } from '../../../support/consortium.ts'
import { TROUBLE, watched } from '../../../support/watched.ts'

const charter = testCharter({ n: 4, rounds: 1 })
const context = { charter, configs: new Map(), liars: new Set<string>(), f: 1 }
const victim = memberName(1)

describe('liveness', () => {
  it('a study that goes on is not complained of, however bad it was before', () => {
    for (const o of Object.values(TROUBLE)) {
      const { says, checker, done } = watched(liveness, { n: 4, context: { healAtMs: 8000 }, ...o })
      expect(done).toBe(true)
      expect(says).toEqual([])
      expect(checker.checked).toBeGreaterThan(100)
    }
  })

  it('the bound grows with attempts, liars, and what hospitals need', () => {
    const bound = boundMs(context, 0)
    expect(bound).toBeGreaterThan(60_000)
    expect(boundMs(context, 3)).toBeGreaterThan(bound)
    expect(boundMs({ ...context, f: 2 }, 0)).toBeGreaterThan(bound)
    expect(boundMs({ ...context, slowestMs: 20_000 }, 0)).toBeGreaterThan(bound)
    expect(boundMs({ ...context, slowestMs: 7000 }, 0)).toBe(bound)
  })

  it('a study that stands still is found when its bound is over, and not before', () => {
    const stuck = (limitMs: number) =>
      watched(liveness, {
        n: 4,
        limitMs,
        context: { healAtMs: 1000 },
        // Two of four never hear of each other or of anybody.
        before: ({ world }) => void [0, 1].map(i => world.isolate(memberName(i))),
      }).says
    const bound = boundMs(context, 0)
    expect(stuck(bound)).toEqual([])
    expect(stuck(bound + 60_000)).toEqual([
      'round 0 is not closed within its bound at hospital-000, hospital-001, hospital-002, hospital-003 (between)',
    ])
  })

  it('one hospital that is left behind is named', () => {
    const { says } = watched(liveness, {
      n: 4,
      limitMs: 2 * boundMs(context, 0),
      context: { healAtMs: 3000 },
      before: ({ world }) => void world.isolate(victim),
    })
    expect(says).toEqual([`round 0 is not closed within its bound at ${victim} (between)`])
  })

  it('below a live quorum nothing is promised', () => {
    const { says } = watched(liveness, {
      n: 4,
      limitMs: 2 * boundMs(context, 0),
      context: { healAtMs: 1000 },
      before: ({ world }) => {
        world.crash(memberName(0))
        world.crash(memberName(1))
      },
    })
    expect(says).toEqual([])
  })

  it('a machine that throws is found', () => {
    const { says } = watched(liveness, {
      n: 4,
      limitMs: 5000,
      world: { onBroken: () => {} },
      machine: id =>
        id === victim
          ? () => ({
              handle: () => {
                throw new Error('an invariant 0123456789abcdef does not hold')
              },
            })
          : undefined,
    })
    expect(says).toEqual([`${victim} broke: an invariant ... does not hold`])
  })
})
