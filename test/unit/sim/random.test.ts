/** Draws of a scenario have the laws that the scenario's format promises. */
import { describe, expect, it } from 'vitest'
import { meanOf, Random } from '../../../sim/random.ts'

const N = 200_000

function sample(draw: Parameters<Random['draw']>[0]): Float64Array {
  const random = new Random(7)
  return Float64Array.from({ length: N }, () => random.draw(draw)).sort()
}

const mean = (v: Float64Array) => v.reduce((a, b) => a + b, 0) / v.length

describe('a draw', () => {
  it('is constant, or uniform', () => {
    expect(new Set(sample(42))).toEqual(new Set([42]))
    const v = sample({ from: 10, to: 30 })
    expect(v[0]).toBeGreaterThanOrEqual(10)
    expect(v.at(-1)).toBeLessThan(30)
    expect(mean(v)).toBeCloseTo(20, 1)
    expect(v[N / 4]).toBeCloseTo(15, 1)
    expect(meanOf({ from: 10, to: 30 })).toBe(20)
    expect(meanOf(42)).toBe(42)
  })

  it('has a heavy tail with the median and the mean that are promised, cut at thirty times the jitter', () => {
    const v = sample({ base: 100, jitter: 10 })
    expect(v[0]).toBeGreaterThanOrEqual(100)
    expect(v[N / 2]).toBeCloseTo(104.14, 1)
    expect(mean(v)).toBeCloseTo(meanOf({ base: 100, jitter: 10 }), 0)
    expect(meanOf({ base: 100, jitter: 10 })).toBeCloseTo(109.68, 2)
    expect(v.at(-1)).toBe(400)
    // P(beyond x jitters) = 1 / (1 + x)^2.
    expect(v.filter(x => x > 190).length / N).toBeCloseTo(0.01, 3)
  })
})

it('bytes are uniform and those of the generator', () => {
  const a = new Random(3)
  const b = new Random(3)
  const bytes = a.bytes(40_000)
  expect(Array.from(bytes.subarray(0, 100))).toEqual(Array.from({ length: 100 }, () => b.u32() & 255))
  const counts = new Float64Array(256)
  for (const x of bytes) counts[x]!++
  const expected = bytes.length / 256
  // 99.99 % of chi-square with 255 degrees of freedom are below 350.
  expect(counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)).toBeLessThan(350)
})
