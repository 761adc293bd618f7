import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Conflict, peaceful, settled } from '../../../../protocol/ledger/conflicts.ts'
import { Random } from '../../../../sim/random.ts'

const names = (n: number) => Array.from({ length: n }, (_, i) => `m${i}`)
const pairs = (...of: readonly (readonly [number, number])[]): Conflict[] =>
  of.map(([a, b]) => [`m${a}`, `m${b}`])

describe('members free of conflicts', () => {
  it('are all where there is none', () => {
    expect(peaceful(names(4), [], 3)).toEqual(names(4))
    expect(peaceful(names(4), pairs([8, 9]), 3)).toEqual(names(4))
  })

  it('leave out who is in conflict with itself', () => {
    expect(peaceful(names(4), pairs([2, 2], [0, 2]), 3)).toEqual(['m0', 'm1', 'm3'])
  })

  it('leave out one of two, and the one that is in conflict with several', () => {
    expect(peaceful(names(4), pairs([0, 3]), 3)).toHaveLength(3)
    expect(peaceful(names(4), pairs([0, 3], [1, 3]), 3)).toEqual(['m0', 'm1', 'm2'])
    expect(peaceful(names(7), pairs([0, 6], [1, 6], [2, 5], [3, 5]), 5)).toEqual([
      'm0',
      'm1',
      'm2',
      'm3',
      'm4',
    ])
  })

  it('are found where it does not do to take the worst first', () => {
    // m1 has as many as m5 and m6, and without it two more would have to go.
    expect(peaceful(names(7), pairs([0, 5], [1, 5], [1, 6], [2, 6]), 5)).toEqual([
      'm0',
      'm1',
      'm2',
      'm3',
      'm4',
    ])
  })

  it('are undefined where too few would be left', () => {
    expect(peaceful(names(4), pairs([0, 1], [2, 3]), 3)).toBeUndefined()
    expect(peaceful(names(4), pairs([0, 0], [1, 1]), 3)).toBeUndefined()
  })

  it('are all the honest at least, whatever f others do to them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 }),
        fc.nat(),
        fc.infiniteStream(fc.nat()),
        (f, extra, stream) => {
          const n = 3 * f + 1 + (extra % 4)
          const next = () => stream.next().value as number
          const conflicts = Array.from(
            { length: next() % (f * (n - f) + 1) },
            (): Conflict => [`m${next() % f}`, `m${next() % n}`],
          )
          const found = peaceful(names(n), conflicts, n - f)
          expect(found!.length).toBeGreaterThanOrEqual(n - f)
          for (const [a, b] of conflicts) expect(found!.includes(a) && found!.includes(b)).toBe(false)
        },
      ),
      { seed: 11, numRuns: 300 },
    )
  })

  it('are looked for no longer than is worth it, tangled as they may be', () => {
    const random = new Random(4)
    const tangle = Array.from(
      { length: 2_080 },
      (): Conflict => [`m${random.below(255)}`, `m${random.below(127)}`],
    )
    const apart = tangle.filter(([a, b]) => a !== b)
    const from = performance.now()
    expect(peaceful(names(255), apart, 150)).toBeUndefined()
    expect(performance.now() - from).toBeLessThan(20_000)
  })
})

describe('conflicts of several attempts', () => {
  const [torn, later, latest] = [pairs([0, 1], [2, 3]), pairs([0, 3]), pairs([1, 3])]

  it('all count while there can be peace', () => {
    expect(settled(names(4), [later, latest], 3)).toEqual([later, latest])
    expect(settled(names(4), [], 3)).toEqual([])
  })

  it('the oldest are forgotten that leave too few, and those that leave too few by themselves', () => {
    expect(settled(names(4), [torn, later, latest], 3)).toEqual([later, latest])
    expect(settled(names(4), [later, torn], 3)).toEqual([])
  })

  it('of liars all count, whatever a torn network left before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), seed => {
        const random = new Random(seed)
        const f = 1 + random.below(3)
        const n = 3 * f + 1
        const any = (): Conflict => [`m${random.below(n)}`, `m${random.below(n)}`]
        const lied = (): Conflict => [`m${random.below(f)}`, `m${random.below(n)}`]
        const before = Array.from({ length: random.below(4) }, () => [any(), any(), any()])
        const after = Array.from({ length: 1 + random.below(6) }, () => [lied()])
        const kept = settled(names(n), [...before, ...after], n - f)
        expect(kept.slice(-after.length)).toEqual(after)
      }),
    )
  })
})
