/**
 * Recipe of the example models: the Keras JSON that tfjs writes for them, with the manifest of their weights
 * and how those start. The manifest is part of the charter, so it pins the architecture.
 *
 *   node node/scripts/make-heart-models.ts config/studies/heart-disease/models
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-layers'

const FEATURES = 13

type Units = readonly {
  readonly name: string
  readonly units: number
  readonly activation: 'relu' | 'sigmoid'
}[]

function dense(name: string, layers: Units, kernel: 'zeros' | 'glorotUniform', seed: number): object {
  const model = tf.sequential({ name })
  layers.forEach((layer, i) => {
    model.add(
      tf.layers.dense({
        ...layer,
        ...(i === 0 ? { inputShape: [FEATURES] } : {}),
        kernelInitializer: kernel,
        biasInitializer: 'zeros',
      }),
    )
  })
  return {
    keras: model.toJSON(null, false),
    weights: model.trainableWeights.map(w => ({
      name: w.originalName,
      shape: w.shape,
      initialiser: w.originalName.endsWith('/kernel') ? kernel : 'zeros',
    })),
    seed,
  }
}

const folder = process.argv[2]
if (folder === undefined) {
  console.error('usage: make-heart-models.ts FOLDER')
  process.exitCode = 2
} else {
  const output = { name: 'output', units: 1, activation: 'sigmoid' } as const
  const hidden = { name: 'hidden', units: 16, activation: 'relu' } as const
  const models = {
    logistic: dense('logistic', [output], 'zeros', 1),
    mlp: dense('mlp', [hidden, output], 'glorotUniform', 1),
  }
  for (const [name, model] of Object.entries(models)) {
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(model, null, 2)}\n`)
  }
}
