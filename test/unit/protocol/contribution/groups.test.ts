/** Lots of audits: how often, and who with whom. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { groupsOf, isAudited } from '../../../../protocol/contribution/groups.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'

const seedsOf = (i: number) => sha256(new TextEncoder().encode(`seeds ${i}`))

describe('the lot of an audit', () => {
  it('falls on one round in so many', () => {
    const rounds = 4000
    for (const oneIn of [2, 3, 10]) {
      const found = Array.from({ length: rounds }, (_, i) => isAudited(seedsOf(i), oneIn)).filter(is => is)
      const deviation = Math.sqrt((rounds * (oneIn - 1)) / oneIn ** 2)
      expect(Math.abs(found.length - rounds / oneIn)).toBeLessThan(4 * deviation)
    }
    expect(isAudited(seedsOf(0), 1)).toBe(true)
  })
})

describe('groups', () => {
  it('are disjoint, whole, nearly equal, none too small, and each in its order', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 3, max: 64 }),
        fc.integer({ min: 3, max: 32 }),
        fc.nat(1e6),
        (n, size, seed) => {
          fc.pre(n >= size)
          const survivors = Array.from({ length: n }, (_, i) => i)
          const groups = groupsOf(seedsOf(seed), survivors, size)
          expect(groups.flat().sort((a, b) => a - b)).toEqual(survivors)
          const sizes = groups.map(g => g.length)
          expect(groups.length).toBe(Math.floor(n / size))
          expect(Math.min(...sizes)).toBeGreaterThanOrEqual(size)
          expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
          for (const g of groups) expect(g).toEqual([...g].sort((a, b) => a - b))
        },
      ),
    )
  })

  it('bring every two together as often as chance does', () => {
    const [n, size, lots] = [8, 4, 3000]
    const survivors = Array.from({ length: n }, (_, i) => i)
    const together = new Map<string, number>()
    for (let i = 0; i < lots; i++)
      for (const group of groupsOf(seedsOf(i), survivors, size))
        for (const a of group)
          for (const b of group) if (a < b) together.set(`${a} ${b}`, (together.get(`${a} ${b}`) ?? 0) + 1)
    const p = (size - 1) / (n - 1)
    for (const count of together.values())
      expect(Math.abs(count - lots * p)).toBeLessThan(4.5 * Math.sqrt(lots * p * (1 - p)))
    expect(together.size).toBe((n * (n - 1)) / 2)
  })
})
