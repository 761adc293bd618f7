/**
 * Models for comparison only: what each hospital would have alone, and what one would have if all records lay in
 * one place, which is what the study avoids. Trained by the same code as the federated one, as a consortium of one.
 */
import { createHash } from 'node:crypto'
import type { Charter } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import { taskOf } from '../../protocol/ledger/plan.ts'
import { applySum } from '../../protocol/model/apply.ts'
import { initialState } from '../../protocol/model/initial.ts'
import type { MemberId, ModelState } from '../../protocol/ports.ts'
import { quantisedInput } from '../../protocol/sum/kernels.ts'
import { layoutFor } from '../../protocol/sum/layout.ts'
import { joinRows, type Scores, scoreOn } from '../evaluation.ts'
import { type Backend, chooseBackend } from '../training/backend.ts'
import type { Dataset } from '../training/dataset.ts'
import { createLearner } from '../training/learner.ts'

/** Scores of one model on each hospital's test rows and on all of them together. */
export interface ScoreRow {
  readonly on: ReadonlyMap<MemberId, Scores>
  readonly all: Scores
}

export interface Comparison {
  readonly own: ReadonlyMap<MemberId, ScoreRow>
  readonly federated: ScoreRow
  readonly pooled: ScoreRow
}

/** `datasets` in the charter's order. `seed` fixes the minibatches of the models for comparison. */
export async function compare(
  charter: Charter,
  datasets: ReadonlyMap<MemberId, Dataset>,
  federated: ModelState,
  seed: number,
): Promise<Comparison> {
  const backend = await chooseBackend()
  const own = new Map<MemberId, ScoreRow>()
  const measure = (state: ModelState) => scoreRow(charter, state, datasets)
  for (const [member, dataset] of datasets) {
    own.set(member, await measure(await trainAlone(charter, dataset, backend, `${seed} ${member}`)))
  }
  const pooled = await trainAlone(charter, pool(datasets), backend, `${seed} pooled`)
  return { own, federated: await measure(federated), pooled: await measure(pooled) }
}

/** All rounds of the charter on one data set, with nothing compressed and no noise. Throws what the learner throws. */
export async function trainAlone(
  charter: Charter,
  dataset: Dataset,
  backend: Backend,
  seed: string,
): Promise<ModelState> {
  const secureSum = { ...charter.secureSum, compression: undefined }
  const whole: Charter = { ...charter, secureSum, privacy: { unit: 'none' } }
  const learner = await createLearner(whole, dataset, backend)
  try {
    let model = initialState(charter)
    for (let round = 0; round <= charter.training.rounds; round++) {
      const task = taskOf(charter, round)!
      const learned = learner.learn({
        kind: 'learn',
        task,
        round,
        model,
        seed: digest(`${seed} ${round}`),
      })
      const sections = layoutFor(whole, task, 1, round)
      const roundingKey = digest(`${seed} ${round} rounding`)
      const input = quantisedInput({ charter: whole, task, sections, learned, roundingKey })
      if (!input.ok) throw new MedmeshError('DEMO_COMPARISON', input.error, 'lower training.learningRate')
      model = applySum(whole, task, sections, input.value.residues, model).state
    }
    return model
  } finally {
    learner.dispose()
  }
}

function pool(datasets: ReadonlyMap<MemberId, Dataset>): Dataset {
  const all = [...datasets.values()]
  return {
    train: joinRows(all.map(d => d.train)),
    test: joinRows(all.map(d => d.test)),
    d: all[0]!.d,
    hash: '',
    notices: [],
  }
}

async function scoreRow(
  charter: Charter,
  state: ModelState,
  datasets: ReadonlyMap<MemberId, Dataset>,
): Promise<ScoreRow> {
  const sets = [...datasets.values()].map(d => d.test)
  const [all, ...each] = await scoreOn(charter, state, [joinRows(sets), ...sets])
  return { on: new Map([...datasets.keys()].map((member, i) => [member, each[i]!])), all: all! }
}

function digest(text: string): Uint8Array {
  return new Uint8Array(createHash('sha256').update(`medmesh demo comparison ${text}`).digest())
}
