/**
 * Every bound of what peers send each other, in one place: nothing that a peer controls grows without one.
 */

/** Gossip: 64 KiB a message, less room for the frame that the mesh puts around it. */
export const GOSSIP_MESSAGE_BYTES_MAX = 65_536 - 1_024

/** Streams: a part of a vector or a model, a committee's sum, a ledger record. */
export const STREAM_MESSAGE_BYTES_MAX = 8 * 1_048_576

/** Larger ones go to a member in a stream of their own: they and the others may overtake each other, and only so. */
export const LARGE_BYTES = 32_768

/** Version, type, sender, signature, the CBOR heads around a body and its small fields. */
export const ENVELOPE_BYTES_MAX = 1_024

/** A masked input that is gossiped whole; the charter's `gossipBytesMax` cannot be higher. */
export const GOSSIP_DATA_BYTES_MAX = 49_152

/** Vectors and models go over streams in parts of so many bytes: larger ones move no faster, smaller ones cost more to frame. */
export const PART_BYTES = 262_144

/** Parts of one slice, sum or model: 4 GiB of it. */
export const PARTS_MAX = 16_384

/** A committee's sum, which goes whole to those that decide, with two entries and a certificate. */
export const SUM_BYTES_MAX = STREAM_MESSAGE_BYTES_MAX - 4 * GOSSIP_MESSAGE_BYTES_MAX

/** An entry travels whole in a gossiped proposal, so it must leave room for the proposal and its envelope. */
export const ENTRY_BYTES_MAX = GOSSIP_MESSAGE_BYTES_MAX - ENVELOPE_BYTES_MAX

/** Members that vote and sum together, all or a committee: as many as Shamir shares have abscissas. */
export const MEMBERS_MAX = 255

/** Training rows that a hospital declares: the most that a charter's weightMax can be. */
export const SAMPLES_MAX = 1_000_000

/** A member's signed word that a suspended one may come back. */
export const RESTORATION_BYTES_MAX = 256
/** Levels of noise that may come off a sum (`privacy/shares.ts`): of 64 members, of which 33 survive at least, and of no cohort more. */
export const NOISE_LEVELS_MAX = 5

/** Committees of a round, as the charter's rules have it. */
export const COMMITTEES_MAX = 512

/** Accusations that the entry of a round of committees repeats. */
export const COMMITTEE_FAULTS_MAX = 64

/** A message that an accusation carries whole; of a larger one it carries the hash. */
export const EVIDENCE_BYTES_MAX = 6_144

/** Pairs of members that an aborted attempt leaves in conflict: all pairs of 64. */
export const CONFLICTS_MAX = 2_080

/** Evidence in one accusation: two contradicting messages, or a message and what it is measured against. */
export const EVIDENCE_MAX = 8

/** Training rounds (at most 100,000 by the charter's schema), and the statistics and evaluation rounds. */
export const ROUND_MAX = 100_001

/** Attempts of one round: far above what deadlines allow in a charter's validity. */
export const ATTEMPT_MAX = 1_000_000

/** Heights and views are unsigned 32-bit numbers. */
export const HEIGHT_MAX = 4_294_967_295
export const VIEW_MAX = 4_294_967_295

/** Unix time in milliseconds up to the end of the year 9999. */
export const AT_MS_MAX = 253_402_300_799_999

/** Views ahead of ours of which messages are kept: enough to follow, too few to fill memory. */
export const VIEWS_AHEAD_MAX = 16

/** Past views of which messages are kept beside those that a lock or a proposal points to. */
export const VIEWS_BEHIND_MAX = 2

/** Messages of the present height and attempt that a peer says it holds. */
export const HAVE_MAX = 4_096

/** Characters of a message type's name. */
export const TYPE_CHARS_MAX = 32

/** Nesting of a CBOR item: our deepest message has seven levels. */
export const CBOR_DEPTH_MAX = 16

/** Items in one CBOR message: vectors are byte strings, so 1,000 members with a few fields each is the most. */
export const CBOR_ITEMS_MAX = 65_536
