/**
 * What of Keras a charter may use, checked before tfjs sees it. It is a list of what is allowed: a layer is on it
 * once a finite-difference test has shown that its gradient is right on every backend (some of tfjs' are silently
 * wrong), that it keeps no state beside its trainable weights, which peers would not share, and that its randomness
 * does not bypass the round's seed.
 */
import { z } from 'zod'
import { MedmeshError } from '../../config/error.ts'
import { ACTIVATIONS } from '../../config/rules-model.ts'

export const LAYERS = ['InputLayer', 'Dense', 'Activation'] as const

/** Layers that people will miss, and why they cannot be had. */
const REFUSED = new Map([
  ['Dropout', "its masks do not come from the round's seed"],
  ['BatchNormalization', 'its moving means are state that the hospitals would not share'],
  ['ThresholdedReLU', 'tfjs cannot train it'],
  ['MaxPooling2D', 'its gradient is wrong on the wasm backend where a window holds no positive value'],
  ['MaxPooling3D', 'its gradient is wrong on the wasm backend'],
  ['Conv3D', 'its gradient is wrong on the wasm backend'],
  ['AveragePooling2D', "its gradient is wrong with 'same' padding"],
])

const LayerSchema = z.object({
  class_name: z.string(),
  config: z.record(z.string(), z.json()),
})
const ModelSchema = z.object({
  class_name: z.literal('Sequential'),
  config: z.object({ layers: z.array(LayerSchema).min(1).max(1000) }),
})
type Layer = z.infer<typeof LayerSchema>
type LayerConfig = Layer['config']

/** Clauses of a layer that tfjs applies in `fit` alone, so that our own loop would leave them out in silence. */
const ONLY_IN_FIT = /_(regularizer|constraint)$/

/**
 * The topology that is trained: `keras` without its last sigmoid, so that it yields logits, on which cross-entropy
 * and its gradient are exact where a sigmoid's output would have rounded to 0 or 1; and with initialisers that cost
 * nothing, since all weights come from the ledger.
 *
 * `inputs`: the charter's expanded features. Throws MedmeshError MODEL_KERAS, MODEL_LAYER, MODEL_INPUT or MODEL_OUTPUT.
 */
export function logitsTopology(keras: unknown, inputs: number): { [key: string]: unknown } {
  const parsed = ModelSchema.safeParse(keras)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    throw refuse('MODEL_KERAS', `${['model.keras', ...issue.path].join('.')}: ${issue.message}`)
  }
  const layers = parsed.data.config.layers
  layers.forEach(checkLayer)
  checkInput(layers[0]!, inputs)
  const last = layers.at(-1)!
  if (last.config.activation !== 'sigmoid' || (last.class_name === 'Dense' && last.config.units !== 1)) {
    throw refuse('MODEL_OUTPUT', 'the last layer must have one unit and the activation sigmoid')
  }
  const trained = layers.map((layer, i) => ({
    class_name: layer.class_name,
    config: {
      ...withoutInitialisers(layer.config),
      ...(i === layers.length - 1 ? { activation: 'linear' } : {}),
    },
  }))
  return { class_name: 'Sequential', config: { name: 'trained', layers: trained } }
}

function checkLayer({ class_name, config }: Layer, i: number): void {
  const where = `layer ${i + 1} (${class_name.slice(0, 60)})`
  if (!(LAYERS as readonly string[]).includes(class_name)) {
    const why = REFUSED.get(class_name) ?? 'no test has shown yet that it trains rightly'
    throw refuse('MODEL_LAYER', `${where} is not allowed: ${why}`)
  }
  const { activation } = config
  if (activation !== undefined && !(ACTIVATIONS as readonly unknown[]).includes(activation)) {
    throw refuse('MODEL_LAYER', `${where}: this activation is not allowed`)
  }
  for (const [key, value] of Object.entries(config)) {
    if (ONLY_IN_FIT.test(key) && value !== null) {
      throw refuse('MODEL_LAYER', `${where}: ${key} would have no effect here and must be null`)
    }
  }
  if (config.trainable === false) {
    throw refuse('MODEL_LAYER', `${where}: weights that are not trained are not allowed`)
  }
}

function checkInput({ config }: Layer, inputs: number): void {
  if ('batch_shape' in config) {
    throw refuse(
      'MODEL_KERAS',
      'this is the format of Keras 3; batch_shape is batch_input_shape in that of Keras 2',
    )
  }
  const shape = config.batch_input_shape
  if (!Array.isArray(shape) || shape.length !== 2 || shape[1] !== inputs) {
    const want = `batch_input_shape [null, ${inputs}]`
    throw refuse('MODEL_INPUT', `the first layer needs ${want}, one input for each of the charter's features`)
  }
}

function withoutInitialisers(config: LayerConfig): LayerConfig {
  const entries = Object.entries(config).map(([key, value]) =>
    key.endsWith('_initializer') ? [key, { class_name: 'Zeros', config: {} }] : [key, value],
  )
  return Object.fromEntries(entries) as LayerConfig
}

function refuse(code: string, what: string): MedmeshError {
  return new MedmeshError(
    code,
    what,
    `model.keras in the charter takes a sequential Keras 2 model of ${LAYERS.join(', ')} with the activations ${ACTIVATIONS.join(', ')}`,
  )
}
