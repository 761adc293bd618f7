/** Closed forms against values from elsewhere and against plain numerical integration. */
import { expect, test } from 'vitest'
import { upperTail } from '../../protocol/privacy/normal.ts'
import { gaussianDelta } from '../support/gaussian.ts'
import { lowerLimit, upperLimit } from './statistics.ts'

test('normal law', () => {
  // NIST Handbook, table 1.3.6.7.1, and Abramowitz and Stegun, table 26.2, for the tail.
  expect(upperTail(-1)).toBeCloseTo(0.841344746068543, 14)
  expect(upperTail(1.96)).toBeCloseTo(0.024997895148220435, 14)
  expect(upperTail(5) / 2.866515718791939e-7).toBeCloseTo(1, 10)
  expect(upperTail(10) / 7.619853024160527e-24).toBeCloseTo(1, 10)
})

test('Clopper and Pearson', () => {
  expect(lowerLimit(7, 10, 0.025)).toBeCloseTo(0.3475, 4)
  expect(upperLimit(7, 10, 0.025)).toBeCloseTo(0.9333, 4)
  // With no success in n draws the upper limit is 1 - miss^(1/n).
  expect(upperLimit(0, 100, 0.025)).toBeCloseTo(1 - 0.025 ** 0.01, 12)
  expect(lowerLimit(0, 100, 0.025)).toBe(0)
})

test.each([
  [0.5, 3],
  [1, 1],
  [2, 0.4],
])('Balle and Wang: noise %d, epsilon %d', (sigma, epsilon) => {
  // delta is the integral of max(0, p - e^epsilon q) over the two normal densities, one sensitivity apart.
  const step = 1e-3
  const density = (x: number, mean: number) =>
    Math.exp(-(((x - mean) / sigma) ** 2) / 2) / (sigma * Math.sqrt(2 * Math.PI))
  let delta = 0
  for (let x = -20 * sigma; x < 20 * sigma; x += step)
    delta += Math.max(0, density(x, 1) - Math.exp(epsilon) * density(x, 0)) * step
  expect(gaussianDelta(sigma, epsilon) / delta).toBeCloseTo(1, 4)
})
