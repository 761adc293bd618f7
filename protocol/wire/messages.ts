/**
 * The bodies of all messages but the consensus ones, with every length bounded (SPEC W1 to W3).
 * `gossip` messages are signed by their author, public to all members and kept for peers that missed them.
 * `stream` messages go to one member; those that anyone may check against something signed carry no signature.
 */
import { z } from 'zod'
import { HYBRID_PUBLIC_KEY_BYTES, KEM_CIPHERTEXT_BYTES } from '../crypto/kem.ts'
import { RecordSchema } from '../ledger/certificate.ts'
import { bytes, bytesMax, uint } from './codec.ts'
import * as limits from './limits.ts'

const hash = bytes(32)
const round = uint(limits.ROUND_MAX)
const attempt = uint(limits.ATTEMPT_MAX)
const index = uint(limits.MEMBERS_MAX)
const bitmap = bytesMax(Math.ceil(limits.MEMBERS_MAX / 8))
/** `opened` and `fixed` are hashes of the RoundOpened and SurvivorsFixed entries that the message belongs to. */
const inAttempt = { round, attempt, opened: hash }
const inOpening = { round, attempt, fixed: hash }
/** `parts` parts from `part` on of what has this hash; and one of them: each but the last is of `PART_BYTES`. */
const asked = { hash, part: uint(limits.PARTS_MAX - 1), parts: uint(limits.PARTS_MAX) }
const given = { hash, part: uint(limits.PARTS_MAX - 1), data: bytesMax(limits.PART_BYTES) }

export const BODIES = {
  /** Fresh public keys for one attempt, before it is opened. `head`: the ledger's last entry. */
  keys: z.strictObject({
    round,
    attempt,
    head: hash,
    mask: bytes(HYBRID_PUBLIC_KEY_BYTES),
    channel: bytes(HYBRID_PUBLIC_KEY_BYTES),
    selfCommit: hash,
    /** Where contributions are audited and nothing is noised: training rows of the sender. */
    samples: uint(limits.SAMPLES_MAX).optional(),
  }),
  /**
   * Digests of all shares, and the mask key encapsulations to those this member encapsulates to, in cohort order. Where noise may come off
   * the sum, the last of the chain of its levels' seeds.
   */
  offer: z.strictObject({
    ...inAttempt,
    digests: bytesMax(64 * limits.MEMBERS_MAX),
    ciphertexts: z.array(bytes(KEM_CIPHERTEXT_BYTES)).max(limits.MEMBERS_MAX),
    /** Where contributions are audited: a digest of the key of each of these encapsulations. */
    pairDigests: bytesMax(32 * limits.MEMBERS_MAX).optional(),
    anchor: hash.optional(),
  }),
  /** The seed shares of one recipient, sealed under the channel key: of the two seeds, and of those of the levels of noise. */
  sealed: z.strictObject({
    ...inAttempt,
    ciphertext: bytes(KEM_CIPHERTEXT_BYTES),
    box: bytesMax(32 * (2 + limits.NOISE_LEVELS_MAX) + 16),
  }),
  /** Commitment to the masked input: a hash for each shard; a small input comes along whole. */
  input: z.strictObject({
    ...inAttempt,
    /** Of all offers of the cohort as this member was dealt them: who was told something else is seen. */
    offers: hash,
    hashes: bytesMax(32 * limits.MEMBERS_MAX),
    data: bytesMax(limits.GOSSIP_DATA_BYTES_MAX),
  }),
  /** For each shard that the author owns: whose slices it holds, durably. A later one covers an earlier one. */
  receipt: z.strictObject({
    ...inAttempt,
    /** The commitment of each of the cohort that the slices are of: the first 16 bytes of its root, zeros where none is held. */
    roots: bytesMax(16 * limits.MEMBERS_MAX),
    held: z.array(z.strictObject({ shard: index, from: bitmap })).max(limits.MEMBERS_MAX),
  }),
  /** Members whose offer or sealed shares have not come, when half of the deadline is over. */
  complaint: z.strictObject({ ...inAttempt, missing: bitmap }),
  /** An owner's claim: the hash of its shard's sum over the survivors, without masks. */
  claim: z.strictObject({ ...inOpening, shard: index, sum: hash }),
  /**
   * For each member of the cohort one share: of the self-mask seed (survivor) or of the mask seed (dropout). Then, where noise comes off the
   * sum, for each survivor one of the seed of the first level that does.
   */
  reveal: z.strictObject({
    ...inOpening,
    offers: hash,
    shares: bytesMax(2 * 32 * limits.MEMBERS_MAX),
  }),
  /** In an audit: the keys of the survivor's pairwise masks with those of other groups, 32 bytes each, in the cohort's order. */
  pairs: z.strictObject({ ...inOpening, offers: hash, keys: bytesMax(32 * limits.MEMBERS_MAX) }),
  /** The survivor's tags of its own shards, without those of their masks that have been revealed, under the claims' coin. */
  tags: z.strictObject({ ...inOpening, claims: hash, tags: bytesMax(16 * limits.MEMBERS_MAX) }),

  /** Asks for parts of the slice that a commitment names, or the sum that a claim names. */
  ask: z.strictObject({ ...inAttempt, ...asked }),
  part: z.strictObject({ ...inAttempt, ...given }),
  /** Asks for parts of the encoding (`model/state.ts`) of the model that the ledger names now. */
  modelAsk: z.strictObject(asked),
  modelPart: z.strictObject(given),
  /** What the sender knows: its height, and 8-byte prefixes of the hashes of the messages it holds there. */
  status: z.strictObject({
    height: uint(Number.MAX_SAFE_INTEGER),
    have: bytesMax(8 * limits.HAVE_MAX),
    model: hash,
  }),
  /** A certified ledger entry, as it is stored. */
  entry: RecordSchema,
} as const

export type BodyType = keyof typeof BODIES
export type Body<T extends BodyType> = z.infer<(typeof BODIES)[T]>

/** Which way a message comes; the other way is a fault. Gossip messages may also be relayed over a stream. */
export const GOSSIP_TYPES = [
  'keys',
  'offer',
  'input',
  'receipt',
  'complaint',
  'claim',
  'reveal',
  'pairs',
  'tags',
] as const
export type GossipType = (typeof GOSSIP_TYPES)[number]
export const STREAM_TYPES = ['sealed', 'ask', 'part', 'status', 'entry', 'modelAsk', 'modelPart'] as const
export type StreamType = (typeof STREAM_TYPES)[number]
