/**
 * What a step of DP-SGD costs: clipping by ghost clipping and one example after the other, against a plain step, on
 * wasm. Each step is whole: gradients, clip, noise and update.
 *
 *   node test/bench/ghost.bench.ts [--json FILE] [--batch 64]
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import * as tf from '@tensorflow/tfjs-core'
import { table } from '../../node/cli/format.ts'
import { chooseBackend } from '../../node/training/backend.ts'
import { gaussians, noisedMean } from '../../node/training/gaussian.ts'
import type { TrainedModel } from '../../node/training/model.ts'
import { applyGradient } from '../../node/training/patients.ts'
import { type Batch, type ClippedSum, oneByOne, perExample } from '../../node/training/per-example.ts'
import type { LayerJson } from '../unit/node/training/fixture.ts'
import { batchOf, conv, flatten, mlpOf, netOf, pool, reshape } from '../unit/node/training/nets.ts'
import { filterGradientOnWasm } from './filter-gradient.ts'

/** Of the naive step's time, and of the plain one's. */
const NAIVE_LIMIT = 0.2
const PLAIN_LIMIT = 1.5

interface Net {
  readonly name: string
  readonly inputs: number
  readonly layers: readonly LayerJson[]
  /** Steps of a run, of which the least time counts. */
  readonly steps: number
  readonly limited: boolean
}

const SIDE = 28
const NETS: readonly Net[] = [
  { name: 'MLP 39-64-32-1', inputs: 39, layers: mlpOf([64, 32], 'relu', true), steps: 20, limited: true },
  {
    name: 'MLP 200-512-256-1',
    inputs: 200,
    layers: mlpOf([512, 256], 'relu', true),
    steps: 4,
    limited: false,
  },
  {
    name: 'CNN 28 x 28',
    inputs: SIDE * SIDE,
    layers: [
      reshape(SIDE, SIDE, 1),
      conv('a', 8, 3),
      pool('Average', 'pa'),
      conv('b', 16, 3),
      pool('Average', 'pb'),
      flatten,
      ...mlpOf([32], 'relu', true),
    ],
    steps: 1,
    limited: false,
  },
]
const RUNS = 25
const CLIP = { clipNorm: 1, noiseMultiplier: 1 }
const RATE = 1e-4

function plainStep(net: TrainedModel, optimizer: tf.Optimizer, { x, y }: Batch): void {
  tf.tidy(() => {
    const inputs = tf.tensor2d(x.slice(), [y.length, x.length / y.length])
    const labels = tf.tensor1d(y.slice())
    const loss = () => {
      const z = net.logits(inputs, true)
      return tf.mean(tf.sub(tf.softplus(z), tf.mul(labels, z))) as tf.Scalar
    }
    optimizer.minimize(loss, false, net.variables)
  })
}

function privateStep(
  net: TrainedModel,
  optimizer: tf.Optimizer,
  sum: ClippedSum,
  normal: () => number,
): void {
  applyGradient(net, optimizer, noisedMean(sum.gradient, normal, { ...CLIP, expected: sum.norms.length }))
}

type Way = readonly [name: string, step: () => void, runs: number]

/** Least CPU milliseconds of a step; the ways take turns, so that a busy moment is none's alone. */
function least(ways: readonly Way[], steps: number): number[] {
  const ms = ways.map(() => Number.POSITIVE_INFINITY)
  for (let run = 0; run <= RUNS; run++) {
    ways.forEach(([, step, runs], k) => {
      if (run > runs) return
      const from = process.cpuUsage()
      for (let i = 0; i < steps; i++) step()
      const { user, system } = process.cpuUsage(from)
      // The first warms up.
      if (run > 0) ms[k] = Math.min(ms[k]!, (user + system) / 1000 / steps)
    })
  }
  return ms
}

async function bench({ name, inputs, layers, steps, limited }: Net, examples: number) {
  const net = await netOf(layers, inputs)
  const optimizer = tf.train.sgd(RATE)
  const normal = gaussians(new Uint8Array(32).fill(1))
  const per = perExample(net)
  if (per.way !== 'ghost') throw new Error(per.notice)
  const batch = batchOf(examples, inputs)
  const ways: Way[] = [
    ['plain', () => plainStep(net, optimizer, batch), RUNS],
    ['ghost', () => privateStep(net, optimizer, per.clippedSum(batch, CLIP.clipNorm), normal), RUNS],
    ['naive', () => privateStep(net, optimizer, oneByOne(net, batch, CLIP.clipNorm), normal), 5],
  ]
  const ms = least(ways, steps)
  optimizer.dispose()
  net.dispose()
  return ways.map(([way], k) => ({
    model: name,
    way,
    ms: ms[k]!,
    toPlain: ms[k]! / ms[0]!,
    toNaive: ms[k]! / ms[2]!,
    ...(limited && way === 'ghost' && { limitToPlain: PLAIN_LIMIT, limitToNaive: NAIVE_LIMIT }),
  }))
}

const { values } = parseArgs({
  options: { json: { type: 'string' }, batch: { type: 'string', default: '64' } },
})
await chooseBackend('wasm', {})
filterGradientOnWasm()
const rows = []
for (const net of NETS) rows.push(...(await bench(net, Number(values.batch))))
const lines = rows.map(r => [
  r.model,
  r.way,
  r.ms.toFixed(2),
  r.toPlain.toFixed(2),
  r.limitToPlain?.toFixed(2) ?? '',
  r.toNaive.toFixed(3),
  r.limitToNaive?.toFixed(3) ?? '',
])
console.log(`CPU ms for a step of ${values.batch} examples, wasm`)
const head = ['model', 'way', 'ms', 'to plain', 'limit', 'to naive', 'limit']
console.log(table([head, ...lines], [2, 3, 4, 5, 6]).join('\n'))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
