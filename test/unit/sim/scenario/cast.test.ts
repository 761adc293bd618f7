import { describe, expect, it } from 'vitest'
import type { ScenarioInput } from '../../../../config/scenario.ts'
import { checkScenario } from '../../../../config/scenario-parse.ts'
import { Random } from '../../../../sim/random.ts'
import { castOf, shuffled, stream } from '../../../../sim/scenario/cast.ts'
import { resized } from '../../../../sim/scenario/resize.ts'

const scenario = (more: Partial<ScenarioInput> = {}) =>
  checkScenario({
    format: 'medmesh-scenario/1',
    title: 'T',
    description: 'D',
    sites: [{ name: 'city', count: 6 }, { name: 'shore', count: 3 }, { name: 'hill' }],
    adversaries: [{ behaviour: 'flood', count: 2 }, { behaviour: 'vanish' }],
    ...more,
  })

const liarsOf = (seed: number) => castOf(scenario(), seed).filter(r => r.behaviour !== undefined)

describe('castOf', () => {
  it('has all hospitals in the order of the sites, and as many liars of each kind as the scenario says', () => {
    const cast = castOf(scenario(), 5)
    expect(cast.map(r => r.id)).toEqual([
      ...[1, 2, 3, 4, 5, 6].map(i => `city-0${i}`),
      ...[1, 2, 3].map(i => `shore-0${i}`),
      'hill',
    ])
    expect(cast[9]!.site.name).toBe('hill')
    expect(
      liarsOf(5)
        .map(r => r.behaviour)
        .sort(),
    ).toEqual(['flood', 'flood', 'vanish'])
    expect(castOf(scenario(), 5)).toEqual(cast)
  })

  it('draws each hospital as often as any other', () => {
    const seeds = 3000
    const counts = new Map<string, number>()
    for (let seed = 0; seed < seeds; seed++)
      for (const { id } of liarsOf(seed)) counts.set(id, (counts.get(id) ?? 0) + 1)
    // Binomial with p = 3 / 10; five deviations.
    const far = 5 * Math.sqrt(seeds * 0.3 * 0.7)
    expect(counts.size).toBe(10)
    for (const count of counts.values()) expect(Math.abs(count - 0.3 * seeds)).toBeLessThan(far)
  })
})

describe('streams', () => {
  it('differ by seed, name and index, and are the same again', () => {
    const first = (...of: Parameters<typeof stream>) => stream(...of).u32()
    const all = [0, 1, 2, 7, 8].flatMap(seed =>
      (['cast', 'study', 'faults', 'liars'] as const).flatMap(name =>
        [0, 1, 2].map(i => first(seed, name, i)),
      ),
    )
    expect(new Set(all).size).toBe(all.length)
    expect(first(3, 'faults', 1)).toBe(first(3, 'faults', 1))
  })

  it('shuffle into all orders alike', () => {
    const random = new Random(1)
    const counts = new Map<string, number>()
    for (let i = 0; i < 6000; i++) {
      const order = shuffled(['a', 'b', 'c'], random).join('')
      counts.set(order, (counts.get(order) ?? 0) + 1)
    }
    expect(counts.size).toBe(6)
    for (const n of counts.values()) expect(Math.abs(n - 1000)).toBeLessThan(5 * Math.sqrt(6000 / 6))
  })
})

describe('resized', () => {
  const counts = (n: number) => resized(scenario(), { hospitals: n }).sites.map(s => `${s.name} ${s.count}`)

  it('keeps the proportions of the sites, by largest remainder', () => {
    expect(counts(10)).toEqual(['city 6', 'shore 3', 'hill 1'])
    expect(counts(100)).toEqual(['city 60', 'shore 30', 'hill 10'])
    expect(counts(11)).toEqual(['city 7', 'shore 3', 'hill 1'])
  })

  it('changes rounds, and lowers f where fewer hospitals bear no more', () => {
    expect(resized(scenario(), { rounds: 9 }).study.rounds).toBe(9)
    const f = (hospitals: number) =>
      resized(scenario({ maliciousMax: 3, adversaries: [] }), { hospitals }).maliciousMax
    expect([f(100), f(9), f(7), f(3)]).toEqual([3, 2, 2, 0])
    expect(resized(scenario(), { hospitals: 13 })).not.toHaveProperty('maliciousMax')
  })

  it('says when the scenario does not bear the size', () => {
    expect(() => resized(scenario(), { hospitals: 9 })).toThrow('adversaries must be at most 2')
  })
})
