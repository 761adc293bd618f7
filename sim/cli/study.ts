/** What the hospitals of a scenario learn, where that needs files: the data of a study under config/studies. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CharterSchema } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import { parseDraft } from '../../config/parse.ts'
import type { Scenario } from '../../config/scenario.ts'
import { loadDataset } from '../../node/data/csv.ts'
import { type RealStudy, tfjsStudy } from '../learner/tfjs.ts'
import { scenarioCharter } from '../scenario/charter.ts'

const STUDIES = fileURLToPath(new URL('../../config/studies/', import.meta.url))

/**
 * Undefined: the synthetic study, which needs none. Else the k-th hospital of the scenario has the k-th of the study's files, in
 * the order of the study's members; data, model and training plan are the study's, all else the scenario's. Throws MedmeshError
 * SIM_STUDY where there is no such study or it has too few hospitals, and what reading its charter and data throws.
 */
export async function studyOf(scenario: Scenario, _seed: number): Promise<RealStudy | undefined> {
  const { learner, data, rounds } = scenario.study
  if (learner === 'synthetic' || data === undefined) return undefined
  const folder = join(STUDIES, data)
  if (!existsSync(join(folder, 'charter.yaml'))) {
    const known = readdirSync(STUDIES).join(', ')
    throw new MedmeshError(
      'SIM_STUDY',
      `there is no study ${data}`,
      `name one of these in study.data: ${known}`,
    )
  }
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  const draft = parseDraft(read('charter.yaml'), read)
  const agreed = scenarioCharter(scenario)
  const { members } = agreed
  if (members.length > draft.members.length) {
    throw new MedmeshError(
      'SIM_STUDY',
      `study ${data} has data of ${draft.members.length} hospitals, the scenario has ${members.length}`,
      `let the sites of the scenario have at most ${draft.members.length} hospitals`,
    )
  }
  const training = { ...draft.training, rounds, weightMax: agreed.training.weightMax }
  const charter = CharterSchema.parse({
    ...agreed,
    data: draft.data,
    model: draft.model,
    training,
    evaluation: draft.evaluation,
  })
  const datasets = members.map(({ id }, k) => {
    const file = join(folder, 'data', `${draft.members[k]!.id}.csv`)
    return [id, loadDataset(file, charter)] as const
  })
  return await tfjsStudy(charter, new Map(datasets))
}
