/**
 * Whom the attacks are run on: patients of the heart study under its own two models, and drawn images under a small
 * network. Each has what an attacker may know beforehand (the charter, the model, other people of the same kind).
 */
import type { Charter } from '../../config/charter.ts'
import { joinRows } from '../../node/evaluation.ts'
import { inputRanges, normalise } from '../../node/training/statistics.ts'
import { initialState } from '../../protocol/model/initial.ts'
import type { ModelState } from '../../protocol/ports.ts'
import { openStudy } from '../study/heart.ts'
import { federateWith, learnersOf } from '../study/models.ts'
import { drawImage, SIDE } from './images.ts'
import type { Random } from './random.ts'

/** One person. `x`: d inputs in original units. `y`: 0 or 1. */
export interface Person {
  readonly x: Float32Array
  readonly y: number
}

export interface Subject {
  readonly name: string
  readonly kind: 'table' | 'image'
  /** Every hospital trains one step of gradient descent on one row: the attacker's best case. */
  readonly charter: Charter
  /** The model of the attacked round; its normalisation is the pooled one. */
  readonly model: ModelState
  /** A person whose update is attacked. */
  draw(random: Random): Person
  /** Another one, that never gave an update: what the attacker may know of such people. */
  drawPrior(random: Random): Person
  /** Normalised inputs, d numbers: the expected person, the best guess without an update under squared error. */
  readonly expected: Float32Array
  /** Normalised inputs have these limits, by the charter's ranges. */
  readonly limits: readonly (readonly [min: number, max: number])[]
}

const STUDY = new URL('../../config/studies/heart-disease/', import.meta.url)

export async function openSubjects(random: Random): Promise<Subject[]> {
  return [
    await heart('heart, logistic', 'charter.yaml'),
    await heart('heart, MLP', 'charter-mlp.yaml'),
    await images(random),
  ]
}

/** One step on one row, and every hospital counts the same. */
function oneStep(charter: Charter): Charter {
  const training = { ...charter.training, localUpdates: 1, batchSize: 1, weighting: 'equal' as const }
  return { ...charter, training }
}

async function heart(name: string, file: string): Promise<Subject> {
  const study = await openStudy(new URL(file, STUDY).pathname)
  const learners = await learnersOf(study)
  // The round of statistics alone: the initial weights with the pooled normalisation.
  const model = federateWith(
    { ...study.charter, training: { ...study.charter.training, rounds: 0 } },
    learners,
    0,
  )
  for (const learner of learners) learner.dispose()
  const sets = [...study.datasets.values()]
  const targets = joinRows(sets.map(s => s.train))
  const others = joinRows(sets.map(s => s.test))
  const d = sets[0]!.d
  const from =
    ({ x, y }: typeof targets) =>
    (random: Random) => {
      const i = random.below(y.length)
      return { x: x.slice(i * d, (i + 1) * d), y: y[i]! }
    }
  const charter = oneStep(study.charter)
  const limits = inputRanges(charter).map(
    ([min, max], j) =>
      [(min - model.mean[j]!) / deviation(model, j), (max - model.mean[j]!) / deviation(model, j)] as const,
  )
  const expected = new Float32Array(d)
  return {
    name,
    kind: 'table',
    charter,
    model,
    draw: from(targets),
    drawPrior: from(others),
    expected,
    limits,
  }
}

const deviation = (model: ModelState, j: number) => model.deviation[j]! || 1

/** 784 inputs, 16 sigmoid units, one output. */
async function images(random: Random): Promise<Subject> {
  const { charter: agreed } = await openStudy(new URL('charter-mlp.yaml', STUDY).pathname)
  const d = SIDE * SIDE
  const dense = (config: object) => ({ class_name: 'Dense', config: { use_bias: true, ...config } })
  const layers = [
    dense({
      name: 'hidden',
      units: HIDDEN,
      activation: 'sigmoid',
      batch_input_shape: [null, d],
      dtype: 'float32',
    }),
    dense({ name: 'output', units: 1, activation: 'sigmoid' }),
  ]
  const kernel = (name: string, shape: number[]) => ({ name, shape, initialiser: 'glorotUniform' as const })
  const bias = (name: string, length: number) => ({ name, shape: [length], initialiser: 'zeros' as const })
  const charter: Charter = oneStep({
    ...agreed,
    data: {
      ...agreed.data,
      features: Array.from({ length: d }, (_, i) => ({
        name: `p${i}`,
        type: 'number',
        unit: 'ink',
        min: 0,
        max: 1,
        description: 'pixel',
      })),
    },
    model: {
      keras: { class_name: 'Sequential', config: { name: 'images', layers } },
      weights: [
        kernel('hidden/kernel', [d, HIDDEN]),
        bias('hidden/bias', HIDDEN),
        kernel('output/kernel', [HIDDEN, 1]),
        bias('output/bias', 1),
      ],
      seed: 1,
    },
  })
  const model = {
    ...initialState(charter),
    mean: new Float64Array(d),
    deviation: new Float64Array(d).fill(1),
  }
  return {
    name: 'images, MLP',
    kind: 'image',
    charter,
    model,
    draw: drawImage,
    drawPrior: drawImage,
    expected: meanImage(random.fork('mean image')),
    limits: Array.from({ length: d }, () => [0, 1] as const),
  }
}

const HIDDEN = 16
const IMAGES = 500

function meanImage(random: Random): Float32Array {
  const sum = new Float32Array(SIDE * SIDE)
  for (let i = 0; i < IMAGES; i++) {
    const { x } = drawImage(random)
    for (let j = 0; j < x.length; j++) sum[j]! += x[j]! / IMAGES
  }
  return sum
}

/** A person's inputs as the model takes them. */
export function normalised({ model }: Subject, { x }: Person): Float32Array {
  return normalise(x, model)
}
