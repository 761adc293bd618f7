/** From texts to scenarios, checked in all their parts. */
import { isTooDeep } from './canonical.ts'
import { type Locate, type Problem, problemError, SCENARIO, schemaProblems } from './problem.ts'
import { type Scenario, ScenarioSchema } from './scenario.ts'
import { scenarioProblems } from './scenario-rules.ts'
import { readYaml } from './yaml.ts'

/**
 * A scenario in YAML 1.2, all defaults filled in.
 *
 * Throws MedmeshError SCENARIO_YAML, SCENARIO_TOO_LONG, SCENARIO_SCHEMA, or a rule's own code (scenario-rules.ts), with
 * each field, its line, and what is allowed there.
 */
export function parseScenario(yamlText: string): Scenario {
  const { value, locate } = readYaml(yamlText, SCENARIO)
  return checkScenario(value, locate)
}

/** Any value as a scenario. Throws as {@link parseScenario}. */
export function checkScenario(value: unknown, locate?: Locate): Scenario {
  const refused = (problems: readonly Problem[]) => problemError(problems, locate, SCENARIO)
  if (isTooDeep(value)) {
    const says = 'is nested too deeply'
    throw refused([{ code: 'SCENARIO_SCHEMA', path: [], says, fix: 'take out what is nested' }])
  }
  const parsed = ScenarioSchema.safeParse(value)
  if (!parsed.success) throw refused(schemaProblems(parsed.error, ScenarioSchema, value, SCENARIO))
  const problems = scenarioProblems(parsed.data)
  if (problems.length > 0) throw refused(problems)
  return parsed.data
}
