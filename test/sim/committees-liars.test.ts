/** A liar in a committee: what stops it among all stops it among few, and the study of all goes on. */
import { describe, expect, it } from 'vitest'
import { BEHAVIOURS, type Behaviour } from '../../config/scenario.ts'
import { checkScenario } from '../../config/scenario-parse.ts'
import type { RunResult } from '../../sim/result.ts'
import { runScenario } from '../../sim/run.ts'

function run(behaviour: Behaviour, delivery: 'gossip' | 'shards'): RunResult {
  const scenario = checkScenario({
    format: 'medmesh-scenario/1',
    title: 'A liar in a committee',
    description: 'Eleven hospitals, one of them malicious, in committees of four to seven.',
    sites: [{ name: 'hospital', count: 11, trainingMs: 300 }],
    links: { default: { latencyMs: { base: 20, jitter: 8 } } },
    committees: { size: 4, maliciousMax: 1 },
    maliciousMax: 1,
    study: { rounds: 1 },
    secureSum: {
      delivery,
      joinDeadlineMs: 2000,
      inputDeadlineMs: 8000,
      openDeadlineMs: 4000,
      viewTimeoutMs: 800,
    },
    adversaries: [{ behaviour }],
    healAtMs: 20_000,
    limitMs: 1_800_000,
  })
  return runScenario(scenario, { seed: 1 })
}

/** These cost their committee an attempt, so that they are known to have lied there. */
const SPOILERS: readonly Behaviour[] = ['wrongShares', 'withheldShares', 'vanish']

describe('a liar in a committee', { timeout: 60_000 }, () => {
  for (const behaviour of BEHAVIOURS) {
    it(`${behaviour}: nothing is broken, and the study is finished`, () => {
      const results = (['gossip', 'shards'] as const).map(delivery => run(behaviour, delivery))
      for (const r of results) {
        expect(r.violations).toEqual([])
        expect(r.finished).toBe(true)
        expect(r.checked['exactness in committees']).toBeGreaterThan(0)
      }
      const attempts = Math.max(...results.flatMap(r => r.rounds.map(x => x.attempts)))
      if (SPOILERS.includes(behaviour)) expect(attempts).toBeGreaterThan(1)
    })
  }
})
