/**
 * What the machine takes and what a host supplies: inputs, effects, jobs, events, and the ports of a host.
 * Both hosts (node and sim) implement the same ports and run the same compliance suite (test/ports).
 */
import type { Charter } from '../config/charter.ts'
import type { Lanes } from '../config/lanes.ts'
import type { Audited } from './contribution/audit.ts'
import type { Fault } from './fault.ts'
import type { Factor } from './sum/factors.ts'
import type { Body } from './wire/messages.ts'

/** Milliseconds of the host's clock, Unix time. */
export type Millis = number

/** A member's identifier in the charter, such as `cleveland`. */
export type MemberId = string

export type Input =
  /** First input of a life. `entropy`: 32 fresh random bytes. `durable`: all that the store holds. */
  | { readonly kind: 'start'; readonly entropy: Uint8Array; readonly durable: Durable }
  /** An authenticated member of the charter is reachable, or no longer. */
  | { readonly kind: 'connected'; readonly peer: MemberId }
  | { readonly kind: 'disconnected'; readonly peer: MemberId }
  /** Bytes from an authenticated member. By gossip `from` is who relayed it; the signature says whose it is. */
  | {
      readonly kind: 'message'
      readonly from: MemberId
      readonly via: 'gossip' | 'stream'
      readonly bytes: Uint8Array
    }
  | { readonly kind: 'jobDone'; readonly id: number; readonly result: JobResult }
  /** `reason` is our own short text, without data. */
  | { readonly kind: 'jobFailed'; readonly id: number; readonly reason: string }
  /** Signatures of members who want a suspended one restored (`ledger/restore.ts`). */
  | { readonly kind: 'appeal'; readonly member: MemberId; readonly signatures: readonly Uint8Array[] }
  | { readonly kind: 'tick' }

/** The records of a store, by key, as they were last made durable. */
export type Durable = ReadonlyMap<string, Uint8Array>

/** What a record is to hold: bytes, or what a draft or another record of the store holds by then. */
export type Value = Uint8Array | SameAs
export interface SameAs {
  readonly sameAs: string
}

/** Words of 4 bytes that a record or a draft holds, from element `from` up to `to`: a vector that need not lie in memory. */
export interface Stored {
  readonly record: string
  readonly from: number
  readonly to: number
}

/** Residues in memory, which nobody changes any more, or in the store. */
export type Vector = Uint32Array | Stored

export type Effect =
  /** Gossip to all members: small, signed, public. */
  | { readonly kind: 'publish'; readonly bytes: Uint8Array }
  /** Directly to one member over a stream, one for large messages and one for others; lost silently when it is not connected (the machine asks again). */
  | { readonly kind: 'send'; readonly to: MemberId; readonly bytes: Uint8Array }
  /** Make `puts` durable (and forget `deletes`) in one transaction; only then perform `release`. In order. */
  | {
      readonly kind: 'store'
      readonly puts: readonly (readonly [key: string, value: Value])[]
      /** Records, and drafts. */
      readonly deletes: readonly string[]
      readonly release: readonly Effect[]
    }
  /**
   * Writes into a draft, from byte `at` on: a long value that is made piece by piece, under a name that no record has. It can be
   * read at once as a record can, by jobs and `sendPart`, becomes one with `SameAs`, and is gone when a store effect deletes it or
   * this life ends.
   */
  | { readonly kind: 'write'; readonly draft: string; readonly at: number; readonly data: Uint8Array }
  /** Sends a durable record to a peer as it is stored: old ledger entries need not stay in memory. */
  | { readonly kind: 'sendRecord'; readonly to: MemberId; readonly key: string }
  /** Sends a part of a vector or model whose data are the bytes of a record or a draft. Nothing is sent when that is gone. */
  | {
      readonly kind: 'sendPart'
      readonly to: MemberId
      readonly type: 'part' | 'modelPart'
      readonly of: Omit<Body<'part'>, 'data'> | Omit<Body<'modelPart'>, 'data'>
      readonly key: string
      /** Bytes of the record, from `from` up to `end`. */
      readonly from: number
      readonly end: number
      /** Of a committee's secure sum: in whose envelope the message goes. */
      readonly within: { readonly round: number; readonly committee: Uint8Array } | undefined
    }
  | { readonly kind: 'job'; readonly id: number; readonly job: Job }
  | { readonly kind: 'cancel'; readonly id: number }
  /** Tells the network what a peer did: the verdict of a gossip message, and standing. */
  | { readonly kind: 'fault'; readonly peer: MemberId; readonly fault: Fault }
  /** The network closes its connections with these members and makes none; with all others it does as before. */
  | { readonly kind: 'shutOut'; readonly peers: readonly MemberId[] }
  | { readonly kind: 'event'; readonly event: Event }

export interface Output {
  readonly effects: readonly Effect[]
  /** When `tick` must come at the latest; undefined: no need. */
  readonly wakeAt: Millis | undefined
  /** What a message was worth: what gossip is told about forwarding it. Undefined for other inputs. */
  readonly verdict: Verdict | undefined
}

export type Verdict = 'accept' | 'ignore' | 'reject'

/** The machine: the only interface between a host and the protocol. */
export interface Machine {
  handle(input: Input, now: Millis): Output
}

/** What a round computes together. Round 0: statistics; then training; the last: evaluation only. */
export type Task = 'statistics' | 'train' | 'evaluate'

/** Global state that the ledger names by hash: what every peer holds bit for bit alike. */
export interface ModelState {
  /** Trainable weights, concatenated in the charter's order of `model.weights`. */
  readonly parameters: Float32Array
  /** For each feature, in the charter's expanded order; empty before the statistics round. */
  readonly mean: Float64Array
  readonly deviation: Float64Array
  /** Where updates are summed as factors: the ones that the next round does not sum; undefined before the first. */
  readonly basis?: Float32Array | undefined
}

/** All of a model but its parameters. */
export type Rest = Omit<ModelState, 'parameters'>

/** The parameters that a study starts from, by its charter's initialisers: in no memory and no record. */
export interface Initial {
  readonly initial: Charter['model']
}

/** A model of which the parameters, where it is long, lie in the record of its encoding alone. */
export type HeldModel = Rest & { readonly parameters: Float32Array | Stored | Initial }

/** Work that does not belong on the thread that answers the network. */
export type Job = LearnJob | { readonly kind: 'vector'; readonly work: VectorWork }

/** A learner has the whole model. */
export interface LearnJob<Model extends HeldModel = HeldModel> {
  readonly kind: 'learn'
  readonly task: Task
  readonly round: number
  readonly model: Model
  /** 32 bytes: the one source of randomness for minibatches and dropout. */
  readonly seed: Uint8Array
}

export type JobResult =
  | { readonly kind: 'learn'; readonly learned: Given }
  | { readonly kind: 'vector'; readonly output: VectorOutput }

/** One hospital's own results, in the clear: never leaves the process but as a masked input. */
export interface Learned {
  /** Rows that took part (training rows for `train` and `statistics`, 0 for `evaluate`). */
  readonly samples: number
  /** `statistics`: per expanded feature, the sums of u and of u^2 over training rows, u = (x - min) / (max - min). */
  readonly featureSums?: { readonly first: Float64Array; readonly second: Float64Array }
  /** `train`: trained parameters minus the round's, before clipping; length P. */
  readonly delta?: Float32Array
  /** `train` and `evaluate`: the round's starting model on this hospital's test rows. */
  readonly evaluation?: Evaluation
}

/** The same with an update that may lie in the store, in the clear: only where the hospital's own host put it there. */
export type Given = Omit<Learned, 'delta'> & { readonly delta?: Float32Array | Stored | undefined }

/** Counts over one hospital's test rows. Scores are in [0, 1]; bin b holds scores in [b, b + 1) / bins. */
export interface Evaluation {
  readonly positives: Float64Array
  readonly negatives: Float64Array
  /** Rows classified rightly at .5. */
  readonly correct: number
  /** Sum of binary cross-entropies, each cut at the charter's bound. */
  readonly lossSum: number
}

/** One stretch of the vector that a round sums; see `protocol/sum/layout.ts`. */
export interface Section {
  readonly name: string
  /** Values; they take ceil(length / lanes) elements of the vector. */
  readonly length: number
  /** Largest absolute value that one hospital may give. */
  readonly bound: number
  /** Quantised value = round(value * scale). For the cohort's n, n * bound * scale fits in a lane. */
  readonly scale: number
  /** Values that share an element. */
  readonly lanes: Lanes
  /** Whether its values are those of a rotated vector, beyond whose `bound` they are cut. */
  readonly rotated: boolean
  /** Its values are one of each so many of a vector's, drawn by the public seed; 1: all of them. */
  readonly oneIn: number
  /** The whole numbers that each hospital adds to its quantised values; undefined: none. */
  readonly noise: Noise | undefined
  /** Its values are these factors of an update's matrices, and then what is in none (factors.ts); undefined: the update's own. */
  readonly factor: Factor | undefined
}

/** Independent draws of one law, of mean 0. */
export interface Noise {
  /** Sums of Skellam noise are Skellam noise; what is known of sampled rows is known of Gaussians. */
  readonly law: 'skellam' | 'discreteGaussian'
  /** Variance of each hospital's draws of each level, in steps squared: whole numbers; 0 where a level has none. See `privacy/shares.ts`. */
  readonly levels: readonly number[]
}

/** Of one hospital's noise of one level in one vector. */
export interface NoiseKey {
  readonly level: number
  /** 32 bytes. */
  readonly key: Uint8Array
}

/** Noise in a vector that has these sections. */
export interface KeyedNoise {
  readonly sections: readonly Section[]
  readonly keys: readonly NoiseKey[]
}

/** A key stream that is added to a vector or subtracted from it, element by element. */
export interface Mask {
  /** AES-256 key, 32 bytes; for one vector of one attempt. */
  readonly key: Uint8Array
  /** +1 adds it, -1 subtracts it. */
  readonly sign: 1 | -1
}

/** A stretch of masked vectors, or of their sum, and what comes off it. */
export interface Masked {
  /** Position of its first element in the whole vector. */
  readonly from: number
  /** What takes the masks off, so with the opposite sign of what put them on. */
  readonly masks: readonly Mask[]
  /** Noise that was added and comes off with them; undefined: none. */
  readonly excess?: KeyedNoise | undefined
}

/** Pure vector work (protocol/sum/kernels.ts), done in a worker by the node and inline by the simulator. */
export type VectorWork =
  | {
      /** Check, clip, weigh and quantise what one hospital learned, which belongs to the job; add masks, cut in shards, hash each. */
      readonly kind: 'mask'
      readonly charter: Charter
      readonly task: Task
      readonly sections: readonly Section[]
      readonly learned: Given
      /** Of the rotation and of what is drawn to be summed, 32 bytes: the same for all whose inputs are summed. */
      readonly publicSeed: Uint8Array
      /** What this hospital still has to add of former updates, unweighted; length P. */
      readonly residual?: Float32Array | undefined
      /** The model's. */
      readonly basis?: Float32Array | undefined
      /** Rounding randomness, 32 bytes, and with it that of the lowest level of noise: private to this hospital. */
      readonly roundingKey: Uint8Array
      /** Of the levels above it. */
      readonly noiseKeys?: readonly NoiseKey[] | undefined
      readonly selfKey: Uint8Array
      readonly pairs: readonly Mask[]
      readonly shards: number
      /** A draft for the masked input; undefined: it comes back in memory. */
      readonly into?: string | undefined
    }
  /** The hash of what a peer gave, and whether all of it are residues. Words in memory belong to the job and come back with it. */
  | { readonly kind: 'check'; readonly words: Vector }
  | {
      /** The sum of vectors, without these masks, and its hash. */
      readonly kind: 'sum'
      readonly inputs: readonly Vector[]
      readonly masked?: Masked | undefined
      /** A draft for the sum; undefined: it comes back in memory. */
      readonly into?: string | undefined
    }
  | {
      /** Tag of each vector, without these masks, under the coefficients of `coin` (32 bytes). */
      readonly kind: 'tag'
      readonly coin: Uint8Array
      readonly items: readonly TagItem[]
    }
  | {
      /** Put the sum together, and apply what it tells. */
      readonly kind: 'apply'
      /** Of the shards, in their order. */
      readonly sums: readonly Vector[]
      /** Undefined where the sum is but a part of a round's: then it comes back in memory. */
      readonly step: Step | undefined
      /** A draft for the next model; undefined: that comes back in memory. */
      readonly into?: string | undefined
    }

/** Of one group of an audit. */
export interface GroupSum {
  /** Residues of its inputs' sum, without masks. */
  readonly sum: Uint32Array
  readonly hospitals: number
  /** Of its members together, as they declared it before the round: each at most 1. */
  readonly weight: number
}

export interface TagItem {
  readonly vector: Vector
  readonly masked?: Masked | undefined
}

/** What a sum is applied to. */
export interface Step {
  readonly charter: Charter
  readonly task: Task
  /** With the noise that is in the sum. */
  readonly sections: readonly Section[]
  readonly model: HeldModel
  /** As in the inputs. */
  readonly publicSeed: Uint8Array
  /** Where contributions are audited. */
  readonly audit?: {
    /** How many gave it, and their weight together, as they declared it. */
    readonly hospitals: number
    readonly weight: number
    /** The same sum by groups; undefined: no audit was drawn. */
    readonly groups: readonly GroupSum[] | undefined
  }
}

/** What a sum makes of a model. */
export interface Stepped {
  /**
   * The next model's encoding, `state.ts`, or where a draft holds that what is beside the parameters, and its SHA-256; undefined
   * where it is the one before it.
   */
  readonly next: { readonly model: Uint8Array | Rest; readonly hash: Uint8Array } | undefined
  /** Of the model that the round started from; undefined where nothing was measured. */
  readonly metrics: Metrics | undefined
  /** Training rows of all survivors, each hospital's counted up to weightMax. */
  readonly samples: number
  /** Undefined where none was drawn. */
  readonly audit?: Audited | undefined
}

export type VectorOutput =
  | {
      readonly kind: 'mask'
      /** Undefined where it is in a draft. */
      readonly masked: Uint32Array | undefined
      readonly shardHashes: readonly Uint8Array[]
      /** The residual that is left if this input is summed. Never leaves the process. Undefined: all of the update is in the input. */
      readonly unsent?: Float32Array | undefined
    }
  /** Of a mask job: what is wrong with the learner's result, never a value of it. */
  | { readonly kind: 'refused'; readonly reason: string }
  | {
      readonly kind: 'check'
      /** Undefined where they are in the store. */
      readonly words: Uint32Array | undefined
      readonly hash: Uint8Array
      readonly areResidues: boolean
    }
  /** Of an apply job: the sum is longer than those who gave it may have made it, and is to be audited. */
  | { readonly kind: 'beyond' }
  /** `sum`: undefined where it is in a draft. */
  | { readonly kind: 'sum'; readonly sum: Uint32Array | undefined; readonly hash: Uint8Array }
  | { readonly kind: 'tag'; readonly tags: readonly Uint32Array[] }
  /** Residues in [0, p); the caller centres and divides by the scale. */
  | {
      readonly kind: 'apply'
      /** Undefined where it is applied. */
      readonly sum: Uint32Array | undefined
      readonly stepped: Stepped | undefined
    }

/** What people and programs are told. Nothing secret or patient-derived beyond certified sums. */
export type Event =
  | { readonly kind: 'started'; readonly height: number; readonly round: number }
  | {
      readonly kind: 'roundOpened'
      readonly round: number
      readonly attempt: number
      readonly task: Task
      readonly cohort: readonly MemberId[]
      readonly absent: readonly MemberId[]
    }
  /** Where committees sum: the own one of a round, of how many; `decides`: whether this member decides the round's entry. */
  | {
      readonly kind: 'committee'
      readonly round: number
      readonly index: number
      readonly of: number
      readonly members: readonly MemberId[]
      readonly decides: boolean
    }
  | TransferEvent
  | { readonly kind: 'phase'; readonly round: number; readonly attempt: number; readonly phase: string }
  | {
      readonly kind: 'survivorsFixed'
      readonly round: number
      readonly attempt: number
      readonly survivors: readonly MemberId[]
      readonly leftOut: readonly { readonly member: MemberId; readonly reason: string }[]
    }
  | {
      readonly kind: 'roundClosed'
      readonly round: number
      readonly attempt: number
      readonly task: Task
      readonly modelHash: string
      readonly metrics: Metrics | undefined
      readonly faults: readonly { readonly member: MemberId; readonly fault: string }[]
    }
  | {
      readonly kind: 'roundAborted'
      readonly round: number
      readonly attempt: number
      readonly reason: string
      readonly culprits: readonly MemberId[]
    }
  | { readonly kind: 'studyFinished'; readonly rounds: number; readonly modelHash: string }
  /** All members are known to hold the finished ledger: nobody needs this peer any more. */
  | { readonly kind: 'settled' }
  | { readonly kind: 'waiting'; readonly reason: string; readonly for: readonly MemberId[] }
  | { readonly kind: 'jobFailed'; readonly reason: string }
  /** By what audits say of a member: on probation, in good standing again, suspended, or restored by the others. */
  | {
      readonly kind: 'standing'
      readonly member: MemberId
      readonly standing: 'good' | 'probation' | 'suspended' | 'restored'
    }
  /** This hospital gives nothing more: one more noised sum would cost more than the charter's epsilonMax. */
  | {
      readonly kind: 'budgetSpent'
      /** What is protected by noise: one of these. */
      readonly unit: 'patient' | 'hospital'
      readonly epsilon: number
      readonly epsilonMax: number
    }

/** How far a long vector or model is that goes in parts (SPEC W7): told when it begins, now and then, and when it ends. */
export interface TransferEvent {
  readonly kind: 'transfer'
  readonly round: number
  readonly attempt: number
  /** Who gives it to this member, or is given it. */
  readonly way: 'from' | 'to'
  readonly peer: MemberId
  readonly what: 'slice' | 'sum' | 'model'
  /** First digits of the vector's published SHA-256: tells it from the others. */
  readonly vector: string
  /** Bytes of the vector that have come, or that were handed to the network. */
  readonly bytesDone: number
  readonly bytesTotal: number
  /** `dropped`: it is needed no more. What is given to another who drops it is not known to be. */
  readonly state: 'going' | 'done' | 'dropped'
}

/** Pooled metrics of the round's starting model, from certified sums alone. */
export interface Metrics {
  readonly testSamples: number
  readonly auc: number
  readonly accuracy: number
  readonly loss: number
}
