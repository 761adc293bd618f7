/** What checkers know of a run beforehand: more than any peer, and all of it fixed before the first event. */
import type { Charter } from '../../config/charter.ts'
import { committeeLargest } from '../../config/tail.ts'
import type { PeerConfig } from '../../protocol/peer.ts'
import type { MemberId, Millis } from '../../protocol/ports.ts'
import type { Residuals } from './residuals.ts'

export interface CheckContext {
  readonly charter: Charter
  readonly configs: ReadonlyMap<MemberId, PeerConfig>
  /** Members whose word counts for nothing. Read at each check, so that it may still grow before the world starts. */
  readonly liars: ReadonlySet<MemberId>
  /** Members that may be malicious, as the charter has it: checks of secrecy take the worst such coalition. */
  readonly f: number
  /** Since the run's start: when all faults have ended. Undefined: nothing is said about progress. */
  readonly healAtMs?: Millis
  /**
   * The longest that an honest hospital may take between the opening of a round and its delivered input once all is well:
   * training, disk and links together. Progress within a bound is only promised where deadlines leave room for it.
   */
  readonly slowestMs?: Millis
  /** Of all committees together, between which members take along what they owe. */
  readonly residuals?: Residuals
}

/** Floor((n + f) / 2) + 1, said here again: a checker that asked the protocol would believe its mistakes. */
export function quorumOf(n: number, f: number): number {
  return Math.floor((n + f) / 2) + 1
}

/** Votes that an entry of this study's ledger needs: of all members, or of those that a lot draws to decide. */
export function decidingQuorum({ charter, f }: CheckContext): number {
  const { committees, members } = charter
  if (!committees) return quorumOf(members.length, f)
  return quorumOf(committeeLargest(members.length, committees.size), committees.maliciousMax)
}

/**
 * Fewest survivors whose sum may be opened in a cohort of `n` (SPEC L6), and with all members as `n` the fewest that a
 * cohort may have (L5).
 */
export function survivorsMinOf({ charter, f }: CheckContext, n: number): number {
  return Math.max(quorumOf(n, f), charter.secureSum.survivorsMin, Math.max(f, 1) + 2)
}

/** `round.attempt`, as sentences and maps name an attempt. */
export function attemptName(of: { readonly round: number; readonly attempt: number }): string {
  return `${of.round}.${of.attempt}`
}
