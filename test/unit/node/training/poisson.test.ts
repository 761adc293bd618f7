import fc from 'fast-check'
import { expect, test } from 'vitest'
import { poissonBatches } from '../../../../node/training/poisson.ts'
import { seedOf } from './fixture.ts'

test('rows of a batch rise, each at most once', () => {
  const plan = fc.record({
    rows: fc.integer({ min: 1, max: 200 }),
    q: fc.double({ min: 0, max: 1, noNaN: true }),
    byte: fc.nat(255),
  })
  fc.assert(
    fc.property(plan, ({ rows, q, byte }) => {
      const next = poissonBatches(seedOf(byte), rows, q)
      for (let step = 0; step < 3; step++) {
        const drawn = next()
        expect(drawn.every((row, i) => row < rows && (i === 0 || row > drawn[i - 1]!))).toBe(true)
      }
    }),
    { numRuns: 50 },
  )
})

test('of q 1 everybody is drawn, of q 0 nobody', () => {
  expect([...poissonBatches(seedOf(1), 4, 1)()]).toEqual([0, 1, 2, 3])
  expect([...poissonBatches(seedOf(1), 4, 0)()]).toEqual([])
})

test('the seed decides all', () => {
  const run = (byte: number) => {
    const next = poissonBatches(seedOf(byte), 100, 0.1)
    return Array.from({ length: 20 }, () => [...next()])
  }
  expect(run(1)).toEqual(run(1))
  expect(run(1)).not.toEqual(run(2))
})

test('each row comes with probability q, apart from the others and from the batch before', () => {
  const [rows, q, steps] = [20, 0.15, 20_000]
  const next = poissonBatches(seedOf(7), rows, q)
  const counts = new Float64Array(rows)
  const sizes = new Map<number, number>()
  let [pairs, again, before] = [0, 0, new Set<number>()]
  for (let step = 0; step < steps; step++) {
    const drawn = new Set(next())
    for (const row of drawn) counts[row]! += 1
    sizes.set(drawn.size, (sizes.get(drawn.size) ?? 0) + 1)
    if (drawn.has(3) && drawn.has(4)) pairs++
    if (drawn.has(3) && before.has(3)) again++
    before = drawn
  }
  const within = (count: number, p: number) =>
    expect(Math.abs(count - p * steps)).toBeLessThan(5 * Math.sqrt(steps * p * (1 - p)))
  for (const count of counts) within(count, q)
  within(pairs, q * q)
  within(again, q * q)
  // A batch of nobody is one of those that come: .85^20.
  within(sizes.get(0) ?? 0, (1 - q) ** rows)
  within(sizes.get(3) ?? 0, 1140 * q ** 3 * (1 - q) ** 17)
})
