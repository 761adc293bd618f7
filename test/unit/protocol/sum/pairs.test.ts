import fc from 'fast-check'
import { expect, it } from 'vitest'
import { COMPLETE_MAX, PARTNERS, pairSign, partners } from '../../../../protocol/sum/pairs.ts'

const seed = (byte: number) => new Uint8Array(32).fill(byte)
const graph = (n: number, s: Uint8Array) => Array.from({ length: n }, (_, i) => partners(n, i, s))

it('gives the two of a pair opposite signs', () => {
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 5; j++) if (i !== j) expect(pairSign(i, j)).toBe(-pairSign(j, i))
  }
  expect(() => pairSign(2, 2)).toThrow()
})

it('pairs everybody with everybody in a cohort that is not large', () => {
  for (const n of [1, 2, 3, 10, COMPLETE_MAX]) {
    graph(n, seed(1)).forEach((list, i) => {
      expect(list).toEqual(Array.from({ length: n }, (_, j) => j).filter(j => j !== i))
    })
  }
})

it('gives each of a large cohort equally many partners, who have it as partner too', () => {
  fc.assert(
    fc.property(fc.integer({ min: COMPLETE_MAX + 1, max: 255 }), fc.nat(255), (n, s) => {
      const all = graph(n, seed(s))
      all.forEach((list, i) => {
        expect(list).toHaveLength(PARTNERS)
        expect(new Set(list).size).toBe(PARTNERS)
        for (const j of list) expect(all[j]).toContain(i)
      })
    }),
    { numRuns: 8 },
  )
})

it('keeps honest survivors connected whichever hospitals are lost or malicious, fewer than half', () => {
  const n = 100
  const all = graph(n, seed(1))
  const indexes = Array.from({ length: n }, (_, i) => i)
  fc.assert(
    fc.property(fc.shuffledSubarray(indexes, { minLength: 51, maxLength: 51 }), honest => {
      const left = new Set(honest)
      const reached = new Set([honest[0]!])
      for (const i of reached) for (const j of all[i]!) if (left.has(j)) reached.add(j)
      expect(reached.size).toBe(51)
    }),
    { numRuns: 30 },
  )
})

it('depends on the seed', () => {
  expect(graph(100, seed(1))).not.toEqual(graph(100, seed(2)))
  expect(graph(100, seed(1))).toEqual(graph(100, seed(1)))
  expect(() => partners(3, 3, seed(1))).toThrow()
})
