import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Charter, PatientPrivacy } from '../../../../config/charter.ts'
import { type Backend, chooseBackend } from '../../../../node/training/backend.ts'
import { createLearner } from '../../../../node/training/learner.ts'
import { checkRows } from '../../../../node/training/patients.ts'
import type { Learned, ModelState } from '../../../../protocol/ports.ts'
import { charterOf, datasetOf, LOGISTIC, mlp, rowsOf, seedOf, stateOf } from './fixture.ts'

let backend: Backend
beforeAll(async () => {
  backend = await chooseBackend('wasm', {})
})

const PRIVACY: PatientPrivacy = {
  unit: 'patient',
  noise: 'hospital',
  patients: 160,
  samplingRate: 0.2,
  clipNorm: 0.5,
  noiseMultiplier: { statistics: 5, training: 1.3, evaluation: 5 },
  delta: 1e-3,
  epsilonMax: 8,
}
/** Noise that is as good as none. */
const QUIET = { statistics: 5, training: 1e-9, evaluation: 5 }

/** `patients`: of one hospital, as the noised mean takes them. */
function protecting(
  { patients = 40, ...privacy }: Partial<PatientPrivacy> = {},
  training: Partial<Charter['training']> = {},
  net = LOGISTIC,
): Charter {
  const charter = charterOf(net, training)
  const all = patients * charter.members.length
  return { ...charter, privacy: { ...PRIVACY, ...privacy, patients: all } }
}

async function train(
  charter: Charter,
  seed = 1,
  rows = 40,
  state: ModelState = stateOf(5),
): Promise<Learned> {
  const learner = await createLearner(charter, datasetOf(rowsOf(rows)), backend)
  try {
    return learner.learn({ kind: 'learn', task: 'train', round: 1, model: state, seed: seedOf(seed) })
  } finally {
    learner.dispose()
  }
}

const jobOf = (seed: number, parameters = 5) =>
  ({ kind: 'learn', task: 'train', round: 1, model: stateOf(parameters), seed: seedOf(seed) }) as const

const length = (xs: ArrayLike<number>) => Math.sqrt(Array.from(xs).reduce((sum, x) => sum + x * x, 0))

describe('training with noise in the hospital', () => {
  test('with next to no noise and no clip is gradient descent on the mean over the expected size', async () => {
    // All 40 rows, so that nothing is left to chance.
    const plan = { localUpdates: 3, learningRate: 0.5, batchSize: 40 }
    const plain = await train(charterOf(LOGISTIC, plan))
    const exact = await train(protecting({ clipNorm: 100, noiseMultiplier: QUIET, samplingRate: 1 }, plan))
    plain.delta!.forEach((v, i) => {
      expect(exact.delta![i]).toBeCloseTo(v, 5)
    })
    expect(exact.samples).toBe(40)
    // Counts without noise would tell of patients.
    expect(exact.evaluation).toBeUndefined()
  })

  test('clips: a step is no longer than the rate times the clip, whatever the rows', async () => {
    const plan = { localUpdates: 1, learningRate: 1 }
    const { delta } = await train(
      protecting({ clipNorm: 0.01, noiseMultiplier: QUIET, samplingRate: 1 }, plan),
    )
    expect(length(delta!)).toBeLessThan(0.01)
    expect(length(delta!)).toBeGreaterThan(0.001)
  })

  test('adds the noise that the charter says, in each step', async () => {
    const plan = { localUpdates: 4, learningRate: 1 }
    // Clipped to next to nothing in relation to the noise: 4 steps of deviation 100 * 1e-3 / 8.
    const noiseMultiplier = { ...QUIET, training: 100 }
    const charter = protecting({ clipNorm: 1e-3, noiseMultiplier }, plan, mlp('tanh'))
    const learner = await createLearner(charter, datasetOf(), backend)
    const all: number[] = []
    for (let seed = 0; seed < 60; seed++) all.push(...learner.learn(jobOf(seed, 19)).delta!)
    learner.dispose()
    const deviation = (Math.sqrt(4) * 100 * 1e-3) / 8
    const variance = all.reduce((sum, x) => sum + (x / deviation) ** 2, 0) / all.length
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / all.length) + 0.01)
  })

  test('goes on when nobody is drawn, with noise alone', async () => {
    const { delta } = await train(protecting({ samplingRate: 1e-4 }, { localUpdates: 3 }), 5)
    expect(delta!.every(Number.isFinite)).toBe(true)
    expect(length(delta!)).toBeGreaterThan(0)
  })

  test('the same seed gives the same bits, another seed others', async () => {
    const first = await train(protecting())
    expect(await train(protecting())).toEqual(first)
    expect((await train(protecting(), 2)).delta).not.toEqual(first.delta)
  })

  test('adam takes the noised gradients too', async () => {
    const { delta } = await train(protecting({}, { optimizer: 'adam', learningRate: 0.01, localUpdates: 1 }))
    for (const step of delta!) expect(Math.abs(step)).toBeCloseTo(0.01, 4)
  })

  test('a cancelled job ends before its next step, and no tensor stays', async () => {
    const before = tf.memory().numTensors
    const learner = await createLearner(protecting(), datasetOf(), backend)
    learner.learn(jobOf(1))
    const settled = tf.memory().numTensors
    let asked = 0
    expect(() => learner.learn(jobOf(1), () => ++asked === 3)).toThrow(
      expect.objectContaining({ code: 'LEARN_CANCELLED' }),
    )
    expect(asked).toBe(3)
    learner.learn(jobOf(1))
    expect(tf.memory().numTensors).toBe(settled)
    learner.dispose()
    expect(tf.memory().numTensors).toBe(before)
  })
})

describe('training with noise in the sum', () => {
  const inSum = (privacy: Partial<PatientPrivacy> = {}, training: Partial<Charter['training']> = {}) =>
    protecting(
      { noise: 'sum', ...privacy },
      { localUpdates: 1, optimizer: 'sgd', learningRate: 1, ...training },
    )

  test('gives the rate times the sum of clipped gradients, without noise and not divided', async () => {
    const plain = await train(charterOf(LOGISTIC, { localUpdates: 1, learningRate: 0.5, batchSize: 40 }))
    const { delta, evaluation, samples } = await train(
      inSum({ clipNorm: 100, samplingRate: 1 }, { learningRate: 0.5 }),
    )
    plain.delta!.forEach((v, i) => {
      expect(delta![i]! / 40).toBeCloseTo(v, 5)
    })
    expect(evaluation).toBeUndefined()
    expect(samples).toBe(40)
  })

  test('draws each row by itself: rows that are all alike add up to how many were drawn', async () => {
    const one = rowsOf(1)
    const rows = { x: new Float32Array(200 * 4), y: new Float32Array(200).fill(one.y[0]!) }
    for (let i = 0; i < 200; i++) rows.x.set(one.x, 4 * i)
    const charter = inSum({ clipNorm: 1e-3, samplingRate: 0.1 })
    const learner = await createLearner(charter, datasetOf(rows), backend)
    const sizes = Array.from({ length: 40 }, (_, seed) => length(learner.learn(jobOf(seed)).delta!) / 1e-3)
    learner.dispose()
    for (const size of sizes) expect(Math.abs(size - Math.round(size))).toBeLessThan(0.05)
    expect(new Set(sizes.map(Math.round)).size).toBeGreaterThan(5)
    // Binomial of 200 at .1: mean 20, variance 18; 5 standard deviations of 40 of them.
    const mean = sizes.reduce((a, b) => a + b, 0) / sizes.length
    expect(Math.abs(mean - 20)).toBeLessThan(5 * Math.sqrt(18 / 40))
  })
})

describe('a hospital with more rows than are counted', () => {
  test('is refused where patients are protected, with a figure that would do', async () => {
    const charter = protecting({}, { weightMax: 39 })
    const error = await createLearner(charter, datasetOf(rowsOf(40)), backend).catch(e => e)
    expect(error).toMatchObject({ code: 'PRIVACY_ROWS', fix: expect.stringContaining('at least 40') })
    expect(() => checkRows(charter, datasetOf(rowsOf(39)))).not.toThrow()
    const few = { ...protecting(), evaluation: { ...charter.evaluation, rowsMax: 1 } }
    expect(() => checkRows(few, datasetOf(rowsOf(40)))).toThrow(/test rows, and evaluation.rowsMax is 1/)
    expect(() => checkRows(charterOf(LOGISTIC, { weightMax: 39 }), datasetOf(rowsOf(40)))).not.toThrow()
  })
})
