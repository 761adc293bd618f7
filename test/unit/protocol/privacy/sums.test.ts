/** Sums of the hospitals' discrete Gaussians: what is drawn has their exact law, and that is as near to one of them as is counted. */
import { describe, expect, it } from 'vitest'
import { discreteGaussianNoise } from '../../../../protocol/privacy/discrete-gaussian.ts'
import { type Rational, rational, scaled } from '../../../../protocol/privacy/rational.ts'
import { sumTau } from '../../../../protocol/privacy/rdp.ts'
import { noiseLevels } from '../../../../protocol/privacy/shares.ts'
import { fitOf } from '../../../support/chi-square.ts'
import { discreteGaussianLaw, expectDrawsOf, logRatios, sumLaw } from '../../../support/noise-laws.ts'

/** With how many draws: of the smallest, whose sums are the least like one discrete Gaussian, enough for 10^6 sums of two. */
const SIGMAS = [
  [0.5, rational(1, 4), 2_000_000],
  [1, rational(1), 1_000_000],
  [4, rational(16), 1_000_000],
  [100, rational(10_000), 1_000_000],
] as const
const PARTS = [2, 3, 10]

const drawn = (variance: Rational, count: number): Int32Array => {
  const out = new Int32Array(count)
  discreteGaussianNoise(variance).drawer(new Uint8Array(32).fill(5))(out)
  return out
}

/** As many independent sums of `m` as there are draws for. */
function sumsOf(draws: Int32Array, m: number): Int32Array {
  const sums = new Int32Array(Math.floor(draws.length / m))
  for (let i = 0; i < m * sums.length; i++) sums[Math.floor(i / m)]! += draws[i]!
  return sums
}

describe('what is drawn', () => {
  it.each(SIGMAS)('of shares of sigma %d has the exact law of their sum', (_, variance, count) => {
    const draws = drawn(variance, count)
    const share = discreteGaussianLaw(variance)
    for (const m of PARTS) expectDrawsOf(sumsOf(draws, m), sumLaw(share, m))
  })

  it('has it with most hospitals lost and most adding none; a share too few shows, and that it is not one discrete Gaussian', () => {
    // Ten hospitals, two of them malicious; of the seven that survive at least five add theirs, all levels of it.
    const cohort = { cohort: 10, survivorsMin: 7, maliciousMax: 2 }
    const levels = noiseLevels(5, cohort).filter(v => v > 0)
    expect(levels).toEqual([1])
    const variance = rational(levels[0]!)
    const draws = drawn(variance, 1_000_000)
    const law = sumLaw(discreteGaussianLaw(variance), 5)
    expectDrawsOf(sumsOf(draws, 5), law)
    expect(fitOf(sumsOf(draws, 4), law)).toBeLessThan(1e-6)
    // Much less noise would show that it is a sum: so little no level has.
    const small = drawn(rational(1, 4), 1_000_000)
    expect(fitOf(sumsOf(small, 5), discreteGaussianLaw(rational(5, 4)))).toBeLessThan(1e-6)
  })
})

describe('the law of a sum', () => {
  it.each(SIGMAS.slice(0, 3).flatMap(([sigma, each]) => PARTS.map(m => [m, sigma, each] as const)))(
    'of %i shares of sigma %d is as near to one discrete Gaussian as the accountant counts with, everywhere',
    (m, sigma, each) => {
      const logs = logRatios(each, m)
      const tau = sumTau([{ variance: sigma * sigma, count: m }])
      expect(Math.max(...logs.map(Math.abs))).toBeLessThanOrEqual(tau / 2)
      expect(Math.max(...logs) - Math.min(...logs)).toBeLessThanOrEqual(tau)
      // Of two shares the bound is close: a tau that is a third of it would be wrong.
      if (m === 2) expect(Math.max(...logs) - Math.min(...logs)).toBeGreaterThan(tau / 3)
    },
  )

  it('of shares of sigma 100 is one discrete Gaussian, as far as floats can tell', () => {
    const [, , , [, each]] = SIGMAS
    for (const m of PARTS) {
      const single = discreteGaussianLaw(scaled(each, m))
      for (const [z, p] of sumLaw(discreteGaussianLaw(each), m))
        if (p > 1e-12) expect(Math.abs(Math.log(p / single.get(z)!))).toBeLessThan(1e-7)
      expect(sumTau([{ variance: 10_000, count: m }])).toBeLessThan(1e-300)
    }
  })

  it('is as far from one in floats as in long integers, and alike every m steps', () => {
    for (const m of PARTS) {
      const single = discreteGaussianLaw(rational(m, 4))
      const logs = logRatios(rational(1, 4), m)
      for (const [z, p] of sumLaw(discreteGaussianLaw(rational(1, 4)), m))
        if (p > 1e-9) expect(Math.log(p / single.get(z)!)).toBeCloseTo(logs.at(z % m)!, 8)
    }
  })

  it('is not within tau of one for shares that are much smaller than it is stated for', () => {
    const logs = logRatios(rational(1, 100), 2)
    // The bound's own formula, were it counted with.
    expect(Math.max(...logs) - Math.min(...logs)).toBeGreaterThan(
      10 * Math.exp((-2 * Math.PI ** 2 * 0.01) / 2),
    )
    expect(sumTau([{ variance: 0.1, count: 4 }])).toBeGreaterThan(0)
    expect(() => sumTau([{ variance: 0.099, count: 4 }])).toThrow(/variance 0.099/)
  })
})
