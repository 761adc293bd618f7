import { describe, expect, test } from 'vitest'
import { gaussians, noisedMean } from '../../../../node/training/gaussian.ts'
import { seedOf } from './fixture.ts'

const COUNT = 200_000

describe('gaussians', () => {
  const next = gaussians(seedOf(1))
  const drawn = Float64Array.from({ length: COUNT }, () => next())

  test('have the moments of a normal distribution', () => {
    const moment = (k: number) => drawn.reduce((sum, z) => sum + z ** k, 0) / COUNT
    // Variances of z, z^2, z^3, z^4: 1, 2, 15, 96; 5 standard deviations.
    for (const [k, want, variance] of [
      [1, 0, 1],
      [2, 1, 2],
      [3, 0, 15],
      [4, 3, 96],
    ] as const) {
      expect(Math.abs(moment(k) - want)).toBeLessThan(5 * Math.sqrt(variance / COUNT))
    }
  })

  test('lie beyond 1, 2, 3 and 4 as often as they should', () => {
    for (const [z, p] of [
      [1, 0.317311],
      [2, 0.0455003],
      [3, 0.0026998],
      [4, 6.3342e-5],
    ] as const) {
      const beyond = drawn.filter(x => Math.abs(x) > z).length
      expect(Math.abs(beyond - p * COUNT)).toBeLessThan(5 * Math.sqrt(COUNT * p * (1 - p)))
    }
  })

  test('do not hang on one another, the two of one draw least of all', () => {
    for (const lag of [1, 2]) {
      let [product, squares] = [0, 0]
      for (let i = lag; i < COUNT; i++) {
        product += drawn[i]! * drawn[i - lag]!
        squares += (drawn[i]! ** 2 - 1) * (drawn[i - lag]! ** 2 - 1)
      }
      expect(Math.abs(product / COUNT)).toBeLessThan(5 / Math.sqrt(COUNT))
      expect(Math.abs(squares / COUNT)).toBeLessThan(5 * Math.sqrt(4 / COUNT))
    }
  })

  test('follow from the seed', () => {
    const run = (byte: number) => Array.from({ length: 5 }, gaussians(seedOf(byte)))
    expect(run(1)).toEqual(run(1))
    expect(run(1)).not.toEqual(run(2))
  })
})

describe('the noised mean', () => {
  test('has noise of noiseMultiplier times clipNorm over the expected size, whatever was drawn', () => {
    for (const [clipNorm, noiseMultiplier, expected] of [
      [0.3, 1.7, 8],
      [5, 0.6, 64],
    ] as const) {
      const sum = new Float32Array(COUNT).fill(2.5)
      const mean = noisedMean(sum, gaussians(seedOf(3)), { clipNorm, noiseMultiplier, expected })
      const deviation = (noiseMultiplier * clipNorm) / expected
      const off = mean.map(x => (x - 2.5 / expected) / deviation)
      const average = off.reduce((a, x) => a + x, 0) / COUNT
      const variance = off.reduce((a, x) => a + x * x, 0) / COUNT
      expect(Math.abs(average)).toBeLessThan(5 / Math.sqrt(COUNT))
      expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / COUNT))
    }
  })

  test('without noise is the sum over the expected size, to the grid', () => {
    const sum = Float32Array.of(0.1, -3, 0, 64)
    const mean = noisedMean(sum, () => 0, { clipNorm: 1, noiseMultiplier: 1, expected: 4 })
    sum.forEach((s, i) => {
      expect(Math.abs(mean[i]! - s / 4)).toBeLessThan(2 ** -31 + Math.abs(s) * 2 ** -24)
    })
  })

  test('can be the same for a neighbour: sum and noise lie on one grid', () => {
    // The second sum is three steps of 2^-32 larger; noise that is three steps smaller makes up for it exactly.
    const step = 2 ** -32
    const options = { clipNorm: 1, noiseMultiplier: 1, expected: 1 }
    for (const z of [0.1, -1.3, 2.77]) {
      const one = noisedMean(Float32Array.of(0), () => z, options)
      const other = noisedMean(Float32Array.of(3 * step), () => z - 3 * step, options)
      expect(other).toEqual(one)
    }
  })
})
