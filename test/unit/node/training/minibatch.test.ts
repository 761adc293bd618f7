import fc from 'fast-check'
import { expect, test } from 'vitest'
import { minibatches } from '../../../../node/training/minibatch.ts'
import { seedOf } from './fixture.ts'

const take = (next: () => Uint32Array, count: number) => Array.from({ length: count }, () => [...next()])

test('each pass over the rows has every row once, however batches fall', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 80 }), (rows, size) => {
      const batches = take(minibatches(seedOf(3), rows, size), 2 * rows)
      for (const batch of batches) expect(batch).toHaveLength(Math.min(rows, size))
      const stream = batches.flat()
      for (let from = 0; from + rows <= stream.length; from += rows) {
        const pass = stream.slice(from, from + rows).sort((a, b) => a - b)
        expect(pass).toEqual([...pass.keys()])
      }
    }),
    { numRuns: 50 },
  )
})

test('the seed decides all', () => {
  const run = (seed: Uint8Array) => take(minibatches(seed, 100, 10), 25)
  expect(run(seedOf(1))).toEqual(run(seedOf(1)))
  expect(run(seedOf(1))).not.toEqual(run(seedOf(2)))
})

test('passes differ, and every order of rows comes as often as another', () => {
  const counts = new Map<string, number>()
  const next = minibatches(seedOf(5), 4, 4)
  for (let pass = 0; pass < 24_000; pass++) {
    const key = next().join()
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  expect(counts.size).toBe(24)
  // 1,000 of each are expected; chi-squared with 23 degrees of freedom is above 60 once in 30,000 seeds.
  const chi = [...counts.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0)
  expect(chi).toBeLessThan(60)
})

test('the first pass already is in every order, the rows as they stand among them', () => {
  let asTheyStand = 0
  for (let byte = 0; byte < 256; byte++) if (minibatches(seedOf(byte), 2, 2)()[0] === 0) asTheyStand++
  // Of 256 fair throws; 5 standard deviations either way.
  expect(Math.abs(asTheyStand - 128)).toBeLessThan(40)
})
