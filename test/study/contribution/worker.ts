/** One thread of the study: a job comes, its rows go. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Job, measurer } from './measure.ts'

const measure = measurer((workerData as { readonly seed: number }).seed)
parentPort!.on('message', async (job: Job) => parentPort!.postMessage(await measure(job)))
