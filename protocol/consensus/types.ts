/** What consensus takes from its host and what it gives back. */
import type { Fault } from '../fault.ts'
import type { Certificate } from '../ledger/certificate.ts'
import type { MemberId, Millis } from '../ports.ts'

/** `unknown`: the host cannot tell yet; it calls `poll` when it may know more. */
export type Verdict = 'valid' | 'invalid' | 'unknown'

export interface ConsensusHost {
  /** The entry that this peer would propose now; undefined: none yet (asked again at each poll). */
  value(): Uint8Array | undefined
  /** Whether `value` may be decided. `prevoters`: whose prevotes for it are known (one of f + 1 is honest). */
  check(value: Uint8Array, prevoters: readonly MemberId[]): Verdict
}

export interface ConsensusOptions {
  /** Hash of the study's first charter, 32 bytes. */
  readonly network: Uint8Array
  readonly height: number
  /** Who this peer is; without it (or without a vote) it only listens. `seed`: Ed25519, 32 bytes. */
  readonly self?: { readonly id: MemberId; readonly seed: Uint8Array } | undefined
  readonly voters: readonly MemberId[]
  /** floor((n + f) / 2) + 1. */
  readonly quorum: number
  /** f: voters that may be malicious. */
  readonly faultyMax: number
  /** Timeout of a step in view 0; each further view adds as much again. */
  readonly viewTimeoutMs: Millis
  proposerOf(view: number): MemberId
  publicKeyOf(member: MemberId): Uint8Array
  readonly host: ConsensusHost
}

export interface Blame {
  /** undefined: whoever handed the message over, as nothing shows that its named author wrote it. */
  readonly peer: MemberId | undefined
  readonly fault: Fault
  /** Signed messages that show it to others; empty where there is nothing to show. */
  readonly evidence: readonly Uint8Array[]
}

export interface Decision {
  readonly value: Uint8Array
  readonly certificate: Certificate
}

/** What follows from one input. */
export interface Step {
  /** Own signed messages: durable first, then published. */
  readonly say: readonly Uint8Array[]
  /** Others' messages to make durable together with `say`: the proposal and the prevotes behind a new lock. */
  readonly keep: readonly Uint8Array[]
  /** The prevotes that let others vote for a proposal of `say` whose value is of an earlier view: published after it. */
  readonly pass: readonly Uint8Array[]
  /** Once. */
  readonly decided: Decision | undefined
  readonly faults: readonly Blame[]
  /** When `poll` must come at the latest. */
  readonly wakeAt: Millis | undefined
}
