import { expect, it } from 'vitest'
import { Random } from '../../../../sim/random.ts'
import { exponential } from '../../../../sim/scenario/exponential.ts'

it('has the mean, the variance and the tail of an exponential distribution', () => {
  const n = 100_000
  const random = new Random(7)
  const values = Array.from({ length: n }, () => exponential(random))
  const mean = values.reduce((a, b) => a + b, 0) / n
  const second = values.reduce((a, b) => a + b * b, 0) / n
  // Deviations of the two means: 1 and sqrt(20), each divided by sqrt(n); five of them.
  expect(Math.abs(mean - 1)).toBeLessThan(5 / Math.sqrt(n))
  expect(Math.abs(second - 2)).toBeLessThan((5 * Math.sqrt(20)) / Math.sqrt(n))
  for (const t of [0.1, 1, 3]) {
    const tail = values.filter(v => v > t).length / n
    const p = Math.exp(-t)
    expect(Math.abs(tail - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n))
  }
})
