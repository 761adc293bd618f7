import { describe, expect, it } from 'vitest'
import { erfc, logErfc, upperTail } from '../../../../protocol/privacy/normal.ts'
import {
  discreteGaussianRdp,
  epsilonFromRdp,
  sampledGaussianRdp,
  sampledRdp,
  skellamRdp,
  sumTau,
} from '../../../../protocol/privacy/rdp.ts'
import { type IntegerRow, library, publicRows } from './references.ts'

describe('erfc', () => {
  // Values of mpmath in 30 digits.
  it.each([
    [-3, 1.9999779095030015],
    [0, 1],
    [0.5, 0.4795001221869534],
    [0.999999, 0.1572996221581977],
    [1, 0.15729920705028513],
    [2, 0.004677734981047266],
    [3.5, 7.430983723414128e-7],
    [6.5, 3.842148327120647e-20],
    [10, 2.088487583762545e-45],
    [26, 5.663192408856143e-296],
  ])('of %d', (x, expected) => {
    expect(Math.abs(erfc(x) / expected - 1)).toBeLessThan(x > 5 ? 1e-13 : 1e-14)
  })

  it('has a logarithm far beyond the smallest number', () => {
    expect(logErfc(100)).toBeCloseTo(-10005.177585, 5)
    expect(logErfc(-40)).toBeCloseTo(Math.LN2, 12)
    expect(upperTail(Number.NEGATIVE_INFINITY)).toBe(1)
    expect(upperTail(Number.POSITIVE_INFINITY)).toBe(0)
  })
})

describe('RDP of the sampled Gaussian', () => {
  it.each(publicRows.rows.filter(r => r.rdp !== undefined))(
    'q=$q sigma=$sigma T=$T',
    ({ q, sigma, T, delta, rdp }) => {
      const epsilon = epsilonFromRdp(order => T * sampledGaussianRdp(order, q, sigma), delta)
      expect(Math.abs(epsilon - rdp!)).toBeLessThan(publicRows.tolerance.rdp)
    },
  )

  it.each([...library.rdp, ...library.fractional])(
    'at order $order, q=$q sigma=$sigma',
    ({ order, q, sigma, rdp }) => {
      const ours = sampledGaussianRdp(order, q, sigma)
      expect(Math.abs(ours - rdp)).toBeLessThan(1e-9 * rdp + 2e-14 / (order - 1))
    },
  )

  it('grows with the order, also where whole orders and fractions meet', () => {
    for (const [q, sigma] of [
      [0.01, 1],
      [0.3, 0.7],
      [0.9, 5],
    ] as const) {
      const orders = [1.5, 1.9, 1.999, 2, 2.001, 3, 9.9, 10, 10.1, 64, 100]
      const rdp = orders.map(order => sampledGaussianRdp(order, q, sigma))
      expect(rdp).toEqual(rdp.toSorted((a, b) => a - b))
    }
  })
})

/** Of hospitals whose noise is sigma^2 together. */
const equalTau = (sigma: number, parts: number) => sumTau([{ variance: sigma ** 2 / parts, count: parts }])

const boundOf = ({ mechanism, sigma, shift, order, q, parts }: IntegerRow) =>
  sampledRdp(order, q, at =>
    mechanism === 'skellam'
      ? skellamRdp(at, { l1: shift, l2: shift, sigma })
      : discreteGaussianRdp(at, { l2: shift, sigma, tau: equalTau(sigma, parts!), dimension: 1 }),
  )

describe('integer noise', () => {
  it.each(library.integer)('$mechanism of $sigma, shift $shift, order $order, q=$q', row => {
    const bound = boundOf(row)
    expect(bound).toBeGreaterThanOrEqual(row.rdp * (1 - 1e-12))
    // Close where there is noise enough; sampling before any mechanism at all costs up to the factor 3 of its theorem.
    if (row.sigma >= 2) expect(bound).toBeLessThan(row.rdp * (row.q < 1 ? 5 : row.sigma < 4 ? 2 : 1.1))
  })

  it('has the bounds of the theorems, worked out by hand', () => {
    // Skellam: 3 * 4 / 200 + min((5 * 4 + 6 * 4) / 40000, 3 * 4 / 200).
    expect(skellamRdp(3, { l1: 4, l2: 2, sigma: 10 })).toBeCloseTo(0.0611, 12)
    // 3 * 4 / 2 + min((5 * 4 + 6 * 4) / 4, 3 * 4 / 2).
    expect(skellamRdp(3, { l1: 4, l2: 2, sigma: 1 })).toBeCloseTo(12, 12)
    // Sampling: log(.25 * 2 + 3 * .125 * e^.2 + 3 * .125 * e^(2 * .3)) / 2.
    const sum = 0.5 + 0.375 * Math.exp(0.2) + 0.375 * Math.exp(0.6)
    expect(sampledRdp(3, 0.5, at => at / 10)).toBeCloseTo(Math.log(sum) / 2, 12)
  })

  it('is about Gaussian noise when there is much of it', () => {
    const gaussian = sampledGaussianRdp(8, 1, 100 / 7)
    expect(skellamRdp(8, { l1: 49, l2: 7, sigma: 100 }) / gaussian).toBeCloseTo(1, 2)
    expect(
      discreteGaussianRdp(8, { l2: 7, sigma: 100, tau: equalTau(100, 10), dimension: 1e6 }) / gaussian,
    ).toBeCloseTo(1, 12)
  })

  it('has the tau of the theorem for equal draws, and none for a single one', () => {
    let tau = 0
    for (let k = 1; k < 6; k++) tau += 10 * Math.exp((-2 * Math.PI ** 2 * 1.5 * k) / (k + 1))
    expect(sumTau([{ variance: 1.5, count: 6 }])).toBeCloseTo(tau, 15)
    expect(sumTau([{ variance: 1, count: 1 }])).toBe(0)
    expect(sumTau([{ variance: 100, count: 200 }])).toBe(0)
  })

  it.each([[[1, 1]], [[1, 1, 1, 1]], [[1, 1, 2, 3]], [[5, 1, 1]], [[0.2, 0.3]], [[0.1, 0.1, 0.1]]])(
    'of unequal draws %j is as far from one discrete Gaussian as tau says, at most',
    variances => {
      const reach = 12
      const density = (variance: number) => {
        const weights = Array.from({ length: 2 * reach + 1 }, (_, i) =>
          Math.exp(-((i - reach) ** 2) / (2 * variance)),
        )
        const whole = weights.reduce((a, b) => a + b, 0)
        return weights.map(w => w / whole)
      }
      const sum = variances
        .map(density)
        .reduce((a, b) => a.map((_, i) => a.reduce((p, x, k) => p + x * (b[i - k + reach] ?? 0), 0)))
      const one = density(variances.reduce((a, b) => a + b, 0))
      // Where cut tails play no part.
      const off = sum.slice(reach - 5, reach + 6).map((p, i) => Math.log(p / one[i + reach - 5]!))
      const tau = sumTau(variances.map(variance => ({ variance, count: 1 })))
      expect(Math.max(...off) - Math.min(...off)).toBeLessThanOrEqual(tau + 1e-9)
      expect(Math.max(...off) - Math.min(...off)).toBeGreaterThan(tau / 200)
    },
  )

  it('costs no less in any mechanism than in the Gaussian, by the sampling bound', () => {
    for (const q of [0.001, 0.1, 0.7]) {
      for (const order of [2, 5, 40]) {
        const any = sampledRdp(order, q, at => at / 8)
        expect(any).toBeGreaterThanOrEqual(sampledGaussianRdp(order, q, 2))
      }
    }
  })
})
