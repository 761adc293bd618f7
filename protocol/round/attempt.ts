/**
 * One attempt of one round, from its opening to the moment when the new model is known (SPEC M4, S1 to S15). It keeps
 * what has been learned and, after each input, does all that has become possible: every step is a condition on the
 * state and a mark that it was done, so that order of arrival, repetition and restart make no difference.
 */
import { type Charter, quorum, survivorsMinOf } from '../../config/charter.ts'
import { equalBytes } from '../bytes.ts'
import type { Audited } from '../contribution/audit.ts'
import { isAuditable } from '../contribution/groups.ts'
import { sha256 } from '../crypto/hash.ts'
import type { RoundOpened, SurvivorsFixed } from '../ledger/entry.ts'
import type { Plan } from '../ledger/plan.ts'
import type {
  Given,
  HeldModel,
  Mask,
  MemberId,
  Metrics,
  Millis,
  NoiseKey,
  Section,
  Vector,
} from '../ports.ts'
import { levelsAbove } from '../privacy/shares.ts'
import { isLong } from '../stored.ts'
import { layoutFor, vectorLength } from '../sum/layout.ts'
import { EVIDENCE_BYTES_MAX } from '../wire/limits.ts'
import type { Body } from '../wire/messages.ts'
import type { CohortContext, PublicKeys } from './context.ts'
import type { Finding, Hands } from './hands.ts'
import { draftKey } from './records.ts'
import {
  type AttemptKeys,
  hashOfOffers,
  type MemberShares,
  offerFits,
  openShares,
  publicSeedOf,
  type SeedKind,
} from './secrets.ts'
import { Transfers } from './transfers.ts'

export interface AttemptSetup {
  readonly charter: Charter
  readonly plan: Plan
  readonly body: RoundOpened
  /** Hash of the RoundOpened entry. */
  readonly opened: Uint8Array
  readonly keys: ReadonlyMap<MemberId, PublicKeys>
  /** Undefined for a member that is not in the cohort: it watches and votes. */
  readonly own: AttemptKeys | undefined
  readonly openedAt: Millis
  /** What this hospital still has to add of former updates. */
  readonly residual: Float32Array | undefined
}

/** What the sum gave: the same at every peer, bit for bit. */
export interface Outcome {
  /** Of the survivors' self-mask seeds, which nobody could choose. */
  readonly seeds: Uint8Array
  readonly sumHash: Uint8Array
  /** The sum itself, where it is handed on and not applied. */
  readonly sum: Uint32Array | undefined
  /** After the round. */
  readonly model: HeldModel
  readonly modelHash: Uint8Array
  readonly metrics: Metrics | undefined
  readonly samples: number
  /** Undefined: none was drawn. */
  readonly audit: Audited | undefined
  readonly at: Millis
}

/** What an owner says that its shard's sum is. */
export interface Claim {
  readonly owner: MemberId
  readonly hash: Uint8Array
  readonly message: Uint8Array
  /** When it came; its sum is fetched then. */
  readonly at: Millis
}

/** State of the opening, from SurvivorsFixed on; see `opening.ts`. */
export interface Opening {
  readonly body: SurvivorsFixed
  readonly fixed: Uint8Array
  readonly fixedAt: Millis
  readonly survivors: readonly MemberId[]
  readonly dropouts: readonly MemberId[]
  /** The highest level of noise that stays in the sum; 0 without noise. */
  readonly kept: number
  /** What is revealed, in this order. */
  readonly seeds: readonly Seed[]
  /** Shards whose sum is being computed here; with the seeds, as it is the sum without masks. */
  readonly summing: Set<number>
  /** Shard sums that are known, own or received and matching their claim. */
  readonly sums: Map<number, { readonly sum: Vector; readonly hash: Uint8Array }>
  /** Shards that were summed here, of all slices. */
  readonly own: Set<number>
  /** Claims by shard and owner; which of them counts: `claims.ts`. */
  readonly claims: Map<number, Map<MemberId, Claim>>
  /** Sums that came from owners, each as its owner claimed it: `${shard}/${owner}`. */
  readonly given: Map<string, Vector>
  /** Claims of what is no vector of the field: `${shard}/${owner}`. */
  readonly refused: Set<string>
  /** By the holder's place in the cohort: of each of the seeds, by its own, the share that it revealed, where that is valid. */
  readonly shares: Map<number, ReadonlyMap<number, Uint8Array>>
  /** Reveals; those that are not checked wait for an offer. */
  readonly reveals: Map<
    MemberId,
    { readonly body: Body<'reveal'>; readonly message: Uint8Array; checked: boolean }
  >
  /** `words`: the tags of all shards, one after the other. */
  readonly tags: Map<
    MemberId,
    { readonly body: Body<'tags'>; readonly words: Uint32Array; readonly message: Uint8Array }
  >
  /** Members whose tags, slices or the claims that they are of have changed since their tags were compared. */
  readonly uncompared: Set<MemberId>
  /** Tags that were compared with their slice: `${shard}/${member}`. */
  readonly compared: Set<string>
  revealed: boolean
  /** The claims that coin and tags are of, and their hash; undefined also where each peer sums itself. */
  frozen: { readonly hash: Uint8Array; readonly claims: readonly Claim[] } | undefined
  /** Shares of which no seed could be made, by the seed's place: not tried again. */
  readonly failed: Map<number, string>
  recovered: Recovered | undefined
  /** Keys of pairwise masks that survivors opened for an audit; those that are not checked wait for offers or the lot. */
  readonly pairs: Map<
    MemberId,
    { readonly body: Body<'pairs'>; readonly message: Uint8Array; checked: boolean }
  >
  /** Undefined: none is drawn, or it is not known yet. */
  audit: Audit | undefined
  coin: Uint8Array | undefined
  /** What tags are being computed of, named as in `computed`. */
  readonly tagging: Set<string>
  /** Own tags have been published. */
  tagged: boolean
  /** Shards whose tags do not add up to that of their sum, or which are in dispute: whose tag is wrong, slices show. */
  readonly suspect: Set<number>
  /** Tags computed here, of slices and of sums: `${shard}/${member}` and as `sumName` says. */
  readonly computed: Map<string, Uint32Array>
  verified: boolean
  applying: boolean
  applyFailed: boolean
  /** Shards in dispute, whose slices are fetched. */
  readonly openAsked: Set<number>
  outcome: Outcome | undefined
}

/** An audit of one attempt, from the lot on; see `audit.ts`. */
export interface Audit {
  readonly groups: readonly (readonly MemberId[])[]
  /** How many pairs of survivors are not of one group. */
  readonly pairs: number
  /** Keys of pairwise masks across groups: `${place}/${place}` in the cohort, the lower first. */
  readonly keys: Map<string, Uint8Array>
  /** The own keys are opened. */
  said: boolean
  /** The groups' sums, once all are made. */
  sums: readonly Uint32Array[] | undefined
  summing: boolean
}

/** A seed that the entry opens. */
export interface Seed {
  readonly member: MemberId
  readonly kind: SeedKind
}

/** What the revealed shares give. */
export interface Recovered {
  /** Hash of the survivors' self-mask seeds. */
  readonly hash: Uint8Array
  /** Of each survivor what takes off its input the masks that are known now: its own, and those with dropouts. */
  readonly masks: ReadonlyMap<MemberId, readonly Mask[]>
  /** Of each survivor the noise that comes off with them. */
  readonly excess: ReadonlyMap<MemberId, readonly NoiseKey[]>
  readonly at: Millis
}

export interface Commitment {
  /** Of the shards, one after the other. */
  readonly hashes: Uint8Array
  /** Of the offers that the input was made of. */
  readonly offers: Uint8Array
  readonly root: Uint8Array
  /** Hex of the root's first bytes, as receipts name it. */
  readonly rootName: string
  readonly message: Uint8Array
  /** When it came; its slices are fetched then. */
  readonly at: Millis
}

/** What one owner's receipts say, with one place for each of the cohort. */
export interface OwnerReceipts {
  /** The commitment that they name of each; undefined: none yet. */
  readonly roots: (string | undefined)[]
  /** 1 for those whose slice of a shard they name; and how many these are. */
  readonly held: Map<number, { readonly members: Uint8Array; size: number }>
}

export class Attempt {
  readonly setup: AttemptSetup
  readonly context: CohortContext
  readonly hands: Hands
  readonly sections: readonly Section[]
  /** Of the rotation of updates, and of what is drawn of them. */
  readonly publicSeed: Uint8Array
  readonly length: number
  /** 1: small vectors are gossiped and every peer owns the one shard; else one shard for each member. */
  readonly shards: number
  readonly inputDueAt: Millis
  readonly complainAt: Millis
  /** Each further attempt of a round waits longer, so that a network slower than its charter still gets on. */
  readonly patience: number

  model: HeldModel | undefined
  readonly offers = new Map<MemberId, Body<'offer'>>()
  readonly offerMessages = new Map<MemberId, Uint8Array>()
  /** Members that have sent two different inputs, or one that is wrong in itself: nothing of theirs goes into a sum. */
  readonly barred = new Set<MemberId>()
  /** Members that have sent two different offers: this attempt cannot be trusted to any. */
  readonly misdealt = new Set<MemberId>()
  readonly sealed = new Map<MemberId, Body<'sealed'>>()
  /** Of these, those that wait to be opened. */
  readonly #unopened = new Set<MemberId>()
  readonly shares = new Map<MemberId, MemberShares>()
  /** Pairwise mask keys from the dealing to the masking; where an audit may have to open them, as long as the attempt lasts. */
  pairKeys: Map<MemberId, Uint8Array> | undefined
  dealt = false
  learning = false
  learned: Given | undefined
  masking = false
  masked: Vector | undefined
  inputSent = false
  /** The residual that is left if the own input, made in this life, is summed. */
  unsent: Float32Array | undefined
  complained = false
  /** Commitments of members: hash of each shard of their masked input. */
  readonly commitments = new Map<MemberId, Commitment>()
  /** Other inputs that members sent: should the entry name one of these, it is here. */
  readonly versions = new Map<MemberId, { readonly body: Body<'input'>; readonly message: Uint8Array }[]>()
  /** Slices held here, by shard and member, each equal to its commitment. */
  readonly held: Map<MemberId, Vector>[]
  readonly receipts = new Map<MemberId, OwnerReceipts>()
  /** Owners that have signed receipts which contradict each other: none of theirs counts. */
  readonly disowned = new Set<MemberId>()
  /** Of each member how many owners' receipts name each shard of its commitment: at its place times `shards`. */
  readonly covers: Uint8Array
  /** The names of commitments' roots, by place. */
  readonly rootNames: (string | undefined)[]
  readonly receiptedAt = new Map<MemberId, Millis>()
  readonly receiptMessages = new Map<MemberId, Uint8Array>()
  readonly #positions: ReadonlyMap<MemberId, number>
  /** Shards of which own receipts have told, in this life or before. */
  readonly promised = new Set<number>()
  receiptSent = 0
  /** Since when slices are held here that no receipt says; undefined: none are. */
  unreceiptedAt: Millis | undefined
  readonly transfers: Transfers
  /** All that were begun. Long vectors lie in the store from their first part on, short ones in memory. */
  readonly drafts: string[] = []
  /** When the next vector is to be fetched, or from another; undefined: none is waited for. */
  fetchDueAt: Millis | undefined
  /** Slices that are durable or about to be, by their records' keys. */
  readonly stored = new Map<string, Vector>()
  /** Members whose slices are no vectors of the field. */
  readonly unfit = new Set<MemberId>()
  /** Of whom each member has complained, with the message that says so. */
  readonly complaints = new Map<MemberId, ReadonlyMap<MemberId, Uint8Array>>()
  readonly findings: Finding[] = []
  opening: Opening | undefined
  #offersHash: Uint8Array | undefined

  constructor(setup: AttemptSetup, model: HeldModel | undefined, hands: Hands) {
    const { charter, plan, body } = setup
    this.setup = setup
    this.hands = hands
    this.model = model
    const cohort = body.cohort.map(c => c.member)
    this.#positions = new Map(cohort.map((m, i) => [m, i]))
    this.sections = layoutFor(charter, body.task, plan.hospitals ?? cohort.length, body.round)
    this.context = {
      round: body.round,
      attempt: body.attempt,
      opened: setup.opened,
      cohort,
      keys: setup.keys,
      threshold: quorum(cohort.length, charter.maliciousMax),
      audits: isAuditable(charter, body.task),
      levels: levelsAbove(this.sections),
    }
    this.publicSeed = publicSeedOf(plan.start ?? setup.opened, body.round)
    this.length = vectorLength(this.sections)
    this.shards = isLong(4 * this.length, charter) ? cohort.length : 1
    this.covers = new Uint8Array(cohort.length * this.shards)
    this.rootNames = new Array(cohort.length).fill(undefined)
    this.held = Array.from({ length: this.shards }, () => new Map<MemberId, Vector>())
    const { round, attempt } = body
    const inAttempt = { round, attempt, opened: setup.opened }
    this.transfers = new Transfers(this.length, {
      now: () => hands.now(),
      connected: member => hands.connected(member),
      ask: (to, what) => hands.send(to, 'ask', { ...inAttempt, ...what }),
      give: (to, what) => hands.send(to, 'part', { ...inAttempt, ...what }),
      giveStored: (to, what, record, from, end) =>
        hands.sendStored(to, { ...inAttempt, ...what }, record, from, end),
      write: (draft, at, data) => hands.write(draft, at, data),
      check: (words, done) =>
        hands.work({ kind: 'check', words }, ({ output }) => {
          if (output.kind === 'check') done(output)
        }),
      wrong: from => hands.fault(from, 'badShard', 'not what was committed to'),
      tell: progress => hands.event({ kind: 'transfer', round, attempt, ...progress }),
    })
    this.patience = Math.min(body.attempt + 1, 8)
    const inputMs = charter.secureSum.inputDeadlineMs * this.patience
    this.inputDueAt = setup.openedAt + inputMs
    this.complainAt = setup.openedAt + inputMs / 2
  }

  get cohort(): readonly MemberId[] {
    return this.context.cohort
  }

  /** Place of a member in the cohort; undefined: it is not in it. */
  positionOf(member: MemberId): number | undefined {
    return this.#positions.get(member)
  }

  /** Whether this peer takes part with an input. */
  get takesPart(): boolean {
    return this.setup.own !== undefined
  }

  /** Fewest survivors whose sum may be opened. */
  get survivorsMin(): number {
    return survivorsMinOf(this.setup.charter, this.cohort.length)
  }

  /** Order in which members own shard k: starts at k, shifted by the entry's hash. */
  owner(shard: number, position: number): MemberId {
    const n = this.cohort.length
    return this.cohort[(shard + this.context.opened[0]! + position) % n]!
  }

  /** Who owns shard k before this peer does. */
  ownersBefore(shard: number): MemberId[] {
    const out: MemberId[] = []
    for (let p = 0; this.owner(shard, p) !== this.hands.self; p++) out.push(this.owner(shard, p))
    return out
  }

  /** Where a vector goes that is made here or fetched: a draft of its own; undefined where all of it is in memory. */
  draft(what: string): string | undefined {
    if (this.shards === 1) return undefined
    const draft = draftKey(this.context, `${what}.${this.drafts.length}`)
    this.drafts.push(draft)
    return draft
  }

  /** Keeps a slice that is as its member's commitment names it, for the sum and for whoever asks for it. */
  hold(shard: number, member: MemberId, slice: Vector): void {
    this.held[shard]!.set(member, slice)
    const commitment = this.commitments.get(member)
    if (commitment) this.transfers.hold(sliceHash(commitment.hashes, shard), slice)
  }

  acceptOffer(from: MemberId, offer: Body<'offer'>, message: Uint8Array): boolean {
    if (!this.cohort.includes(from) || !offerFits(this.context, from, offer)) return false
    this.offers.set(from, offer)
    this.offerMessages.set(from, message)
    return true
  }

  /** One hash over all offers of the cohort; undefined while one is missing. */
  offersHash(): Uint8Array | undefined {
    if (this.#offersHash) return this.#offersHash
    if (this.offers.size < this.cohort.length) return undefined
    const offers = this.cohort.map(m => this.offers.get(m))
    if (!offers.every(offer => offer !== undefined)) return undefined
    this.#offersHash = hashOfOffers(offers)
    return this.#offersHash
  }

  acceptSealed(from: MemberId, sealed: Body<'sealed'>): void {
    if (!this.cohort.includes(from) || this.sealed.has(from)) return
    this.sealed.set(from, sealed)
    this.#unopened.add(from)
  }

  /** Opens sealed shares whose offer has come; what does not fit its digests counts as not sent. */
  openSealed(fits: (from: MemberId, opened: MemberShares) => boolean): void {
    const own = this.setup.own
    if (!own) return
    for (const from of this.#unopened) {
      if (!this.offers.has(from)) continue
      this.#unopened.delete(from)
      const sealed = this.sealed.get(from)
      if (!sealed || this.shares.has(from)) continue
      const opened = openShares(this.context, this.hands.self, own, from, sealed)
      if (opened && fits(from, opened)) {
        this.shares.set(from, opened)
      } else {
        this.sealed.delete(from)
        this.hands.fault(from, 'badShare', 'sealed shares that do not open to what was committed')
      }
    }
  }

  /** Adds a finding once for each member and code; false: it was known. */
  find(finding: Finding): boolean {
    if (this.findings.some(f => f.member === finding.member && f.code === finding.code)) return false
    this.findings.push(finding)
    this.hands.fault(finding.member, finding.code, 'found in the secure sum')
    return true
  }
}

/** Evidence that fits an entry: the messages themselves, or their hashes where they are large. */
export function evidenceOf(...messages: readonly Uint8Array[]): Uint8Array[] {
  return messages.map(m => (m.length <= EVIDENCE_BYTES_MAX ? m : sha256(m)))
}

/** Bytes of a commitment's root that a receipt names it by: enough that nobody finds two inputs with the same. */
export const ROOT_BYTES = 16

/** Of one shard, among the hashes of a commitment. */
export function sliceHash(hashes: Uint8Array, shard: number): Uint8Array {
  return hashes.subarray(32 * shard, 32 * shard + 32)
}

/** Whether `data` is the shard of `member` that its commitment names. */
export function sliceMatches(hashes: Uint8Array, shard: number, data: Uint8Array): boolean {
  return equalBytes(sha256(data), sliceHash(hashes, shard))
}
