/** The opened attempt as every derivation of its secrets sees it (SPEC S2). */
import { ascii, concatBytes, u32be } from '../bytes.ts'
import type { MemberId } from '../ports.ts'
import type { Body } from '../wire/messages.ts'

/** Public keys of one member of the cohort, as announced. */
export type PublicKeys = Pick<Body<'keys'>, 'mask' | 'channel' | 'selfCommit'>

/** The opened attempt as every derivation sees it. */
export interface CohortContext {
  readonly round: number
  readonly attempt: number
  /** Hash of the RoundOpened entry. */
  readonly opened: Uint8Array
  /** In the entry's order; a member's position is the index of its shares. */
  readonly cohort: readonly MemberId[]
  readonly keys: ReadonlyMap<MemberId, PublicKeys>
  /** Share threshold t. */
  readonly threshold: number
  /** Whether keys of pairwise masks may be opened later, by either of a pair: offers then commit to them (SPEC A2). */
  readonly audits: boolean
  /** Levels of noise that may come off the sum: all but the lowest. 0 where the sum has none. */
  readonly levels: number
}

/** What a key below the announcement is bound to: purpose, names, attempt and entry. */
export function info(context: CohortContext, purpose: string, ...members: readonly MemberId[]): Uint8Array {
  return concatBytes(
    ascii(`medmesh/1 ${purpose}\n${members.join('\n')}\n`),
    u32be(context.round, context.attempt),
    context.opened,
  )
}
