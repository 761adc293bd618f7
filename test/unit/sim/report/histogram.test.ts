import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Histogram } from '../../../../sim/report/histogram.ts'

function of(values: readonly number[], unit = 1) {
  const h = new Histogram(unit)
  for (const v of values) h.add(v)
  return h.distribution()
}

/** The least value that at least this share of all does not exceed. */
function exact(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1]!
}

const value = fc.oneof(
  fc.nat(200),
  fc.double({ min: 0, max: 1e5, noNaN: true }),
  fc.double({ min: 0, max: 1e14, noNaN: true }),
)

describe('a histogram', () => {
  it('has quantiles within a 64th of the exact ones, or one unit', () => {
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 300 }),
        fc.constantFrom(1, 1 / 64),
        (values, unit) => {
          const d = of(values, unit)
          for (const [share, found] of [
            [0.5, d.p50],
            [0.9, d.p90],
            [0.99, d.p99],
          ] as const) {
            const right = exact(values, share)
            expect(Math.abs(found - right)).toBeLessThanOrEqual(Math.max(unit, right / 64))
          }
          expect(d.min).toBe(Math.min(...values))
          expect(d.max).toBe(Math.max(...values))
          expect(d.count).toBe(values.length)
        },
      ),
    )
  })

  it('counts each value once, in equal bins and in steps that hold it', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 200 }), values => {
        const d = of(values)
        const total = (ns: readonly number[]) => ns.reduce((a, b) => a + b, 0)
        expect(total(d.bins)).toBe(values.length)
        expect(total(d.steps.map(s => s.count))).toBe(values.length)
        for (const { from, to, count } of d.steps)
          expect(values.filter(v => from <= Math.floor(v) && Math.floor(v) < to)).toHaveLength(count)
      }),
    )
  })

  it('has steps of at most a quarter of a doubling, one after the other', () => {
    const { steps } = of(Array.from({ length: 5000 }, (_, i) => i * i))
    steps.forEach((s, i) => {
      expect(s.to).toBeLessThanOrEqual(Math.max(s.from + 1, s.from * 1.25))
      if (i > 0) expect(s.from).toBeGreaterThanOrEqual(steps[i - 1]!.to)
    })
  })

  it('keeps whole numbers apart below 64, and the mean', () => {
    const d = of([1, 1, 2, 63])
    expect(d).toMatchObject({ p50: 1.5, min: 1, max: 63, mean: 16.75 })
  })

  it('is all zero when nothing was counted, and one bin when all is the same', () => {
    expect(of([])).toEqual({ count: 0, mean: 0, min: 0, p50: 0, p90: 0, p99: 0, max: 0, bins: [], steps: [] })
    expect(of([7, 7, 7])).toMatchObject({ min: 7, p50: 7, p99: 7, max: 7, bins: [3] })
  })

  it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses %s', bad => {
    expect(() => new Histogram(1).add(bad)).toThrow(RangeError)
  })
})
