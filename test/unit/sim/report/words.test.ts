import { describe, expect, it } from 'vitest'
import { BEHAVIOURS, type ScenarioInput, ScenarioSchema } from '../../../../config/scenario.ts'
import {
  adversariesInWords,
  consortiumInWords,
  drawInWords,
  faultsInWords,
  lieInWords,
  linksInWords,
  siteRows,
} from '../../../../sim/report/words.ts'

const scenario = ScenarioSchema.parse({
  format: 'medmesh-scenario/1',
  title: 'x',
  description: 'x',
  sites: [
    { name: 'big', count: 3, uplinkMbps: 2000, trainingMs: 60_000 },
    { name: 'small', count: 1, nat: true, uplinkMbps: 20, diskMs: { from: 1, to: 10 }, clockOffsetMs: -1000 },
  ],
  links: {
    default: { latencyMs: { base: 20, jitter: 10 }, lossRate: 0.002 },
    within: { latencyMs: 1 },
    between: [{ sites: ['big', 'small'], latencyMs: { from: 5, to: 25 } }],
  },
  study: { rounds: 20 },
  faults: [
    { kind: 'outage', who: 'any', when: { perHour: 4 }, forMs: 360_000 },
    { kind: 'partition', who: ['big'], when: { atMs: 90_000 }, forMs: 30_000, direction: 'in' },
    {
      kind: 'clog',
      who: { share: 0.5 },
      when: { everyMs: 60_000, firstMs: 5000 },
      forMs: 1000,
      delayMs: 250,
    },
    {
      kind: 'crash',
      who: 'turn',
      when: { atMs: 1000 },
      forMs: 500,
      disk: 'torn',
      what: 'machine',
      moment: 'write',
    },
    { kind: 'slow', who: { count: 2 }, when: { atMs: 0 }, forMs: 1000, factor: 10 },
  ],
  adversaries: [{ behaviour: 'lateInput' }],
  healAtMs: 3_600_000,
} satisfies ScenarioInput)

describe('a scenario in words', () => {
  it('says who, and what they do', () => {
    expect(consortiumInWords(scenario)).toBe(
      '4 hospitals, 1 of them behind firewalls that let nobody in; 20 training rounds, synthetic training, small inputs by gossip. In its sums: no differential privacy: nothing protects a patient in the sums and the model, which are exact; summing in secret alone is no anonymity.',
    )
    const compression = { bitsPerValue: 16, rotation: true, oneIn: 4 } as const
    const sparse = { ...scenario, secureSum: { ...scenario.secureSum, compression } }
    expect(consortiumInWords(sparse)).toContain(
      'small inputs by gossip, rotated, 16 bits for each value, one value in 4 each round.',
    )
    const factored = {
      ...scenario.secureSum,
      compression: { bitsPerValue: 32 as const, rotation: false, rank: 2 },
    }
    expect(consortiumInWords({ ...scenario, secureSum: factored })).toContain(
      'small inputs by gossip, 32 bits for each value, factors of rank 2.',
    )
    expect(adversariesInWords(scenario)).toEqual(['1 hospital: delivers its input as late as it can.'])
    expect(siteRows(scenario)[2]).toEqual([
      'small',
      '1',
      '20 Mbit/s',
      '1 Gbit/s',
      'lets nobody in',
      'about 1.08 s',
      '1 ms to 10 ms',
      'off by 1.00 s, drifts 0 ppm',
    ])
  })

  it('says what links are like, and what goes wrong, how often and for how long', () => {
    expect(linksInWords(scenario)).toEqual([
      'Between any two hospitals: about 24 ms, at least 20 ms, at times far more; 0.2 % of packets lost.',
      'Within a site: 1 ms.',
      'Between big and small: 5 ms to 25 ms.',
    ])
    expect(faultsInWords(scenario)).toEqual([
      'Line down: one hospital at random, 4 times an hour on average, for 6 min.',
      'Cut off from the others, only what comes in: big, once, after 1 min 30 s, for 30.0 s.',
      'Links clogged, 250 ms more for each message: 50 % of the hospitals at random, every 1 min, first after 5.00 s, for 1.00 s.',
      'Process killed and started again, its whole machine silent at once, at its next write, its last write torn: one hospital after the other, once, after 1.00 s, for 500 ms.',
      'Jobs and disk slow, 10 times slower: 2 hospitals at random, once, after 0 s, for 1.00 s.',
      'After 1 h all of it ends, and the next rounds must close.',
    ])
  })

  it('has words for every lie, and the name for one that is new', () => {
    for (const behaviour of BEHAVIOURS) expect(lieInWords(behaviour)).toMatch(/ /)
    expect(lieInWords('brandNew')).toBe('brandNew')
  })

  it('names the median of a heavy tail as it is drawn', () => {
    // jitter * (1 / sqrt(1 - u) - 1) at u = 1/2.
    expect(drawInWords({ base: 0, jitter: 1000 })).toMatch(/^about 414 ms/)
  })
})
