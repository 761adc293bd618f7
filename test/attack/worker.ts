/** One thread of the study: a job comes, its rows go. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Job, opened } from './jobs.ts'

const { seed, trials } = workerData as { seed: number; trials: number }
const run = await opened(seed, trials)
parentPort!.on('message', async (job: Job) => parentPort!.postMessage(await run(job)))
