/** The scenarios that come with the simulator: each can be read, says what it is, and is of the size that its name says. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { hospitalsOf, maliciousMaxOf } from '../../../config/scenario.ts'
import { parseScenario } from '../../../config/scenario-parse.ts'

const CONFIG = new URL('../../../config/', import.meta.url)
const FOLDER = new URL('scenarios/', CONFIG)

const textOf = (name: string) => readFileSync(new URL(`${name}.yaml`, FOLDER), 'utf8')
const names = readdirSync(FOLDER).map(file => file.replace(/\.yaml$/, ''))

describe('config/scenarios', () => {
  it.each<[string, number]>([
    ['metropolitan', 5],
    ['odelia', 8],
    ['continents', 30],
    ['hundred-nat', 100],
    ['thousand', 1000],
    ['rolling-upgrade', 7],
    ['week', 6],
    ['partition', 8],
    ['liars', 10],
    ['riders', 16],
    ['stroke', 98],
  ])('has %s, of %i hospitals', (name, hospitals) => {
    expect(hospitalsOf(parseScenario(textOf(name)))).toHaveLength(hospitals)
  })

  it.each(names)('%s begins with a comment and the command that plays it', name => {
    const [head] = textOf(name).split('\nformat:')
    expect(head).toMatch(/^# /)
    expect(head).toContain(`medmesh sim run --scenario ${name}`)
  })

  it('has outages of six minutes in twenty rounds where it says so, and a third behind NAT', () => {
    const { faults, study } = parseScenario(textOf('odelia'))
    expect(study.rounds).toBe(20)
    expect(faults.map(f => [f.kind, f.forMs])).toEqual([
      ['outage', 360_000],
      ['outage', 360_000],
    ])
    const hidden = hospitalsOf(parseScenario(textOf('hundred-nat'))).filter(h => h.site.nat)
    expect(hidden).toHaveLength(33)
  })

  it('has one partition of 30 s, at 50 ms and 1 % loss, where real processes are compared', () => {
    const { faults, links } = parseScenario(textOf('partition'))
    expect(links.default).toMatchObject({ latencyMs: 50, lossRate: 0.01 })
    expect(faults).toMatchObject([{ kind: 'partition', forMs: 30_000, direction: 'both' }])
  })

  it('has as many liars as its hospitals bear, where they lie', () => {
    const scenario = parseScenario(textOf('liars'))
    const liars = scenario.adversaries.reduce((n, a) => n + a.count, 0)
    expect(liars).toBe(maliciousMaxOf(scenario))
  })

  it('restarts each hospital once within the time that its study takes', () => {
    const { faults, study, sites } = parseScenario(textOf('rolling-upgrade'))
    const [fault] = faults
    const n = sites.reduce((sum, s) => sum + s.count, 0)
    if (!fault || !('everyMs' in fault.when)) throw new Error('no period')
    const lastMs = (fault.when.firstMs ?? 0) + (n - 1) * fault.when.everyMs
    // Training alone takes 45 s a round.
    expect(study.rounds * 45_000 + fault.when.everyMs).toBeGreaterThan(lastMs)
  })
})
