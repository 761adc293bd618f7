/** The node's side of the ports: the same driver and machine as in the simulator, on sockets, SQLite and a worker. */
import { randomBytes } from 'node:crypto'
import { Driver, type HostPorts } from '../protocol/driver.ts'
import type { Fault } from '../protocol/fault.ts'
import { isStudyMachine, machineFor, type StudyMachine } from '../protocol/machine.ts'
import type { PeerConfig } from '../protocol/peer.ts'
import type {
  Event,
  Input,
  Job,
  JobResult,
  Machine,
  MemberId,
  Millis,
  Value,
  Verdict,
} from '../protocol/ports.ts'
import { draftOf, storedOf } from '../protocol/stored.ts'
import { collect } from './collect.ts'

/** What of the network the host uses; `node/net` implements it. */
export interface HostNet {
  /** Rejects only for what is our own bug, such as a message over the bound. */
  publish(bytes: Uint8Array): Promise<void>
  send(to: MemberId, bytes: Uint8Array): void
  shutOut(members: readonly MemberId[]): void
}

export interface HostStore {
  load(): ReadonlyMap<string, Uint8Array>
  get(key: string): Uint8Array | undefined
  /** Bytes of a draft or a record, from `from` up to `end`; undefined where it has not so many. */
  getBytes(key: string, from: number, end: number): Uint8Array | undefined
  /** The file that holds just the bytes of the draft or record; undefined where there is none. */
  fileOf(key: string): string | undefined
  /**
   * Durable when it returns, or when what it returns resolves; until then no other commit is begun. What is written into a draft
   * after the call is not of this commit.
   */
  commit(puts: readonly (readonly [string, Value])[], deletes: readonly string[]): Promise<void> | undefined
  /** Writes into a draft, which is made where it is not there. */
  write(draft: string, at: number, data: Uint8Array): void
  /** The file of a draft, which is made where it is not there: for a job to write into. */
  draftFile(draft: string): string
}

/** Where drafts and records are: the path of a file that holds just their bytes, or these themselves. */
export type Records = ReadonlyMap<string, string | Uint8Array>

type Commit = Parameters<HostPorts['commit']>

export interface HostJobs {
  /** `records`: the drafts and records that the job reads, and the draft that it writes. */
  run(id: number, job: Job, records: Records): Promise<JobResult>
  cancel(id: number): void
}

export interface HostParts {
  readonly config: PeerConfig
  readonly net: HostNet
  readonly store: HostStore
  readonly jobs: HostJobs
  readonly onEvent: (event: Event) => void
  readonly onFault: (peer: MemberId, fault: Fault) => void
  /** An invariant of our own is broken: the process must not go on. */
  readonly onBroken: (error: unknown) => void
  /** Replaces the machine: the compliance suite of the hosts. */
  readonly machine?: (config: PeerConfig) => Machine
}

/** Stored since the last time, from which on it is worth some milliseconds to have the memory back. */
const COLLECTED_BYTES = 64 << 20

/** Longest time that a timer can wait; longer ones are set again. */
const TIMER_MAX_MS = 2 ** 31 - 1

export class NodeHost {
  /** The production peer, unless another machine runs in its place. */
  readonly peer: StudyMachine | undefined
  readonly #p: HostParts
  readonly #driver: Driver
  /** Jobs whose result the machine still wants. */
  readonly #jobs = new Set<number>()
  /** Commits that wait for the one that is being written, and what is written into drafts after them. */
  readonly #waiting: (Commit | (() => void))[] = []
  /** Ends when nothing is being written and nothing waits. */
  #storing: Promise<void> | undefined
  #storedBytes = 0
  #timer: NodeJS.Timeout | undefined
  #started = false
  #stopped = false

  constructor(parts: HostParts) {
    this.#p = parts
    const machine = parts.machine?.(parts.config) ?? machineFor(parts.config)
    this.peer = isStudyMachine(machine) ? machine : undefined
    this.#driver = new Driver(machine, parts.config.self, this.#ports())
  }

  /** Begins a life. `connected`: who was connected before; what else came before the start was not heard. */
  start(connected: Iterable<MemberId> = []): void {
    const durable = this.#p.store.load()
    this.#started = true
    this.input({ kind: 'start', entropy: new Uint8Array(randomBytes(32)), durable })
    for (const peer of connected) this.input({ kind: 'connected', peer })
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** Resolves when all that the machine has stored by then is durable, or the host has stopped. */
  stored(): Promise<void> {
    return this.#storing ?? Promise.resolve()
  }

  message(from: MemberId, via: 'gossip' | 'stream', bytes: Uint8Array): Verdict {
    return this.input({ kind: 'message', from, via, bytes }) ?? 'ignore'
  }

  /** A machine that has not read its own records must not say anything: nothing reaches it before its start. */
  input(input: Input): Verdict | undefined {
    if (!this.#started || this.#stopped) return undefined
    try {
      return this.#driver.input(input, Date.now())
    } catch (error) {
      this.#break(error)
      return undefined
    }
  }

  #break(error: unknown): void {
    if (this.#stopped) return
    this.stop()
    this.#p.onBroken(error)
  }

  #ports(): HostPorts {
    const { net, store, jobs } = this.#p
    return {
      publish: bytes => void net.publish(bytes).catch(error => this.#break(error)),
      send: (to, bytes) => net.send(to, bytes),
      commit: (...commit) => this.#commit(commit),
      write: (draft, at, data) => this.#afterCommits(() => this.#write(draft, at, data)),
      read: key => store.get(key),
      readBytes: (key, from, end) => store.getBytes(key, from, end),
      startJob: (id, job) => this.#startJob(id, job),
      cancelJob: id => {
        if (this.#jobs.delete(id)) jobs.cancel(id)
      },
      fault: (peer, fault) => this.#p.onFault(peer, fault),
      shutOut: peers => net.shutOut(peers),
      event: event => this.#p.onEvent(event),
      wakeAt: at => this.#wake(at),
    }
  }

  /** In order: what comes while a large commit is being written waits behind it. */
  #commit(commit: Commit): void {
    if (this.#stopped) return
    if (this.#storing) {
      this.#waiting.push(commit)
      return
    }
    const [puts, deletes, durable] = commit
    const written = this.#p.store.commit(puts, deletes)
    if (written) this.#storing = this.#follow(written, () => this.#stored(puts, durable))
    else durable()
  }

  #stored(puts: Commit[0], durable: () => void): void {
    durable()
    for (const [, value] of puts) if (value instanceof Uint8Array) this.#countStored(value.length)
  }

  #write(draft: string, at: number, data: Uint8Array): void {
    this.#p.store.write(draft, at, data)
    this.#countStored(data.length)
  }

  /** What is in the store is in memory no more, if it is looked for. */
  #countStored(bytes: number): void {
    this.#storedBytes += bytes
    if (this.#storedBytes < COLLECTED_BYTES) return
    this.#storedBytes = 0
    setImmediate(collect)
  }

  /** A draft that a commit which waits takes or deletes is not written before that. */
  #afterCommits(write: () => void): void {
    if (this.#waiting.length > 0) this.#waiting.push(write)
    else write()
  }

  /** From a commit that is being written to the last of those that came meanwhile. */
  async #follow(written: Promise<void>, durable: () => void): Promise<void> {
    try {
      await written
      if (!this.#stopped) durable()
      for (let next = this.#waiting.shift(); next && !this.#stopped; next = this.#waiting.shift()) {
        if (typeof next === 'function') next()
        else await this.#commitNext(next)
      }
    } catch (error) {
      this.#break(error)
    } finally {
      this.#storing = undefined
    }
  }

  async #commitNext([puts, deletes, durable]: Commit): Promise<void> {
    const written = this.#p.store.commit(puts, deletes)
    // At once: what this commit releases may read it.
    try {
      while (typeof this.#waiting[0] === 'function') (this.#waiting.shift() as () => void)()
    } finally {
      await written
    }
    if (!this.#stopped) this.#stored(puts, durable)
  }

  #recordsOf(job: Job): Records {
    const records = new Map<string, string | Uint8Array>()
    const { store } = this.#p
    const into = draftOf(job)
    if (into !== undefined) records.set(into, store.draftFile(into))
    for (const { record } of storedOf(job)) {
      const where = records.has(record) ? undefined : (store.fileOf(record) ?? store.get(record))
      if (where) records.set(record, where)
    }
    return records
  }

  #startJob(id: number, job: Job): void {
    this.#jobs.add(id)
    const run = () => this.#run(id, job)
    if (draftOf(job) === undefined) run()
    else this.#afterCommits(run)
  }

  #run(id: number, job: Job): void {
    // Cancelled while it waited.
    if (!this.#jobs.has(id)) return
    // Whether a cancelled job fails, ends, or is never heard of again is the runner's business, not the machine's.
    const hand = (input: Input) => {
      if (this.#jobs.delete(id)) this.input(input)
    }
    this.#p.jobs.run(id, job, this.#recordsOf(job)).then(
      result => hand({ kind: 'jobDone', id, result }),
      error => hand({ kind: 'jobFailed', id, reason: error instanceof Error ? error.message : 'unknown' }),
    )
  }

  /** A timer may fire a little before its time by this clock, and cannot wait for months: then it is set again. */
  #wake(at: Millis | undefined): void {
    clearTimeout(this.#timer)
    if (at === undefined || this.#stopped) return
    const wait = Math.min(Math.max(at - Date.now(), 0), TIMER_MAX_MS)
    this.#timer = setTimeout(() => {
      if (Date.now() < at) this.#wake(at)
      else this.input({ kind: 'tick' })
    }, wait)
  }
}
