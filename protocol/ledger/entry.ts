/**
 * What the ledger can say: the schema of its entries, their one encoding and their hash. Whether an entry may
 * follow is `state.ts`'s question; that a quorum decided it is `certificate.ts`'s.
 */
import { z } from 'zod'
import { SKETCH } from '../contribution/sketch.ts'
import { sha256 } from '../crypto/hash.ts'
import { FAULTS, type FaultCode } from '../fault.ts'
import { Memo } from '../memo.ts'
import type { Result } from '../result.ts'
import { bytes, bytesMax, decode, encode, list, memberId, uint } from '../wire/codec.ts'
import {
  AT_MS_MAX,
  ATTEMPT_MAX,
  COMMITTEE_FAULTS_MAX,
  COMMITTEES_MAX,
  CONFLICTS_MAX,
  ENTRY_BYTES_MAX,
  EVIDENCE_MAX,
  HEIGHT_MAX,
  MEMBERS_MAX,
  RESTORATION_BYTES_MAX,
  ROUND_MAX,
  SAMPLES_MAX,
} from '../wire/limits.ts'

const hash = bytes(32)
const members = list(memberId, MEMBERS_MAX)
const attemptOf = { round: uint(ROUND_MAX), attempt: uint(ATTEMPT_MAX) }
const faultCode = z.enum(Object.keys(FAULTS) as [FaultCode, ...FaultCode[]])

/** A member's fault with the signed messages that show it to anyone who holds the charter. */
export const AccusationSchema = z.strictObject({
  member: memberId,
  code: faultCode,
  evidence: list(bytesMax(ENTRY_BYTES_MAX), EVIDENCE_MAX),
})

export const RoundOpenedSchema = z.strictObject({
  kind: z.literal('RoundOpened'),
  ...attemptOf,
  task: z.enum(['statistics', 'train', 'evaluate']),
  charter: hash,
  /** Hash of the model that the round starts from. */
  model: hash,
  /** In the charter's order. `keys`: hash of the member's signed announcement of this attempt's keys. */
  cohort: list(
    z.strictObject({
      member: memberId,
      keys: hash,
      /** Training rows that it declared, where contributions are audited and nothing is noised. */
      samples: uint(SAMPLES_MAX).optional(),
    }),
    MEMBERS_MAX,
  ),
  /** Who could have been in the cohort and is not; in the charter's order. */
  absent: members,
})

export const SurvivorsFixedSchema = z.strictObject({
  kind: z.literal('SurvivorsFixed'),
  ...attemptOf,
  /** In the cohort's order. `root`: the commitment to all shards of the masked input. */
  survivors: list(z.strictObject({ member: memberId, root: hash }), MEMBERS_MAX),
  /** The rest of the cohort, in its order. */
  leftOut: list(
    z.strictObject({
      member: memberId,
      reason: z.enum(['silent', 'undelivered', 'corrupt', 'unshared']),
      /** What it signed: its commitment, or the hash of it; empty when nothing came. */
      evidence: list(bytesMax(ENTRY_BYTES_MAX), EVIDENCE_MAX),
    }),
    MEMBERS_MAX,
  ),
  /** The owner of shard k. */
  owners: members,
})

export const MetricsSchema = z.strictObject({
  testSamples: uint(),
  auc: z.number().min(0).max(1),
  accuracy: z.number().min(0).max(1),
  loss: z.number().min(0),
})

/** Sketches as `contribution/sketch.ts` has them. */
const kept = bytesMax(4 * SKETCH)
const AuditSchema = z.strictObject({
  /** In the order of groups. */
  groups: list(
    z.strictObject({
      /** Whether its sum is in the round's: it is no longer than its members may have made it. */
      counts: z.boolean(),
      /** Of its members' weights together, as they summed them. */
      weight: z.number().min(0),
      /** Training rows, as they summed them; 0 where rows are not counted. */
      samples: uint(),
      /** Of the updates, each times its weight. */
      sum: kept,
    }),
    MEMBERS_MAX,
  ),
  /** Of the parameters after the round less those that the study began with. */
  progress: kept,
})

export const RoundClosedSchema = z.strictObject({
  kind: z.literal('RoundClosed'),
  ...attemptOf,
  /** Hash of the survivors' self-mask seeds, which nobody could choose (SPEC S14): lots are drawn of it. */
  seeds: hash,
  /** Hash of the opened sum. */
  sum: hash,
  /** Hash of the model after the round. */
  model: hash,
  /** Rows that took part, over all survivors. */
  samples: uint(),
  /** Of the round's starting model; null where nothing was measured. */
  metrics: MetricsSchema.nullable(),
  /** Privacy spent in the study so far; 0 without differential privacy. */
  epsilon: z.number().min(0),
  faults: list(AccusationSchema, MEMBERS_MAX),
  /** What an audit found in each group (SPEC A5); absent where none was drawn. Who is in which follows from `seeds`. */
  audit: AuditSchema.optional(),
})

export const RoundAbortedSchema = z.strictObject({
  kind: z.literal('RoundAborted'),
  ...attemptOf,
  reason: z.enum(['tooFewInputs', 'notOpened', 'culprit']),
  /** They are not in the cohort of this round's later attempts. */
  culprits: list(AccusationSchema, MEMBERS_MAX),
  /**
   * Of whom one or the other did not do its part, or could not reach the other: by index in the cohort, the lower first, in
   * ascending order; twice the same: who did not do its part for all. From the round's third attempt on not both of a pair are in a cohort.
   */
  conflicts: list(z.tuple([uint(MEMBERS_MAX), uint(MEMBERS_MAX)]), CONFLICTS_MAX),
})

/** Where committees sum: the round as a whole, decided by the committee that was drawn for it (SPEC T5). */
export const CommitteesSummedSchema = z.strictObject({
  kind: z.literal('CommitteesSummed'),
  round: uint(ROUND_MAX),
  task: z.enum(['statistics', 'train', 'evaluate']),
  /** Those whose sums are in the sum, by index. `survivors`: bits in the committee's order. */
  committees: list(
    z.strictObject({
      index: uint(COMMITTEES_MAX),
      /** As the committee certified it, as is the sum's hash. */
      seeds: hash,
      sum: hash,
      survivors: bytesMax(Math.ceil(MEMBERS_MAX / 8)),
    }),
    COMMITTEES_MAX,
  ),
  /** The other committees. */
  missing: list(uint(COMMITTEES_MAX), COMMITTEES_MAX),
  /** Hash of the sum of the committees' sums. */
  sum: hash,
  model: hash,
  samples: uint(),
  metrics: MetricsSchema.nullable(),
  epsilon: z.number().min(0),
  /** Whom the committees' entries accuse; the evidence is in those. */
  faults: list(z.strictObject({ member: memberId, code: faultCode }), COMMITTEE_FAULTS_MAX),
})

export const BodySchema = z.discriminatedUnion('kind', [
  RoundOpenedSchema,
  SurvivorsFixedSchema,
  RoundClosedSchema,
  RoundAbortedSchema,
  CommitteesSummedSchema,
  z.strictObject({ kind: z.literal('CharterAdopted'), charter: hash, version: uint(1_000_000) }),
  /** Follows from the audits before it: `audits` in a row speak against the member. */
  z.strictObject({ kind: z.literal('MemberSuspended'), member: memberId, audits: uint(ROUND_MAX) }),
  z.strictObject({
    kind: z.literal('MemberRestored'),
    member: memberId,
    /** Of a quorum of the others, as `restore.ts` has them. */
    signatures: list(bytesMax(RESTORATION_BYTES_MAX), MEMBERS_MAX),
  }),
  /** `rounds`: training rounds; `model`: hash of the study's result. */
  z.strictObject({ kind: z.literal('StudyFinished'), rounds: uint(ROUND_MAX), model: hash }),
])

export const EntrySchema = z.strictObject({
  /** 1 for the first entry. */
  height: uint(HEIGHT_MAX),
  /** Hash of the entry before; of the charter for the first. */
  prev: hash,
  /** Unix time in milliseconds, as the proposer claims it. */
  at: uint(AT_MS_MAX),
  body: BodySchema,
})

export type Accusation = z.infer<typeof AccusationSchema>
export type RoundOpened = z.infer<typeof RoundOpenedSchema>
export type SurvivorsFixed = z.infer<typeof SurvivorsFixedSchema>
export type RoundClosed = z.infer<typeof RoundClosedSchema>
export type RoundAborted = z.infer<typeof RoundAbortedSchema>
export type CommitteesSummed = z.infer<typeof CommitteesSummedSchema>
export type Body = z.infer<typeof BodySchema>
export type Entry = z.infer<typeof EntrySchema>

/** The entry's one encoding: what consensus decides on, at most `ENTRY_BYTES_MAX` for a valid one. */
export function encodeEntry(entry: Entry): Uint8Array {
  return encode(entry)
}

/** From hostile bytes; the error says where, never what. */
export function decodeEntry(entryBytes: Uint8Array): Result<Entry, string> {
  const entry = decode(entryBytes, EntrySchema, ENTRY_BYTES_MAX)
  if (entry.ok) decodedFrom.set(entry.value, entryBytes)
  return entry
}

/** Each entry has one encoding, so what it was decoded from is what it would be encoded to. */
const decodedFrom = new Memo<Entry, Uint8Array>()
const hashes = new Memo<Entry, Uint8Array>()

/** Hash of an entry that was decoded or made; computed once. */
export function hashOf(entry: Entry): Uint8Array {
  const known = hashes.get(entry)
  if (known) return known
  const hash = entryHash(decodedFrom.get(entry) ?? encodeEntry(entry))
  hashes.set(entry, hash)
  return hash
}

/** What votes, certificates and the next entry's `prev` name: SHA-256 of the encoded entry. */
export function entryHash(entryBytes: Uint8Array): Uint8Array {
  return sha256(entryBytes)
}
