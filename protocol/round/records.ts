/** Durable records of an attempt: what a restarted peer must know to say nothing else than it has said (SPEC M3). */

import type { MemberId } from '../ports.ts'

/** All are forgotten when the attempt is over. */
export const RECORDS = {
  seed: 'attempt/seed',
  shares: 'attempt/shares',
  input: 'attempt/input',
  masked: 'attempt/masked',
  /** Commitments of whose slices receipts tell. */
  held: 'attempt/held',
  reveal: 'attempt/reveal',
  /** What the round gives, from the vote for it on. */
  outcome: 'attempt/outcome',
} as const

/** What receipts promise: each slice by itself, as a large one is written once only. */
const SLICES = 'attempt/slice/'

export function sliceKey(shard: number, member: MemberId): string {
  return `${SLICES}${shard}/${member}`
}

/** Of which slice the record is; undefined: of none. */
export function sliceOf(key: string): { readonly shard: number; readonly member: MemberId } | undefined {
  if (!key.startsWith(SLICES)) return undefined
  const [shard, member] = key.slice(SLICES.length).split('/')
  return { shard: Number(shard), member: member! }
}
