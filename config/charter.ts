/**
 * The charter: what the hospitals agreed. This file is its schema; what is signed is the RFC 8785 form of a
 * value that it accepts. Every clause here is enforced somewhere; a clause that nothing enforces does not belong here.
 * That is why members have no roles: no part of the program would yet treat one member unlike another.
 *
 * What one field alone cannot say (f against the number of members, the manifest against the layers) is in rules.ts.
 */
import { z } from 'zod'
import { BITS_PER_VALUE } from './lanes.ts'

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits (SHA-256)')
const publicKey = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits (an Ed25519 public key)')
const slug = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,30}[a-z0-9]$/, 'must be 2 to 32 of a-z, 0-9 and -, starting with a letter')
const day = z.iso.date()
const millis = z.int().min(1).max(86_400_000)
/**
 * One line that shows what it holds: no control, invisible or text-turning characters, with which two names could look
 * alike, or a charter write to the terminal that shows it.
 */
const line = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]*$/u, 'must be one line without invisible characters')
/** The same with line ends. */
const text = z
  .string()
  .min(1)
  .max(2000)
  .regex(/^(?:[^\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]|\n)*$/u, 'must have no invisible characters')
const column = line(64)

export const MemberSchema = z.strictObject({
  id: slug,
  name: line(200),
  publicKey,
  /** Multiaddrs without the /p2p part, such as /ip4/192.0.2.7/tcp/4001. */
  addresses: z.array(line(200)).min(1).max(8),
})

/**
 * A column of the data and how it enters the model. Every model input (a number, a 0 or 1, each column of a one-hot
 * category) is normalised alike, by the mean and deviation of all members' training rows together (round 0).
 */
export const FeatureSchema = z.discriminatedUnion('type', [
  /** Gives one model input. A value outside min to max is an error in the data, not clipped. */
  z.strictObject({
    name: column,
    type: z.literal('number'),
    unit: line(32),
    min: z.number(),
    max: z.number(),
    description: text,
  }),
  /** 0 or 1 in the data; gives one model input. */
  z.strictObject({ name: column, type: z.literal('boolean'), description: text }),
  /** One-hot without the first value (the reference category): one model input for each other value, in this order. */
  z.strictObject({
    name: column,
    type: z.literal('category'),
    values: z.array(line(64)).min(2).max(64),
    codeSystem: text,
    description: text,
  }),
])

export const WeightSchema = z.strictObject({
  name: line(200),
  shape: z.array(z.int().min(1).max(100_000_000)).min(1).max(6),
  initialiser: z.enum(['zeros', 'ones', 'glorotUniform']),
})

const TrainingSchema = z.strictObject({
  /** Training rounds; a statistics round goes before and an evaluation round after them. */
  rounds: z.int().min(1).max(100_000),
  /** Minibatch updates that each hospital makes in a round. */
  localUpdates: z.int().min(1).max(1_000_000),
  batchSize: z.int().min(1).max(65_536),
  optimizer: z.enum(['sgd', 'adam']),
  learningRate: z.number().gt(0).max(10),
  /** L2 norm to which a hospital's whole update is clipped before it is weighted. */
  clipNorm: z.number().gt(0).max(1e6),
  /** Training rows above which a hospital's weight grows no further. */
  weightMax: z.int().min(1).max(1_000_000),
  /** What weighs a hospital in the mean: its training rows, or one hospital one vote. */
  weighting: z.enum(['samples', 'equal']),
})

export const CompressionSchema = z.strictObject({
  /** Bits on the wire of each value of an update (10: two thirds more, as three values share 32 bits). 32: with `oneIn` or `rank`. */
  bitsPerValue: z.literal([32, ...BITS_PER_VALUE]),
  /** Spread each update over all its values by a rotation that all share, before it is rounded: finer steps for most models. */
  rotation: z.boolean(),
  /**
   * Of so many neighbouring values one is summed each round, drawn by lot, the same one for all hospitals; what a hospital could
   * not send it keeps in memory and adds to its next update.
   */
  oneIn: z.int().min(2).max(1024).optional(),
  /**
   * Of each matrix of weights only a factor of so many columns is summed each round, the left one and the right one in turn; what
   * a hospital could not send it keeps as with `oneIn`.
   */
  rank: z.int().min(1).max(64).optional(),
})

const SecureSumSchema = z.strictObject({
  /** 2^31 - 1: the modulus of masked inputs. */
  modulus: z.literal(2_147_483_647),
  /** Fewest survivors whose sum may be opened; never below max(f, 1) + 2. */
  survivorsMin: z.int().min(3).max(1000),
  /** After an entry, how long a new round waits for members that have announced no keys. */
  joinDeadlineMs: millis,
  /** After the opening, how long shares and masked inputs may take (training included). */
  inputDeadlineMs: millis,
  /** After the survivors are fixed, how long the opening of the sum may take. */
  openDeadlineMs: millis,
  /** First timeout of a consensus step; each further view adds as much again. */
  viewTimeoutMs: millis,
  /** How far a proposer's clock may be from a voter's. */
  clockSkewMaxMs: millis,
  /** Vectors of at most so many bytes are gossiped whole; larger ones go in shards over streams. */
  gossipBytesMax: z.int().min(0).max(49_152),
  /** Coarser updates, in fewer bytes. Without it a value of an update takes 32 bits, and rounding does not show. */
  compression: CompressionSchema.optional(),
})

/** Standard deviation of a sum's noise relative to what one patient, or one hospital, can change in it. */
const multiplier = z.number().min(0.1).max(10_000)
const Multipliers = z.strictObject({ statistics: multiplier, training: multiplier, evaluation: multiplier })
const epsilonMax = z.number().gt(0).max(1000)
const delta = z.number().gt(0).lt(1)

/** What is protected by noise. */
export const PrivacySchema = z.discriminatedUnion('unit', [
  /** No differential privacy: sums are exact. */
  z.strictObject({ unit: z.literal('none') }),
  /** One patient's row, at whichever hospital, against whoever sees the sums and the models, by DP-SGD (Abadi 2016). */
  z.strictObject({
    unit: z.literal('patient'),
    /**
     * `sum`: each round is one step over the rows of all hospitals together, with one noise, of which each of them adds a share
     * before it masks. `hospital`: each trains by itself, with all the noise in each of its steps, which is more and protects against
     * who sees its update alone too. The sums for normalisation and of the evaluation have the one noise in either.
     */
    noise: z.enum(['sum', 'hospital']),
    /** Training rows of all hospitals together, as they say before the study: a step divides by samplingRate times this. */
    patients: z.int().min(2).max(1_000_000_000),
    /** Probability with which a step takes a row, each by itself (Poisson). */
    samplingRate: z.number().gt(0).max(1),
    /** L2 norm to which the gradient of one row is clipped. */
    clipNorm: z.number().gt(0).max(1e6),
    /** Of the sums for normalisation, of each step of training, and of the counts of the evaluation at the end. */
    noiseMultiplier: Multipliers,
    /** The budget: a hospital gives nothing more that would take the study over it. */
    epsilonMax,
    /** At most one in `patients`. */
    delta,
  }),
  /**
   * All that one hospital gives, against whoever sees the sums and the models, by noise in every sum, of which each hospital adds a
   * share (McMahan 2018, with the update clipped to training.clipNorm). All hospitals weigh alike.
   */
  z.strictObject({
    unit: z.literal('hospital'),
    /** Of the sums for normalisation, of each training round, and of the evaluation at the end. */
    noiseMultiplier: Multipliers,
    epsilonMax,
    /** At most one in as many hospitals as there are. */
    delta,
  }),
])

/** How the hospitals see who contributes, though nobody sees what one of them gave (SPEC A). */
export const ContributionSchema = z.strictObject({
  /**
   * In some training rounds, drawn by lot when their inputs are fixed, the survivors are divided by lot into groups whose sums are opened
   * each for itself.
   */
  audit: z.strictObject({
    /** One in so many training rounds, on average; 1: each. */
    oneIn: z.int().min(1).max(1000),
    /** Fewest hospitals of a group. */
    groupSize: z.int().min(3).max(32),
  }),
  /** What follows from audits that speak against a member, one after the other. Without it: nothing, they are told. */
  standing: z
    .strictObject({
      /** So many put it on probation. */
      probationAfter: z.int().min(1).max(100),
      /** So many more, and it is suspended, until a quorum of the others restores it. */
      suspendAfter: z.int().min(1).max(100),
    })
    .optional(),
})

export const CharterSchema = z.strictObject({
  format: z.literal('medmesh-charter/1'),
  version: z.int().min(1).max(1_000_000),
  /** Hash of the previous version; null in version 1. */
  previous: hash.nullable(),
  study: z.strictObject({
    id: slug,
    title: line(200),
    purpose: text,
    legalBasis: text,
    agreement: z.strictObject({ title: line(200), sha256: hash }),
    validFrom: day,
    validUntil: day,
  }),
  /** Signatures that this charter needs to be in force (m of n). */
  threshold: z.int().min(1).max(4096),
  /** At most 255 without committees: seed shares go to the whole cohort, and one offer must hold their digests. */
  members: z.array(MemberSchema).min(3).max(4096),
  /** f: members that may be malicious and colluding without harm to agreement or secrecy. */
  maliciousMax: z.int().min(0).max(1365),
  /**
   * Beyond some hundred members: each round they are divided by lot into committees, each of which makes the secure sum
   * of its members, and one of which, drawn too, decides (SPEC T). Without it all decide and sum together.
   */
  committees: z
    .strictObject({
      /** Fewest members of a committee. */
      size: z.int().min(4).max(64),
      /** f of a committee: how many of its members may be malicious. */
      maliciousMax: z.int().min(0).max(21),
    })
    .optional(),
  data: z.strictObject({
    features: z.array(FeatureSchema).min(1).max(10_000),
    label: z.strictObject({
      name: column,
      positive: line(64),
      negative: line(64),
      description: text,
    }),
    /** Column that says which rows train and which test. */
    split: z.strictObject({
      name: column,
      train: line(64),
      test: line(64),
    }),
  }),
  model: z.strictObject({
    /** Keras 2 layers JSON (`model.toJSON` of a sequential tfjs layers model). */
    keras: z.record(z.string(), z.json()),
    /** Trainable weights in the order of the model: pins the architecture, so that nobody can slip in a layer. */
    weights: z.array(WeightSchema).min(1).max(10_000),
    /** Seed of the initial weights. */
    seed: z.int().min(0).max(4_294_967_295),
  }),
  training: TrainingSchema,
  evaluation: z.strictObject({
    /** Bins of the score histograms that the pooled AUC is computed from. */
    bins: z.int().min(2).max(10_000),
    /** Largest number of test rows that a hospital may count. */
    rowsMax: z.int().min(1).max(1_000_000),
    /** Cut of one row's cross-entropy. */
    lossMax: z.number().gt(0).max(1000),
  }),
  privacy: PrivacySchema,
  /** Without it nobody can tell who contributes and who does not. */
  contribution: ContributionSchema.optional(),
  secureSum: SecureSumSchema,
  export: z.strictObject({
    /** Who may write the model to a file. */
    model: z.enum(['members', 'nobody']),
  }),
})

export type Charter = z.infer<typeof CharterSchema>
/** The privacy policy of a charter that protects somebody by noise, and of one that protects patients. */
export type Protection = Exclude<Charter['privacy'], { unit: 'none' }>
export type PatientPrivacy = Extract<Protection, { unit: 'patient' }>
export type Contribution = z.infer<typeof ContributionSchema>
export type Member = z.infer<typeof MemberSchema>
export type Feature = z.infer<typeof FeatureSchema>
export type Weight = z.infer<typeof WeightSchema>

/** Members with what is still open before signing: {@link completeDraft} (parse.ts) fills keys and addresses in. */
export const CharterDraftSchema = CharterSchema.extend({
  members: z
    .array(MemberSchema.partial({ publicKey: true, addresses: true }))
    .min(3)
    .max(4096),
})
export type CharterDraft = z.infer<typeof CharterDraftSchema>

/** Quorum of n voters of which at most f are malicious, and threshold of shares: floor((n + f) / 2) + 1. */
export function quorum(n: number, f: number): number {
  return Math.floor((n + f) / 2) + 1
}

/** Fewest survivors that a charter allows in one secure sum of its members: two honest inputs always stay mixed. */
export function survivorsFloor(charter: Pick<Charter, 'secureSum' | 'maliciousMax'>): number {
  return Math.max(charter.secureSum.survivorsMin, Math.max(charter.maliciousMax, 1) + 2)
}

/** Whether hospitals say before a round how many training rows they have: who gives less than that is seen. */
export function declaresSamples({
  contribution,
  privacy,
}: Pick<Charter, 'contribution' | 'privacy'>): boolean {
  // Under noise they would tell of patients.
  return contribution !== undefined && privacy.unit === 'none'
}

/** Fewest survivors of a cohort of `n` whose sum may be opened: the threshold of its shares, never below the charter's floor. */
export function survivorsMinOf(charter: Pick<Charter, 'secureSum' | 'maliciousMax'>, n: number): number {
  return Math.max(quorum(n, charter.maliciousMax), survivorsFloor(charter))
}

/** Undefined where all is exact. */
export function protection({ privacy }: Pick<Charter, 'privacy'>): Protection | undefined {
  return privacy.unit === 'none' ? undefined : privacy
}

/** Undefined where it is not patients that are protected. */
export function patientPrivacy({ privacy }: Pick<Charter, 'privacy'>): PatientPrivacy | undefined {
  return privacy.unit === 'patient' ? privacy : undefined
}

/** Parameters P of the model: the lengths of all trainable weights together. */
export function parameterCount(charter: Pick<Charter, 'model'>): number {
  return charter.model.weights.reduce((sum, w) => sum + w.shape.reduce((a, b) => a * b, 1), 0)
}

/** Numbers that a training vector has beside the update, at most: weight, samples and the evaluation. */
export function countsBeside({ evaluation }: Pick<CharterDraft, 'evaluation'>): number {
  return 2 * evaluation.bins + 4
}

/** Number of model inputs after one-hot encoding. */
export function expandedFeatureCount(charter: Pick<Charter, 'data'>): number {
  return charter.data.features.reduce((n, f) => n + (f.type === 'category' ? f.values.length - 1 : 1), 0)
}
