/**
 * All secrets of one hospital in one attempt, derived from one seed, so that a restarted peer sends the identical
 * bytes again (SPEC S1 to S4). Every derivation below the key announcement carries the hash of the
 * RoundOpened entry: peers that hold different entries, and so different models, cannot unmask each other.
 */
import { ascii, concatBytes, u32be } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { hkdf } from '../crypto/kdf.ts'
import { decapsulate, encapsulate, type HybridKeyPair, hybridKeyPair } from '../crypto/kem.ts'
import { seal, unseal } from '../crypto/seal.ts'
import type { MemberId, NoiseKey } from '../ports.ts'
import { secretFromSeed, split } from '../sum/shamir.ts'
import type { Body } from '../wire/messages.ts'
import { type CohortContext, info } from './context.ts'
import { encapsulatesTo, maskRandomness, pairDigest, pairInfo } from './pair-keys.ts'

/** What exists before the round is opened. */
export interface AttemptKeys {
  readonly seed: Uint8Array
  readonly maskSeed: Uint8Array
  readonly selfSeed: Uint8Array
  readonly mask: HybridKeyPair
  readonly channel: HybridKeyPair
}

/** `seed`: 32 fresh bytes, used for one attempt only. */
export function attemptKeys(seed: Uint8Array): AttemptKeys {
  const maskSeed = secretFromSeed(hkdf(seed, ascii('mask seed'), 64))
  return {
    seed,
    maskSeed,
    selfSeed: secretFromSeed(hkdf(seed, ascii('self seed'), 64)),
    mask: maskPair(maskSeed),
    channel: hybridKeyPair(hkdf(seed, ascii('channel seed'), 32)),
  }
}

/** The mask key pair that belongs to a mask seed, own or recovered. */
export function maskPair(maskSeed: Uint8Array): HybridKeyPair {
  return hybridKeyPair(hkdf(maskSeed, ascii('mask key pair'), 32))
}

/** Binds a self-mask seed without telling it: the seed has 256 bits of entropy. */
export function selfCommitment(selfSeed: Uint8Array): Uint8Array {
  return sha256(ascii('medmesh/1 self seed'), selfSeed)
}

/** What is shared: the seed of the self mask, that of the mask key pair, or that of a level of noise, from 1 on. */
export type SeedKind = 'self' | 'mask' | number

/** In the order in which their digests and shares come. */
export function seedKinds({ levels }: Pick<CohortContext, 'levels'>): readonly SeedKind[] {
  return ['self', 'mask', ...Array.from({ length: levels }, (_, i) => i + 1)]
}

export function nameOf(kind: SeedKind): string {
  return typeof kind === 'number' ? `level ${kind}` : kind
}

export function shareDigest(
  context: CohortContext,
  kind: SeedKind,
  from: MemberId,
  to: MemberId,
  share: Uint8Array,
): Uint8Array {
  return sha256(info(context, `share ${nameOf(kind)}`, from, to), share)
}

export interface OwnShares {
  readonly offer: Body<'offer'>
  readonly sealed: ReadonlyMap<MemberId, Body<'sealed'>>
  /** Own shares of the own seeds. */
  readonly own: MemberShares
  /** Pairwise mask keys with those who were encapsulated to. */
  readonly pairs: Map<MemberId, Uint8Array>
}

/** The shares that one member holds of another's seeds; 32 bytes each. */
export interface MemberShares {
  readonly self: Uint8Array
  readonly mask: Uint8Array
  /** Of the seeds of the levels of noise from 1 on. */
  readonly levels: readonly Uint8Array[]
}

export function shareOf(shares: MemberShares, kind: SeedKind): Uint8Array {
  return typeof kind === 'number' ? shares.levels[kind - 1]! : shares[kind]
}

/** Splits all seeds, encapsulates the mask keys, seals the shares: the same bytes for the same seed and entry. */
export function dealShares(context: CohortContext, me: MemberId, own: AttemptKeys): OwnShares {
  const n = context.cohort.length
  const mine = context.cohort.indexOf(me)
  const targets = new Set(encapsulatesTo(context, me))
  const kinds = seedKinds(context)
  const chain = levelSeeds(context, own)
  const seedOf = (kind: SeedKind) =>
    kind === 'self' ? own.selfSeed : kind === 'mask' ? own.maskSeed : chain[kind - 1]!
  const dealt = kinds.map(kind => {
    const polynomial = hkdf(own.seed, info(context, `polynomial ${nameOf(kind)}`), 32)
    return split(seedOf(kind), context.threshold, n, polynomial)
  })
  const anchor = chain[context.levels]
  const digests: Uint8Array[] = []
  const ciphertexts: Uint8Array[] = []
  const pairDigests: Uint8Array[] = []
  const sealed = new Map<MemberId, Body<'sealed'>>()
  const pairs = new Map<MemberId, Uint8Array>()
  const head = { round: context.round, attempt: context.attempt, opened: context.opened }
  context.cohort.forEach((to, j) => {
    const theirShares = dealt.map(shares => shares[j]!)
    kinds.forEach((kind, k) => {
      digests.push(shareDigest(context, kind, me, to, theirShares[k]!))
    })
    if (to === me) return
    const theirs = context.keys.get(to)!
    // A key that cannot be used was refused with its announcement, so both encapsulations succeed.
    if (targets.has(to)) {
      const randomness = maskRandomness(context, own.maskSeed, me, to)
      const sent = encapsulate(own.mask, theirs.mask, randomness, pairInfo(context, me, to))
      if (sent) {
        ciphertexts.push(sent.ciphertext)
        pairs.set(to, sent.secret)
        if (context.audits) pairDigests.push(pairDigest(context, me, to, sent.secret))
      }
    }
    const toThem = info(context, 'channel', me, to)
    const channel = encapsulate(own.channel, theirs.channel, hkdf(own.seed, toThem, 32), toThem)
    if (channel) {
      const box = seal(channel.secret, toThem, concatBytes(...theirShares))
      sealed.set(to, { ...head, ciphertext: channel.ciphertext, box })
    }
  })
  return {
    offer: {
      ...head,
      digests: concatBytes(...digests),
      ciphertexts,
      ...(anchor && { anchor }),
      ...(context.audits && { pairDigests: concatBytes(...pairDigests) }),
    },
    sealed,
    own: memberShares(dealt.map(shares => shares[mine]!)),
    pairs,
  }
}

/** Shares in the order of their kinds. */
function memberShares([self, mask, ...levels]: readonly Uint8Array[]): MemberShares {
  return { self: self!, mask: mask!, levels }
}

/** Whether an offer has the lengths that the cohort implies. */
export function offerFits(context: CohortContext, from: MemberId, offer: Body<'offer'>): boolean {
  const pairs = encapsulatesTo(context, from).length
  return (
    offer.digests.length === 32 * seedKinds(context).length * context.cohort.length &&
    (offer.anchor !== undefined) === context.levels > 0 &&
    offer.ciphertexts.length === pairs &&
    offer.pairDigests?.length === (context.audits ? 32 * pairs : undefined)
  )
}

/** One hash over the offers of a whole cohort, in its order. */
export function hashOfOffers(offers: readonly Body<'offer'>[]): Uint8Array {
  const hashes = offers.map(({ digests, ciphertexts, anchor, pairDigests }) =>
    sha256(digests, ...ciphertexts, ...[anchor, pairDigests].filter(bytes => bytes !== undefined)),
  )
  return sha256(ascii('medmesh/1 offers'), ...hashes)
}

/** The digest that `from` published for the share of `to`. */
export function digestOf(
  context: CohortContext,
  offer: Body<'offer'>,
  kind: SeedKind,
  to: MemberId,
): Uint8Array {
  const kinds = seedKinds(context)
  const at = 32 * (kinds.length * context.cohort.indexOf(to) + kinds.indexOf(kind))
  return offer.digests.subarray(at, at + 32)
}

/** Opens the shares that `from` sealed for `me`; undefined when they are not what `from` committed to. */
export function openShares(
  context: CohortContext,
  me: MemberId,
  own: AttemptKeys,
  from: MemberId,
  sealed: Body<'sealed'>,
): MemberShares | undefined {
  const toMe = info(context, 'channel', from, me)
  const secret = decapsulate(own.channel, context.keys.get(from)!.channel, sealed.ciphertext, toMe)
  const opened = secret && unseal(secret, toMe, sealed.box)
  const kinds = seedKinds(context)
  if (opened?.length !== 32 * kinds.length) return undefined
  return memberShares(kinds.map((_, k) => opened.slice(32 * k, 32 * (k + 1))))
}

export function selfMaskKey(context: CohortContext, selfSeed: Uint8Array): Uint8Array {
  return hkdf(selfSeed, info(context, 'self mask'), 32)
}

/**
 * Seed of a round's rotation and of what is drawn of its updates: public, and the same for all whose inputs are summed.
 * `entry`: hash of the entry that opened the attempt, or with committees of the study's last one, which all committees of
 * the round have in common.
 */
export function publicSeedOf(entry: Uint8Array, round: number): Uint8Array {
  return hkdf(entry, concatBytes(ascii('medmesh/1 rotation\n'), u32be(round)), 32)
}

/** Randomness that stays in the house: rounding, and the learner's minibatches. */
export function houseKey(
  context: CohortContext,
  own: AttemptKeys,
  purpose: 'rounding' | 'learning',
): Uint8Array {
  return hkdf(own.seed, info(context, purpose), 32)
}

/**
 * Seeds of the levels of one's noise, from 1 on, and the anchor, which the offer publishes; none where no level may come off. Each is made
 * of the one before: whoever knows one knows those above it and none below.
 */
export function levelSeeds(context: CohortContext, own: AttemptKeys): readonly Uint8Array[] {
  if (context.levels === 0) return []
  const first = secretFromSeed(hkdf(own.seed, info(context, 'noise levels'), 64))
  return seedChain(first, context.levels + 1)
}

/** `length` seeds, `first` and what follows from it. */
export function seedChain(first: Uint8Array, length: number): readonly Uint8Array[] {
  const chain = [first]
  while (chain.length < length)
    chain.push(secretFromSeed(hkdf(chain.at(-1)!, ascii('medmesh/1 next noise level'), 64)))
  return chain
}

/** Keys of the noise of these levels: the chain from level `from` up to the anchor. */
export function noiseKeys(context: CohortContext, from: number, chain: readonly Uint8Array[]): NoiseKey[] {
  return chain
    .slice(0, -1)
    .map((seed, i) => ({ level: from + i, key: hkdf(seed, info(context, 'noise'), 32) }))
}
