/**
 * One simulated hospital: the production machine behind the production driver, on a virtual network, disk and clock. A
 * life ends at a crash; the disk stays.
 */
import { Driver, type HostPorts } from '../protocol/driver.ts'
import { isStudyMachine, machineFor, type StudyMachine } from '../protocol/machine.ts'
import { wholeModel } from '../protocol/model/state.ts'
import type { PeerConfig } from '../protocol/peer.ts'
import type {
  Input,
  Job,
  JobResult,
  Learned,
  LearnJob,
  Machine,
  MemberId,
  Millis,
  ModelState,
  Output,
  Verdict,
} from '../protocol/ports.ts'
import { runVectorWork } from '../protocol/sum/kernels.ts'
import { Alarm } from './alarm.ts'
import { Clock } from './clock.ts'
import { type Commit, Disk, type DiskCrash } from './disk.ts'
import { filled } from './filled.ts'
import type { Observer, Via } from './observer.ts'
import type { Random } from './random.ts'

/** What a host does at its learner's place: the real one or a synthetic one. */
export type Learner = (job: LearnJob<ModelState>) => Learned

/** What a hospital is, whatever network it is in. */
export interface HostSetup {
  readonly id: MemberId
  readonly config: PeerConfig
  readonly learner: Learner
  /** Replaces the machine of this hospital: adversaries. */
  readonly machine?: ((config: PeerConfig) => Machine) | undefined
  /** Of the access line, in megabits a second; default 1,000. */
  readonly uplinkMbps?: number
  readonly downlinkMbps?: number
  /** It dials, nobody dials it; default false. */
  readonly nat?: boolean
  /** Milliseconds that a job takes; default 20. */
  readonly jobMs?: (job: Job, random: Random) => Millis
  /** Milliseconds until a commit is durable; 0, the default: at once. A crash loses what is not durable yet. */
  readonly diskMs?: (random: Random) => Millis
  /** Milliseconds that the process is busy with one message and its copies; default 0. */
  readonly messageMs?: Millis
  /** What this hospital's clock shows beyond the world's time at its beginning; default 0. */
  readonly clockOffsetMs?: Millis
  readonly clockDriftPpm?: number
  /** Of an adversary: what it sends to one member by gossip, so that it is passed on, and not over a stream; default nothing. */
  readonly whispers?: (bytes: Uint8Array) => boolean
}

/** A point at which a crash can be made to happen: before or after the n-th effect of this host. */
export interface Step {
  readonly host: SimHost
  readonly when: 'before' | 'after'
  /** `commit`, `publish`, `send`, `job`: what the host is about to do, or has done. */
  readonly what: string
  readonly detail: string
}

/** What the world gives each host. */
export interface HostWorld {
  now(): Millis
  at(time: Millis, run: () => void): void
  readonly epoch: Millis
  readonly taps: Observer
  readonly net: {
    publish(from: SimHost, bytes: Uint8Array): void
    shutOut(by: SimHost, peers: readonly MemberId[]): void
    send(from: SimHost, to: MemberId, bytes: Uint8Array): void
  }
  /** True: crash here. */
  readonly onStep: ((step: Step) => boolean) | undefined
  /** A life ended by itself: at a step, or because the machine threw. */
  readonly onDown: (host: SimHost, why: 'step' | 'broken', error: unknown) => void
}

/** Bytes of messages that wait for a process that stands still or is busy; beyond them the newest are lost. */
const WAITING_BYTES_MAX = 8 << 20
const JOB_MS = 20
const LINE_MBPS = 1000

class Crash extends Error {}

/** The one place where a host makes an honest hospital's machine. */
export function honestMachine(config: PeerConfig): Machine {
  return machineFor(config)
}

export class SimHost {
  readonly id: MemberId
  /** Its place in the world's order. */
  readonly index: number
  readonly clock: Clock
  readonly #s: HostSetup
  readonly #w: HostWorld
  readonly #random: Random
  readonly #disk = new Disk()
  #life = 0
  #driver: Driver | undefined
  #machine: Machine | undefined
  #alarm: Alarm
  /** Jobs whose result the machine still wants. */
  #jobs = new Set<number>()
  #diskFreeAt: Millis = 0
  #busyUntil: Millis = 0
  readonly #factors: number[] = []
  /** While it stands still: what is to be done when it goes on. */
  #waiting: (() => void)[] | undefined
  #waitingBytes = 0
  #pauses = 0

  constructor(setup: HostSetup, index: number, world: HostWorld, random: Random) {
    this.id = setup.id
    this.index = index
    this.#s = setup
    this.#w = world
    this.#random = random
    this.clock = new Clock(world.epoch, setup.clockOffsetMs, setup.clockDriftPpm)
    this.#alarm = this.#newAlarm()
  }

  get up(): boolean {
    return this.#driver !== undefined
  }

  /** It stands still. */
  get paused(): boolean {
    return this.#waiting !== undefined
  }

  get config(): PeerConfig {
    return this.#s.config
  }

  /** What its own clock shows. */
  get now(): Millis {
    return this.clock.read(this.#w.now())
  }

  /** Its durable records. */
  get disk(): ReadonlyMap<string, Uint8Array> {
    return this.#disk.records
  }

  /** The machine of this life; of the last one where it is down. */
  get machine(): Machine | undefined {
    return this.#machine
  }

  /** The production peer of this life, for checks. */
  get peer(): StudyMachine | undefined {
    return this.#machine && isStudyMachine(this.#machine) ? this.#machine : undefined
  }

  /** The model that the peer of this life holds. */
  get model(): ModelState | undefined {
    const model = this.peer?.model
    return model && wholeModel(model, this.#disk.access.read)
  }

  /** Begins a life. Only the world calls this, and `crash`, `pause` and `slow`. */
  start(): void {
    if (this.up) throw new RangeError(`${this.id} is up already`)
    this.#life++
    this.#jobs = new Set()
    this.#alarm = this.#newAlarm()
    this.#diskFreeAt = 0
    this.#busyUntil = 0
    this.#disk.recover()
    const { config, machine } = this.#s
    this.#machine = machine?.(config) ?? honestMachine(config)
    this.#driver = new Driver(this.#watched(this.#machine), this.id, this.#ports())
    this.#w.taps.onStart?.(this)
    this.input({ kind: 'start', entropy: this.#random.bytes(32), durable: new Map(this.disk) })
  }

  crash(disk: DiskCrash): void {
    this.#life++
    this.#driver = undefined
    this.#waiting = undefined
    this.#waitingBytes = 0
    this.#pauses = 0
    for (const lost of this.#disk.crash(disk, this.#random)) {
      this.#w.taps.onLostCommit?.(this, lost.keys, lost.how)
    }
  }

  /** Nothing is handled until what this gives is called, once; it says whether the host goes on then. */
  pause(): () => boolean {
    const life = this.#life
    this.#waiting ??= []
    this.#pauses++
    return () => {
      if (life !== this.#life || --this.#pauses > 0) return false
      this.#resume()
      return this.up
    }
  }

  /** What has come meanwhile is handled, in its order; it may end in a crash. */
  #resume(): void {
    const waiting = this.#waiting ?? []
    const life = this.#life
    this.#waiting = undefined
    for (const run of waiting) if (life === this.#life) run()
  }

  /** Jobs, commits and messages that begin from now on take so many times as long, until what this gives is called, once. */
  slow(factor: number): () => void {
    this.#factors.push(factor)
    return () => void this.#factors.splice(this.#factors.indexOf(factor), 1)
  }

  /** Hands an input to the machine; while it stands still, when it goes on (then without a verdict here). */
  input(input: Input): Verdict | undefined {
    const driver = this.#driver
    if (!driver) return undefined
    if (this.#waiting) {
      this.#waiting.push(() => void this.input(input))
      return undefined
    }
    return this.#alive(() => driver.input(input, this.now))
  }

  /** Whether a message of so many bytes has room among those that wait. */
  takes(bytes: number): boolean {
    return this.#waitingBytes === 0 || this.#waitingBytes + bytes <= WAITING_BYTES_MAX
  }

  /** Hands over a message. `judged` is told its verdict, once the machine has seen it. */
  message(from: MemberId, via: Via, bytes: Uint8Array, judged: (verdict: Verdict) => void): void {
    const ms = this.#slowed(this.#s.messageMs ?? 0)
    const handle = () => {
      const verdict = this.input({ kind: 'message', from, via, bytes })
      if (verdict) judged(verdict)
    }
    if (ms === 0 && !this.#waiting) {
      handle()
      return
    }
    this.#waitingBytes += bytes.length
    const run = () => {
      this.#waitingBytes -= bytes.length
      handle()
    }
    if (this.#waiting) {
      this.#waiting.push(run)
      return
    }
    // One process: messages are dealt with one after the other.
    this.#busyUntil = Math.max(this.#busyUntil, this.#w.now()) + ms
    this.#later(this.#busyUntil, run)
  }

  /** A member is connected, or no longer. */
  told(peer: MemberId, connected: boolean): void {
    this.input({ kind: connected ? 'connected' : 'disconnected', peer })
  }

  get uplinkMbps(): number {
    return this.#s.uplinkMbps ?? LINE_MBPS
  }

  get downlinkMbps(): number {
    return this.#s.downlinkMbps ?? LINE_MBPS
  }

  whispers(bytes: Uint8Array): boolean {
    return this.#s.whispers?.(bytes) ?? false
  }

  get nat(): boolean {
    return this.#s.nat ?? false
  }

  /** Runs `act` until its end or until the crash that it runs into. */
  #alive<T>(act: () => T): T | undefined {
    try {
      return act()
    } catch (error) {
      this.#w.onDown(this, error instanceof Crash ? 'step' : 'broken', error)
      return undefined
    }
  }

  /** Runs `run` later in this life; nothing of a life outlasts its crash. */
  #later(at: Millis, run: () => void): void {
    const life = this.#life
    this.#w.at(at, () => {
      if (life !== this.#life) return
      if (this.#waiting) this.#waiting.push(run)
      else run()
    })
  }

  #watched(machine: Machine): Machine {
    const { taps } = this.#w
    if (!taps.onInput && !taps.onOutput) return machine
    return {
      handle: (input, now): Output => {
        taps.onInput?.(this, input, now)
        const output = machine.handle(input, now)
        taps.onOutput?.(this, input, output)
        return output
      },
    }
  }

  #step(what: string, detail: string, act: () => void): void {
    const { onStep } = this.#w
    if (onStep?.({ host: this, when: 'before', what, detail })) throw new Crash()
    act()
    if (onStep?.({ host: this, when: 'after', what, detail })) throw new Crash()
  }

  #ports(): HostPorts {
    const { net, taps } = this.#w
    return {
      publish: bytes =>
        this.#step('publish', '', () => {
          taps.onRelease?.(this, undefined, bytes)
          net.publish(this, bytes)
        }),
      send: (to, bytes) =>
        this.#step('send', to, () => {
          taps.onRelease?.(this, to, bytes)
          net.send(this, to, bytes)
        }),
      commit: (puts, deletes, durable) => this.#commit(this.#disk.begin(puts, deletes), durable),
      write: (draft, at, data) => this.#disk.write(draft, at, data),
      read: key => this.#disk.records.get(key),
      readBytes: (key, from, end) => bytesIn(this.#disk.read(key), from, end),
      startJob: (id, job) =>
        this.#step('job', job.kind === 'vector' ? job.work.kind : job.task, () => this.#startJob(id, job)),
      cancelJob: id => void this.#jobs.delete(id),
      fault: (peer, fault) => taps.onFault?.(this, peer, fault),
      shutOut: peers => net.shutOut(this, peers),
      event: event => taps.onEvent?.(this, event),
      wakeAt: at => this.#alarm.set(at),
    }
  }

  #slowed(ms: Millis): Millis {
    for (const factor of this.#factors) ms *= factor
    return ms
  }

  /** One disk: commits become durable in their order. */
  #commit(commit: Commit, durable: () => void): void {
    const { puts, deletes } = commit
    const write = () => {
      this.#step('commit', puts.map(([key]) => key).join(), () => {
        this.#disk.finish(commit)
        this.#w.taps.onCommit?.(this, puts, deletes)
      })
      durable()
    }
    const ms = this.#slowed(this.#s.diskMs?.(this.#random) ?? 0)
    if (ms === 0 && this.#disk.pending === 1) {
      write()
      return
    }
    this.#diskFreeAt = Math.max(this.#diskFreeAt, this.#w.now()) + ms
    this.#later(this.#diskFreeAt, () => this.#alive(write))
  }

  #newAlarm(): Alarm {
    const { now } = this.#w
    return new Alarm({
      clock: this.clock,
      now,
      later: (at, run) => this.#later(at, run),
      rings: () => void this.input({ kind: 'tick' }),
    })
  }

  #startJob(id: number, job: Job): void {
    this.#jobs.add(id)
    const ms = this.#slowed(this.#s.jobMs?.(job, this.#random) ?? JOB_MS)
    this.#later(this.#w.now() + ms, () => {
      if (!this.#jobs.delete(id)) return
      const { access } = this.#disk
      let result: JobResult
      try {
        result =
          job.kind === 'learn'
            ? {
                kind: 'learn',
                learned: this.#s.learner({ ...job, model: wholeModel(job.model, access.read) }),
              }
            : { kind: 'vector', output: filled(job.work, runVectorWork(job.work, access), access) }
      } catch (error) {
        this.input({ kind: 'jobFailed', id, reason: error instanceof Error ? error.message : 'unknown' })
        return
      }
      this.#w.taps.onJob?.(this, job, result)
      this.input({ kind: 'jobDone', id, result })
    })
  }
}

function bytesIn(record: Uint8Array | undefined, from: number, end: number): Uint8Array | undefined {
  return record && record.length >= end ? record.subarray(from, end) : undefined
}
