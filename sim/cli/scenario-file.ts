/** Scenarios by name or file: those of config/scenarios, and the user's own. */
import { readdirSync, readFileSync } from 'node:fs'
import { MedmeshError } from '../../config/error.ts'
import type { Scenario } from '../../config/scenario.ts'
import { parseScenario } from '../../config/scenario-parse.ts'

const FOLDER = new URL('../../config/scenarios/', import.meta.url)
const ENDING = '.yaml'

export interface Named {
  readonly name: string
  readonly scenario: Scenario
}

/** Those that come with the simulator, the smaller ones first. */
export function ownScenarios(): Named[] {
  const size = ({ scenario }: Named) => scenario.sites.reduce((n, s) => n + s.count, 0)
  return names()
    .map(name => ({ name, scenario: readScenario(name) }))
    .sort((a, b) => size(a) - size(b) || (a.name < b.name ? -1 : 1))
}

/**
 * A name such as `odelia`, or the path of a file.
 *
 * Throws MedmeshError SCENARIO_FILE, or what parseScenario throws.
 */
export function readScenario(nameOrFile: string): Scenario {
  const own = names().includes(nameOrFile)
  const file = own ? new URL(nameOrFile + ENDING, FOLDER) : nameOrFile
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new MedmeshError(
      'SCENARIO_FILE',
      `${nameOrFile} is neither a file that can be read (${code}) nor one of ${names().join(', ')}`,
      'see: medmesh sim list',
    )
  }
  try {
    return parseScenario(text)
  } catch (error) {
    if (!(error instanceof MedmeshError)) throw error
    throw new MedmeshError(error.code, `${nameOrFile}: ${error.message}`, error.fix)
  }
}

function names(): string[] {
  return readdirSync(FOLDER)
    .filter(name => name.endsWith(ENDING))
    .map(name => name.slice(0, -ENDING.length))
    .sort()
}
