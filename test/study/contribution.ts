/**
 * Are free-riders seen from sums of random groups, honest hospitals left in peace, and liars kept from spoiling the model? `npm run study:contribution`, or with --seed S, --seeds N,
 * --runs N (honest ones), --only riders|honest|heart|poisoning, --workers N, --json FILE. Fails where a limit is missed.
 *
 * The marks' thresholds, OWN_MIN and PULL_MIN, come from honest runs alone: see scores.ts.
 */
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { attackRows, honestGroups, missedOf, ofKind } from './contribution/figures.ts'
import { HONEST, type Job, type JobRows, SETTINGS } from './contribution/measure.ts'
import { poisonJobs, poisonRows } from './contribution/poisoning.ts'
import { printed } from './contribution/report.ts'
import { ATTACKS } from './contribution/riders.ts'

/** The longest first. */
export function jobsOf(seeds: number, runs: number): Job[] {
  const each = (count: number) => Array.from({ length: count }, (_, seed) => seed)
  const riders = SETTINGS.flatMap((_, setting) =>
    ATTACKS.flatMap((_, attack) =>
      each(seeds).map(seed => ({ kind: 'riders', setting, attack, seed }) as const),
    ),
  )
  const honest = HONEST.flatMap((_, setting) =>
    each(runs).map(seed => ({ kind: 'honest', setting, seed }) as const),
  )
  const heart = (['logistic', 'mlp'] as const).flatMap(network =>
    each(seeds).map(seed => ({ kind: 'heart', network, seed }) as const),
  )
  return [...riders, ...honest, ...heart, ...poisonJobs(each(seeds))]
}

/** The same figures with any number of workers. `told` hears of each job that is done. */
export async function runJobs(
  jobs: readonly Job[],
  seed: number,
  workers: number,
  told: (done: number) => void,
): Promise<JobRows[]> {
  const done: JobRows[] = []
  let next = 0
  let finished = 0
  const work = async () => {
    const worker = new Worker(new URL('./contribution/worker.ts', import.meta.url), { workerData: { seed } })
    try {
      while (next < jobs.length) {
        const own = next++
        const answer = once(worker, 'message')
        worker.postMessage(jobs[own])
        // `once` rejects when the worker fails.
        done[own] = (await answer)[0] as JobRows
        told(++finished)
      }
    } finally {
      await worker.terminate()
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return done
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      seeds: { type: 'string', default: '5' },
      runs: { type: 'string', default: '200' },
      only: { type: 'string' },
      workers: { type: 'string', default: '2' },
      json: { type: 'string' },
    },
  })
  const [seed, seeds, runs, workers] = [values.seed, values.seeds, values.runs, values.workers].map(
    Number,
  ) as [number, number, number, number]
  if (![seed, seeds, runs, workers].every(Number.isInteger) || seed < 0 || Math.min(seeds, runs, workers) < 1)
    throw new Error('--seed takes an integer from 0 on; --seeds, --runs and --workers take one from 1 on')
  if (values.only !== undefined && !['riders', 'honest', 'heart', 'poisoning'].includes(values.only))
    throw new Error('--only takes riders, honest, heart or poisoning')
  console.log(`seed ${seed}, ${seeds} seeds, ${runs} honest runs`)
  const jobs = jobsOf(seeds, runs).filter(j => values.only === undefined || j.kind === values.only)
  const done = await runJobs(jobs, seed, workers, n => {
    if (n % 20 === 0 || n === jobs.length) console.error(`${n} of ${jobs.length} parts`)
  })
  console.log(printed(done))
  if (values.json !== undefined) {
    const honest = HONEST.map((setting, s) => ({ setting, groups: honestGroups(done, s) }))
    const poisoning = poisonRows(ofKind(done, 'poisoning'))
    const figures = { seed, seeds, runs, settings: SETTINGS, riders: attackRows(done), honest, poisoning }
    writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`)
  }
  const missed = missedOf(done)
  for (const line of missed) console.error(`MISSED ${line}`)
  if (missed.length > 0) process.exitCode = 1
}

if (import.meta.main) await main()
