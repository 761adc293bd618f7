/**
 * Random scenarios: what they are made of, and that a few of them break nothing. Many are played by `npm run sim:swarm`.
 */
import { describe, expect, it } from 'vitest'
import { hospitalsOf, maliciousMaxOf, ScenarioSchema } from '../../config/scenario.ts'
import { playSeed, runSwarm } from '../../sim/campaign.ts'
import { randomScenario } from '../../sim/swarm.ts'

const SEEDS = 2000
const scenarios = Array.from({ length: SEEDS }, (_, i) => randomScenario(i + 1))

describe('random scenarios', () => {
  it('follow from their seed, and are what a file may say', () => {
    for (const seed of [1, 2, 77]) expect(randomScenario(seed)).toEqual(randomScenario(seed))
    expect(new Set(scenarios.map(s => JSON.stringify({ ...s, title: '', description: '' }))).size).toBe(SEEDS)
    for (const s of scenarios) expect(ScenarioSchema.parse(JSON.parse(JSON.stringify(s)))).toEqual(s)
  })

  it('are mostly small, heal, and leave time for the study to be finished', () => {
    const sizes = scenarios.map(s => hospitalsOf(s).length)
    expect(Math.min(...sizes)).toBe(3)
    expect(Math.max(...sizes)).toBe(14)
    expect(sizes.filter(n => n >= 4 && n <= 7).length).toBeGreaterThan(0.6 * SEEDS)
    for (const s of scenarios) {
      expect(s.healAtMs).toBeGreaterThan(0)
      expect(s.limitMs).toBeGreaterThan(s.healAtMs! + 600_000)
    }
  })

  it('have all kinds of trouble, each in some of them and not in others', () => {
    const share = (has: (s: (typeof scenarios)[number]) => boolean) => scenarios.filter(has).length / SEEDS
    const kinds = ['crash', 'outage', 'partition', 'linkdown', 'clog', 'pause', 'slow'] as const
    const seen: Record<string, number> = {
      ...Object.fromEntries(kinds.map(k => [k, share(s => s.faults.some(f => f.kind === k))])),
      torn: share(s => s.faults.some(f => f.kind === 'crash' && f.disk === 'torn')),
      write: share(s => s.faults.some(f => f.kind === 'crash' && f.moment === 'write')),
      effect: share(s => s.faults.some(f => f.kind === 'crash' && f.moment === 'effect')),
      machine: share(s => s.faults.some(f => f.kind === 'crash' && f.what === 'machine')),
      oneWay: share(s => s.faults.some(f => f.kind === 'partition' && f.direction !== 'both')),
      calm: share(s => s.faults.length === 0),
      loss: share(s => s.links.default.lossRate > 0),
      duplicates: share(s => s.links.default.duplicateRate > 0),
      reordering: share(s => s.links.default.reorderRate > 0),
      nat: share(s => s.sites.some(x => x.nat)),
      clocks: share(s => s.sites.some(x => x.clockOffsetMs !== 0)),
      drift: share(s => s.sites.some(x => x.clockDriftPpm !== 0)),
      disks: share(s => s.sites.some(x => x.diskMs !== 0)),
      lines: share(s => s.sites.some(x => x.uplinkMbps < 1000)),
      shards: share(s => s.secureSum.delivery === 'shards'),
      honest: share(s => s.adversaries.length === 0),
      allLie: share(s => s.adversaries.length === maliciousMaxOf(s) && s.adversaries.length > 0),
      committees: share(s => s.committees !== undefined),
      compressed: share(s => s.secureSum.compression !== undefined),
      rotated: share(s => s.secureSum.compression?.rotation === true),
      trusting: share(s => s.maliciousMax === 0),
    }
    for (const [what, part] of Object.entries(seen)) {
      expect([what, part > 0.02]).toEqual([what, true])
      expect([what, part < 0.9]).toEqual([what, true])
    }
  })

  it('never have more liars than they bear, nor honest clocks further apart than is agreed', () => {
    for (const s of scenarios) {
      expect(s.adversaries.length).toBeLessThanOrEqual(maliciousMaxOf(s))
      const offsets = s.sites.map(x => x.clockOffsetMs)
      expect(Math.max(...offsets) - Math.min(...offsets)).toBeLessThan(s.secureSum.clockSkewMaxMs)
    }
  })
})

describe('a swarm', () => {
  it('breaks nothing in a few seeds, and every checker has checked something', async () => {
    const figures = await runSwarm({ from: 1, to: 12 })
    expect(figures.failures).toEqual([])
    expect(figures.seeds).toBe(12)
    for (const [checker, n] of Object.entries(figures.checked))
      expect([checker, n > 0]).toEqual([checker, true])
  }, 300_000)

  it('begins no new seed when its time is over', async () => {
    expect((await runSwarm({ from: 1, to: 1000, limitMs: -1 })).seeds).toBe(0)
  })

  it('has the same figures for a seed each time', () => {
    expect(playSeed(28)).toEqual(playSeed(28))
  }, 120_000)
})
