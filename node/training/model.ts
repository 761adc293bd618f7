/** The charter's model as a tfjs layers model, and the way of weights into it and out of it. */

import * as tf from '@tensorflow/tfjs-core'
import { type LayersModel, models } from '@tensorflow/tfjs-layers'
import { type Charter, expandedFeatureCount, parameterCount } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import { logitsTopology } from './keras.ts'

/** Rows that go through the model at once when it is evaluated. */
const EVALUATION_ROWS = 4096

export type Layer = LayersModel['layers'][number]

export interface TrainedModel {
  readonly variables: tf.Variable[]
  /** In their order, each fed by the one before; the last one gives logits. */
  readonly layers: readonly Layer[]
  /** Logits, one for each row of `x` (rows x d). */
  logits(x: tf.Tensor2D, training: boolean): tf.Tensor1D
  /** Sets the weights from P numbers in the charter's order. */
  set(parameters: Float32Array): void
  /** The weights, in memory in which they may become an update. */
  get(): Float32Array
  dispose(): void
}

/**
 * Builds the charter's model and holds its trainable weights against `model.weights`.
 *
 * Throws MedmeshError MODEL_WEIGHTS when they differ in number, order, name or shape, and what `logitsTopology` throws.
 */
export async function buildModel(charter: Charter): Promise<TrainedModel> {
  const topology = logitsTopology(charter.model.keras, expandedFeatureCount(charter))
  let model: LayersModel
  try {
    model = await models.modelFromJSON(topology as Parameters<typeof models.modelFromJSON>[0])
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : 'unknown'
    throw new MedmeshError(
      'MODEL_KERAS',
      `model.keras is not a model that tfjs can build: ${why}`,
      'mend model.keras',
    )
  }
  try {
    checkWeights(model, charter)
  } catch (error) {
    model.dispose()
    throw error
  }
  const variables = model.trainableWeights.map(weight => weight.read() as tf.Variable)
  const count = parameterCount(charter)
  return {
    variables,
    layers: model.layers,
    logits: (x, training) => tf.reshape(model.apply(x, { training }) as tf.Tensor, [-1]) as tf.Tensor1D,
    set: parameters => setWeights(variables, parameters, count),
    get: () => getWeights(variables, count),
    dispose: () => void model.dispose(),
  }
}

/** Logits of normalised rows, in pieces, so that memory does not grow with the number of rows. */
export function logitsOf(model: TrainedModel, x: Float32Array, d: number): Float32Array {
  const rows = x.length / d
  const logits = new Float32Array(rows)
  for (let from = 0; from < rows; from += EVALUATION_ROWS) {
    const to = Math.min(rows, from + EVALUATION_ROWS)
    // A copy: a backend may keep the array that it is given.
    const piece = x.slice(from * d, to * d)
    tf.tidy(() => {
      logits.set(model.logits(tf.tensor2d(piece, [to - from, d]), false).dataSync(), from)
    })
  }
  return logits
}

function checkWeights(model: LayersModel, charter: Charter): void {
  const told = charter.model.weights.map(w => `${w.name} [${w.shape.join(', ')}]`)
  // A second model of one process gets numbered names; `originalName` is the name without the number.
  const built = model.weights.map(w => `${w.originalName} [${w.shape.join(', ')}]`)
  const at = Math.max(told.length, built.length)
  for (let i = 0; i < at; i++) {
    if (told[i] === built[i]) continue
    throw new MedmeshError(
      'MODEL_WEIGHTS',
      `weight ${i + 1}: model.weights names ${told[i] ?? 'none'}, model.keras makes ${built[i] ?? 'none'}`,
      'list in model.weights exactly the weights of model.keras, in their order',
    )
  }
  const [, outputs] = model.outputs[0]!.shape
  if (model.outputs.length !== 1 || model.outputs[0]!.shape.length !== 2 || outputs !== 1) {
    throw new MedmeshError(
      'MODEL_OUTPUT',
      'the model yields more than one number for a row',
      'end it with one unit',
    )
  }
}

function setWeights(variables: readonly tf.Variable[], parameters: Float32Array, count: number): void {
  if (parameters.length !== count) throw new RangeError(`${count} parameters expected`)
  let from = 0
  for (const variable of variables) {
    const slice = parameters.slice(from, from + variable.size)
    tf.tidy(() => variable.assign(tf.tensor(slice, variable.shape)))
    from += variable.size
  }
}

function getWeights(variables: readonly tf.Variable[], count: number): Float32Array {
  const parameters = new Float32Array(count)
  let from = 0
  for (const variable of variables) {
    parameters.set(variable.dataSync(), from)
    from += variable.size
  }
  return parameters
}
