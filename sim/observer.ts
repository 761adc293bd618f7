/**
 * What can be watched in a simulated world: more than any peer sees. Checkers, the trace and the report are observers;
 * they change nothing. All methods are optional; observers are called in the order in which the world was given them.
 */
import type { Fault } from '../protocol/fault.ts'
import type { Event, Input, Job, JobResult, MemberId, Millis, Output } from '../protocol/ports.ts'
import type { SimHost } from './host.ts'
import type { World } from './world.ts'

export type Via = 'gossip' | 'stream'

/** Why bytes did not arrive. `full`: a queue was at its bound. */
export type Loss = 'lost' | 'cut' | 'down' | 'unreachable' | 'full'

/**
 * One hop of one message: by gossip a message makes many, relayed by `from`. Between two hospitals behind NAT a stream
 * message makes two, by a third that carries what it cannot read; it is delivered from the first to the last.
 */
export interface Hop {
  readonly from: MemberId
  readonly to: MemberId
  readonly via: Via
  readonly bytes: Uint8Array
  /** Bytes on the wire, headers of all layers included; the world always says. */
  readonly wireBytes?: number
  /** The world's time when it was put on the link; undefined: not known, and then it is not in the latencies. */
  readonly sentAt?: Millis
}

/** Something that the scenario did to the world; `kind` as in `config/scenario.ts`, or a link's own loss and the like. */
export interface Injected {
  readonly at: Millis
  readonly kind: string
  readonly hospitals: readonly MemberId[]
  /** For people, such as 'for 360 s'. */
  readonly detail: string
  /** How long it lasts; undefined: over at once, or for good. What it cost is counted over this time. */
  readonly forMs?: Millis
}

export interface Observer {
  /** First of all calls. */
  onWorld?(world: World): void
  /** A life begins; its `start` input follows. */
  onStart?(host: SimHost): void
  /** A life has ended. `broken`: the machine threw. */
  onCrash?(host: SimHost, why: 'scheduled' | 'step' | 'broken', error?: unknown): void
  /** Before the machine handles it; `now`: the host's own clock. */
  onInput?(host: SimHost, input: Input, now: Millis): void
  /** What the machine made of it, before anything of it is performed. */
  onOutput?(host: SimHost, input: Input, output: Output): void
  /** Durable now. */
  onCommit?(
    host: SimHost,
    puts: readonly (readonly [key: string, value: Uint8Array])[],
    deletes: readonly string[],
  ): void
  /** A crash took commits that were not durable yet (`torn`: or half of one). */
  onLostCommit?(host: SimHost, keys: readonly string[], how: 'lost' | 'torn'): void
  /** Leaves the machine's host, by its own will: `to` undefined: published. Relayed gossip is not told here. */
  onRelease?(host: SimHost, to: MemberId | undefined, bytes: Uint8Array): void
  /** Sent over a link: counts as bytes on the wire, also where it is lost or a duplicate. */
  onHop?(hop: Hop): void
  /** Handed to the receiving machine (a gossip message once, a stream message each time). */
  onDelivered?(hop: Hop): void
  onLoss?(hop: Hop, why: Loss): void
  /** A job was done; with all that is secret in it. */
  onJob?(host: SimHost, job: Job, result: JobResult): void
  onEvent?(host: SimHost, event: Event): void
  onFault?(host: SimHost, peer: MemberId, fault: Fault): void
  onInjected?(what: Injected): void
  /** After each event of the heap and all that followed from it. */
  afterEvent?(now: Millis): void
}

/** A rule that was broken, found by a checker. */
export interface Violation {
  /** The checker's name, such as `agreement`. */
  readonly checker: string
  /** One sentence with names, rounds and heights; nothing random in it, so that one bug gives one sentence. */
  readonly says: string
  readonly at: Millis
  /** Number of the heap's event after which it was found. */
  readonly event: number
}

/** An observer that judges. Each is one file in `checkers/`, made anew for each run. */
export interface Checker extends Observer {
  readonly name: string
  readonly violations: readonly Violation[]
  /** How often something was really checked: a checker that checked nothing has shown nothing. */
  readonly checked: number
  /** Called once after the run's last event. */
  finish?(): void
}
