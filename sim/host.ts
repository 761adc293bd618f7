/**
 * One simulated hospital: the production machine behind the production driver, on a virtual network and disk. A
 * life ends at a crash; the disk stays.
 */
import { Driver, type HostPorts } from '../protocol/driver.ts'
import type { Fault } from '../protocol/fault.ts'
import { isStudyMachine, machineFor, type StudyMachine } from '../protocol/machine.ts'
import type { PeerConfig } from '../protocol/peer.ts'
import type {
  Event,
  Input,
  Job,
  JobResult,
  Learned,
  Machine,
  MemberId,
  Millis,
  Verdict,
} from '../protocol/ports.ts'
import { runVectorWork } from '../protocol/sum/kernels.ts'
import type { Random } from './random.ts'

/** What a host does at its learner's place: the real one or a synthetic one. */
export type Learner = (job: Job & { kind: 'learn' }) => Learned

/** A point at which a crash can be made to happen: before or after the n-th effect of this host. */
export interface Step {
  readonly host: SimHost
  readonly when: 'before' | 'after'
  /** `commit`, `publish`, `send`, `job`, ...: what the host is about to do, or has done. */
  readonly what: string
  readonly detail: string
}

export interface HostSetup {
  readonly id: MemberId
  readonly config: PeerConfig
  readonly learner: Learner
  readonly random: Random
  readonly net: {
    publish(from: SimHost, bytes: Uint8Array): void
    send(from: SimHost, to: MemberId, bytes: Uint8Array): void
  }
  readonly clock: { now(): Millis; at(time: Millis, run: () => void): void }
  /** Milliseconds that a job takes. */
  readonly jobMs: (job: Job) => Millis
  /** What this hospital's clock shows beyond the world's time. */
  readonly clockOffsetMs: Millis
  /** Milliseconds until a commit is durable; 0: at once. A crash loses what is not durable yet. */
  readonly diskMs: () => Millis
  /** True: crash here. */
  readonly onStep?: (step: Step) => boolean
  readonly onCrash?: (host: SimHost) => void
  /** The machine threw: this host stops and the others go on. Without it the world's run throws. */
  readonly onBroken?: (host: SimHost, error: unknown) => void
  readonly onEvent?: (host: SimHost, event: Event) => void
  readonly onFault?: (host: SimHost, peer: MemberId, fault: Fault) => void
  /** Sees each job that was done, with all that is secret in it: for checks. */
  readonly onJob?: (host: SimHost, job: Job, result: JobResult) => void
  /** Replaces the machine of this hospital: adversaries. */
  readonly machine?: (config: PeerConfig) => Machine
}

class Crash extends Error {}

export class SimHost {
  readonly id: MemberId
  readonly disk = new Map<string, Uint8Array>()
  readonly #s: HostSetup
  #life = 0
  #driver: Driver | undefined
  #machine: Machine | undefined
  #wakeAt: Millis | undefined
  #cancelled = new Set<number>()
  #diskFreeAt: Millis = 0

  constructor(setup: HostSetup) {
    this.id = setup.id
    this.#s = setup
  }

  get up(): boolean {
    return this.#driver !== undefined
  }

  /** The production peer of this life, for checks. */
  get peer(): StudyMachine | undefined {
    return this.#machine && isStudyMachine(this.#machine) ? this.#machine : undefined
  }

  start(): void {
    this.#life++
    this.#cancelled = new Set()
    this.#wakeAt = undefined
    this.#diskFreeAt = 0
    this.#machine = this.#s.machine?.(this.#s.config) ?? machineFor(this.#s.config)
    this.#driver = new Driver(this.#machine, this.id, this.#ports())
    this.input({ kind: 'start', entropy: this.#s.random.bytes(32), durable: new Map(this.disk) })
  }

  crash(): void {
    this.#life++
    this.#driver = undefined
  }

  input(input: Input): Verdict | undefined {
    const driver = this.#driver
    return driver && this.#alive(() => driver.input(input, this.#s.clock.now() + this.#s.clockOffsetMs))
  }

  /** Runs `act` until its end or until the crash that it runs into. */
  #alive<T>(act: () => T): T | undefined {
    try {
      return act()
    } catch (error) {
      const broken = !(error instanceof Crash)
      if (broken && !this.#s.onBroken) throw error
      this.crash()
      if (broken) this.#s.onBroken?.(this, error)
      this.#s.onCrash?.(this)
      return undefined
    }
  }

  /** Runs `run` later in this life; nothing of a life outlasts its crash. */
  later(at: Millis, run: () => void): void {
    const life = this.#life
    this.#s.clock.at(at, () => {
      if (life === this.#life && this.up) run()
    })
  }

  #step(what: string, detail: string, act: () => void): void {
    const { onStep } = this.#s
    if (onStep?.({ host: this, when: 'before', what, detail })) throw new Crash()
    act()
    if (onStep?.({ host: this, when: 'after', what, detail })) throw new Crash()
  }

  #ports(): HostPorts {
    const { clock, net } = this.#s
    return {
      publish: bytes => this.#step('publish', '', () => net.publish(this, bytes)),
      send: (to, bytes) => this.#step('send', to, () => net.send(this, to, bytes)),
      commit: (puts, deletes, durable) => {
        const write = () => {
          this.#step('commit', puts.map(([key]) => key).join(), () => {
            for (const key of deletes) this.disk.delete(key)
            for (const [key, value] of puts) this.disk.set(key, value)
          })
          durable()
        }
        const ms = this.#s.diskMs()
        if (ms === 0) return write()
        // One disk: commits become durable in their order.
        this.#diskFreeAt = Math.max(this.#diskFreeAt, clock.now()) + ms
        this.later(this.#diskFreeAt, () => this.#alive(write))
      },
      read: key => this.disk.get(key),
      startJob: (id, job) =>
        this.#step('job', job.kind === 'vector' ? job.work.kind : job.task, () => this.#startJob(id, job)),
      cancelJob: id => void this.#cancelled.add(id),
      fault: (peer, fault) => this.#s.onFault?.(this, peer, fault),
      event: event => this.#s.onEvent?.(this, event),
      wakeAt: at => {
        if (at === this.#wakeAt) return
        this.#wakeAt = at
        if (at === undefined) return
        this.later(Math.max(at - this.#s.clockOffsetMs, clock.now()), () => {
          if (this.#wakeAt !== at) return
          this.#wakeAt = undefined
          this.input({ kind: 'tick' })
        })
      },
    }
  }

  #startJob(id: number, job: Job): void {
    this.later(this.#s.clock.now() + this.#s.jobMs(job), () => {
      if (this.#cancelled.delete(id)) return
      let result: JobResult
      try {
        result =
          job.kind === 'learn'
            ? { kind: 'learn', learned: this.#s.learner(job) }
            : { kind: 'vector', output: runVectorWork(job.work) }
      } catch (error) {
        this.input({ kind: 'jobFailed', id, reason: error instanceof Error ? error.message : 'unknown' })
        return
      }
      this.#s.onJob?.(this, job, result)
      this.input({ kind: 'jobDone', id, result })
    })
  }
}
