/** Finite differences: every layer and activation that a charter may use has the right gradient, on wasm and on cpu. */
import { describe, expect, test } from 'vitest'
import { ACTIVATIONS } from '../../../../config/rules-model.ts'
import { chooseBackend } from '../../../../node/training/backend.ts'
import { LAYERS } from '../../../../node/training/keras.ts'
import { createLearner, type Learner } from '../../../../node/training/learner.ts'
import type { ModelState } from '../../../../protocol/ports.ts'
import { charterOf, datasetOf, LOGISTIC, mlp, rowsOf, seedOf, stateOf } from './fixture.ts'

type Net = typeof LOGISTIC

const ROWS = rowsOf(12)
const STEP = 0.01

const NETS: Record<string, Net> = Object.fromEntries([
  ['logistic', LOGISTIC],
  ...ACTIVATIONS.map(a => [`dense ${a}`, mlp(a)]),
  ['Activation', withActivation('tanh')],
  [
    'InputLayer',
    { ...LOGISTIC, layers: [{ class_name: 'InputLayer', config: { name: 'in' } }, ...LOGISTIC.layers] },
  ],
])

/** 4 inputs, a linear dense layer of 3, an activation of its own, the output. */
function withActivation(activation: string): Net {
  const [hidden, output] = mlp('linear').layers
  const between = { class_name: 'Activation', config: { name: 'between', activation } }
  return { ...mlp('linear'), layers: [hidden!, between, output!] }
}

async function meanLoss(learner: Learner, model: ModelState): Promise<number> {
  const { evaluation } = learner.learn({
    kind: 'learn',
    task: 'evaluate',
    round: 1,
    model,
    seed: seedOf(1),
  })
  return evaluation!.lossSum / ROWS.y.length
}

/** Minus one step of plain gradient descent with rate 1 over all rows is the gradient. */
async function gradient(learner: Learner, model: ModelState): Promise<Float32Array> {
  const { delta } = learner.learn({ kind: 'learn', task: 'train', round: 1, model, seed: seedOf(1) })
  return delta!.map(v => -v)
}

test('each allowed layer is among the nets', () => {
  const used = new Set(Object.values(NETS).flatMap(net => net.layers.map(l => l.class_name)))
  expect([...used].sort()).toEqual([...LAYERS].sort())
})

describe.each(['wasm', 'cpu'])('%s', backend => {
  test.each(Object.entries(NETS))('%s', async (_, net) => {
    const charter = charterOf(net, { localUpdates: 1, batchSize: 12, learningRate: 1 })
    const learner = await createLearner(charter, datasetOf(ROWS, ROWS), await chooseBackend(backend, {}))
    const count = charter.model.weights.reduce((n, w) => n + w.shape.reduce((a, b) => a * b, 1), 0)
    const model = stateOf(count)
    const got = await gradient(learner, model)
    for (let i = 0; i < count; i++) {
      const at = (h: number) => {
        const parameters = model.parameters.slice()
        parameters[i]! += h
        return meanLoss(learner, { ...model, parameters })
      }
      const want = ((await at(STEP)) - (await at(-STEP))) / (2 * STEP)
      expect(Math.abs(got[i]! - want), `parameter ${i}`).toBeLessThan(4e-4)
    }
    learner.dispose()
  })

  test('all weights zero, where every logit is 0', async () => {
    const charter = charterOf(LOGISTIC, { localUpdates: 1, batchSize: 12, learningRate: 1 })
    const learner = await createLearner(charter, datasetOf(ROWS, ROWS), await chooseBackend(backend, {}))
    const got = await gradient(learner, { ...stateOf(5), parameters: new Float32Array(5) })
    const rate = ROWS.y.reduce((a, b) => a + b, 0) / ROWS.y.length
    expect(got[4]).toBeCloseTo(0.5 - rate, 6)
    learner.dispose()
  })
})
