import { appendFileSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { loadDataset } from '../../../../node/data/csv.ts'
import { chooseBackend } from '../../../../node/training/backend.ts'
import { createLearner, type LearnJob } from '../../../../node/training/learner.ts'
import { Lane } from '../../../../node/worker/lane.ts'
import { detached } from '../../../../node/worker/messages.ts'
import { JobRunner } from '../../../../node/worker/runner.ts'
import type { Job, JobResult } from '../../../../protocol/ports.ts'
import { runVectorWork } from '../../../../protocol/sum/kernels.ts'
import { noised } from '../../../support/noised.ts'
import { charterOf, LOGISTIC, mlp, seedOf, stateOf } from '../training/fixture.ts'
import { maskWork, sumJob, writeData } from './fixture.ts'

const dir = mkdtempSync(join(tmpdir(), 'medmesh-jobs-'))
const dataFile = join(dir, 'data.csv')
writeData(dataFile)

const CHARTER = charterOf(mlp('tanh'))
let shared: Promise<JobRunner> | undefined
let own: JobRunner | undefined

afterEach(async () => {
  await own?.close()
  own = undefined
})
afterAll(async () => {
  await (await shared)?.close()
  rmSync(dir, { recursive: true })
})

/** With the plan given a runner of the test's own, else the one that tests share. */
async function start(charter?: Charter): Promise<JobRunner> {
  if (charter === undefined) {
    shared ??= JobRunner.start({ charter: CHARTER, dataFile, backend: 'wasm' })
    return await shared
  }
  own = await JobRunner.start({ charter, dataFile, backend: 'wasm' })
  return own
}

const train = (count = 19): LearnJob => ({
  kind: 'learn',
  task: 'train',
  round: 1,
  model: stateOf(count),
  seed: seedOf(1),
})
/** A plan that would take minutes. */
const ENDLESS = charterOf(LOGISTIC, { localUpdates: 1_000_000 })
const failed = (job: Promise<JobResult>) =>
  job.then(
    () => undefined,
    error => error,
  )

describe('jobs', () => {
  test('what the worker learns is bit for bit what the learner learns here', async () => {
    const runner = await start()
    const charter = charterOf(mlp('tanh'))
    const learner = await createLearner(
      charter,
      loadDataset(dataFile, charter),
      await chooseBackend('wasm', {}),
    )
    expect(await runner.run(1, train())).toEqual({ kind: 'learn', learned: learner.learn(train()) })
    learner.dispose()
  })

  test('it says what it opened', async () => {
    const { backend, opened } = await start()
    expect(backend).toBe('wasm')
    expect(opened.backend.why).toContain('node.yaml')
    expect(opened.rows).toEqual({ train: 30, test: 10 })
    expect(opened.dataHash).toMatch(/^[0-9a-f]{64}$/)
  })

  test.each([100, 100_000])('vector work over %d elements is what it is here', async length => {
    const runner = await start()
    const sum = sumJob(length)
    expect(await runner.run(1, sum)).toEqual({ kind: 'vector', output: runVectorWork(sum.work) })
    const want = runVectorWork(maskWork(length))
    expect(await runner.run(2, { kind: 'vector', work: maskWork(length) })).toEqual({
      kind: 'vector',
      output: want,
    })
  })

  test("the machine's vectors stay its own; the update of a mask job is handed over", async () => {
    const runner = await start()
    const sum = sumJob(100_000)
    await runner.run(1, sum)
    expect(sum).toEqual(sumJob(100_000))
    const large = train()
    const { parameters } = large.model
    await runner.run(2, large)
    expect(parameters).toEqual(stateOf(19).parameters)
    const delta = new Float32Array(100_000).fill(0.1)
    const work = maskWork(100_000)
    const apart = runVectorWork({ ...work, learned: { ...work.learned, delta: delta.slice() } })
    const given = { ...work, learned: { ...work.learned, delta } }
    expect(await runner.run(3, { kind: 'vector', work: given })).toEqual({ kind: 'vector', output: apart })
    expect(delta.length).toBe(0)
  })

  test('a long vector that a job made lies in memory that the next one reads, however often', async () => {
    const runner = await start()
    const summed = await runner.run(1, sumJob(100_000))
    if (summed.kind !== 'vector' || summed.output.kind !== 'sum') throw new Error('a sum expected')
    const sum = summed.output.sum as Uint32Array
    expect(sum.buffer).toBeInstanceOf(SharedArrayBuffer)
    const before = sum.slice()
    const again: Job = { kind: 'vector', work: { kind: 'sum', inputs: [sum, sum] } }
    expect(detached(again), 'no copy of it').toEqual(again)
    expect(detached(again)).toHaveProperty('work.inputs[0].buffer', sum.buffer)
    for (const id of [2, 3]) {
      const twice = await runner.run(id, again)
      expect(twice).toEqual({
        kind: 'vector',
        output: runVectorWork({ kind: 'sum', inputs: [before, before] }),
      })
    }
    expect(sum).toEqual(before)
  })

  test('jobs of one kind are done in order', async () => {
    const runner = await start()
    const done: number[] = []
    const ids = [5, 3, 9, 1]
    await Promise.all(
      ids.map(async id => {
        await runner.run(id, sumJob(1000))
        done.push(id)
      }),
    )
    expect(done).toEqual(ids)
  })

  test('vectors are summed while training goes on', async () => {
    const runner = await start(ENDLESS)
    const training = failed(runner.run(1, train(5)))
    expect(await runner.run(2, sumJob(10))).toMatchObject({ kind: 'vector' })
    runner.cancel(1)
    expect(await training).toMatchObject({ code: 'JOB_CANCELLED' })
  })
})

describe('cancelling', () => {
  test('a running job ends, and the next one is done', async () => {
    const runner = await start(ENDLESS)
    const first = failed(runner.run(1, train(5)))
    const queued = failed(runner.run(2, train(5)))
    const evaluation = runner.run(3, { ...train(5), task: 'evaluate' })
    runner.cancel(2)
    runner.cancel(1)
    runner.cancel(77)
    expect(await first).toMatchObject({ code: 'JOB_CANCELLED' })
    expect(await queued).toMatchObject({ code: 'JOB_CANCELLED' })
    expect(await evaluation).toMatchObject({ learned: { samples: 0 } })
  })

  test('a job that is done is past cancelling, and the one after it is not hit', async () => {
    const runner = await start()
    await runner.run(1, train())
    runner.cancel(1)
    expect(await runner.run(2, train())).toMatchObject({ learned: { samples: 30 } })
  })
})

describe('what goes wrong in a job', () => {
  test('our own errors keep code and message; the worker goes on', async () => {
    const runner = await start()
    const model = { ...stateOf(19), mean: new Float64Array(2) }
    expect(await failed(runner.run(1, { ...train(), model }))).toMatchObject({ code: 'LEARN_MODEL' })
    expect(await runner.run(2, train())).toMatchObject({ kind: 'learn' })
  })

  test('a broken invariant says where, and no value', async () => {
    const runner = await start()
    const bad: Job = { kind: 'vector', work: { kind: 'sum', inputs: [Uint32Array.of(4_294_967_001)] } }
    const error = await failed(runner.run(1, bad))
    expect(error).toMatchObject({ code: 'WORKER_UNEXPECTED' })
    expect(error.message).toContain('kernels.ts')
    expect(error.message).not.toContain('4294967001')
    expect(await runner.run(2, sumJob(4))).toMatchObject({ kind: 'vector' })
  })
})

test('a job that cannot be handed over fails, and the next one is done', async () => {
  const runner = await start()
  const work = maskWork(100_000)
  await runner.run(1, { kind: 'vector', work })
  expect(await failed(runner.run(2, { kind: 'vector', work }))).toMatchObject({ code: 'WORKER_UNEXPECTED' })
  const odd = { kind: 'vector', work: { kind: 'sum', inputs: [() => 1] } } as unknown as Job
  expect(await failed(runner.run(3, odd))).toMatchObject({ code: 'WORKER_UNEXPECTED' })
  expect(await runner.run(4, sumJob(4))).toMatchObject({ kind: 'vector' })
})

describe('opening', () => {
  const opening = (charter: Charter, backend?: string) =>
    JobRunner.start({ charter, dataFile, ...(backend === undefined ? {} : { backend }) }).then(
      async runner => {
        await runner.close()
        return undefined
      },
      error => error,
    )

  test('bad data, with code, place and fix as the connector gives them', async () => {
    const bad = join(dir, 'bad.csv')
    copyFileSync(dataFile, bad)
    appendFileSync(bad, '999,1,a,yes,train\n')
    const error = await JobRunner.start({ charter: CHARTER, dataFile: bad }).catch(e => e)
    expect(error).toMatchObject({ code: 'DATA_OUT_OF_RANGE' })
    expect(error.message).toContain('line 42, column age')
    expect(error.fix).toContain('18 to 98')
  })

  test('other data than the node started with', async () => {
    const { hash } = loadDataset(dataFile, charterOf())
    const setup = { charter: charterOf(), dataFile, backend: 'wasm' }
    const again = async (dataHash: string) => {
      const lane = new Lane(() => ({ ...setup, dataHash }))
      const opened = await lane.open().catch(e => e)
      await lane.close()
      return opened
    }
    expect(await again(hash)).toMatchObject({ dataHash: hash })
    expect(await again('0'.repeat(64))).toMatchObject({ code: 'DATA_CHANGED' })
  })

  test('a backend that is not there', async () => {
    expect(await opening(charterOf(), 'node-gpu')).toMatchObject({ code: 'BACKEND_MISSING' })
  })

  test('a model that cannot be trained', async () => {
    const charter = charterOf()
    const broken = { ...charter, model: { ...charter.model, keras: {} } }
    expect(await opening(broken)).toMatchObject({ code: 'MODEL_KERAS' })
  })

  test('patients who would not be protected', async () => {
    const few = charterOf()
    const protecting = noised()({ ...few, training: { ...few.training, weightMax: 29 } })
    expect(await opening(protecting)).toMatchObject({ code: 'PRIVACY_ROWS' })
  })
})

test('closing rejects what is running and what waits, and what comes after', async () => {
  const runner = await start(ENDLESS)
  const jobs = [failed(runner.run(1, train(5))), failed(runner.run(2, train(5)))]
  await runner.close()
  for (const job of jobs) expect(await job).toMatchObject({ code: 'JOB_CLOSED' })
  expect(await failed(runner.run(3, train(5)))).toMatchObject({ code: 'JOB_CLOSED' })
})
