/** Which hospital the demo kills, and when: drawn from the seed, so that a run can be shown again. */
import { createHash } from 'node:crypto'
import type { MemberId } from '../../protocol/ports.ts'

export interface FaultPlan {
  readonly member: MemberId
  /** A training round of the middle third. */
  readonly round: number
  /** The phase that the hospital itself reports when it is killed. */
  readonly phase: string
}

/** A hospital that reports this has dealt its shares and begins to train: its input is lost, the most that a loss may cost. */
const PHASE = 'sharing'

/** `rounds`: training rounds, at least 1; `members` not empty. */
export function planFault(seed: number, members: readonly MemberId[], rounds: number): FaultPlan {
  const digest = createHash('sha256').update(`medmesh demo fault ${seed}`).digest()
  const first = Math.max(1, Math.ceil(rounds / 3))
  const last = Math.max(first, Math.floor((2 * rounds) / 3))
  return {
    member: members[digest.readUInt32BE(0) % members.length]!,
    round: first + (digest.readUInt32BE(4) % (last - first + 1)),
    phase: PHASE,
  }
}
