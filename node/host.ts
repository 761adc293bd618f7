/** The node's side of the ports: the same driver and machine as in the simulator, on sockets, SQLite and a worker. */
import { randomBytes } from 'node:crypto'
import { Driver, type HostPorts } from '../protocol/driver.ts'
import type { Fault } from '../protocol/fault.ts'
import { Peer, type PeerConfig } from '../protocol/peer.ts'
import type { Event, Input, Job, JobResult, MemberId, Millis, Verdict } from '../protocol/ports.ts'

/** What of the network the host uses; `node/net` implements it. */
export interface HostNet {
  publish(bytes: Uint8Array): void
  send(to: MemberId, bytes: Uint8Array): void
}

export interface HostStore {
  load(): ReadonlyMap<string, Uint8Array>
  get(key: string): Uint8Array | undefined
  /** Durable when it returns. */
  commit(puts: readonly (readonly [string, Uint8Array])[], deletes: readonly string[]): void
}

export interface HostJobs {
  run(id: number, job: Job): Promise<JobResult>
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
}

/** Longest time that a timer can wait; longer ones are set again. */
const TIMER_MAX_MS = 2 ** 31 - 1

export class NodeHost {
  readonly peer: Peer
  readonly #p: HostParts
  readonly #driver: Driver
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(parts: HostParts) {
    this.#p = parts
    this.peer = new Peer(parts.config)
    this.#driver = new Driver(this.peer, parts.config.self, this.#ports())
  }

  start(): void {
    this.input({ kind: 'start', entropy: new Uint8Array(randomBytes(32)), durable: this.#p.store.load() })
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  message(from: MemberId, via: 'gossip' | 'stream', bytes: Uint8Array): Verdict {
    return this.input({ kind: 'message', from, via, bytes }) ?? 'ignore'
  }

  input(input: Input): Verdict | undefined {
    if (this.#stopped) return undefined
    try {
      return this.#driver.input(input, Date.now())
    } catch (error) {
      this.stop()
      this.#p.onBroken(error)
      return undefined
    }
  }

  #ports(): HostPorts {
    const { net, store, jobs } = this.#p
    return {
      publish: bytes => net.publish(bytes),
      send: (to, bytes) => net.send(to, bytes),
      commit: (puts, deletes, durable) => {
        store.commit(puts, deletes)
        durable()
      },
      read: key => store.get(key),
      startJob: (id, job) => {
        jobs.run(id, job).then(
          result => void this.input({ kind: 'jobDone', id, result }),
          error =>
            void this.input({
              kind: 'jobFailed',
              id,
              reason: error instanceof Error ? error.message : 'unknown',
            }),
        )
      },
      cancelJob: id => jobs.cancel(id),
      fault: (peer, fault) => this.#p.onFault(peer, fault),
      event: event => this.#p.onEvent(event),
      wakeAt: at => this.#wake(at),
    }
  }

  #wake(at: Millis | undefined): void {
    clearTimeout(this.#timer)
    if (at === undefined || this.#stopped) return
    const wait = Math.min(Math.max(at - Date.now(), 0), TIMER_MAX_MS)
    this.#timer = setTimeout(() => void this.input({ kind: 'tick' }), wait)
  }
}
