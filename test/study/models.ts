/** The three models of the study: each hospital's own, the federated one and the pooled one. */
import type { Charter } from '../../config/charter.ts'
import { type OnRound, playRounds } from '../../node/attack/rounds.ts'
import { joinRows } from '../../node/evaluation.ts'
import type { Backend } from '../../node/training/backend.ts'
import type { Dataset } from '../../node/training/dataset.ts'
import { createLearner, type Learner } from '../../node/training/learner.ts'
import { ascii, u32be } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { ModelState } from '../../protocol/ports.ts'

export interface Study {
  readonly charter: Charter
  readonly datasets: ReadonlyMap<string, Dataset>
  readonly backend: Backend
}

/** How a study gets its federated model: `federateByProtocol`, or the arithmetic alone. */
export type Federate = (study: Study, seed: number) => Promise<ModelState>

/** The rounds of a study by the arithmetic alone (`playRounds`), from seeds of its own. */
export function federateWith(
  charter: Charter,
  learners: readonly Learner[],
  seed: number,
  onRound?: OnRound,
): ModelState {
  const keyOf = (round: number, hospital: number) => seedOf(seed, round, hospital)
  return playRounds(initialOf(charter, seed), learners, keyOf, onRound)
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
