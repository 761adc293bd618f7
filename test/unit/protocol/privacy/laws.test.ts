/** What the tests of noise are judged by must itself be right. */
import { describe, expect, it } from 'vitest'
import { rational } from '../../../../protocol/privacy/rational.ts'
import { chiSquareTail, fitOf, logGamma } from '../../../support/chi-square.ts'
import { discreteGaussianLaw, moment, skellamLaw } from '../../../support/noise-laws.ts'

describe('the chi-square test', () => {
  it('has the quantiles of tables', () => {
    for (const [x, freedom, p] of [
      [3.841459, 1, 0.05],
      [18.30704, 10, 0.05],
      [29.5883, 10, 0.001],
      [3.940299, 10, 0.95],
      [124.3421, 100, 0.05],
      [553.1268, 500, 0.05],
      [449.1468, 500, 0.95],
    ] as const)
      expect(chiSquareTail(x, freedom)).toBeCloseTo(p, 6)
    // exp(-x / 2) with two degrees.
    expect(chiSquareTail(60, 2) / Math.exp(-30)).toBeCloseTo(1, 9)
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 11)
  })

  it('tells a law from one that is a little other', () => {
    const draws = Int32Array.from({ length: 100_000 }, (_, i) => (i % 100 < 50 ? 0 : i % 100 < 75 ? -1 : 1))
    const law = (p: number) =>
      new Map([
        [0, p],
        [1, (1 - p) / 2],
        [-1, (1 - p) / 2],
      ])
    expect(fitOf(draws, law(0.5))).toBeCloseTo(1, 9)
    expect(fitOf(draws, law(0.49))).toBeLessThan(1e-6)
  })
})

describe('the laws', () => {
  it('are Skellam’s: I_k(1) / e, and its moments', () => {
    const law = skellamLaw(rational(1))
    expect(law.get(0)).toBeCloseTo(1.2660658777520084 / Math.E, 14)
    expect(law.get(-1)).toBeCloseTo(0.5651591039924851 / Math.E, 14)
    const v = 16
    const some = skellamLaw(rational(v))
    expect([0, 1, 2, 3, 4].map(power => moment(some, power))).toEqual(
      [1, 0, v, 0, 3 * v * v + v].map(x => expect.closeTo(x, 9)),
    )
  })

  it('are the discrete Gaussian’s', () => {
    const law = discreteGaussianLaw(rational(1, 2))
    expect(law.get(1)! / law.get(0)!).toBeCloseTo(1 / Math.E, 14)
    expect(moment(law, 0)).toBeCloseTo(1, 14)
  })
})
