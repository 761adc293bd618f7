import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseScenario } from '../../../../config/scenario-parse.ts'
import type { Reading } from '../../../e2e/netns/forwarder.ts'
import { plan } from '../../../e2e/netns/main.ts'
import { parseSchedstat, workShare } from '../../../e2e/netns/processors.ts'
import { bytesAt } from '../../../e2e/netns/real.ts'

const scenario = parseScenario(
  readFileSync(new URL('../../../../config/scenarios/partition.yaml', import.meta.url), 'utf8'),
)

describe('the plan of a real network', () => {
  it('is what the scenario says', () => {
    expect(plan(scenario)).toEqual({
      delayMs: 50,
      lossRate: 0.01,
      cutOff: [5, 6, 7],
      cutAtMs: 30_000,
      cutForMs: 30_000,
    })
  })

  it('is refused where the scenario asks for more than a network of namespaces has', () => {
    const [fault] = scenario.faults
    for (const more of [
      { links: { ...scenario.links, default: { ...scenario.links.default, latencyMs: { from: 1, to: 2 } } } },
      { links: { ...scenario.links, within: scenario.links.default } },
      { faults: [] },
      { faults: [fault!, fault!] },
      { faults: [{ ...fault!, direction: 'in' }] },
      { faults: [{ ...fault!, who: 'any' }] },
      { faults: [{ ...fault!, when: { perHour: 1 } }] },
    ]) {
      expect(() => plan({ ...scenario, ...(more as Partial<typeof scenario>) })).toThrow(/a real network/)
    }
  })
})

describe('what was read of the real network', () => {
  const traffic = (bytes: number, frames: number) => ({
    frames,
    bytes,
    acks: 0,
    ackBytes: 0,
    payloadBytes: 0,
    lost: 0,
    cut: 0,
  })

  it('gives the bytes of IP packets at any time, between two readings by proportion', () => {
    const rest = { cutAt: undefined, joinedAt: undefined, latestMs: 0, oversized: 0 }
    const readings: Reading[] = [
      { at: 1000, traffic: [traffic(114, 1), traffic(0, 0)], ...rest },
      { at: 1100, traffic: [traffic(114, 1), traffic(2028, 2)], ...rest },
    ]
    expect(bytesAt(readings, 900)).toBe(0)
    expect(bytesAt(readings, 1050)).toBe(100 + 1000)
    expect(bytesAt(readings, 1100)).toBe(2100)
    expect(bytesAt(readings, 5000)).toBe(2100)
  })

  it('gives shares of work and waiting', () => {
    expect(parseSchedstat('2000000 500000 7\n')).toEqual({ workMs: 2, waitMs: 0.5 })
    expect(() => parseSchedstat('')).toThrow(/not a schedstat/)
    const readings = [
      { at: 0, workMs: 100, waitMs: 0 },
      { at: 500, workMs: 200, waitMs: 100 },
      { at: 1000, workMs: 500, waitMs: 300 },
    ]
    expect(workShare(readings, 2)).toEqual({ work: 0.2, wait: 0.15 })
    expect(() => workShare(readings.slice(1, 2), 2)).toThrow(/too few/)
  })
})
