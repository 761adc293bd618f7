/** What one input leads to: effects in order, those that wait for a record to be durable inside of it, and local work. */
import type { Effect, Job, JobResult } from '../ports.ts'

export class Effects {
  readonly #jobs = new Map<number, (result: JobResult) => void>()
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
  store(
    puts: readonly (readonly [string, Uint8Array])[],
    deletes: readonly string[],
    release: () => void,
  ): void {
    const outer = this.#out
    this.#out = []
    release()
    const released = this.#out
    this.#out = outer
    this.emit({ kind: 'store', puts, deletes, release: released })
  }

  /** The job's number, by which it can be cancelled. */
  run(job: Job, done: (result: JobResult) => void): number {
    const id = this.#nextJob++
    this.#jobs.set(id, done)
    this.emit({ kind: 'job', id, job })
    return id
  }

  cancel(id: number): void {
    if (this.#jobs.delete(id)) this.emit({ kind: 'cancel', id })
  }

  jobDone(id: number, result: JobResult): void {
    const done = this.#jobs.get(id)
    this.#jobs.delete(id)
    done?.(result)
  }

  jobFailed(id: number, reason: string): void {
    if (this.#jobs.delete(id)) this.emit({ kind: 'event', event: { kind: 'jobFailed', reason } })
  }

  cancelJobs(): void {
    for (const id of this.#jobs.keys()) this.emit({ kind: 'cancel', id })
    this.#jobs.clear()
  }

  /** All effects since they were last taken. */
  take(): readonly Effect[] {
    const out = this.#out
    this.#out = []
    return out
  }
}
