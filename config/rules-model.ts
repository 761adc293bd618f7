/**
 * The manifest of weights against the layers: what a charter lists is all that a model has, so nobody can slip in a layer
 * or a setting that the others did not read.
 *
 * Only what is trained and tested alike at every hospital is allowed, so this list grows with the tests of the learner.
 */
import { type CharterDraft, expandedFeatureCount } from './charter.ts'
import type { Path, Problem } from './problem.ts'

type Json = CharterDraft['model']['keras'][string]
type Fields = Readonly<Record<string, Json>>
type Shape = readonly number[]

/** Activations that a charter's model may have; `node/training` tests the gradient of each. */
export const ACTIVATIONS = [
  'linear',
  'relu',
  'sigmoid',
  'tanh',
  'elu',
  'selu',
  'softplus',
  'softsign',
] as const
/** Must be absent or null: each would change the training of a model beside the charter's training plan. */
const UNUSED = [
  'kernel_regularizer',
  'bias_regularizer',
  'activity_regularizer',
  'kernel_constraint',
  'bias_constraint',
]
const DENSE = [
  'name',
  'trainable',
  'batch_input_shape',
  'dtype',
  'units',
  'activation',
  'use_bias',
  // Without effect: weights start as the manifest says.
  'kernel_initializer',
  'bias_initializer',
  ...UNUSED,
]
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Dense: DENSE,
  Activation: ['name', 'trainable', 'batch_input_shape', 'dtype', 'activation'],
  InputLayer: ['name', 'batch_input_shape', 'dtype', 'sparse'],
}
/** Parameters of a model: 200 MB of updates for each hospital and round. */
const PARAMETERS_MAX = 50_000_000
const LAYERS: Path = ['model', 'keras', 'config', 'layers']

/** Throws nothing: every way in which `model` does not hold together is a problem in the list. */
export function modelProblems(charter: CharterDraft): Problem[] {
  const { keras } = charter.model
  const config = keras.config
  const layers = isObject(config) ? config.layers : undefined
  if (keras.class_name !== 'Sequential' || !Array.isArray(layers) || layers.length === 0) {
    const says = 'must be the JSON of a sequential Keras 2 model with a list config.layers'
    return [{ code: 'CHARTER_MODEL_LAYERS', path: ['model', 'keras'], says, fix: LAYER_FIX }]
  }
  const extra = [
    ...unknownFields(keras, ['class_name', 'config', 'keras_version', 'backend'], ['model', 'keras']),
    ...unknownFields(config as Fields, ['name', 'layers'], ['model', 'keras', 'config']),
  ]
  if (extra.length > 0) return extra
  const walk: Walk = { width: undefined, weights: [], names: new Set(), problems: [] }
  layers.forEach((layer, i) => {
    walkLayer(walk, layer, [...LAYERS, i], i === 0)
  })
  if (walk.problems.length > 0) return walk.problems
  return [...endProblems(charter, walk, layers), ...manifestProblems(charter, walk.weights)]
}

const LAYER_FIX = 'write the model with tfjs layers (model.toJSON) from Dense, Activation and InputLayer'

interface Walk {
  /** Values that the next layer takes; undefined before the first. */
  width: number | undefined
  readonly weights: { readonly name: string; readonly shape: Shape }[]
  readonly names: Set<string>
  readonly problems: Problem[]
}

function walkLayer(walk: Walk, layer: Json, path: Path, first: boolean): void {
  const refuse = (says: string, ...at: string[]) => {
    walk.problems.push({ code: 'CHARTER_MODEL_LAYERS', path: [...path, ...at], says, fix: LAYER_FIX })
  }
  const kind = isObject(layer) ? layer.class_name : undefined
  const fields = typeof kind === 'string' && Object.hasOwn(FIELDS, kind) ? FIELDS[kind] : undefined
  if (!isObject(layer) || typeof kind !== 'string' || fields === undefined) {
    refuse(`must be one of ${Object.keys(FIELDS).join(', ')}`, 'class_name')
    return
  }
  const config = layer.config
  if (!isObject(config)) {
    refuse('must be a group of named values', 'config')
    return
  }
  walk.problems.push(
    ...unknownFields(layer, ['class_name', 'config'], path),
    ...unknownFields(config, fields, [...path, 'config']),
  )
  for (const field of UNUSED) {
    if ((config[field] ?? null) !== null) refuse('must be null', 'config', field)
  }
  const { name, activation } = config
  if (typeof name !== 'string' || !/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name) || walk.names.has(name)) {
    refuse('must be its own name of letters, digits, _ and -', 'config', 'name')
    return
  }
  walk.names.add(name)
  if (
    kind !== 'InputLayer' &&
    !(typeof activation === 'string' && (ACTIVATIONS as readonly string[]).includes(activation))
  ) {
    refuse(`must be one of ${ACTIVATIONS.join(', ')}`, 'config', 'activation')
  }
  if ((config.trainable ?? true) !== true) refuse('must be true', 'config', 'trainable')
  if ((config.dtype ?? 'float32') !== 'float32') refuse('must be "float32"', 'config', 'dtype')
  if (first) walk.width = inputWidth(config.batch_input_shape)
  if (walk.width === undefined) {
    refuse('must be [null, number of model inputs] (Keras 2, not Keras 3)', 'config', 'batch_input_shape')
  } else if (!first && config.batch_input_shape !== undefined) {
    refuse('belongs to the first layer only', 'config', 'batch_input_shape')
  } else if (kind === 'Dense') {
    const { units } = config
    const bias = config.use_bias ?? true
    if (typeof units !== 'number' || !Number.isSafeInteger(units) || units < 1) {
      refuse('must be a whole number of at least 1', 'config', 'units')
      return
    }
    if (typeof bias !== 'boolean') refuse('must be true or false', 'config', 'use_bias')
    walk.weights.push({ name: `${name}/kernel`, shape: [walk.width, units] })
    if (bias) walk.weights.push({ name: `${name}/bias`, shape: [units] })
    walk.width = units
  }
}

function unknownFields(group: Fields, known: readonly string[], path: Path): Problem[] {
  return Object.keys(group)
    .filter(field => !known.includes(field))
    .map(field => ({
      code: 'CHARTER_MODEL_LAYERS',
      path: [...path, field],
      says: `is not among the fields that are understood (${known.join(', ')})`,
      fix: LAYER_FIX,
    }))
}

/** First layer's inputs and last layer's output against data and task. */
function endProblems(charter: CharterDraft, walk: Walk, layers: readonly Json[]): Problem[] {
  const problems: Problem[] = []
  const inputs = expandedFeatureCount(charter)
  const input = inputWidth(configOf(layers[0]).batch_input_shape)
  if (input !== inputs) {
    problems.push({
      code: 'CHARTER_MODEL_INPUT',
      path: [...LAYERS, 0, 'config', 'batch_input_shape'],
      says: `must be [null, ${inputs}]: the features give ${inputs} model inputs (one-hot without the reference category)`,
      fix: 'build the model for that many inputs, or correct the features',
    })
  }
  const last = configOf(layers.at(-1))
  if (walk.width !== 1 || last.activation !== 'sigmoid') {
    problems.push({
      code: 'CHARTER_MODEL_OUTPUT',
      path: [...LAYERS, layers.length - 1],
      says: 'must give one value through a sigmoid: the label has two classes, and a score lies in [0, 1]',
      fix: 'end the model with a Dense layer of 1 unit and activation sigmoid',
    })
  }
  return problems
}

function manifestProblems({ model }: CharterDraft, expected: Walk['weights']): Problem[] {
  const code = 'CHARTER_MODEL_WEIGHTS'
  const fix = `list exactly: ${expected.map(w => `${w.name} [${w.shape.join(', ')}]`).join('; ')}`
  if (model.weights.length !== expected.length) {
    const says = `must have ${expected.length} entries, one for each trainable weight of the layers`
    return [{ code, path: ['model', 'weights'], says, fix }]
  }
  const problems = expected.flatMap((want, i): Problem[] => {
    const given = model.weights[i]!
    const path: Path = ['model', 'weights', i]
    if (given.name !== want.name) {
      return [{ code, path: [...path, 'name'], says: `must be ${JSON.stringify(want.name)}`, fix }]
    }
    if (given.shape.join() !== want.shape.join()) {
      return [{ code, path: [...path, 'shape'], says: `must be [${want.shape.join(', ')}]`, fix }]
    }
    return []
  })
  const parameters = expected.reduce((sum, w) => sum + w.shape.reduce((a, b) => a * b, 1), 0)
  if (parameters > PARAMETERS_MAX) {
    const says = `has ${parameters} parameters; at most ${PARAMETERS_MAX} are allowed`
    problems.push({ code: 'CHARTER_MODEL_SIZE', path: ['model'], says, fix: 'make the model smaller' })
  }
  return problems
}

/** N of [null, N]; undefined for anything else. */
function inputWidth(shape: Json | undefined): number | undefined {
  if (!Array.isArray(shape) || shape.length !== 2 || shape[0] !== null) return undefined
  const width = shape[1]
  return typeof width === 'number' && Number.isSafeInteger(width) && width >= 1 ? width : undefined
}

function configOf(layer: Json | undefined): Fields {
  return isObject(layer) && isObject(layer.config) ? layer.config : {}
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
