/**
 * Which rounds a ledger is about, and what becomes of what they sum. A study's own ledger has all its rounds and applies
 * each sum to the model; the ledger of a committee has one round, whose sum it hands on.
 */
import type { Charter } from '../../config/charter.ts'
import type { Task } from '../ports.ts'

export interface Plan {
  readonly first: number
  readonly last: number
  /** True: the opened sum makes the next model. False: it is handed on as it is, certified by its hash. */
  readonly applies: boolean
  /** For how many hospitals' inputs the sections are laid out; undefined: for the cohort's. */
  readonly hospitals: number | undefined
  /** Hash of the entry that the public seed follows from; undefined: of the one that opens the attempt. */
  readonly start: Uint8Array | undefined
}

export function studyPlan(charter: Charter): Plan {
  return {
    first: 0,
    last: charter.training.rounds + 1,
    applies: true,
    hospitals: undefined,
    start: undefined,
  }
}

/**
 * One committee's part of a round, so that its sum can be added to those of the others, `hospitals` in all. `start`: hash of
 * the study's last entry.
 */
export function committeePlan(round: number, hospitals: number, start: Uint8Array): Plan {
  return { first: round, last: round, applies: false, hospitals, start }
}

/** What a round is for: 0 sums statistics, 1 to R train, R + 1 only evaluates; undefined beyond. */
export function taskOf(charter: Charter, round: number): Task | undefined {
  if (round === 0) return 'statistics'
  if (round <= charter.training.rounds) return 'train'
  return round === charter.training.rounds + 1 ? 'evaluate' : undefined
}
