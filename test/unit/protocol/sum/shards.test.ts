import fc from 'fast-check'
import { expect, it } from 'vitest'
import { shardRange } from '../../../../protocol/sum/shards.ts'

it('cuts a vector without gap or overlap into shards that differ by one element at most', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 120 }), (length, shards) => {
      let at = 0
      const sizes: number[] = []
      for (let k = 0; k < shards; k++) {
        const [from, to] = shardRange(length, shards, k)
        expect(from).toBe(at)
        sizes.push(to - from)
        at = to
      }
      expect(at).toBe(length)
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
    }),
  )
})

it('throws for a shard that does not exist', () => {
  expect(() => shardRange(10, 3, 3)).toThrow()
  expect(() => shardRange(10, 3, -1)).toThrow()
  expect(() => shardRange(10, 0, 0)).toThrow()
})
