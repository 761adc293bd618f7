/** A model's scores on each hospital's test rows and on all of them: only a comparison study sees rows of all. */
import type { Charter } from '../../config/charter.ts'
import { joinRows, type Scores, scoreOn } from '../../node/evaluation.ts'
import type { Dataset } from '../../node/training/dataset.ts'
import type { ModelState } from '../../protocol/ports.ts'

/** By hospital, and under `pooled` for the test rows of all hospitals together. */
export async function scoreEverywhere(
  charter: Charter,
  state: ModelState,
  datasets: ReadonlyMap<string, Dataset>,
): Promise<ReadonlyMap<string, Scores>> {
  const sets = [...datasets.values()].map(d => d.test)
  const scores = await scoreOn(charter, state, [...sets, joinRows(sets)])
  return new Map([...datasets.keys(), 'pooled'].map((name, i) => [name, scores[i]!]))
}
