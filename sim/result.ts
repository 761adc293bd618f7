/** What a run of the simulator gives: for the command line, the report, benchmarks and tests. Plain data, goes to JSON as it is. */
import type { Scenario } from '../config/scenario.ts'
import type { MemberId, Metrics, Millis, Task } from '../protocol/ports.ts'
import type { Injected, Violation } from './observer.ts'

/** One attempt of a round. Times as in `RoundRecord`. */
export interface AttemptRecord {
  readonly attempt: number
  /** Where committees sum: whose attempt it was, if it was given up; undefined: the round as a whole. */
  readonly committee: number | undefined
  readonly openedAt: Millis
  /** When its survivors were fixed; undefined: never. */
  readonly fixedAt: Millis | undefined
  /** When it was closed or aborted; undefined: never. */
  readonly endedAt: Millis | undefined
  /** Hospitals in its cohort. */
  readonly cohort: number
  /** The ledger's reason; undefined: not aborted. */
  readonly aborted: string | undefined
  /** Whom the ledger excludes from the round's later attempts, and why; of a lost hospital `unshared`. */
  readonly culprits: readonly { readonly member: MemberId; readonly code: string }[]
}

/** Times are virtual milliseconds since the start of the run. */
export interface RoundRecord {
  readonly round: number
  readonly task: Task
  /** Attempts that it took, of committees the one that took most: 1 is the normal case. */
  readonly attempts: number
  /** Each of them, in order. */
  readonly tries: readonly AttemptRecord[]
  /** Of the first attempt. */
  readonly openedAt: Millis
  /** When the last of the survivors had trained, and had its masked input on the way; undefined: none did. */
  readonly learnedAt: Millis | undefined
  readonly deliveredAt: Millis | undefined
  /** When the survivors of the last attempt were fixed; undefined: never. */
  readonly fixedAt: Millis | undefined
  /** When the first and when the last hospital that was up held its closing entry; undefined: never. */
  readonly closedAt: Millis | undefined
  readonly closedEverywhereAt: Millis | undefined
  readonly cohort: readonly MemberId[]
  readonly survivors: readonly MemberId[]
  /**
   * Who was missing or left out, with the ledger's reason; `absent`: not in the cohort; `excluded`: not in it either, as the
   * culprit of an attempt before; `conflict`: nor, as the other in a conflict of attempts before, or with itself (SPEC L8).
   */
  readonly leftOut: readonly { readonly member: MemberId; readonly reason: string }[]
  /** Whom the ledger holds to have lied. */
  readonly accused: readonly { readonly member: MemberId; readonly code: string }[]
  readonly metrics: Metrics | undefined
  /** Distance of the model from the known optimum (synthetic learner): Euclidean; undefined: not known. */
  readonly distance: number | undefined
  /** Bytes on the wire while it was open, all hospitals. */
  readonly bytes: number
}

/** A stretch of one hospital's time, for the timeline. */
export interface Span {
  /** `hindered`: it could be reached, but slowly or not by all. Only `phase` and `down` never overlap. */
  readonly kind: 'phase' | 'down' | 'outage' | 'paused' | 'hindered'
  /**
   * `between`, `learning`, `sharing`, `delivered`, `opening`, `aside` (not in the cohort), `finished`; or what struck it, such as `outage`. In long runs
   * stretches are merged: `round` is a whole round, `rounds` several, from `round` on.
   */
  readonly what: string
  readonly round: number
  readonly from: Millis
  readonly to: Millis
}

export interface HospitalRecord {
  readonly id: MemberId
  readonly site: string
  /** Undefined: honest. */
  readonly behaviour: string | undefined
  /** On the wire, headers of all layers included. */
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly messages: number
  readonly crashes: number
  /** Time without a running process, and time in which its line was cut or it stood still. */
  readonly downMs: Millis
  readonly struckMs: Millis
  /** Closed rounds that its input is in. */
  readonly roundsIn: number
  readonly finished: boolean
  readonly spans: readonly Span[]
}

export interface Distribution {
  readonly count: number
  readonly mean: number
  readonly min: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly max: number
  /** Counts of equal bins from min to max. */
  readonly bins: readonly number[]
  /** The same in bins that grow by a quarter of a doubling, for a logarithmic axis; empty ones are left out. */
  readonly steps: readonly { readonly from: number; readonly to: number; readonly count: number }[]
}

export interface RunResult {
  readonly scenario: Scenario
  readonly seed: number
  /** No checker has anything to say and, where the scenario heals or has no faults, the study was finished. */
  readonly ok: boolean
  readonly finished: boolean
  readonly violations: readonly Violation[]
  /** How often each checker checked something. */
  readonly checked: Readonly<Record<string, number>>
  readonly events: number
  readonly virtualMs: Millis
  /** SHA-256 over all events in their order, hex: the same for the same commit and seed. */
  readonly traceHash: string
  readonly rounds: readonly RoundRecord[]
  readonly hospitals: readonly HospitalRecord[]
  /** Those that last, the first 20,000; `at` since the start of the run. */
  readonly injected: readonly Injected[]
  /** How often each kind of fault struck, links' losses and duplicates included. */
  readonly injectedByKind: Readonly<Record<string, number>>
  /** Messages that were sent and did not arrive, by why. */
  readonly lostByReason: Readonly<Record<string, number>>
  /** Milliseconds from sending to arrival, and bytes, of hops. */
  readonly latencyMs: Distribution
  readonly messageBytes: Distribution
}
