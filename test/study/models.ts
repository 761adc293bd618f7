/** The three models of the study: each hospital's own, the federated one and the pooled one. */
import type { Charter } from '../../config/charter.ts'
import { joinRows } from '../../node/evaluation.ts'
import type { Backend } from '../../node/training/backend.ts'
import type { Dataset } from '../../node/training/dataset.ts'
import { createLearner, type Learner } from '../../node/training/learner.ts'
import { ascii, u32be } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { applySum } from '../../protocol/model/apply.ts'
import { initialState } from '../../protocol/model/initial.ts'
import type { Learned, ModelState, Task } from '../../protocol/ports.ts'
import { addInto } from '../../protocol/sum/field.ts'
import { quantisedInput } from '../../protocol/sum/kernels.ts'
import { layoutFor, vectorLength } from '../../protocol/sum/layout.ts'
import { upTo } from '../../sim/checkers/noise.ts'

export interface Study {
  readonly charter: Charter
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly backend: Backend
}

/** How a study gets its federated model: `federateByProtocol`, or the arithmetic alone. */
export type Federate = (study: Study, seed: number) => Promise<ModelState>

/** What all hospitals have learned in a training round, and the models before and after it. */
export type OnRound = (all: readonly Learned[], before: ModelState, after: ModelState) => void

/**
 * The protocol's arithmetic without its messages: all hospitals survive every round, and their clipped, weighted and
 * quantised contributions are added and applied as in a real round. Masks would cancel, so there are none.
 */
export function federateWith(
  charter: Charter,
  learners: readonly Learner[],
  seed: number,
  onRound?: OnRound,
): ModelState {
  let state = initialState(initialOf(charter, seed))
  const residuals = new Map<Learner, Float32Array | undefined>()
  for (let round = 0; round <= charter.training.rounds; round++) {
    const task: Task = round === 0 ? 'statistics' : 'train'
    const sections = layoutFor(charter, task, learners.length, round)
    // What stays of their noise where all survive.
    const kept = sections.map(s => upTo(s, 0))
    const publicSeed = seedOf(seed, round, learners.length)
    const sum = new Uint32Array(vectorLength(sections))
    const all = learners.map((learner, i) => {
      const key = seedOf(seed, round, i)
      const learned = learner.learn({ kind: 'learn', task, round, model: state, seed: key })
      const residual = residuals.get(learner)
      const roundingKey = sha256(key)
      const { basis } = state
      const work = { charter, task, sections: kept, learned, publicSeed, roundingKey, residual, basis }
      const input = quantisedInput(work)
      if (!input.ok) throw new Error(input.error)
      residuals.set(learner, input.value.unsent)
      addInto(sum, input.value.residues)
      return learned
    })
    const before = state
    state = applySum(charter, task, sections, sum, state, publicSeed).state
    if (task === 'train') onRound?.(all, before, state)
  }
  return state
}

export async function learnersOf({ charter, datasets, backend }: Study): Promise<Learner[]> {
  const learners: Learner[] = []
  for (const dataset of datasets.values()) learners.push(await createLearner(charter, dataset, backend))
  return learners
}

export const federate: Federate = async (study, seed) => {
  const learners = await learnersOf(study)
  const state = federateWith(study.charter, learners, seed)
  for (const learner of learners) learner.dispose()
  return state
}

/** One hospital by itself, with the same plan: the same rounds of the same updates, none of them clipped or compressed. */
export async function trainAlone(
  { charter, backend }: Omit<Study, 'datasets'>,
  dataset: Dataset,
  seed: number,
): Promise<ModelState> {
  const { training, secureSum } = charter
  const free = {
    ...charter,
    training: { ...training, clipNorm: 1e6 },
    secureSum: { ...secureSum, compression: undefined },
  }
  return await federate({ charter: free, datasets: new Map([['alone', dataset]]), backend }, seed)
}

/**
 * All rows in one place, for comparison only: no network of hospitals could do this. It makes as many updates as all
 * hospitals together.
 */
export async function trainPooled(study: Study, seed: number): Promise<ModelState> {
  const { charter, datasets } = study
  const localUpdates = charter.training.localUpdates * datasets.size
  const pooled = { ...charter, training: { ...charter.training, localUpdates } }
  return await trainAlone({ ...study, charter: pooled }, pool([...datasets.values()]), seed)
}

export function pool(datasets: readonly Dataset[]): Dataset {
  const train = joinRows(datasets.map(s => s.train))
  return { train, test: joinRows(datasets.map(s => s.test)), d: datasets[0]!.d, hash: '', notices: [] }
}

/** Study seed 0 starts from the charter's own model, the others from other draws. */
export function initialOf(charter: Charter, seed: number): Charter {
  return { ...charter, model: { ...charter.model, seed: charter.model.seed + seed } }
}

function seedOf(seed: number, round: number, hospital: number): Uint8Array {
  return sha256(ascii('heart study'), u32be(seed, round, hospital))
}
