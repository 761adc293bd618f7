import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import * as tf from '@tensorflow/tfjs-core'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { type Backend, chooseBackend } from '../../../../node/training/backend.ts'
import type { Dataset, Rows } from '../../../../node/training/dataset.ts'
import { createLearner, type LearnJob } from '../../../../node/training/learner.ts'
import { inputRanges } from '../../../../node/training/statistics.ts'
import type { Learned, ModelState, Task } from '../../../../protocol/ports.ts'
import { charterOf, datasetOf, dense, LOGISTIC, mlp, rowsOf, seedOf, sequential, stateOf } from './fixture.ts'

let backend: Backend
beforeAll(async () => {
  backend = await chooseBackend('wasm', {})
})

function jobOf(task: Task, model: ModelState, seed = seedOf(1)): LearnJob {
  return { kind: 'learn', task, round: 1, model, seed }
}

async function learn(charter: Charter, job: LearnJob, dataset: Dataset = datasetOf()): Promise<Learned> {
  const learner = await createLearner(charter, dataset, backend)
  try {
    return learner.learn(job)
  } finally {
    learner.dispose()
  }
}

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))

describe('statistics', () => {
  test('sums of u and u^2 of the training rows, by hand', async () => {
    const train = { x: Float32Array.of(18, 1, 0, 0, 98, 0, 1, 0, 58, 1, 0, 1), y: Float32Array.of(1, 0, 1) }
    const got = await learn(charterOf(), jobOf('statistics', stateOf(5)), datasetOf(train))
    expect(got).toEqual({
      samples: 3,
      featureSums: { first: Float64Array.of(1.5, 2, 1, 1), second: Float64Array.of(1.25, 2, 1, 1) },
    })
  })

  test('the sums give mean and deviation in original units back', async () => {
    const data = datasetOf()
    const { samples, featureSums } = await learn(charterOf(), jobOf('statistics', stateOf(5)), data)
    inputRanges(charterOf()).forEach(([min, max], j) => {
      const column = Array.from({ length: samples }, (_, i) => data.train.x[4 * i + j]!)
      const mean = column.reduce((a, b) => a + b, 0) / samples
      const variance = column.reduce((a, x) => a + (x - mean) ** 2, 0) / samples
      const m = featureSums!.first[j]! / samples
      expect(min + m * (max - min)).toBeCloseTo(mean, 8)
      expect((featureSums!.second[j]! / samples - m * m) * (max - min) ** 2).toBeCloseTo(variance, 6)
    })
  })

  test('no row adds more than 1, even where a float has rounded past its range', async () => {
    const train = { x: Float32Array.of(98.0001, 1, 0, 0), y: Float32Array.of(1) }
    const { featureSums } = await learn(charterOf(), jobOf('statistics', stateOf(5)), datasetOf(train))
    expect(featureSums!.first[0]).toBe(1)
  })
})

describe('training', () => {
  test('plain gradient descent on all rows, by hand', async () => {
    const charter = charterOf(LOGISTIC, { localUpdates: 2, batchSize: 40, learningRate: 0.5 })
    const state = stateOf(5)
    const { delta, samples } = await learn(charter, jobOf('train', state))
    expect(samples).toBe(40)
    const { x, y } = datasetOf().train
    const w = [...state.parameters]
    for (let update = 0; update < 2; update++) {
      const gradient = [0, 0, 0, 0, 0]
      for (let i = 0; i < 40; i++) {
        const row = [0, 1, 2, 3].map(j => (x[4 * i + j]! - state.mean[j]!) / state.deviation[j]!)
        const slope = sigmoid(row.reduce((z, v, j) => z + v * w[j]!, w[4]!)) - y[i]!
        for (const [j, v] of [...row, 1].entries()) gradient[j]! += (slope * v) / 40
      }
      gradient.forEach((g, j) => {
        w[j]! -= 0.5 * g
      })
    }
    for (let j = 0; j < 5; j++) expect(delta![j]).toBeCloseTo(w[j]! - state.parameters[j]!, 5)
  })

  test('adam starts afresh in every round', async () => {
    const charter = charterOf(LOGISTIC, { optimizer: 'adam', learningRate: 0.01, localUpdates: 1 })
    const learner = await createLearner(charter, datasetOf(), backend)
    const first = learner.learn(jobOf('train', stateOf(5)))
    // Adam's first step is the rate in each direction, whatever the gradient's size.
    for (const step of first.delta!) expect(Math.abs(step)).toBeCloseTo(0.01, 5)
    const again = learner.learn(jobOf('train', stateOf(5)))
    expect(again.delta).toEqual(first.delta)
    learner.dispose()
  })

  test('a deviation of 0 counts as 1', async () => {
    const state = { ...stateOf(5), deviation: Float64Array.of(20, 0, 0.5, 0.5) }
    const ones = { ...stateOf(5), deviation: Float64Array.of(20, 1, 0.5, 0.5) }
    const got = await learn(charterOf(), jobOf('train', state))
    expect(got).toEqual(await learn(charterOf(), jobOf('train', ones)))
  })

  test('rows of one class train', async () => {
    const ill = { ...rowsOf(10), y: new Float32Array(10).fill(1) }
    const { delta } = await learn(charterOf(), jobOf('train', stateOf(5)), datasetOf(ill))
    expect(delta![4]).toBeGreaterThan(0)
  })

  test('what diverges is refused: numbers that are not finite never come out', async () => {
    const young = { x: Float32Array.of(18, 0, 0, 0), y: Float32Array.of(1) }
    const old = { x: Float32Array.of(98, 0, 0, 0), y: Float32Array.of(1) }
    const model = {
      parameters: new Float32Array(5),
      mean: Float64Array.of(18, 0, 0, 0),
      deviation: Float64Array.of(1e-37, 1, 1, 1),
    }
    // 80 / 1e-37 is more than a float can be; the other row is at 0.
    const run = (train: Rows, test: Rows) => learn(charterOf(), jobOf('train', model), datasetOf(train, test))
    await expect(run(young, young)).resolves.toMatchObject({ samples: 1 })
    const training = await run(old, young).catch(e => e)
    expect(training).toMatchObject({ code: 'LEARN_NOT_FINITE' })
    expect(training.message).toContain('training diverged')
    const scores = await run(young, old).catch(e => e)
    expect(scores).toMatchObject({ code: 'LEARN_NOT_FINITE' })
    expect(scores.message).toContain('scores')
  })

  test('a state of another size is refused', async () => {
    const state = stateOf(5)
    const run = (model: ModelState) => learn(charterOf(), jobOf('train', model))
    await expect(run({ ...state, mean: new Float64Array(0) })).rejects.toMatchObject({ code: 'LEARN_MODEL' })
    await expect(run({ ...state, deviation: new Float64Array(3) })).rejects.toMatchObject({
      code: 'LEARN_MODEL',
    })
    await expect(run({ ...state, parameters: new Float32Array(4) })).rejects.toThrow('5 parameters')
  })

  test('a cancelled job ends before its next minibatch', async () => {
    const learner = await createLearner(charterOf(LOGISTIC, { localUpdates: 1e6 }), datasetOf(), backend)
    let asked = 0
    const job = () => learner.learn(jobOf('train', stateOf(5)), () => ++asked === 3)
    expect(job).toThrow(expect.objectContaining({ code: 'LEARN_CANCELLED' }))
    expect(asked).toBe(3)
    learner.dispose()
  })

  test("the job's arrays stay as they are", async () => {
    const state = stateOf(5)
    await learn(charterOf(), jobOf('train', state))
    expect(state).toEqual(stateOf(5))
  })
})

describe('evaluation', () => {
  const state = { ...stateOf(5), mean: new Float64Array(4), deviation: new Float64Array(4).fill(1) }

  test('histograms, correct and loss of the starting model on the test rows, by hand', async () => {
    const rows = {
      x: Float32Array.of(0, 0, 0, 0, 1, 0, 0, 0, -1, 0, 0, 0, 60, 0, 0, 0),
      y: Float32Array.of(1, 0, 0, 0),
    }
    const model = { ...state, parameters: Float32Array.of(1, 0, 0, 0, 0) }
    const { samples, evaluation } = await learn(
      charterOf(),
      jobOf('evaluate', model),
      datasetOf(rowsOf(4), rows),
    )
    expect(samples).toBe(0)
    const at = (bin: number, count: number) => Array.from({ length: 16 }, (_, b) => (b === bin ? count : 0))
    expect([...evaluation!.positives]).toEqual(at(8, 1))
    // sigmoid(1) = .731 is in bin 11 of 16, sigmoid(-1) = .269 in bin 4, sigmoid(60) rounds to 1: the last bin.
    expect([...evaluation!.negatives]).toEqual(at(11, 1).map((n, b) => n + (b === 4 || b === 15 ? 1 : 0)))
    expect(evaluation!.correct).toBe(2)
    // The last row's loss of 60 is cut at 20.
    const loss = Math.log(2) + Math.log(1 + Math.E) + Math.log(1 + 1 / Math.E) + 20
    expect(evaluation!.lossSum).toBeCloseTo(loss, 6)
  })

  test('training evaluates the model that the round started from', async () => {
    const charter = charterOf(mlp('tanh'))
    const trained = await learn(charter, jobOf('train', stateOf(19)))
    const evaluated = await learn(charter, jobOf('evaluate', stateOf(19)))
    expect(trained.evaluation).toEqual(evaluated.evaluation)
    expect(trained.delta!.some(v => v !== 0)).toBe(true)
  })

  test('no test rows: zeros; more than the charter counts: the first ones', async () => {
    const none = { x: new Float32Array(0), y: new Float32Array(0) }
    const empty = await learn(charterOf(), jobOf('evaluate', state), datasetOf(rowsOf(4), none))
    expect(empty.evaluation).toMatchObject({ correct: 0, lossSum: 0 })
    const charter = { ...charterOf(), evaluation: { bins: 4, rowsMax: 7, lossMax: 20 } }
    const capped = await learn(charter, jobOf('evaluate', state))
    const short = await learn(charter, jobOf('evaluate', state), datasetOf(rowsOf(4), rowsOf(7, 40)))
    expect(capped.evaluation).toEqual(short.evaluation)
  })

  test('more rows than go through the model at once count like their parts', async () => {
    const charter = { ...charterOf(), evaluation: { bins: 16, rowsMax: 10_000, lossMax: 20 } }
    const rows = rowsOf(5000)
    const part = (from: number, to: number): Rows => ({
      x: rows.x.slice(4 * from, 4 * to),
      y: rows.y.slice(from, to),
    })
    const counts = async (test: Rows) => {
      const { evaluation } = await learn(charter, jobOf('evaluate', state), datasetOf(rowsOf(4), test))
      const { positives, negatives, correct, lossSum } = evaluation!
      return [...positives, ...negatives, correct, Math.round(1000 * lossSum)]
    }
    const [whole, first, second] = [
      await counts(rows),
      await counts(part(0, 4096)),
      await counts(part(4096, 5000)),
    ]
    whole.forEach((n, i) => {
      expect(Math.abs(n - first[i]! - second[i]!)).toBeLessThanOrEqual(i === whole.length - 1 ? 2 : 0)
    })
  })
})

describe('determinism', () => {
  const charter = charterOf(mlp('tanh'), { localUpdates: 20 })

  test('the same seed gives the same bits, another seed others', async () => {
    const first = await learn(charter, jobOf('train', stateOf(19)))
    expect(await learn(charter, jobOf('train', stateOf(19)))).toEqual(first)
    const other = await learn(charter, jobOf('train', stateOf(19), seedOf(2)))
    expect(other.delta).not.toEqual(first.delta)
  })

  test('jobs before it change nothing', async () => {
    const learner = await createLearner(charter, datasetOf(), backend)
    const first = learner.learn(jobOf('train', stateOf(19)))
    learner.learn(jobOf('train', stateOf(19), seedOf(9)))
    learner.learn(jobOf('statistics', stateOf(19)))
    expect(learner.learn(jobOf('train', stateOf(19)))).toEqual(first)
    learner.dispose()
  })

  test('the same bits in another process', async () => {
    const here = await learn(charter, jobOf('train', stateOf(19)))
    const program = new URL('./learn-once.ts', import.meta.url).pathname
    const { stdout } = await promisify(execFile)(process.execPath, [program])
    expect(stdout).toBe(Buffer.from(here.delta!.buffer).toString('hex'))
  })
})

test('50 rounds leave no tensor behind', async () => {
  const charter = charterOf(mlp('relu'), { optimizer: 'adam', learningRate: 0.01 })
  const before = tf.memory().numTensors
  const learner = await createLearner(charter, datasetOf(), backend)
  learner.learn(jobOf('train', stateOf(19)))
  const settled = tf.memory().numTensors
  for (let round = 0; round < 50; round++) learner.learn(jobOf('train', stateOf(19), seedOf(round)))
  expect(tf.memory().numTensors).toBe(settled)
  learner.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

describe('models that are refused', () => {
  const withKeras = (layers: Parameters<typeof sequential>[0], inputs = 4): Charter => {
    const charter = charterOf()
    return {
      ...charter,
      model: { ...charter.model, keras: sequential(layers, inputs) as Charter['model']['keras'] },
    }
  }
  const output = dense('output', 1, 'sigmoid')
  const REFUSED: [string, Charter, string][] = [
    [
      'dropout',
      withKeras([{ class_name: 'Dropout', config: { name: 'd', rate: 0.5 } }, output]),
      'MODEL_LAYER',
    ],
    [
      'batch norm',
      withKeras([{ class_name: 'BatchNormalization', config: { name: 'b' } }, output]),
      'MODEL_LAYER',
    ],
    ['lambda', withKeras([{ class_name: 'Lambda', config: { name: 'l' } }, output]), 'MODEL_LAYER'],
    ['softmax', withKeras([dense('h', 3, 'softmax'), output]), 'MODEL_LAYER'],
    [
      'regulariser',
      withKeras([dense('output', 1, 'sigmoid', { kernel_regularizer: { class_name: 'L1L2' } })]),
      'MODEL_LAYER',
    ],
    ['constraint', withKeras([dense('output', 1, 'sigmoid', { bias_constraint: {} })]), 'MODEL_LAYER'],
    ['frozen', withKeras([dense('output', 1, 'sigmoid', { trainable: false })]), 'MODEL_LAYER'],
    ['no sigmoid', withKeras([dense('output', 1, 'linear')]), 'MODEL_OUTPUT'],
    ['two outputs', withKeras([dense('output', 2, 'sigmoid')]), 'MODEL_OUTPUT'],
    ['other inputs', withKeras([output], 5), 'MODEL_INPUT'],
    ['Keras 3', withKeras([dense('output', 1, 'sigmoid', { batch_shape: [null, 4] })]), 'MODEL_KERAS'],
    ['one layer more', withKeras([dense('h', 4, 'relu'), output]), 'MODEL_WEIGHTS'],
    ['no bias', withKeras([dense('output', 1, 'sigmoid', { use_bias: false })]), 'MODEL_WEIGHTS'],
    ['another name', withKeras([dense('out', 1, 'sigmoid')]), 'MODEL_WEIGHTS'],
    [
      'no layers',
      { ...charterOf(), model: { ...charterOf().model, keras: { class_name: 'Sequential' } } },
      'MODEL_KERAS',
    ],
  ]
  test.each(REFUSED)('%s', async (_, charter, code) => {
    await expect(createLearner(charter, datasetOf(), backend)).rejects.toMatchObject({ code })
  })
})
