/** What the hospitals of a scenario learn, where that needs files: the data of a study under config/studies. */
import type { Scenario } from '../../config/scenario.ts'
import type { Study } from '../run.ts'

/** Undefined: the synthetic study, which needs none. */
export async function studyOf(scenario: Scenario, _seed: number): Promise<Study | undefined> {
  if (scenario.study.learner === 'synthetic') return undefined
  throw new Error('the tfjs learner is not there yet')
}
