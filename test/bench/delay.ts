/**
 * How long the thread that answers the network is held up while a hospital trains: event loop delay of the main
 * thread, with a model of a million weights in the worker and vectors of that length going to and fro. Prints a
 * table, and JSON with --json; exits with 1 when a 99th percentile is above 50 ms.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Charter, parameterCount } from '../../config/charter.ts'
import { parseCharter } from '../../config/parse.ts'
import { JobRunner } from '../../node/worker/runner.ts'
import { initialState } from '../../protocol/model/initial.ts'
import type { Job } from '../../protocol/ports.ts'
import { layoutFor } from '../../protocol/sum/layout.ts'
import { testCharter } from '../support/consortium.ts'
import { trained } from '../support/learned.ts'

const LIMIT_MS = 50
const FEATURES = 512
const WIDTHS = [1280, 256, 1]
const ROWS = 400

interface Row {
  readonly what: string
  readonly seconds: number
  readonly jobs: number
  readonly p50: number
  readonly p99: number
  /** Of p99. */
  readonly limit: number
  readonly max: number
}

/** A network of 985,000 weights on made-up features. */
function largeCharter(): Charter {
  const base = testCharter({ n: 4, features: FEATURES })
  const layers = WIDTHS.map((units, i) => ({
    class_name: 'Dense',
    config: {
      name: `dense${i}`,
      units,
      activation: i === WIDTHS.length - 1 ? 'sigmoid' : 'relu',
      use_bias: true,
      ...(i === 0 ? { batch_input_shape: [null, FEATURES], dtype: 'float32' } : {}),
    },
  }))
  const weights = WIDTHS.flatMap((units, i) => [
    { name: `dense${i}/kernel`, shape: [WIDTHS[i - 1] ?? FEATURES, units], initialiser: 'glorotUniform' },
    { name: `dense${i}/bias`, shape: [units], initialiser: 'zeros' },
  ])
  const keras = { class_name: 'Sequential', config: { name: 'large', layers } }
  const training = { ...base.training, localUpdates: 1_000_000, batchSize: 32, learningRate: 0.01 }
  return parseCharter({ ...base, model: { keras, weights, seed: 1 }, training })
}

function writeRows(file: string, charter: Charter): void {
  const { features, label, split } = charter.data
  const header = [...features.map(f => f.name), label.name, split.name].join(',')
  const rows = Array.from({ length: ROWS }, (_, i) => {
    const x = features.map((f, j) =>
      f.type === 'number' ? (f.min + ((i * 31 + j * 17) % 100) * (f.max - f.min) * 0.01).toFixed(3) : '0',
    )
    return [...x, i % 3 === 0 ? label.positive : label.negative, i % 4 === 0 ? split.test : split.train].join(
      ',',
    )
  })
  writeFileSync(file, `${header}\n${rows.join('\n')}\n`)
}

/** The vector work of rounds of this size, one job after the other, until `until` (of performance.now()). */
async function vectorWork(runner: JobRunner, charter: Charter, until: number): Promise<number> {
  const sections = layoutFor(charter, 'train', 4)
  const key = (byte: number) => new Uint8Array(32).fill(byte)
  const pairs = [3, 4, 5].map(byte => ({ key: key(byte), sign: 1 as const }))
  let jobs = 0
  const run = async (work: Extract<Job, { kind: 'vector' }>['work']) => {
    const result = await runner.run(1000 + jobs++, { kind: 'vector', work })
    if (result.kind !== 'vector') throw new Error('vector work expected')
    return result.output
  }
  while (performance.now() < until) {
    const masked = await run({
      kind: 'mask',
      charter,
      task: 'train',
      sections,
      learned: trained(charter, new Float32Array(parameterCount(charter))),
      publicSeed: key(7),
      roundingKey: key(1),
      selfKey: key(2),
      pairs,
      shards: 4,
    })
    if (masked.kind !== 'mask') throw new Error('mask expected')
    const inputs = Array.from({ length: 4 }, () => masked.masked!)
    const masks = [2, 2].map(k => ({ key: key(k), sign: -1 as const }))
    const sum = await run({ kind: 'sum', inputs, masked: { from: 0, masks } })
    if (sum.kind !== 'sum') throw new Error('sum expected')
    await run({ kind: 'tag', coin: key(6), items: inputs.map(vector => ({ vector })) })
    await run({ kind: 'apply', sums: [sum.sum!], step: undefined })
  }
  return jobs
}

async function measure(
  what: string,
  seconds: number,
  work: (until: number) => Promise<number>,
): Promise<Row> {
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const start = performance.now()
  const jobs = await work(start + 1000 * seconds)
  delay.disable()
  const ms = (nanoseconds: number) => Number((nanoseconds / 1e6).toFixed(1))
  return {
    what,
    seconds: Number(((performance.now() - start) / 1000).toFixed(1)),
    jobs,
    p50: ms(delay.percentile(50)),
    p99: ms(delay.percentile(99)),
    limit: LIMIT_MS,
    max: ms(delay.max),
  }
}

async function bench(seconds: number): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'medmesh-delay-'))
  const charter = largeCharter()
  const dataFile = join(dir, 'data.csv')
  writeRows(dataFile, charter)
  const runner = await JobRunner.start({ charter, dataFile })
  const whole = { mean: new Float64Array(FEATURES), deviation: new Float64Array(FEATURES).fill(1) }
  const model = { ...initialState(charter), ...whole }
  let id = 0
  /** Training for as long as `work` takes. */
  const training = async (work: () => Promise<number>): Promise<number> => {
    const own = ++id
    const job = runner.run(own, { kind: 'learn', task: 'train', round: 1, model, seed: new Uint8Array(32) })
    const ended = job.then(
      () => Promise.reject(new Error('the training was too short')),
      error => (error.code === 'JOB_CANCELLED' ? 1 : Promise.reject(error)),
    )
    const jobs = await Promise.race([work(), ended])
    runner.cancel(own)
    return jobs + (await ended)
  }
  const idle = async (until: number) => {
    await pause(until - performance.now())
    return 0
  }
  try {
    console.log(
      `${parameterCount(charter)} weights, backend ${runner.backend}; delays of the main thread in ms`,
    )
    return [
      await measure('nothing to do', seconds, idle),
      await measure('training', seconds, until => training(() => idle(until))),
      await measure('training and vector work', seconds, until =>
        training(() => vectorWork(runner, charter, until)),
      ),
    ]
  } finally {
    await runner.close()
    rmSync(dir, { recursive: true })
  }
}

const { values } = parseArgs({
  options: { json: { type: 'string' }, seconds: { type: 'string', default: '10' } },
})
const rows = await bench(Number(values.seconds))
console.table(rows)
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ limitMs: LIMIT_MS, rows }, null, 2)}\n`)
const over = rows.filter(row => row.p99 > LIMIT_MS)
if (over.length > 0) {
  console.error(`above ${LIMIT_MS} ms: ${over.map(row => row.what).join(', ')}`)
  process.exitCode = 1
}
