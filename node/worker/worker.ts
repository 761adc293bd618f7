/**
 * The worker's side: opens data, backend and model before its first job, then does one job after the other. What it
 * cannot open it says, and is over.
 */
import { readlinkSync } from 'node:fs'
import { getPriority, setPriority } from 'node:os'
import { basename } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { MedmeshError } from '../../config/error.ts'
import { readParameters } from '../../protocol/model/state.ts'
import type { Job, JobResult, Learned, LearnJob } from '../../protocol/ports.ts'
import { lengthOf } from '../../protocol/stored.ts'
import { collect } from '../collect.ts'
import type { Learner } from '../training/learner.ts'
import { JobFiles } from './files.ts'
import {
  type FromWorker,
  type LearnSetup,
  type Opened,
  plainError,
  type ToWorker,
  transferables,
  type WorkerSetup,
} from './messages.ts'

const port = parentPort!
const setup = workerData as WorkerSetup
const cancel = new Int32Array(setup.cancel)

const NICEST = 19
/** As nice(1) does it: where cores are few, the thread that answers the network goes before this one. */
const NICENESS = 10

/** Of this thread alone; where threads have no priorities of their own (all but Linux) it stays as it is. */
function stepBack(): void {
  try {
    const thread = Number(basename(readlinkSync('/proc/thread-self')))
    setPriority(thread, Math.min(NICEST, getPriority() + NICENESS))
  } catch {
    // A job is done without it too.
  }
}

function tell(message: FromWorker): void {
  port.postMessage(message, transferables(message))
}

async function open(learn: LearnSetup): Promise<{ learner: Learner; opened: Opened }> {
  // Here and not at the top: a worker for vectors needs none of it, and tfjs takes memory and time.
  const [{ loadDataset }, { chooseBackend }, { createLearner }] = await Promise.all([
    import('../data/csv.ts'),
    import('../training/backend.ts'),
    import('../training/learner.ts'),
  ])
  const dataset = loadDataset(learn.dataFile, learn.charter)
  if (learn.dataHash !== undefined && learn.dataHash !== dataset.hash) {
    throw new MedmeshError(
      'DATA_CHANGED',
      `${learn.dataFile} has changed since the node started`,
      'restart the node to take part with the new rows',
    )
  }
  const backend = await chooseBackend(learn.backend)
  const learner = await createLearner(learn.charter, dataset, backend)
  const rows = { train: dataset.train.y.length, test: dataset.test.y.length }
  const notices = [
    ...dataset.notices.map(notice => `data: ${notice}`),
    ...learner.notices.map(notice => `training: ${notice}`),
  ]
  return { learner, opened: { backend, dataHash: dataset.hash, notices, rows } }
}

async function perform({ job, records }: ToWorker, learner: Learner | undefined): Promise<JobResult> {
  const files = new JobFiles(records)
  try {
    if (job.kind === 'learn') return { kind: 'learn', learned: learn(job, files, learner) }
    const { runVectorWork } = await import('../../protocol/sum/kernels.ts')
    return { kind: 'vector', output: runVectorWork(job.work, files) }
  } finally {
    files.close()
  }
}

function learn(job: LearnJob, { read }: JobFiles, learner: Learner | undefined): Learned {
  if (learner === undefined) throw new Error('this worker has no learner')
  // Not in shared memory: tfjs does not say that it reads that.
  const parameters = new Float32Array(lengthOf(job.model.parameters))
  readParameters(job.model, parameters, 0, read)
  const model = { ...job.model, parameters }
  return learner.learn({ ...job, model }, () => Atomics.load(cancel, 0) !== 0)
}

/** Of its kind in a round: the memory that it shares with the main thread will not be asked for again. */
function isLast(job: Job): boolean {
  return job.kind === 'learn' || job.work.kind === 'mask' || job.work.kind === 'apply'
}

async function main(): Promise<void> {
  let learner: Learner | undefined
  try {
    const parts = setup.learn === undefined ? undefined : await open(setup.learn)
    learner = parts?.learner
    tell({ kind: 'ready', opened: parts?.opened })
  } catch (error) {
    tell({ kind: 'unready', error: plainError(error) })
    return
  }
  // Jobs that came meanwhile waited in the port.
  port.on('message', (message: ToWorker) => {
    perform(message, learner)
      .then(
        result => tell({ kind: 'done', result }),
        error => tell({ kind: 'failed', error: plainError(error) }),
      )
      .then(() => {
        // Not at once: the job itself has still to be let go.
        if (isLast(message.job)) setImmediate(collect)
      })
  })
}

stepBack()
await main()
