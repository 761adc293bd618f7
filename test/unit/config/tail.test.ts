import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  committeeCount,
  committeeLargest,
  drawnTail,
  maliciousBorne,
  ROUND_FAILURE_MAX,
  roundFailure,
  studyFailure,
} from '../../../config/tail.ts'

/**
 * [n, f, m, k, P]. Exact rationals, rounded once; Python:
 *   float(sum(Fraction(comb(f, i) * comb(n - f, m - i), comb(n, m)) for i in range(k + 1, min(f, m) + 1) if m - i <= n - f))
 */
const REFERENCE: readonly (readonly [number, number, number, number, number])[] = [
  [10, 3, 4, 1, 0.3333333333333333],
  [60, 3, 10, 3, 0],
  [60, 4, 10, 3, 0.0004306499738533944],
  [100, 10, 20, 6, 0.0003917162759604709],
  [255, 40, 30, 9, 0.008444151213246171],
  [1000, 20, 20, 6, 2.661161998489924e-8],
  [1000, 25, 20, 6, 1.556841252250732e-7],
  [1000, 100, 40, 13, 1.0612847232057613e-5],
  [1000, 333, 40, 13, 0.4684433789162115],
  [1000, 333, 64, 21, 0.474146719595126],
  [4096, 100, 20, 6, 2.5030142791550196e-7],
  [4096, 400, 64, 21, 5.6401724523272076e-8],
  [4096, 1365, 96, 31, 0.5383186732500563],
  [1000, 0, 20, 6, 0],
  [1000, 6, 20, 6, 0],
  [1000, 7, 20, 6, 3.9901048599629047e-13],
  [20, 19, 15, 13, 1],
  [20, 19, 15, 14, 0.25],
]

describe('drawnTail', () => {
  it('agrees with exact values to 12 digits', () => {
    for (const [n, f, m, k, p] of REFERENCE) {
      const own = drawnTail(n, f, m, k)
      expect(Math.abs(own - p), `${n} ${f} ${m} ${k}: ${own}`).toBeLessThanOrEqual(1e-12 * p)
    }
  })

  it('neither overflows nor vanishes where the first weight is far below the smallest double', () => {
    // Half of 4,000 drawn, half of them malicious: symmetric about 1,000.
    expect(drawnTail(4000, 2000, 2000, 999)).toBeGreaterThan(0.5)
    expect(drawnTail(4000, 2000, 2000, 999) + drawnTail(4000, 2000, 2000, 1000)).toBeCloseTo(1, 10)
  })

  it('grows with f and with m, falls with k', () => {
    const setting = fc.record({
      n: fc.integer({ min: 4, max: 400 }),
      x: fc.nat(),
      y: fc.nat(),
      k: fc.nat(40),
    })
    fc.assert(
      fc.property(setting, ({ n, x, y, k }) => {
        const f = x % n
        const m = y % n
        const p = drawnTail(n, f, m, k)
        const slack = 1e-12
        return (
          p >= 0 &&
          p <= 1 &&
          drawnTail(n, f + 1, m, k) >= p - slack &&
          drawnTail(n, f, m + 1, k) >= p - slack &&
          drawnTail(n, f, m, k + 1) <= p + slack
        )
      }),
    )
  })
})

describe('committees of a round', () => {
  it('have at least the size, and as equal as can be', () => {
    expect([committeeCount(1000, 20), committeeLargest(1000, 20)]).toEqual([50, 20])
    expect([committeeCount(1019, 20), committeeLargest(1019, 20)]).toEqual([50, 21])
    expect([committeeCount(59, 20), committeeLargest(59, 20)]).toEqual([2, 30])
  })

  it('all count, and the one that decides', () => {
    expect(roundFailure(1000, 20, 20, 6)).toBeCloseTo(51 * 2.661161998489924e-8, 18)
    expect(roundFailure(59, 3, 20, 0)).toBe(1)
  })

  it('bear so many malicious members, and not one more', () => {
    for (const [n, size, faulty] of [
      [1000, 20, 6],
      [1000, 20, 5],
      [60, 10, 3],
    ] as const) {
      const f = maliciousBorne(n, size, faulty)
      expect(roundFailure(n, f, size, faulty)).toBeLessThanOrEqual(ROUND_FAILURE_MAX)
      expect(roundFailure(n, f + 1, size, faulty)).toBeGreaterThan(ROUND_FAILURE_MAX)
    }
  })

  it('a study counts every draw', () => {
    const members = Array.from({ length: 1000 })
    const charter = { members, maliciousMax: 20, training: { rounds: 10 } as never }
    expect(studyFailure(charter, { size: 20, maliciousMax: 6 })).toBeCloseTo(
      13 * 51 * 2.661161998489924e-8,
      16,
    )
  })
})
