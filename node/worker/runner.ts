/**
 * Jobs off the thread that answers the network. Learning and vector work have a worker each: a hospital whose
 * training goes on after the others have left it out must still add up their shards.
 */
import type { Charter } from '../../config/charter.ts'
import type { Job, JobResult } from '../../protocol/ports.ts'
import type { Records } from '../host.ts'
import { Lane } from './lane.ts'
import type { Opened } from './messages.ts'

export interface RunnerOptions {
  readonly charter: Charter
  /** The hospital's CSV file. */
  readonly dataFile: string
  /** `auto` (the default) or the name of a tfjs backend. */
  readonly backend?: string
}

export class JobRunner {
  /** Name of tfjs' backend. */
  readonly backend: string
  /** Why this backend; hash, notices and numbers of rows of the data: for this hospital's own log. */
  readonly opened: Opened
  readonly #learning: Lane
  readonly #vectors: Lane

  private constructor(opened: Opened, learning: Lane) {
    this.backend = opened.backend.name
    this.opened = opened
    this.#learning = learning
    this.#vectors = new Lane(() => undefined)
  }

  /**
   * Opens data, backend and model in a worker.
   *
   * Rejects with MedmeshError DATA_..., BACKEND_... or MODEL_..., before anything could have been sent.
   */
  static async start({ charter, dataFile, backend = 'auto' }: RunnerOptions): Promise<JobRunner> {
    let dataHash: string | undefined
    const learning = new Lane(() => ({ charter, dataFile, backend, dataHash }))
    try {
      const opened = (await learning.open())!
      dataHash = opened.dataHash
      return new JobRunner(opened, learning)
    } catch (error) {
      await learning.close()
      throw error
    }
  }

  /**
   * Does a job. Large arrays that a `mask` or `check` job brings are handed over and no longer the caller's; all others are copied.
   *
   * Rejects with MedmeshError: the learner's codes, WORKER_CRASHED, WORKER_UNEXPECTED, JOB_CANCELLED, JOB_CLOSED.
   */
  run(id: number, job: Job, records?: Records): Promise<JobResult> {
    return this.#lane(job.kind).run(id, job, records)
  }

  /** Does nothing when there is no such job. */
  cancel(id: number): void {
    this.#learning.cancel(id)
    this.#vectors.cancel(id)
  }

  async close(): Promise<void> {
    await Promise.all([this.#learning.close(), this.#vectors.close()])
  }

  #lane(kind: Job['kind']): Lane {
    return kind === 'learn' ? this.#learning : this.#vectors
  }
}
