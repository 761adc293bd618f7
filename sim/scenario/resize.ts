/** The same scenario, larger or smaller: what the command line's options change of it. */
import { maliciousMaxOf, type Scenario } from '../../config/scenario.ts'
import { checkScenario } from '../../config/scenario-parse.ts'

export interface Size {
  /** Hospitals in all, in the sites' proportions. */
  readonly hospitals?: number
  readonly rounds?: number
}

/** Throws MedmeshError SCENARIO_... where the scenario does not bear the size (more liars than f, names that are gone). */
export function resized(scenario: Scenario, { hospitals, rounds }: Size): Scenario {
  const sites = hospitals === undefined ? scenario.sites : share(scenario.sites, hospitals)
  const n = sites.reduce((sum, s) => sum + s.count, 0)
  const { maliciousMax, ...rest } = scenario
  const f = Math.min(maliciousMaxOf(scenario), Math.floor((n - 1) / 3))
  return checkScenario({
    ...rest,
    sites,
    ...(maliciousMax !== undefined && { maliciousMax: f }),
    study: { ...scenario.study, ...(rounds !== undefined && { rounds }) },
  })
}

/** Counts that add up to `total`, by largest remainder; sites that get none are gone. */
function share(sites: Scenario['sites'], total: number): Scenario['sites'] {
  const before = sites.reduce((sum, s) => sum + s.count, 0)
  const exact = sites.map(s => (s.count * total) / before)
  const counts = exact.map(Math.floor)
  const order = exact
    .map((x, i) => ({ i, left: x - Math.floor(x) }))
    .sort((a, b) => b.left - a.left || a.i - b.i)
  const missing = total - counts.reduce((a, b) => a + b, 0)
  for (const { i } of order.slice(0, missing)) counts[i]!++
  return sites.map((site, i) => ({ ...site, count: counts[i]! })).filter(site => site.count > 0)
}
