/** Models for per-example gradients, beyond what a charter may have, and made-up rows for them. */

import * as tf from '@tensorflow/tfjs-core'
import { type LayersModel, models } from '@tensorflow/tfjs-layers'
import type { TrainedModel } from '../../../../node/training/model.ts'
import type { Batch } from '../../../../node/training/per-example.ts'
import { dense, type LayerJson, sequential } from './fixture.ts'

/** As `buildModel` gives it, of layers that end in one unit. Weights as in `weigh`. */
export async function netOf(layers: readonly LayerJson[], inputs: number): Promise<TrainedModel> {
  const json = sequential(layers, inputs) as Parameters<typeof models.modelFromJSON>[0]
  const model: LayersModel = await models.modelFromJSON(json)
  const variables = model.trainableWeights.map(w => w.read() as tf.Variable)
  const get = () => Float32Array.from(variables.flatMap(v => [...v.dataSync()]))
  const set = (parameters: Float32Array) => {
    let from = 0
    for (const v of variables) {
      tf.tidy(() => v.assign(tf.tensor(parameters.slice(from, from + v.size), v.shape)))
      from += v.size
    }
  }
  const net: TrainedModel = {
    variables,
    layers: model.layers,
    logits: (x, training) => tf.reshape(model.apply(x, { training }) as tf.Tensor, [-1]) as tf.Tensor1D,
    set,
    get,
    dispose: () => void model.dispose(),
  }
  weigh(net)
  return net
}

/** Weights that are neither zero nor alike, of a size that lets signals through. */
export function weigh(net: TrainedModel, seed = 1): void {
  const weights = net.variables.flatMap(v => {
    const scale = v.rank === 1 ? 0.3 : 1.7 / Math.sqrt(v.size / v.shape.at(-1)!)
    return Array.from({ length: v.size }, (_, i) => scale * Math.sin(seed + 2.3 * i + v.size))
  })
  net.set(Float32Array.from(weights))
}

export function batchOf(rows: number, inputs: number, seed = 1): Batch {
  return {
    x: Float32Array.from(
      { length: rows * inputs },
      (_, i) => 1.5 * Math.sin(seed + 0.77 * i + i * i * 0.013),
    ),
    y: Float32Array.from({ length: rows }, (_, i) => ((i * 7 + seed) % 3 === 0 ? 1 : 0)),
  }
}

export function mlpOf(widths: readonly number[], activation: string, bias: boolean): LayerJson[] {
  const hidden = widths.map((units, i) => dense(`h${i}`, units, activation, { use_bias: bias }))
  return [...hidden, dense('output', 1, 'linear', { use_bias: bias })]
}

export const reshape = (...target: number[]): LayerJson => ({
  class_name: 'Reshape',
  config: { name: 'image', target_shape: target },
})

export function conv(
  name: string,
  filters: number,
  size: number,
  config: Record<string, unknown> = {},
): LayerJson {
  return {
    class_name: 'Conv2D',
    config: {
      name,
      filters,
      kernel_size: [size, size],
      strides: [1, 1],
      padding: 'valid',
      activation: 'relu',
      use_bias: true,
      ...config,
    },
  }
}

export function pool(kind: 'Average' | 'Max', name = 'pool'): LayerJson {
  const config = { name, pool_size: [2, 2], strides: [2, 2], padding: 'valid' }
  return { class_name: `${kind}Pooling2D`, config }
}

export const flatten: LayerJson = { class_name: 'Flatten', config: { name: 'flat' } }
