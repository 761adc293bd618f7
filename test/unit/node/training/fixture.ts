/** A small charter, models for it and made-up rows: what the learner's tests share. */
import type { Charter } from '../../../../config/charter.ts'
import { parseCharter } from '../../../../config/parse.ts'
import type { Dataset, Rows } from '../../../../node/training/dataset.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { publicKeyOf } from '../../../../protocol/crypto/sign.ts'
import type { ModelState } from '../../../../protocol/ports.ts'

export interface LayerJson {
  readonly class_name: string
  readonly config: Record<string, unknown>
}

export function dense(
  name: string,
  units: number,
  activation: string,
  config: Record<string, unknown> = {},
): LayerJson {
  return { class_name: 'Dense', config: { units, activation, use_bias: true, name, ...config } }
}

export function sequential(layers: readonly LayerJson[], inputs: number): Record<string, unknown> {
  const [first, ...others] = layers
  const config = { batch_input_shape: [null, inputs], dtype: 'float32', ...first!.config }
  return { class_name: 'Sequential', config: { name: 'm', layers: [{ ...first, config }, ...others] } }
}

type Weights = readonly (readonly [name: string, ...shape: number[]])[]
export const LOGISTIC: { layers: readonly LayerJson[]; weights: Weights } = {
  layers: [dense('output', 1, 'sigmoid')],
  weights: [
    ['output/kernel', 4, 1],
    ['output/bias', 1],
  ],
}

/** One hidden layer of 3 between the 4 inputs and the output. */
export function mlp(activation: string): typeof LOGISTIC {
  return {
    layers: [dense('hidden', 3, activation), dense('output', 1, 'sigmoid')],
    weights: [
      ['hidden/kernel', 4, 3],
      ['hidden/bias', 3],
      ['output/kernel', 3, 1],
      ['output/bias', 1],
    ],
  }
}

/** Features: age (18 to 98), smoker, site (a, b, c): 4 inputs. */
export function charterOf(
  { layers, weights }: typeof LOGISTIC = LOGISTIC,
  training: Partial<Charter['training']> = {},
): Charter {
  const hex = '0'.repeat(64)
  return parseCharter({
    format: 'medmesh-charter/1',
    version: 1,
    previous: null,
    study: {
      id: 'test',
      title: 't',
      purpose: 'p',
      legalBasis: 'l',
      agreement: { title: 'a', sha256: hex },
      validFrom: '2026-01-01',
      validUntil: '2036-01-01',
    },
    threshold: 3,
    members: ['aa', 'bb', 'cc'].map((id, i) => ({
      id,
      name: id,
      publicKey: toHex(publicKeyOf(seedOf(i + 1))),
      addresses: [`/ip4/127.0.0.1/tcp/${4001 + i}`],
    })),
    maliciousMax: 0,
    data: {
      features: [
        { name: 'age', type: 'number', unit: 'years', min: 18, max: 98, description: 'age' },
        { name: 'smoker', type: 'boolean', description: 'smoker' },
        { name: 'site', type: 'category', values: ['a', 'b', 'c'], codeSystem: 'own', description: 'site' },
      ],
      label: { name: 'ill', positive: 'yes', negative: 'no', description: 'ill' },
      split: { name: 'set', train: 'train', test: 'test' },
    },
    model: {
      keras: sequential(layers, 4),
      weights: weights.map(([name, ...shape]) => ({ name, shape, initialiser: 'zeros' })),
      seed: 1,
    },
    training: {
      rounds: 3,
      localUpdates: 5,
      batchSize: 8,
      optimizer: 'sgd',
      learningRate: 0.1,
      clipNorm: 5,
      weightMax: 1000,
      weighting: 'samples',
      ...training,
    },
    evaluation: { bins: 16, rowsMax: 1000, lossMax: 20 },
    privacy: { unit: 'none' },
    secureSum: {
      modulus: 2147483647,
      survivorsMin: 3,
      joinDeadlineMs: 2000,
      inputDeadlineMs: 10_000,
      openDeadlineMs: 5000,
      viewTimeoutMs: 500,
      clockSkewMaxMs: 60_000,
      gossipBytesMax: 1,
    },
    export: { model: 'members' },
  })
}

/** `count` made-up rows, always the same; both classes. */
export function rowsOf(count: number, offset = 0): Rows {
  const x = new Float32Array(4 * count)
  const y = new Float32Array(count)
  for (let i = 0; i < count; i++) {
    const k = i + offset
    x.set([18 + ((k * 37) % 80), k % 2, k % 3 === 1 ? 1 : 0, k % 3 === 2 ? 1 : 0], 4 * i)
    y[i] = (k * 7) % 5 < 2 ? 1 : 0
  }
  return { x, y }
}

export function datasetOf(train: Rows = rowsOf(40), test: Rows = rowsOf(20, 40)): Dataset {
  return { train, test, d: 4, hash: '0'.repeat(64), notices: [] }
}

/** Weights that are neither zero nor alike, so that no symmetry hides an error. */
export function stateOf(count: number): ModelState {
  return {
    parameters: Float32Array.from({ length: count }, (_, i) => 0.7 * Math.sin(1 + 2.3 * i)),
    mean: Float64Array.of(58, 0.5, 0.3, 0.3),
    deviation: Float64Array.of(20, 0.5, 0.5, 0.5),
  }
}

export function seedOf(byte: number): Uint8Array {
  return new Uint8Array(32).fill(byte)
}
