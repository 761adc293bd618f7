/** What one input leads to: effects in order, those that wait for a record to be durable inside of it, and local work. */
import type { Effect, Job, JobResult, Value } from '../ports.ts'

/** Work that has begun and not ended. */
interface Running {
  readonly done: (result: JobResult) => void
  readonly failed: (() => void) | undefined
}

export class Effects {
  readonly #jobs = new Map<number, Running>()
  #out: Effect[] = []
  #nextJob = 1

  /** Work that has begun and not ended. */
  get jobs(): number {
    return this.#jobs.size
  }

  emit(effect: Effect): void {
    this.#out.push(effect)
  }

  /** Makes `puts` durable before anything that `release` emits leaves. */
  store(puts: readonly (readonly [string, Value])[], deletes: readonly string[], release: () => void): void {
    const outer = this.#out
    this.#out = []
    release()
    const released = this.#out
    this.#out = outer
    this.emit({ kind: 'store', puts, deletes, release: released })
  }

  /**
   * The job's number, by which it can be cancelled. `failed`: for work that is of no attempt, and that `cancelJobs`
   * leaves alone; whoever waits for it is told when nothing comes of it.
   */
  run(job: Job, done: (result: JobResult) => void, failed?: () => void): number {
    const id = this.#nextJob++
    this.#jobs.set(id, { done, failed })
    this.emit({ kind: 'job', id, job })
    return id
  }

  cancel(id: number): void {
    if (this.#jobs.delete(id)) this.emit({ kind: 'cancel', id })
  }

  jobDone(id: number, result: JobResult): void {
    const running = this.#jobs.get(id)
    this.#jobs.delete(id)
    running?.done(result)
  }

  jobFailed(id: number, reason: string): void {
    const running = this.#jobs.get(id)
    if (!this.#jobs.delete(id)) return
    this.emit({ kind: 'event', event: { kind: 'jobFailed', reason } })
    running?.failed?.()
  }

  /** All work of the attempt that is over. */
  cancelJobs(): void {
    for (const [id, { failed }] of this.#jobs) if (!failed) this.cancel(id)
  }

  /** All effects since they were last taken. */
  take(): readonly Effect[] {
    const out = this.#out
    this.#out = []
    return out
  }
}
