/**
 * Was this person among those that the model was trained on? The likelihood-ratio attack (Carlini et al. 2022, algorithm 1):
 * models trained on random halves of all people; of each person two normal laws of the model's confidence, of models that
 * knew the person and of those that did not. Each model is the target in turn and the others are its shadows.
 */
import { joinRows } from '../../node/evaluation.ts'
import type { Rows } from '../../node/training/dataset.ts'
import { learnOn } from '../../node/training/learner.ts'
import { buildModel, logitsOf, type TrainedModel } from '../../node/training/model.ts'
import { normalise } from '../../node/training/statistics.ts'
import type { ModelState } from '../../protocol/ports.ts'
import type { Study } from '../study/models.ts'
import { type Figure, figureOf } from './judge.ts'
import type { Random } from './random.ts'

/** How a model is trained: as many updates as all hospitals make together in the study, or far too many on few people. */
export interface Training {
  readonly name: string
  readonly people: number
  readonly updates: number
  readonly optimizer: 'sgd' | 'adam'
  readonly learningRate: number
  readonly limit: MembershipRow['limit']
}

export const AS_AGREED: Training = {
  name: 'as the study trains',
  people: 740,
  updates: 600,
  optimizer: 'sgd',
  learningRate: 0.1,
  limit: 'none',
}
/** The control: each model knows 50 people by heart. */
export const BY_HEART: Training = {
  name: 'by heart',
  people: 100,
  updates: 600,
  optimizer: 'adam',
  learningRate: 0.03,
  limit: 'succeeds',
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
  readonly isKept: boolean
}

/** A trained model seen by the attacker: who was in it, and its confidence in the right label of each person, as a logit. */
interface Shadow {
  readonly isMember: readonly boolean[]
  readonly confidence: Float32Array
}

/** `models`: at least 4, even. */
export async function measureMembership(
  study: Study,
  model: ModelState,
  training: Training,
  models: number,
  random: Random,
): Promise<MembershipRow> {
  const all = joinRows([...study.datasets.values()].flatMap(d => [d.train, d.test]))
  const people = pick(all, model.mean.length, training.people, random.fork('people'))
  const halves = halvesOf(people.y.length, models, random.fork('halves'))
  const trained = await buildModel(study.charter)
  const shadows = halves.map((isMember, i) =>
    shadowOf(study, trained, model, training, people, isMember, random.fork('training', i).key()),
  )
  trained.dispose()
  const scores = shadows.map((_, target) => likelihoodRatios(shadows, target))
  const over = (f: (scores: ArrayLike<number>, isMember: readonly boolean[]) => number) =>
    figureOf(shadows.map(({ isMember }, i) => f(scores[i]!, isMember)))
  const auc = over(aucOf)
  const confidenceAuc = figureOf(shadows.map(({ confidence, isMember }) => aucOf(confidence, isMember)))
  const { name, limit } = training
  const isKept = limit === 'none' || auc.mean > 0.5 + 2 * auc.standardError
  const found = over(foundAt)
  return { training: name, models, people: people.y.length, auc, confidenceAuc, found, limit, isKept }
}

function pick({ x, y }: Rows, d: number, count: number, random: Random): Rows {
  const order = shuffled(y.length, random).slice(0, count)
  const rows = new Float32Array(order.length * d)
  for (const [i, row] of order.entries()) rows.set(x.subarray(row * d, (row + 1) * d), i * d)
  return { x: rows, y: Float32Array.from(order, row => y[row]!) }
}

/** Of each model who is in it: each person in exactly half of all. */
function halvesOf(people: number, models: number, random: Random): boolean[][] {
  const member = Array.from({ length: people }, () => new Set(shuffled(models, random).slice(0, models / 2)))
  return Array.from({ length: models }, (_, m) => member.map(set => set.has(m)))
}

function shuffled(n: number, random: Random): number[] {
  const order = Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const moved = order[i]!
    order[i] = order[j]!
    order[j] = moved
  }
  return order
}

function shadowOf(
  { charter: agreed }: Study,
  trained: TrainedModel,
  model: ModelState,
  { updates, optimizer, learningRate }: Training,
  people: Rows,
  isMember: readonly boolean[],
  seed: Uint8Array,
): Shadow {
  const d = model.mean.length
  const inside = isMember.flatMap((is, i) => (is ? [i] : []))
  const x = new Float32Array(inside.length * d)
  for (const [i, row] of inside.entries()) x.set(people.x.subarray(row * d, (row + 1) * d), i * d)
  const train = { x, y: Float32Array.from(inside, row => people.y[row]!) }
  const charter = {
    ...agreed,
    training: { ...agreed.training, localUpdates: updates, optimizer, learningRate },
  }
  const dataset = { train, test: { x: x.slice(0, d), y: train.y.slice(0, 1) }, d, hash: '', notices: [] }
  const { delta } = learnOn(trained, charter, dataset, {
    kind: 'learn',
    task: 'train',
    round: 1,
    model,
    seed,
  })
  trained.set(model.parameters.map((p, i) => p + delta![i]!))
  // With p = sigmoid(z) the logit of the right label's probability is z or -z.
  const confidence = logitsOf(trained, normalise(people.x, model), d).map((z, i) =>
    people.y[i] === 1 ? z : -z,
  )
  return { isMember, confidence }
}

/**
 * Of each person ln N(c; known) - ln N(c; unknown), c being the target's confidence. With few shadows the variances are those of all
 * people together, as the paper advises.
 */
function likelihoodRatios(shadows: readonly Shadow[], target: number): Float64Array {
  const others = shadows.filter((_, i) => i !== target)
  const fits = [true, false].map(known => {
    const means = shadows[target]!.confidence.map((_, p) => {
      const values = others.filter(s => s.isMember[p] === known).map(s => s.confidence[p]!)
      return figureOf(values).mean
    })
    let squares = 0
    let freedom = 0
    for (const { isMember, confidence } of others)
      for (let p = 0; p < means.length; p++)
        if (isMember[p] === known) squares += (confidence[p]! - means[p]!) ** 2
    freedom = others.reduce((n, s) => n + s.isMember.filter(is => is === known).length, 0) - means.length
    return { means, variance: squares / freedom }
  })
  const [known, unknown] = fits
  const logDensity = (c: number, { means, variance }: (typeof fits)[number], p: number) =>
    -((c - means[p]!) ** 2) / (2 * variance) - Math.log(variance) / 2
  const { confidence } = shadows[target]!
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
