/**
 * One attempt of one round, from its opening to the moment when the new model is known (SPEC M4, S1 to S15). It keeps
 * what has been learned and, after each input, does all that has become possible: every step is a condition on the
 * state and a mark that it was done, so that order of arrival, repetition and restart make no difference.
 */
import { type Charter, quorum, survivorsFloor } from '../../config/charter.ts'
import { equalBytes } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type { RoundOpened, SurvivorsFixed } from '../ledger/entry.ts'
import type { Learned, MemberId, Metrics, Millis, ModelState, PairKey, Section } from '../ports.ts'
import { layoutFor, vectorLength } from '../sum/layout.ts'
import type { Body } from '../wire/messages.ts'
import type { Finding, Hands } from './hands.ts'
import {
  type AttemptKeys,
  type CohortContext,
  type MemberShares,
  offerFits,
  openShares,
  type PublicKeys,
  type SeedKind,
} from './secrets.ts'

export interface AttemptSetup {
  readonly charter: Charter
  readonly body: RoundOpened
  /** Hash of the RoundOpened entry. */
  readonly opened: Uint8Array
  readonly keys: ReadonlyMap<MemberId, PublicKeys>
  /** Undefined for a member that is not in the cohort: it watches and votes. */
  readonly own: AttemptKeys | undefined
  readonly openedAt: Millis
}

/** What the sum gave: the same at every peer, bit for bit. */
export interface Outcome {
  readonly sumHash: Uint8Array
  readonly model: ModelState
  readonly modelHash: Uint8Array
  readonly metrics: Metrics | undefined
  readonly samples: number
  readonly at: Millis
}

/** State of the opening, from SurvivorsFixed on; see `opening.ts`. */
export interface Opening {
  readonly body: SurvivorsFixed
  readonly fixed: Uint8Array
  readonly fixedAt: Millis
  readonly survivors: readonly MemberId[]
  readonly dropouts: readonly MemberId[]
  /** Shards whose sum is being computed here. */
  readonly summing: Set<number>
  /** Shard sums that are known, own or received and matching their claim. */
  readonly sums: Map<number, { readonly sum: Uint32Array; readonly hash: Uint8Array }>
  /** First claim heard for each shard, with its owner and signed message. */
  readonly claims: Map<
    number,
    { readonly owner: MemberId; readonly hash: Uint8Array; readonly message: Uint8Array }
  >
  /** Valid shares, by the member whose seed they belong to, then by the holder's index. */
  readonly shares: Map<MemberId, Map<number, Uint8Array>>
  /** Reveals that wait for an offer or for the own claims. */
  readonly reveals: Map<
    MemberId,
    { readonly body: Body<'reveal'>; readonly message: Uint8Array; checked: boolean }
  >
  readonly tags: Map<MemberId, { readonly body: Body<'tags'>; readonly message: Uint8Array }>
  revealed: boolean
  seeds: ReadonlyMap<MemberId, Uint8Array> | undefined
  coin: Uint8Array | undefined
  /** Own computation of tags has begun. */
  tagging: boolean
  /** Tags computed here, of slices and of sums: `${shard}/${member}` and `${shard}`. */
  readonly computed: Map<string, Uint32Array>
  verified: boolean
  unmasking: boolean
  openAsked: boolean
  outcome: Outcome | undefined
}

export class Attempt {
  readonly setup: AttemptSetup
  readonly context: CohortContext
  readonly hands: Hands
  readonly sections: readonly Section[]
  readonly length: number
  /** 1: small vectors are gossiped and every peer owns the one shard; else one shard for each member. */
  readonly shards: number
  readonly inputDueAt: Millis
  readonly complainAt: Millis

  model: ModelState | undefined
  readonly offers = new Map<MemberId, Body<'offer'>>()
  readonly sealed = new Map<MemberId, Body<'sealed'>>()
  readonly shares = new Map<MemberId, MemberShares>()
  pairs: PairKey[] | undefined
  dealt = false
  learning = false
  learned: Learned | undefined
  masking = false
  masked: Uint32Array | undefined
  inputSent = false
  complained = false
  /** Commitments of members: hash of each shard of their masked input. */
  readonly commitments = new Map<
    MemberId,
    { readonly hashes: Uint8Array; readonly root: Uint8Array; readonly message: Uint8Array }
  >()
  /** Slices held here, by shard and member, each equal to its commitment. */
  readonly held: Map<MemberId, Uint32Array>[]
  /** Receipts: owner -> shard -> members. */
  readonly receipts = new Map<MemberId, Map<number, ReadonlySet<MemberId>>>()
  readonly receiptedAt = new Map<MemberId, Millis>()
  receiptSent = 0
  /** Position in the order of owners to which the own slice of each shard was last sent. */
  readonly deliveredTo: { position: number; at: Millis }[] = []
  readonly complaints = new Map<MemberId, ReadonlySet<MemberId>>()
  readonly complaintMessages = new Map<MemberId, Uint8Array>()
  readonly findings: Finding[] = []
  /** Slices and shard sums that came before the commitment or claim that they are checked against; one a slot. */
  readonly early = new Map<string, () => void>()
  opening: Opening | undefined

  constructor(setup: AttemptSetup, model: ModelState | undefined, hands: Hands) {
    const { charter, body } = setup
    this.setup = setup
    this.hands = hands
    this.model = model
    const cohort = body.cohort.map(c => c.member)
    this.context = {
      round: body.round,
      attempt: body.attempt,
      opened: setup.opened,
      cohort,
      keys: setup.keys,
      threshold: quorum(cohort.length, charter.maliciousMax),
    }
    this.sections = layoutFor(charter, body.task, cohort.length)
    this.length = vectorLength(this.sections)
    this.shards = 4 * this.length <= charter.secureSum.gossipBytesMax ? 1 : cohort.length
    this.held = Array.from({ length: this.shards }, () => new Map<MemberId, Uint32Array>())
    // Each further attempt of a round waits longer, so that a network slower than its charter still gets on.
    const patience = charter.secureSum.inputDeadlineMs * Math.min(body.attempt + 1, 8)
    this.inputDueAt = setup.openedAt + patience
    this.complainAt = setup.openedAt + patience / 2
  }

  get cohort(): readonly MemberId[] {
    return this.context.cohort
  }

  /** Whether this peer takes part with an input. */
  get takesPart(): boolean {
    return this.setup.own !== undefined
  }

  /** Fewest survivors whose sum may be opened. */
  get survivorsMin(): number {
    return Math.max(this.context.threshold, survivorsFloor(this.setup.charter))
  }

  /** Order in which members own shard k: starts at k, shifted by the entry's hash. */
  owner(shard: number, position: number): MemberId {
    const n = this.cohort.length
    return this.cohort[(shard + this.context.opened[0]! + position) % n]!
  }

  acceptOffer(from: MemberId, offer: Body<'offer'>): boolean {
    if (!this.cohort.includes(from) || !offerFits(this.context, from, offer)) return false
    this.offers.set(from, offer)
    return true
  }

  acceptSealed(from: MemberId, sealed: Body<'sealed'>): void {
    if (this.cohort.includes(from) && !this.sealed.has(from)) this.sealed.set(from, sealed)
  }

  /** Opens sealed shares whose offer has come; what does not fit its digests counts as not sent. */
  openSealed(digestMatches: (kind: SeedKind, from: MemberId, share: Uint8Array) => boolean): void {
    const own = this.setup.own
    if (!own) return
    for (const [from, sealed] of this.sealed) {
      if (this.shares.has(from) || !this.offers.has(from)) continue
      const opened = openShares(this.context, this.hands.self, own, from, sealed)
      if (opened && digestMatches('self', from, opened.self) && digestMatches('mask', from, opened.mask)) {
        this.shares.set(from, opened)
      } else {
        this.sealed.delete(from)
        this.hands.fault(from, 'badShare', 'sealed shares that do not open to what was committed')
      }
    }
  }

  /** Adds a finding once for each member and code. */
  find(finding: Finding): void {
    if (this.findings.some(f => f.member === finding.member && f.code === finding.code)) return
    this.findings.push(finding)
    this.hands.fault(finding.member, finding.code, 'found in the secure sum')
  }
}

/** Evidence that fits an entry: the messages themselves, or their hashes where they are large. */
export function evidenceOf(...messages: readonly Uint8Array[]): Uint8Array[] {
  return messages.map(m => (m.length <= 2048 ? m : sha256(m)))
}

export function rootOf(hashes: Uint8Array): Uint8Array {
  return sha256(hashes)
}

/** Whether `data` is the shard of `member` that its commitment names. */
export function sliceMatches(hashes: Uint8Array, shard: number, data: Uint8Array): boolean {
  return equalBytes(sha256(data), hashes.subarray(32 * shard, 32 * shard + 32))
}
