/**
 * Keys of pairwise masks (SPEC S4, A2): of each pair one encapsulates to the other, with randomness from its mask seed, so that whoever
 * recovers that seed can compute them too; and where audits may open them, an offer commits to them.
 */
import { equalBytes } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { hkdf } from '../crypto/kdf.ts'
import { decapsulate, encapsulate, type HybridKeyPair } from '../crypto/kem.ts'
import { Memo } from '../memo.ts'
import type { Mask, MemberId } from '../ports.ts'
import { pairSign, partners } from '../sum/pairs.ts'
import type { Body } from '../wire/messages.ts'
import { type CohortContext, info } from './context.ts'

/**
 * Who of a pair encapsulates to the other. A tournament in which each wins about half of its pairs, so that no
 * offer carries more than about n / 2 ciphertexts. `a` and `b`: different indexes in the cohort.
 */
export function encapsulates(a: number, b: number): boolean {
  return a < b ? (b - a) % 2 === 1 : (a - b) % 2 === 0
}

/** Binds the key of a pairwise mask without telling it. `from`: who encapsulated it. */
export function pairDigest(
  context: CohortContext,
  from: MemberId,
  to: MemberId,
  key: Uint8Array,
): Uint8Array {
  return sha256(info(context, 'pairwise key', from, to), key)
}

/** Whether this is the key of the pairwise mask of two members, as the offer of the one that encapsulated it has it. */
export function pairKeyFits(
  context: CohortContext,
  a: MemberId,
  b: MemberId,
  key: Uint8Array,
  offers: ReadonlyMap<MemberId, Body<'offer'>>,
): boolean {
  const isSender = encapsulates(context.cohort.indexOf(a), context.cohort.indexOf(b))
  const [from, to] = isSender ? [a, b] : [b, a]
  const at = 32 * encapsulatesTo(context, from).indexOf(to)
  const digest = offers.get(from)?.pairDigests?.subarray(at, at + 32)
  return digest !== undefined && equalBytes(pairDigest(context, from, to, key), digest)
}

interface Neighbours {
  readonly partners: readonly MemberId[]
  readonly encapsulatesTo: readonly MemberId[]
}
/** Of each member, as long as its attempt lasts. */
const neighboursIn = new Memo<CohortContext, Map<MemberId, Neighbours>>()

function neighbours(context: CohortContext, member: MemberId): Neighbours {
  const known = neighboursIn.get(context) ?? new Map<MemberId, Neighbours>()
  neighboursIn.set(context, known)
  const before = known.get(member)
  if (before) return before
  const { cohort, opened } = context
  const own = cohort.indexOf(member)
  const indices = partners(cohort.length, own, opened)
  const found = {
    partners: indices.map(i => cohort[i]!),
    encapsulatesTo: indices.filter(i => encapsulates(own, i)).map(i => cohort[i]!),
  }
  known.set(member, found)
  return found
}

/** With whom a member shares a pairwise mask, in the cohort's order. */
export function maskPartners(context: CohortContext, member: MemberId): readonly MemberId[] {
  return neighbours(context, member).partners
}

/** Those whom a member encapsulates to: the order of `offer.ciphertexts`. */
export function encapsulatesTo(context: CohortContext, from: MemberId): readonly MemberId[] {
  return neighbours(context, from).encapsulatesTo
}

export function pairInfo(context: CohortContext, from: MemberId, to: MemberId): Uint8Array {
  return info(context, 'pairwise mask', from, to)
}

export function maskRandomness(
  context: CohortContext,
  maskSeed: Uint8Array,
  from: MemberId,
  to: MemberId,
): Uint8Array {
  return hkdf(maskSeed, info(context, 'encapsulation', from, to), 32)
}

/**
 * The pairwise mask key of `a` and `b`, computed with the key pair of `a`: its own, or one recovered from shares.
 * The sign is the one that `a` applies: the earlier in the cohort adds. `dealt`: the key, where `a` has just encapsulated it.
 */
export function pairKey(
  context: CohortContext,
  a: { readonly id: MemberId; readonly maskSeed: Uint8Array; readonly pair: HybridKeyPair },
  b: MemberId,
  offerOfB: Body<'offer'> | undefined,
  dealt?: Uint8Array,
): Mask | undefined {
  const i = context.cohort.indexOf(a.id)
  const j = context.cohort.indexOf(b)
  const theirs = context.keys.get(b)!.mask
  const sign = pairSign(i, j)
  if (dealt) return { key: dealt, sign }
  if (encapsulates(i, j)) {
    const sent = encapsulate(
      a.pair,
      theirs,
      maskRandomness(context, a.maskSeed, a.id, b),
      pairInfo(context, a.id, b),
    )
    return sent && { key: sent.secret, sign }
  }
  const ciphertext = offerOfB?.ciphertexts[encapsulatesTo(context, b).indexOf(a.id)]
  const key = ciphertext && decapsulate(a.pair, theirs, ciphertext, pairInfo(context, b, a.id))
  return key && { key, sign }
}

/** Whether an offer carries the ciphertexts that follow from the member's mask seed, and commits to their keys. */
export function ciphertextsFit(
  context: CohortContext,
  a: { readonly id: MemberId; readonly maskSeed: Uint8Array; readonly pair: HybridKeyPair },
  offer: Body<'offer'>,
): boolean {
  return encapsulatesTo(context, a.id).every((to, k) => {
    const randomness = maskRandomness(context, a.maskSeed, a.id, to)
    const sent = encapsulate(a.pair, context.keys.get(to)!.mask, randomness, pairInfo(context, a.id, to))
    if (!sent || !equalBytes(sent.ciphertext, offer.ciphertexts[k]!)) return false
    const digest = offer.pairDigests?.subarray(32 * k, 32 * k + 32)
    return !digest || equalBytes(pairDigest(context, a.id, to, sent.secret), digest)
  })
}
