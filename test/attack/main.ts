/**
 * The attacks that medmesh runs on itself: inversion of updates, masked inputs, sums and noised sums; membership; canaries.
 * `npm run study:attack`, or with --trials N, --seed S, --workers N, --json FILE. Fails where an attack reaches what it must not, and
 * where a control does not reach what it must: an attack that finds nothing anywhere proves nothing.
 */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { JOBS, type JobRows } from './jobs.ts'
import { type AttackResults, missedOf, printed } from './report.ts'

/** The same figures with any number of workers. `told` hears of each job that is done. */
export async function runAttacks(
  seed: number,
  trials: number,
  workers: number,
  told: (done: number, of: number) => void,
): Promise<AttackResults> {
  const done: JobRows[] = []
  let next = 0
  let finished = 0
  const work = async () => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { seed, trials } })
    try {
      while (next < JOBS.length) {
        const own = next++
        const answer = once(worker, 'message')
        worker.postMessage(JOBS[own])
        // `once` rejects when the worker fails.
        done[own] = (await answer)[0] as JobRows
        told(++finished, JOBS.length)
      }
    } finally {
      await worker.terminate()
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return {
    seed,
    trials,
    inversion: done.flatMap(d => (d.kind === 'inversion' ? d.rows : [])),
    membership: done.flatMap(d => (d.kind === 'membership' ? d.rows : [])),
    canaries: done.flatMap(d => (d.kind === 'canary' ? d.rows : [])),
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      trials: { type: 'string', default: '100' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: '2' },
      json: { type: 'string' },
    },
  })
  const [seed, trials, workers] = [values.seed, values.trials, values.workers].map(Number) as [
    number,
    number,
    number,
  ]
  if (![seed, trials, workers].every(Number.isInteger) || trials < 8 || workers < 1 || seed < 0)
    throw new Error('--trials takes an integer from 8 on, --workers from 1 on, --seed from 0 on')
  console.log(`seed ${seed}, ${trials} trials`)
  const results = await runAttacks(seed, trials, workers, (done, of) =>
    console.error(`${done} of ${of} parts`),
  )
  console.log(printed(results))
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`)
  const missed = missedOf(results)
  for (const line of missed) console.error(`MISSED ${line}`)
  if (missed.length > 0) process.exitCode = 1
}

if (import.meta.main) await main()
