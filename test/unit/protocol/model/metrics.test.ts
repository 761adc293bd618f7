import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { histogramAuc } from '../../../../protocol/model/metrics.ts'

describe('histogram AUC', () => {
  it('is the rank AUC to within half of the pairs that share a bin', () => {
    const score = fc.double({ min: 0, max: 0.999, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(score, { minLength: 1, maxLength: 40 }),
        fc.array(score, { minLength: 1, maxLength: 40 }),
        (p, n) => {
          const count = (xs: number[]) => {
            const h = new Float64Array(16)
            for (const x of xs) h[Math.floor(16 * x)]!++
            return h
          }
          const [hp, hn] = [count(p), count(n)]
          let exact = 0
          for (const a of p) for (const b of n) exact += a > b ? 1 : a === b ? 0.5 : 0
          const shared = hp.reduce((s, x, i) => s + x * hn[i]!, 0)
          expect(Math.abs(histogramAuc(hp, hn) - exact / (p.length * n.length))).toBeLessThanOrEqual(
            shared / 2 / (p.length * n.length) + 1e-12,
          )
        },
      ),
    )
  })

  it('ranks: positives above, below, and one class only', () => {
    expect(histogramAuc([0, 0, 5], [5, 0, 0])).toBe(1)
    expect(histogramAuc([5, 0, 0], [0, 0, 5])).toBe(0)
    expect(histogramAuc([1, 2, 3], [0, 0, 0])).toBe(0.5)
    expect(histogramAuc([0, 0, 0], [1, 2, 3])).toBe(0.5)
    expect(histogramAuc([0, 0, 0], [0, 0, 0])).toBe(0.5)
    // Counts whose products a double rounds: still no more than 1.
    const many = [0, 658205767, 771081314, 306451633, 142554351, 404740484, 5072416]
    expect(histogramAuc(many, [195828647, 0, 0, 0, 0, 0, 0])).toBe(1)
  })
})
