/** Messages between members of a study with committees, beside those of one ledger (SPEC T3, T4). */
import { z } from 'zod'
import { RecordSchema } from '../ledger/certificate.ts'
import { bytes, bytesMax, uint } from '../wire/codec.ts'
import {
  COMMITTEES_MAX,
  ENTRY_BYTES_MAX,
  ROUND_MAX,
  STREAM_MESSAGE_BYTES_MAX,
  SUM_BYTES_MAX,
} from '../wire/limits.ts'

export const COMMITTEE_BODIES = {
  /** A message of one committee's own ledger and sum, to another of its members. `committee`: its hash. */
  committee: z.strictObject({
    round: uint(ROUND_MAX + 1),
    committee: bytes(32),
    message: bytesMax(STREAM_MESSAGE_BYTES_MAX),
  }),
  /** A committee's sum with the entry that certifies its hash, and the entry before it, which names the survivors. */
  committeeSum: z.strictObject({
    round: uint(ROUND_MAX),
    index: uint(COMMITTEES_MAX),
    fixed: bytesMax(ENTRY_BYTES_MAX),
    closed: RecordSchema,
    /** Residues, little-endian. */
    data: bytesMax(SUM_BYTES_MAX),
  }),
} as const

export type CommitteeType = keyof typeof COMMITTEE_BODIES
export type CommitteeBody<T extends CommitteeType> = z.infer<(typeof COMMITTEE_BODIES)[T]>
