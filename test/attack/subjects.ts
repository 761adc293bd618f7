/** Whom the study attacks: patients of the heart study under its own two models, and drawn images under a small network. */
import type { Charter } from '../../config/charter.ts'
import type { Random } from '../../node/attack/random.ts'
import { openly, type Subject, tableSubject } from '../../node/attack/subject.ts'
import { joinRows } from '../../node/evaluation.ts'
import { initialState } from '../../protocol/model/initial.ts'
import { openStudy } from '../study/heart.ts'
import { federateWith, learnersOf } from '../study/models.ts'
import { drawImage, SIDE } from './images.ts'

const STUDY = new URL('../../config/studies/heart-disease/', import.meta.url)

export async function openSubjects(
  random: Random,
): Promise<[logistic: Subject, mlp: Subject, images: Subject]> {
  return [
    await heart('heart, logistic', 'charter.yaml'),
    await heart('heart, MLP', 'charter-mlp.yaml'),
    await images(random),
  ]
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
  const rows = (part: 'train' | 'test') => joinRows(sets.map(s => s[part]))
  return tableSubject(name, study.charter, model, rows('train'), rows('test'))
}

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
  const charter: Charter = openly({
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
    draw: drawImages,
    drawPrior: drawImages,
    expected: meanImage(random.fork('mean image')),
    limits: Array.from({ length: d }, () => [0, 1] as const),
  }
}

const drawImages = (random: Random, count: number) => Array.from({ length: count }, () => drawImage(random))

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
