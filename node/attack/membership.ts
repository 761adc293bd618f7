/**
 * Was this person among those that the model was trained on? The likelihood-ratio attack (Carlini et al. 2022, algorithm 1):
 * models trained on random halves of all people; of each person two normal laws of the model's confidence, of models that
 * knew the person and of those that did not. Each model is the target in turn and the others are its shadows.
 */
import { type Charter, expandedFeatureCount, patientPrivacy } from '../../config/charter.ts'
import type { ModelState } from '../../protocol/ports.ts'
import type { Dataset, Rows } from '../training/dataset.ts'
import { type LearnJob, learnOn } from '../training/learner.ts'
import { buildModel, logitsOf, type TrainedModel } from '../training/model.ts'
import { normalise } from '../training/statistics.ts'
import { type Figure, figureOf } from './judge.ts'
import { type Random, shuffled } from './random.ts'
import { playRounds } from './rounds.ts'

/** How a model comes from people; `trained` is for its use alone. Throws MedmeshError as `learnOn` does. */
export type Trains = (charter: Charter, trained: TrainedModel, people: Rows, random: Random) => ModelState

export interface Training {
  readonly name: string
  readonly train: Trains
  readonly limit: MembershipRow['limit']
}

/** By all rounds that the charter plans, with its noise if it has any, the people dealt out to the hospitals. */
export const AS_AGREED: Training = {
  name: 'as the charter says',
  train: (charter, trained, people, random) => {
    const n = charter.members.length
    const hospitals = charter.members.map((_, i) => hospitalOf(charter, trained, dealt(people, i, n)))
    return playRounds(charter, hospitals, (round, i) => random.fork('round', round, i).key())
  },
  limit: 'none',
}

/** The control: far too many updates, on few people. `model` has the normalisation. */
export function byHeart(model: ModelState, updates: number): Training {
  return {
    name: 'by heart',
    train: (agreed, trained, people, random) => {
      const more = { localUpdates: updates, optimizer: 'adam', learningRate: 0.03 } as const
      const charter: Charter = {
        ...agreed,
        training: { ...agreed.training, ...more },
        privacy: { unit: 'none' },
      }
      const job = { kind: 'learn', task: 'train', round: 1, model, seed: random.key() } as const
      const { delta } = learnOn(trained, charter, datasetOf(charter, people), job)
      const added = delta as Float32Array
      return { ...model, parameters: model.parameters.map((p, i) => p + added[i]!) }
    },
    limit: 'succeeds',
  }
}

/** Of `n` hospitals those of the `i`th. */
function dealt(people: Rows, i: number, n: number): Rows {
  return rowsOf(
    people,
    [...people.y.keys()].filter(row => row % n === i),
  )
}

/** A hospital without people learns nothing and adds zeros, and noise as all do. */
function hospitalOf(charter: Charter, trained: TrainedModel, people: Rows) {
  const isIdle = people.y.length === 0 && !patientPrivacy(charter)
  const own = isIdle ? { ...charter, training: { ...charter.training, localUpdates: 0 } } : charter
  const dataset = datasetOf(charter, people)
  return { learn: (job: LearnJob) => learnOn(trained, own, dataset, job) }
}

/** Nothing is measured. */
function datasetOf(charter: Charter, train: Rows): Dataset {
  const test = { x: new Float32Array(0), y: new Float32Array(0) }
  return { train, test, d: expandedFeatureCount(charter), hash: '', notices: [] }
}

export interface MembershipRow {
  readonly training: string
  readonly models: number
  readonly people: number
  /** Area under the ROC curve: .5 is chance. Over the models as targets. */
  readonly auc: Figure
  /** The same of the confidence alone, without shadows. */
  readonly confidenceAuc: Figure
  /** Share of members that are found while one in a hundred others is accused. */
  readonly found: Figure
  /** The control must find members; of the study as agreed nothing is promised. */
  readonly limit: 'succeeds' | 'none'
  /** Whether it tells members from others, as far as three standard errors can say: models that share people vary together. */
  readonly tells: boolean
  readonly isKept: boolean
}

/** A trained model seen by the attacker: who was in it, and its confidence in the right label of each person, as a logit. */
interface Shadow {
  readonly isMember: readonly boolean[]
  readonly confidence: Float32Array
}

/** `people`: in original units. `models`: at least 6, even. tfjs must have a backend. Throws MedmeshError as `learnOn` does. */
export async function measureMembership(
  charter: Charter,
  people: Rows,
  { name, train, limit }: Training,
  models: number,
  random: Random,
): Promise<MembershipRow> {
  const count = people.y.length
  const halves = halvesOf(count, models, random.fork('halves'))
  const trained = await buildModel(charter)
  const shadows = halves.map((isMember, i) => {
    const members = rowsOf(
      people,
      isMember.flatMap((is, row) => (is ? [row] : [])),
    )
    const state = train(charter, trained, members, random.fork('training', i))
    return { isMember, confidence: confidencesOf(trained, state, people) }
  })
  trained.dispose()
  const scores = shadows.map((_, target) => likelihoodRatios(shadows, target))
  const over = (f: (scores: ArrayLike<number>, isMember: readonly boolean[]) => number) =>
    figureOf(shadows.map(({ isMember }, i) => f(scores[i]!, isMember)))
  const auc = over(aucOf)
  const confidenceAuc = figureOf(shadows.map(({ confidence, isMember }) => aucOf(confidence, isMember)))
  const tells = auc.mean > 0.5 + 3 * auc.standardError
  const found = over(foundAt)
  const isKept = limit === 'none' || tells
  return { training: name, models, people: count, auc, confidenceAuc, found, limit, tells, isKept }
}

/** Those of these places, in their order. */
export function rowsOf({ x, y }: Rows, places: readonly number[]): Rows {
  const d = x.length / y.length
  const some = new Float32Array(places.length * d)
  for (const [i, row] of places.entries()) some.set(x.subarray(row * d, (row + 1) * d), i * d)
  return { x: some, y: Float32Array.from(places, row => y[row]!) }
}

/** Of each model who is in it: each person in exactly half of all. */
function halvesOf(people: number, models: number, random: Random): boolean[][] {
  const member = Array.from({ length: people }, () => new Set(shuffled(models, random).slice(0, models / 2)))
  return Array.from({ length: models }, (_, m) => member.map(set => set.has(m)))
}

/** With p = sigmoid(z) the logit of the right label's probability is z or -z. */
function confidencesOf(trained: TrainedModel, state: ModelState, { x, y }: Rows): Float32Array {
  trained.set(state.parameters)
  return logitsOf(trained, normalise(x, state), state.mean.length).map((z, i) => (y[i] === 1 ? z : -z))
}

/**
 * Of each person ln N(c; known) - ln N(c; unknown), c being the target's confidence. With few shadows the variances are those of all
 * people together, as the paper advises. Of a member one shadow fewer knows it than does not, of another person one more: as many
 * of each are taken, or means of fewer would tell who is a member, the wrong way round.
 */
function likelihoodRatios(shadows: readonly Shadow[], target: number): Float64Array {
  const others = shadows.filter((_, i) => i !== target)
  const each = shadows.length / 2 - 1
  const { confidence } = shadows[target]!
  const fits = [true, false].map(known => {
    let squares = 0
    const means = confidence.map((_, p) => {
      const values = others.filter(s => s.isMember[p] === known).map(s => s.confidence[p]!)
      const { mean } = figureOf(values.slice(0, each))
      for (const value of values.slice(0, each)) squares += (value - mean) ** 2
      return mean
    })
    return { means, variance: squares / (means.length * (each - 1)) }
  })
  const [known, unknown] = fits
  const logDensity = (c: number, { means, variance }: (typeof fits)[number], p: number) =>
    -((c - means[p]!) ** 2) / (2 * variance) - Math.log(variance) / 2
  return Float64Array.from(confidence, (c, p) => logDensity(c, known!, p) - logDensity(c, unknown!, p))
}

/** Chance that a member scores higher than another person (Mann and Whitney 1947). */
function aucOf(scores: ArrayLike<number>, isMember: readonly boolean[]): number {
  let wins = 0
  let pairs = 0
  for (const [i, is] of isMember.entries()) {
    if (!is) continue
    for (const [j, other] of isMember.entries()) {
      if (other) continue
      wins += scores[i]! > scores[j]! ? 1 : scores[i]! === scores[j]! ? 0.5 : 0
      pairs++
    }
  }
  return wins / pairs
}

/** Share of members above the score that one in a hundred others exceeds. */
function foundAt(scores: ArrayLike<number>, isMember: readonly boolean[]): number {
  const of = (is: boolean) => isMember.flatMap((m, i) => (m === is ? [scores[i]!] : []))
  const others = of(false).sort((a, b) => b - a)
  const threshold = others[Math.floor(others.length / 100)]!
  const members = of(true)
  return members.filter(s => s > threshold).length / members.length
}
