import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MedmeshError } from '../../../config/error.ts'
import { scenarioJsonSchema } from '../../../config/json-schema.ts'
import {
  BEHAVIOURS,
  hospitalIds,
  hospitalsOf,
  maliciousMaxOf,
  type Scenario,
} from '../../../config/scenario.ts'
import { checkScenario, parseScenario } from '../../../config/scenario-parse.ts'
import { codeOf, errorOf } from './study.ts'

/** Seven hospitals at two sites; line 11 is the first that a test adds. */
const BASE = `format: medmesh-scenario/1
title: A test
description: Seven hospitals
sites:
  - name: city
    count: 4
  - name: shore
    count: 2
  - name: hill
    nat: true
`
const FIRST = BASE.split('\n').length

const plus = (text: string) => () => parseScenario(BASE + text)

describe('parseScenario', () => {
  it('fills in all defaults, and reads them back as they are', () => {
    const scenario = parseScenario(BASE)
    expect(scenario.sites[2]).toMatchObject({ count: 1, nat: true, uplinkMbps: 1000, diskMs: 0 })
    expect(scenario.links.default).toMatchObject({ lossRate: 0, latencyMs: { base: 10, jitter: 4 } })
    expect(scenario.study).toEqual({ rounds: 5, learner: 'synthetic', features: 8 })
    expect(scenario.limitMs).toBe(3_600_000)
    expect(checkScenario(JSON.parse(JSON.stringify(scenario)))).toEqual(scenario)
  })

  it.each([
    [
      'a field',
      'fults: []',
      'fults is not a field of a scenario; known there: format, title,',
      'mean faults?',
    ],
    [
      'a nested field',
      'study: {round: 3}',
      'study.round is not a field .* known there: rounds, learner',
      'rounds?',
    ],
    [
      'a kind of fault',
      'faults: [{kind: crsh}]',
      'faults[0].kind must be one of "crash", "outage", .*"slow"',
      'crash?',
    ],
    [
      'a choice',
      'secureSum: {delivery: gosip}',
      'secureSum.delivery must be one of "gossip", "shards"',
      'gossip?',
    ],
    ['a rate', 'links: {default: {lossRate: 2}}', 'links.default.lossRate must be at most 1', 'at most 1'],
    [
      'a pair',
      'links: {between: [{sites: [city]}]}',
      'links.between[0].sites must have at least 2',
      'entries',
    ],
    ['a group', 'links: 3', 'links must be a group of named values', 'group'],
    [
      'a behaviour',
      'adversaries: [{behaviour: liar}]',
      `must be one of "${BEHAVIOURS[0]}", .*"everything"`,
      'must',
    ],
    ['rounds', 'study: {rounds: 1.5}', 'study.rounds must be a whole number', 'whole'],
  ])('names line, key and what is allowed: %s', (_what, text, says, fix) => {
    const error = errorOf(plus(text))
    expect(error.code).toBe('SCENARIO_SCHEMA')
    expect(error.message).toMatch(
      new RegExp(`^line ${FIRST}: .*${says.replace(/[[\]]/g, '\\$&').replace(/\./g, '.')}`),
    )
    expect(error.fix).toContain(fix)
  })

  const fault = (parts: string) => `faults: [{kind: outage, who: any, when: {atMs: 1}, forMs: 1, ${parts}}]`
  it.each([
    [
      'who: anny',
      /who must be one of "any", "turn", "all"; or a list of names .*; or { count: a whole number from 1 to 5000 }; or { share: /,
    ],
    ['who: []', /who must have at least 1 entries/],
    ['who: {cuont: 2}', /who\.cuont is not a field of a scenario; known there: count/],
    ['who: {count: 0}', /who\.count must be at least 1/],
    [
      'when: 7',
      /when must be { atMs: a number from 0 to 31536000000 }; or { everyMs: .*, firstMs\?: .* }; or { perHour: a number above 0 to 1000000 }/,
    ],
    ['when: {everyMs: 0}', /when\.everyMs must be at least 1/],
    [
      'when: {everyMs: 5, frstMs: 1}',
      /when\.frstMs is not a field of a scenario; known there: everyMs, firstMs/,
    ],
    ['forMs: soon', /forMs must be a number from 0 .*; or { from: .*, to: .* }; or { base: .*, jitter: .* }/],
    ['forMs: {form: 1, to: 2}', /forMs\.form is not a field of a scenario; known there: from, to/],
    ['forMs: {base: 1}', /forMs\.jitter is missing; it must be a number/],
  ])('says what is allowed where there are alternatives: %s', (part, says) => {
    const [key] = part.split(':')
    const text = fault('').replace(new RegExp(`${key}: ({[^}]*}|[^,]*), `), `${part}, `)
    expect(errorOf(plus(text)).message).toMatch(says)
  })

  it.each([
    ['SCENARIO_YAML', 'title: again', /^line 11, column 1: /],
    ['SCENARIO_YAML', 'faults: !!js/function 1', /^line 11/],
    ['SCENARIO_TOO_LONG', `# ${'x'.repeat(2 ** 20)}`, /^the scenario has \d+ characters/],
    ['SCENARIO_SCHEMA', `faults: ${'['.repeat(200)}${']'.repeat(200)}`, /^line 1: the scenario is nested/],
    ['SCENARIO_YAML', `faults: ${'['.repeat(50_000)}`, /nested too deeply$/],
  ])('refuses with %s', (code, text, says) => {
    const error = errorOf(plus(text))
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(says)])
    expect(error.fix).not.toMatch(/charter/)
  })

  it('is a scenario or a MedmeshError of scenarios for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), text => {
        try {
          parseScenario(text)
        } catch (error) {
          expect(error).toBeInstanceOf(MedmeshError)
          expect((error as MedmeshError).code).toMatch(/^SCENARIO_/)
        }
      }),
    )
  })
})

describe('rules', () => {
  it.each([
    [
      'SCENARIO_HOSPITALS',
      (s: Any) => {
        s.sites = [{ name: 'city', count: 2 }]
      },
      'sites must have at least 3',
    ],
    [
      'SCENARIO_HOSPITALS',
      (s: Any) => {
        s.sites[0].count = 300
      },
      'sites may have at most 255 .*not 303',
    ],
    [
      'SCENARIO_AGREEMENT',
      (s: Any) => {
        s.maliciousMax = 3
      },
      'maliciousMax must be at most 2: .*n > 3f',
    ],
    [
      'SCENARIO_ADVERSARIES',
      (s: Any) => {
        s.adversaries = [{ behaviour: 'flood', count: 2 }, { behaviour: 'vanish' }]
      },
      'must be at most 2 hospitals together .*not 3',
    ],
    [
      'SCENARIO_ADVERSARIES',
      (s: Any) => {
        s.maliciousMax = 0
        s.adversaries = [{ behaviour: 'flood' }]
      },
      'must be at most 0 .*maliciousMax',
    ],
    [
      'SCENARIO_SITE_TWICE',
      (s: Any) => {
        s.sites[1].name = 'city'
      },
      'sites\\[1\\].name names city-01, which sites\\[0\\] is',
    ],
    [
      'SCENARIO_SITE_TWICE',
      (s: Any) => {
        s.sites[2].name = 'shore-02'
      },
      'sites\\[2\\].name names shore-02',
    ],
    [
      'SCENARIO_SITE_NAME',
      (s: Any) => {
        s.sites[0].name = 'x'.repeat(30)
      },
      'sites\\[0\\].name must be short enough',
    ],
    [
      'SCENARIO_NAT',
      (s: Any) => {
        for (const site of s.sites) site.nat = true
      },
      'sites must have one without nat',
    ],
    [
      'SCENARIO_SITE_UNKNOWN',
      (s: Any) => {
        s.links = { between: [{ sites: ['city', 'town'] }] }
      },
      'links.between\\[0\\].sites\\[1\\] names town.*city, shore, hill',
    ],
    [
      'SCENARIO_LINK_TWICE',
      (s: Any) => {
        s.links = { between: [{ sites: ['city', 'hill'] }, { sites: ['hill', 'city'] }] }
      },
      'between\\[1\\].sites are also those of links.between\\[0\\]',
    ],
    [
      'SCENARIO_SITE_UNKNOWN',
      (s: Any) => {
        s.faults = [{ ...FAULT, who: ['city-02', 'shore', 'city-05'] }]
      },
      'faults\\[0\\].who\\[2\\] names city-05',
    ],
    [
      'SCENARIO_WHO',
      (s: Any) => {
        s.faults = [{ ...FAULT, who: { count: 8 } }]
      },
      'faults\\[0\\].who.count must be at most 7',
    ],
    [
      'SCENARIO_NEVER',
      (s: Any) => {
        s.faults = [{ ...FAULT, when: { atMs: 3_600_000 } }]
      },
      'when.atMs must be less than limitMs',
    ],
    [
      'SCENARIO_NEVER',
      (s: Any) => {
        s.healAtMs = 10
        s.faults = [{ ...FAULT, when: { everyMs: 1, firstMs: 10 } }]
      },
      'when.firstMs must be less than healAtMs \\(10\\)',
    ],
    [
      'SCENARIO_DRAW',
      (s: Any) => {
        s.faults = [{ ...FAULT, forMs: { from: 3, to: 2 } }]
      },
      'faults\\[0\\].forMs.to must be at least from \\(3\\)',
    ],
    [
      'SCENARIO_DRAW',
      (s: Any) => {
        s.sites[1].trainingMs = { from: 3, to: 2 }
      },
      'sites\\[1\\].trainingMs.to must be',
    ],
    [
      'SCENARIO_DATA',
      (s: Any) => {
        s.study = { learner: 'tfjs' }
      },
      'study.data is missing; learner tfjs',
    ],
    [
      'SCENARIO_DATA',
      (s: Any) => {
        s.study = { data: 'heart-disease' }
      },
      'study.data is for learner tfjs',
    ],
    [
      'SCENARIO_DEADLINES',
      (s: Any) => {
        s.secureSum = { viewTimeoutMs: 4000 }
      },
      'viewTimeoutMs must be less than openDeadlineMs \\(4000\\)',
    ],
    [
      'SCENARIO_HEAL',
      (s: Any) => {
        s.healAtMs = 3_600_000
      },
      'healAtMs must be less than limitMs \\(3600000\\)',
    ],
    [
      'SCENARIO_COMPRESSION',
      (s: Any) => {
        s.sites[0].count = 108
        s.secureSum = { compression: { bitsPerValue: 8, rotation: false } }
      },
      'secureSum.compression.bitsPerValue must be more',
    ],
    [
      'SCENARIO_COMPRESSION',
      (s: Any) => {
        s.secureSum = { compression: { bitsPerValue: 32, rotation: true } }
      },
      'secureSum.compression.bitsPerValue must be less than 32',
    ],
    [
      'SCENARIO_COMPRESSION',
      (s: Any) => {
        s.secureSum = { compression: { bitsPerValue: 16, rotation: true, oneIn: 2, rank: 2 } }
        s.study = { ...s.study, learner: 'tfjs', data: 'heart-disease' }
      },
      'secureSum.compression.rank must not be set beside oneIn',
    ],
    [
      'SCENARIO_COMPRESSION',
      (s: Any) => {
        s.secureSum = { compression: { bitsPerValue: 16, rotation: true, rank: 2 } }
      },
      'secureSum.compression.rank must be left out: the synthetic model has no matrix',
    ],
    [
      'SCENARIO_COMMITTEES',
      (s: Any) => {
        s.committees = { size: 8, maliciousMax: 2 }
      },
      'committees.size must be at most 3: 7 hospitals',
    ],
    [
      'SCENARIO_COMMITTEES',
      (s: Any) => {
        s.committees = { size: 6, maliciousMax: 2 }
      },
      'committees.maliciousMax must be at most 1',
    ],
    [
      'SCENARIO_COMMITTEES',
      (s: Any) => {
        s.sites[0].count = 300
        s.committees = { size: 20, maliciousMax: 5 }
        s.maliciousMax = 60
      },
      '^maliciousMax must be at most \\d+: of more, a lot draws',
    ],
  ])('%s', (code, change, says) => {
    const scenario = JSON.parse(JSON.stringify(parseScenario(BASE)))
    change(scenario)
    const error = errorOf(() => checkScenario(scenario))
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(new RegExp(says))])
    expect(error.message).not.toContain('\n')
    expect(error.fix).not.toBe('')
  })

  it('allow what lies just within', () => {
    const within = (change: (s: Any) => void) => {
      const scenario = JSON.parse(JSON.stringify(parseScenario(BASE)))
      change(scenario)
      return () => checkScenario(scenario)
    }
    expect(
      within(s => {
        s.adversaries = [{ behaviour: 'flood', count: 2 }]
      }),
    ).not.toThrow()
    expect(
      within(s => {
        s.faults = [
          { ...FAULT, who: { count: 7 } },
          { ...FAULT, who: ['hill', 'city-04'] },
        ]
      }),
    ).not.toThrow()
    expect(
      within(s => {
        s.faults = [{ ...FAULT, forMs: { from: 2, to: 2 } }]
      }),
    ).not.toThrow()
    expect(
      within(s => {
        s.sites[0].count = 300
        s.committees = { size: 20, maliciousMax: 5 }
      }),
    ).not.toThrow()
  })

  it('tells all problems at once, each with its line', () => {
    const error = errorOf(plus('maliciousMax: 5\nhealAtMs: 9999999'))
    expect(error.message).toMatch(/^line 11: maliciousMax .*\n {2}line 12: healAtMs /)
  })
})

const FAULT = { kind: 'outage', who: 'any', when: { atMs: 1 }, forMs: 1 }
// biome-ignore lint/suspicious/noExplicitAny: a scenario on its way to becoming a wrong one
type Any = any

describe('hospitals', () => {
  it('are named by their site, with as many digits as the last needs', () => {
    expect(hospitalIds({ name: 'hill', count: 1 })).toEqual(['hill'])
    expect(hospitalIds({ name: 'city', count: 3 })).toEqual(['city-01', 'city-02', 'city-03'])
    expect(hospitalIds({ name: 'all', count: 1000 })[6]).toBe('all-0007')
    expect(
      hospitalsOf(parseScenario(BASE))
        .map(h => h.id)
        .slice(3),
    ).toEqual(['city-04', 'shore-01', 'shore-02', 'hill'])
  })

  it('bear as many malicious ones as n > 3f allows, or as the scenario says', () => {
    const scenario: Scenario = parseScenario(BASE)
    expect(maliciousMaxOf(scenario)).toBe(2)
    expect(maliciousMaxOf({ ...scenario, maliciousMax: 1 })).toBe(1)
  })
})

describe('config/scenario.schema.json', () => {
  it('is the one made from the schema (node node/scripts/export-schema.ts)', () => {
    const committed = readFileSync(new URL('../../../config/scenario.schema.json', import.meta.url), 'utf8')
    expect(committed).toBe(scenarioJsonSchema())
  })

  it('allows alternatives as the schema does', () => {
    expect(codeOf(plus('faults: [{kind: crash, who: any, when: {atMs: 1}}]'))).toBe('SCENARIO_SCHEMA')
    const schema = JSON.parse(scenarioJsonSchema())
    expect(schema.properties.faults.items.oneOf).toHaveLength(7)
  })
})
