/**
 * One worker thread and the jobs that wait for it, one at a time and in order. A worker that dies fails the job that
 * it had; the next job gets a new one, so a worker that dies at each start cannot keep the node busy by itself.
 */
import { Worker } from 'node:worker_threads'
import { MedmeshError } from '../../config/error.ts'
import type { Job, JobResult } from '../../protocol/ports.ts'
import type { Records } from '../host.ts'
import {
  detached,
  type FromWorker,
  type LearnSetup,
  type Opened,
  plainError,
  revived,
  transferables,
  type WorkerSetup,
} from './messages.ts'

/** Waiting jobs of one lane; the machine never has more than a handful. */
const QUEUE_MAX = 1024

interface Task {
  readonly id: number
  readonly job: Job
  readonly records: Records
  readonly resolve: (result: JobResult) => void
  readonly reject: (reason: MedmeshError) => void
}

export class Lane {
  readonly #learn: () => LearnSetup | undefined
  readonly #entry: URL
  readonly #flag = new SharedArrayBuffer(4)
  readonly #cancel = new Int32Array(this.#flag)
  readonly #queue: Task[] = []
  #worker: Worker | undefined
  /** What the worker is at; a job that was cancelled stays here until the worker is done with it. */
  #running: Task | undefined
  #opening:
    | { resolve: (opened: Opened | undefined) => void; reject: (reason: MedmeshError) => void }
    | undefined
  #closed = false

  /** `learn`: set-up of the next worker that starts; undefined for vector work. `entry`: the worker's program. */
  constructor(learn: () => LearnSetup | undefined, entry: URL = new URL('./worker.ts', import.meta.url)) {
    this.#learn = learn
    this.#entry = entry
  }

  /** Starts the worker now. Rejects with the MedmeshError of what it cannot open. */
  open(): Promise<Opened | undefined> {
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject }
      this.#spawn()
    })
  }

  run(id: number, job: Job, records: Records = new Map()): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed())
      if (this.#queue.length >= QUEUE_MAX) return reject(overfull())
      this.#queue.push({ id, job, records, resolve, reject })
      this.#next()
    })
  }

  /** The job's promise rejects at once; the worker leaves it at the next minibatch. */
  cancel(id: number): void {
    const at = this.#queue.findIndex(task => task.id === id)
    if (at >= 0) this.#queue.splice(at, 1)[0]!.reject(cancelled())
    else if (this.#running?.id === id) {
      Atomics.store(this.#cancel, 0, 1)
      this.#running.reject(cancelled())
    }
  }

  /** Ends the worker and rejects all that waits. */
  async close(): Promise<void> {
    this.#closed = true
    for (const task of this.#queue.splice(0)) task.reject(closed())
    this.#running?.reject(closed())
    this.#running = undefined
    this.#opening?.reject(closed())
    this.#opening = undefined
    await this.#worker?.terminate()
  }

  #next(): void {
    if (this.#running !== undefined || this.#closed) return
    const task = this.#queue.shift()
    if (task === undefined) return
    this.#running = task
    Atomics.store(this.#cancel, 0, 0)
    const worker = this.#worker ?? this.#spawn()
    try {
      const job = detached(task.job)
      worker.postMessage({ job, records: task.records }, transferables(job))
    } catch (error) {
      // Not to be cloned, or handed over before: the caller's mistake, and the lane must not wait for an answer to it.
      task.reject(revived(plainError(error)))
      this.#free()
    }
  }

  #spawn(): Worker {
    const setup: WorkerSetup = { learn: this.#learn(), cancel: this.#flag }
    const worker = new Worker(this.#entry, { workerData: setup })
    this.#worker = worker
    worker.on('message', (message: FromWorker) => this.#hear(worker, message))
    worker.on('messageerror', error => this.#died(worker, error))
    worker.on('error', error => this.#died(worker, error))
    worker.on('exit', () => this.#died(worker, undefined))
    return worker
  }

  #hear(worker: Worker, message: FromWorker): void {
    if (worker !== this.#worker) return
    switch (message.kind) {
      case 'ready':
        this.#opening?.resolve(message.opened)
        this.#opening = undefined
        break
      case 'unready':
        this.#abandon(revived(message.error))
        break
      case 'done':
        this.#running?.resolve(message.result)
        this.#free()
        break
      case 'failed':
        this.#running?.reject(revived(message.error))
        this.#free()
        break
    }
  }

  #free(): void {
    this.#running = undefined
    this.#next()
  }

  #died(worker: Worker, error: unknown): void {
    if (worker === this.#worker) this.#abandon(crashed(error))
  }

  /** Gives the worker up, and with it whatever waits for this very worker. */
  #abandon(reason: MedmeshError): void {
    const worker = this.#worker
    this.#worker = undefined
    void worker?.terminate()
    this.#opening?.reject(reason)
    this.#opening = undefined
    this.#running?.reject(reason)
    this.#free()
  }
}

function crashed(error: unknown): MedmeshError {
  const memory = (error as NodeJS.ErrnoException | undefined)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
  return new MedmeshError(
    'WORKER_CRASHED',
    memory ? 'the worker ran out of memory' : 'the worker died in the middle of its job',
    memory ? 'give the node more memory' : 'nothing to do: the next job gets a new worker',
  )
}

function cancelled(): MedmeshError {
  return new MedmeshError('JOB_CANCELLED', 'the round no longer needs this job', 'nothing to do')
}

function closed(): MedmeshError {
  return new MedmeshError('JOB_CLOSED', 'the node is closing', 'nothing to do')
}

function overfull(): MedmeshError {
  return new MedmeshError(
    'JOB_OVERFULL',
    `more than ${QUEUE_MAX} jobs wait`,
    'restart the node and report this',
  )
}
