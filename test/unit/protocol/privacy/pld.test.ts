import { describe, expect, it } from 'vitest'
import { transform, transformError } from '../../../../protocol/privacy/fft.ts'
import { gridLosses, lossRange } from '../../../../protocol/privacy/loss.ts'
import { epsilonFromPld } from '../../../../protocol/privacy/pld.ts'
import { epsilonFromRdp, sampledGaussianRdp } from '../../../../protocol/privacy/rdp.ts'
import { gaussianDelta } from '../../../support/gaussian.ts'
import { library, publicRows, sampledDelta } from './references.ts'

describe('epsilon by PLD', () => {
  it.each(publicRows.rows.filter(r => r.pld !== undefined))(
    'q=$q sigma=$sigma T=$T of the public rows',
    ({ q, sigma, T, delta, pld, prvUpperBound }) => {
      const epsilon = epsilonFromPld([{ q, sigma, steps: T }], delta)
      expect(Math.abs(epsilon - pld!)).toBeLessThan(publicRows.tolerance.pld)
      if (prvUpperBound === undefined) return
      expect(epsilon).toBeLessThan(prvUpperBound)
      expect(prvUpperBound - epsilon).toBeLessThan(publicRows.tolerance.prvUpperBound)
    },
  )

  it.each(library.rows)('of composition $#', ({ parts, delta, pld }) => {
    const epsilon = epsilonFromPld(parts, delta)
    expect(Math.abs(epsilon - pld)).toBeLessThan(5e-4 * pld)
  })
})

describe('the bound', () => {
  const grid: [number, number, number][] = []
  for (const q of [0.001, 0.02, 0.3, 0.9, 1]) {
    for (const sigma of [0.4, 1, 5]) {
      for (const epsilon of [0.01, 0.1, 0.7, 3, 9]) grid.push([q, sigma, epsilon])
    }
  }

  it('is never under the true epsilon of one step, and close above it', () => {
    let measured = 0
    for (const [q, sigma, epsilon] of grid) {
      const delta = Math.max(
        sampledDelta('remove', q, sigma, epsilon),
        sampledDelta('add', q, sigma, epsilon),
      )
      if (delta < 1e-40) continue
      const bound = epsilonFromPld([{ q, sigma, steps: 1 }], delta)
      const label = `q=${q} sigma=${sigma} epsilon=${epsilon} delta=${delta}`
      expect(bound, label).toBeGreaterThan(epsilon * (1 - 1e-9))
      expect(bound, label).toBeLessThan(epsilon * (1 + 1e-3) + 5e-5)
      measured++
    }
    expect(measured).toBeGreaterThan(50)
  })

  it('is never under the true epsilon of many Gaussian steps, down to a delta of 1e-60', () => {
    let smallest = 1
    for (const [sigma, steps] of [
      [2, 1],
      [10, 100],
      [30, 2_000],
      [300, 20_000],
    ] as const) {
      for (const epsilon of [0.05, 2, 8]) {
        const delta = gaussianDelta(sigma / Math.sqrt(steps), epsilon)
        if (delta < 1e-60) continue
        smallest = Math.min(smallest, delta)
        const bound = epsilonFromPld([{ q: 1, sigma, steps }], delta)
        const label = `sigma=${sigma} steps=${steps} epsilon=${epsilon} delta=${delta}`
        expect(bound, label).toBeGreaterThan(epsilon * (1 - 1e-9))
        expect(bound, label).toBeLessThan(epsilon * (1 + 1e-3))
      }
    }
    expect(smallest).toBeLessThan(1e-30)
  })

  it('says that there is none for noise too small to account for', () => {
    expect(epsilonFromPld([{ q: 1, sigma: 0.02, steps: 1 }], 1e-6)).toBe(Number.POSITIVE_INFINITY)
  })

  it.each([
    [1e-6, 50, 1000, 1e-12],
    [1e-6, 1e4, 1e6, 1e-5],
    [0.999999, 0.3, 1000, 1e-12],
    [1e-6, 0.3, 1e6, 0.3],
  ])('is finite and below that of RDP at the ends: q=%d sigma=%d steps=%d', (q, sigma, steps, delta) => {
    const rdp = epsilonFromRdp(order => steps * sampledGaussianRdp(order, q, sigma), delta)
    const bound = epsilonFromPld([{ q, sigma, steps }], delta)
    expect(bound).toBeGreaterThanOrEqual(0)
    expect(bound).toBeLessThanOrEqual(rdp * 1.001 + 1e-9)
  })

  it('is 0 where delta allows all that is told', () => {
    expect(epsilonFromPld([{ q: 0.001, sigma: 50, steps: 1 }], 0.01)).toBe(0)
  })
})

describe('losses on a grid', () => {
  it.each([
    ['remove', 0.05, 0.8],
    ['add', 0.05, 0.8],
    ['remove', 0.6, 3],
    ['add', 0.6, 3],
    ['remove', 0.01, 0.15],
    ['add', 0.01, 0.15],
  ] as const)('of %s, q=%d sigma=%d, tell no less at any epsilon', (direction, q, sigma) => {
    const range = lossRange({ q, sigma }, direction, 1e-18)
    const step = (range[1] - range[0]) / 500
    const { lowest, mass, infinity } = gridLosses({ q, sigma }, direction, step, range)
    expect(mass.every(p => p >= 0)).toBe(true)
    expect(Math.abs(mass.reduce((a, b) => a + b, infinity) - 1)).toBeLessThan(1e-12)
    let measured = 0
    for (let at = 0.3; at < 500; at += 17.3) {
      const epsilon = (lowest + at) * step
      const exact = sampledDelta(direction, q, sigma, epsilon)
      if (exact < 1e-14) continue
      const gridded = hockeyStick({ lowest, mass, infinity }, step, epsilon)
      expect(gridded).toBeGreaterThan(exact * (1 - 1e-9))
      expect(gridded).toBeLessThan(exact * 1.2 + 1e-12)
      measured++
    }
    expect(measured).toBeGreaterThan(5)
  })
})

function hockeyStick(
  { lowest, mass, infinity }: ReturnType<typeof gridLosses>,
  step: number,
  epsilon: number,
): number {
  let sum = infinity
  mass.forEach((p, i) => {
    sum -= p * Math.expm1(Math.min(0, epsilon - (lowest + i) * step))
  })
  return sum
}

describe('the transform', () => {
  it.each([8, 64, 512])('of %d points is the sum that it stands for, within its bound', n => {
    const re = Float64Array.from({ length: n }, (_, k) => Math.sin(k * k + 1))
    const im = Float64Array.from({ length: n }, (_, k) => Math.cos(3 * k))
    const spectrum = { re: re.slice(), im: im.slice() }
    transform(spectrum)
    let [off, whole] = [0, 0]
    for (let k = 0; k < n; k++) {
      let [x, y] = [0, 0]
      for (let j = 0; j < n; j++) {
        const angle = (-2 * Math.PI * ((j * k) % n)) / n
        x += re[j]! * Math.cos(angle) - im[j]! * Math.sin(angle)
        y += re[j]! * Math.sin(angle) + im[j]! * Math.cos(angle)
      }
      off += (x - spectrum.re[k]!) ** 2 + (y - spectrum.im[k]!) ** 2
      whole += x * x + y * y
    }
    // The plain sum has rounding errors of its own.
    expect(Math.sqrt(off / whole)).toBeLessThan(transformError(n) + n * 2 ** -53)
    transform(spectrum, true)
    expect(Math.max(...spectrum.re.map((x, k) => Math.abs(x - re[k]!)))).toBeLessThan(1e-13)
  })
})
