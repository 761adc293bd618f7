/** A worker that dies: its job fails with a reason, and the lane goes on with another worker. */
import { afterEach, expect, test } from 'vitest'
import { Lane } from '../../../../node/worker/lane.ts'
import type { Job, JobResult } from '../../../../protocol/ports.ts'
import { sumJob } from './fixture.ts'

let lane: Lane | undefined
afterEach(async () => {
  await lane?.close()
  lane = undefined
})

/** A worker's program that says it is ready and then runs `onJob`, which may use `port` and `job`. */
function program(onJob: string): URL {
  const text = `
    import { parentPort as port } from 'node:worker_threads'
    port.postMessage({ kind: 'ready', opened: undefined })
    port.on('message', ({ job }) => { ${onJob} })`
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`)
}

/** Dies of jobs with one input, does the others. */
const MORTAL = (death: string) =>
  program(`if (job.work.inputs.length === 1) { ${death} }
    port.postMessage({ kind: 'done', result: { kind: 'vector', output: { kind: 'sum', sum: job.work.inputs[0], hash: new Uint8Array() } } })`)

const failed = (job: Promise<JobResult>) =>
  job.then(
    () => undefined,
    error => error,
  )
const fatal: Job = sumJob(4, 1)

test.each([
  ['throws', 'throw new Error("value 31337")'],
  ['rejects', 'return void Promise.reject(new Error("value 31337"))'],
  ['exits', 'return process.exit(1)'],
])('a worker that %s', async (_, death) => {
  lane = new Lane(() => undefined, MORTAL(death))
  const first = failed(lane.run(1, fatal))
  const second = lane.run(2, sumJob(4))
  const error = await first
  expect(error).toMatchObject({ code: 'WORKER_CRASHED' })
  expect(error.message).not.toContain('31337')
  expect(await second).toMatchObject({ kind: 'vector' })
  // And once more: it is not a matter of the first time.
  expect(await failed(lane.run(3, fatal))).toMatchObject({ code: 'WORKER_CRASHED' })
  expect(await lane.run(4, sumJob(4))).toMatchObject({ kind: 'vector' })
})

test('a worker that cannot even start fails each job once, and is not started without one', async () => {
  lane = new Lane(() => undefined, new URL('data:text/javascript,throw new Error("no")'))
  await expect(lane.open()).rejects.toMatchObject({ code: 'WORKER_CRASHED' })
  for (const id of [1, 2, 3])
    expect(await failed(lane.run(id, fatal))).toMatchObject({ code: 'WORKER_CRASHED' })
})

test('a program that ends without a word', async () => {
  lane = new Lane(() => undefined, new URL('data:text/javascript,'))
  await expect(lane.open()).rejects.toMatchObject({ code: 'WORKER_CRASHED' })
})

test('a bounded queue', async () => {
  lane = new Lane(() => undefined, program(''))
  const jobs = Array.from({ length: 1030 }, (_, id) => failed(lane!.run(id, sumJob(1))))
  expect(await jobs[1029]).toMatchObject({ code: 'JOB_OVERFULL' })
  await lane.close()
  expect(await jobs[0]).toMatchObject({ code: 'JOB_CLOSED' })
})
