/** Durable records of an attempt: what a restarted peer must know to say nothing else than it has said (SPEC M3). */
import { z } from 'zod'
import type { MemberId } from '../ports.ts'
import { bytes, bytesMax, decodeAnew, encode, memberId, uint } from '../wire/codec.ts'
import { GOSSIP_MESSAGE_BYTES_MAX, MEMBERS_MAX, NOISE_LEVELS_MAX } from '../wire/limits.ts'
import type { MemberShares } from './secrets.ts'

/** All are forgotten when the attempt is over. */
export const RECORDS = {
  seed: 'attempt/seed',
  shares: 'attempt/shares',
  input: 'attempt/input',
  masked: 'attempt/masked',
  /** Of which shards receipts tell, and the commitments of whose slices. */
  held: 'attempt/held',
  reveal: 'attempt/reveal',
  pairs: 'attempt/pairs',
  tags: 'attempt/tags',
  /** What the round gives, from the vote for it on. */
  outcome: 'attempt/outcome',
} as const

/** Of drafts, which are no records: each has another name, as one that has become a record must not be written into again. */
const DRAFTS = 'draft/'

export function draftKey(
  attempt: { readonly round: number; readonly attempt: number },
  what: string,
): string {
  return `${DRAFTS}${attempt.round}.${attempt.attempt}/${what}`
}

export function isDraft(record: string): boolean {
  return record.startsWith(DRAFTS)
}

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

const HeldRecord = z.strictObject({
  inputs: z.array(bytesMax(GOSSIP_MESSAGE_BYTES_MAX)).max(MEMBERS_MAX),
  shards: z.array(uint(MEMBERS_MAX)).max(MEMBERS_MAX),
})

/** `inputs`: the messages that commit to slices of the shards. */
export function encodeHeld(inputs: readonly Uint8Array[], shards: Iterable<number>): Uint8Array {
  return encode({ inputs, shards: [...shards] })
}

/** Undefined where there is none. */
export function decodeHeld(record: Uint8Array | undefined): z.infer<typeof HeldRecord> | undefined {
  // Of one's own disk, and larger than any message where there are many members.
  const held = record && decodeAnew(record, HeldRecord)
  return held?.ok ? held.value : undefined
}

const SharesRecord = z
  .array(
    z.strictObject({
      from: memberId,
      self: bytes(32),
      mask: bytes(32),
      levels: z.array(bytes(32)).max(NOISE_LEVELS_MAX).optional(),
    }),
  )
  .max(MEMBERS_MAX)

/** By dealer. Where no noise may come off the sum there are no levels. */
export function encodeShares(shares: ReadonlyMap<MemberId, MemberShares>): Uint8Array {
  return encode(
    [...shares].map(([from, { self, mask, levels }]) => ({
      from,
      self,
      mask,
      ...(levels.length > 0 && { levels }),
    })),
  )
}

/** Undefined where there is none, or it cannot be read. */
export function decodeShares(
  record: Uint8Array | undefined,
): ReadonlyMap<MemberId, MemberShares> | undefined {
  const shares = record && decodeAnew(record, SharesRecord)
  if (!shares?.ok) return undefined
  return new Map(shares.value.map(({ from, self, mask, levels = [] }) => [from, { self, mask, levels }]))
}
