/** A worker that dies: its job fails with a reason, and the lane goes on with another worker. */
import { readdirSync, readFileSync } from 'node:fs'
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
    import { parentPort as port, workerData } from 'node:worker_threads'
    const flag = () => Atomics.load(new Int32Array(workerData.cancel), 0)
    const done = sum => port.postMessage({ kind: 'done', result: { kind: 'vector', output: { kind: 'sum', sum } } })
    port.postMessage({ kind: 'ready', opened: undefined })
    port.on('message', ({ job }) => { ${onJob} })`
  return new URL(`data:text/javascript,${encodeURIComponent(text)}`)
}

/** Does `special` at a job with one input, and the others as one would. */
const exceptFor = (special: string) =>
  program(`if (job.work.inputs.length === 1) { ${special} } else done(job.work.inputs[0])`)

const failed = (job: Promise<JobResult>) =>
  job.then(
    () => undefined,
    error => error,
  )
const fatal: Job = sumJob(4, 1)

test.each([
  ['throws', 'throw new Error("value 31337")'],
  ['rejects', 'void Promise.reject(new Error("value 31337"))'],
  ['exits', 'process.exit(1)'],
])('a worker that %s', async (_, death) => {
  lane = new Lane(() => undefined, exceptFor(death))
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

test('the flag of a cancelled job is gone before the next job', async () => {
  const wait = 'const wait = () => flag() === 0 ? setImmediate(wait) : done(); wait()'
  lane = new Lane(() => undefined, program(`if (job.work.inputs.length === 1) { ${wait} } else done(flag())`))
  const first = failed(lane.run(1, fatal))
  const second = lane.run(2, sumJob(4))
  lane.cancel(1)
  expect(await first).toMatchObject({ code: 'JOB_CANCELLED' })
  expect(await second).toMatchObject({ output: { sum: 0 } })
})

test('what a worker says after it was given up is not taken for the answer to the next job', async () => {
  const error = "{ code: 'X', message: 'm', fix: 'f' }"
  lane = new Lane(
    () => undefined,
    exceptFor(`port.postMessage({ kind: 'unready', error: ${error} }); done('stale')`),
  )
  const first = failed(lane.run(1, fatal))
  const second = lane.run(2, sumJob(4))
  expect(await first).toMatchObject({ code: 'X' })
  expect(await second).toMatchObject({ output: { sum: Uint32Array.of(0, 1, 2, 3) } })
})

test('a bounded queue', async () => {
  lane = new Lane(() => undefined, program(''))
  const jobs = Array.from({ length: 1030 }, (_, id) => failed(lane!.run(id, sumJob(1))))
  expect(await jobs[1029]).toMatchObject({ code: 'JOB_OVERFULL' })
  await lane.close()
  expect(await jobs[0]).toMatchObject({ code: 'JOB_CLOSED' })
})

/** Of the threads of this process, the main one first, as Linux tells it (proc(5), field 19). */
function nicenesses(): number[] {
  return readdirSync('/proc/self/task').map(task => {
    const afterName = readFileSync(`/proc/self/task/${task}/stat`, 'utf8').split(') ')[1]!
    return Number(afterName.split(' ')[16])
  })
}

test.runIf(process.platform === 'linux')(
  'a worker leaves the processor to the thread that answers',
  async () => {
    const before = nicenesses()
    lane = new Lane(() => undefined)
    await lane.run(1, sumJob(4))
    const behind = Math.min(19, before[0]! + 10)
    const count = (all: number[]) => all.filter(nice => nice === behind).length
    expect(count(nicenesses())).toBe(count(before) + 1)
    expect(nicenesses()[0]).toBe(before[0])
  },
)
