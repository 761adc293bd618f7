/** Revealed shares and what they give: each is checked against what its dealer committed to (SPEC S10, S11). */
import { ascii, equalBytes } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { Memo } from '../memo.ts'
import type { Mask, MemberId } from '../ports.ts'
import { combiner } from '../sum/shamir.ts'
import { EVIDENCE_MAX } from '../wire/limits.ts'
import type { Body } from '../wire/messages.ts'
import { type Attempt, evidenceOf, type Opening } from './attempt.ts'
import {
  ciphertextsFit,
  digestOf,
  maskPair,
  maskPartners,
  pairKey,
  type SeedKind,
  selfCommitment,
  selfMaskKey,
  shareDigest,
} from './secrets.ts'

/** Which of a member's seeds the entry opens: never both (SPEC S10). */
export function kindOf(o: Opening, member: MemberId): SeedKind {
  return o.survivors.includes(member) ? 'self' : 'mask'
}

export function acceptReveal(a: Attempt, from: MemberId, body: Body<'reveal'>, message: Uint8Array): boolean {
  if (!a.opening || !a.cohort.includes(from) || body.shares.length !== 32 * a.cohort.length) return false
  a.opening.reveals.set(from, { body, message, checked: false })
  return true
}

/** What a reveal was found to hold, and under which entry and offers; the same for each of the peers of a simulation. */
interface Checked {
  readonly from: MemberId
  readonly fixed: Uint8Array
  readonly offers: Uint8Array
  readonly valid: ReadonlyMap<MemberId, Uint8Array>
}
const checkedBefore = new Memo<Body<'reveal'>, Checked>()

/** The share of each dealer that `from` reveals, where it is the one that the dealer committed to. */
function validShares(
  a: Attempt,
  o: Opening,
  from: MemberId,
  body: Body<'reveal'>,
  offers: Uint8Array,
): ReadonlyMap<MemberId, Uint8Array> {
  const before = checkedBefore.get(body)
  if (before?.from === from && equalBytes(before.fixed, o.fixed) && equalBytes(before.offers, offers))
    return before.valid
  const valid = new Map<MemberId, Uint8Array>()
  a.cohort.forEach((dealer, i) => {
    const kind = kindOf(o, dealer)
    const share = body.shares.slice(32 * i, 32 * i + 32)
    const digest = digestOf(a.context, a.offers.get(dealer)!, kind, from)
    if (equalBytes(shareDigest(a.context, kind, dealer, from, share), digest)) valid.set(dealer, share)
  })
  checkedBefore.set(body, { from, fixed: o.fixed, offers, valid })
  return valid
}

/**
 * Whether a reveal is wrong in itself: made of the offers that this peer holds, or of other ones than its own input was,
 * and with a share that is none of theirs. Who was dealt other offers is not to blame for it.
 */
export function wrongShares(a: Attempt, o: Opening, from: MemberId, body: Body<'reveal'>): boolean {
  const offers = a.offersHash()
  if (!offers || body.shares.length !== 32 * a.cohort.length) return false
  const input = a.commitments.get(from)
  if (!equalBytes(body.offers, offers)) return input !== undefined && equalBytes(input.offers, offers)
  return validShares(a, o, from, body, offers).size < a.cohort.length
}

/** Takes in the shares of each new reveal; a wrong one names its sender. */
export function checkReveals(a: Attempt, o: Opening): void {
  const offers = a.offersHash()
  if (!offers) return
  for (const [from, r] of o.reveals) {
    if (r.checked) continue
    r.checked = true
    if (wrongShares(a, o, from, r.body))
      a.find({ member: from, code: 'badShare', evidence: evidenceOf(r.message) })
    o.shares.set(a.positionOf(from)!, validShares(a, o, from, r.body, offers))
  }
}

/** The seeds that were recovered of these shares and others; the same for each of the peers of a simulation. */
interface Combined {
  /** Of every member the same holders' shares were used: their places. */
  readonly places: string
  readonly seeds: ReadonlyMap<MemberId, Uint8Array>
}
const recoveredBefore = new Memo<ReadonlyMap<MemberId, Uint8Array>, Combined>()

/** Recovers all seeds as soon as each has t valid shares, and with them the masks that come off. */
export function recover(a: Attempt, o: Opening): void {
  const t = a.context.threshold
  if (o.recovered || o.shares.size < t || !sameOffers(a, o)) return
  const places = [...o.shares.keys()].sort((p, q) => p - q)
  const holders = (member: MemberId) => places.filter(p => o.shares.get(p)!.has(member)).slice(0, t)
  if (a.cohort.some(m => holders(m).length < t)) return
  // Where all holders are honest the first t give every seed, and the digests that they fit determine them.
  const first = o.shares.get(places[0]!)!
  const usual = places.slice(0, t)
  const isUsual = usual.every(p => o.shares.get(p)!.size === a.cohort.length)
  const before = isUsual ? recoveredBefore.get(first) : undefined
  const known = before?.places === usual.join() ? before.seeds : undefined
  const seeds = known ?? recoverAll(a, o, isUsual ? () => usual : holders)
  if (!seeds) return
  if (isUsual && !known) recoveredBefore.set(first, { places: usual.join(), seeds })
  const hash = sha256(ascii('medmesh/1 seeds'), o.fixed, ...o.survivors.map(m => seeds.get(m)!))
  o.recovered = { seeds, hash, masks: knownMasks(a, o, seeds), at: a.hands.now() }
}

/** Of each survivor its self mask and its masks with dropouts, with the opposite sign of what it applied. */
function knownMasks(
  a: Attempt,
  o: Opening,
  seeds: ReadonlyMap<MemberId, Uint8Array>,
): ReadonlyMap<MemberId, readonly Mask[]> {
  const masks = new Map<MemberId, Mask[]>()
  for (const m of o.survivors) masks.set(m, [{ key: selfMaskKey(a.context, seeds.get(m)!), sign: -1 }])
  for (const dropout of o.dropouts) {
    const maskSeed = seeds.get(dropout)!
    const them = { id: dropout, maskSeed, pair: maskPair(maskSeed) }
    for (const survivor of maskPartners(a.context, dropout)) {
      const pair = masks.has(survivor) && pairKey(a.context, them, survivor, a.offers.get(survivor))
      // Its sign is the dropout's, and so the opposite of the survivor's.
      if (pair) masks.get(survivor)!.push(pair)
    }
  }
  return masks
}

/** All seeds of the shares of these holders; undefined where one cannot be made, whose dealer is then named. */
function recoverAll(
  a: Attempt,
  o: Opening,
  holders: (member: MemberId) => readonly number[],
): ReadonlyMap<MemberId, Uint8Array> | undefined {
  const seeds = new Map<MemberId, Uint8Array>()
  for (const member of a.cohort) {
    const places = holders(member)
    const name = places.join()
    if (o.failed.get(member) === name) return undefined
    const combine = combiner(places)
    const seed = combine.ok ? combine.value(places.map(p => o.shares.get(p)!.get(member)!)) : combine
    if (!seed.ok || !seedFits(a, o, member, seed.value)) {
      // Every share is as its dealer committed, and yet they are not of one secret: the dealer lied.
      o.failed.set(member, name)
      a.find({ member, code: 'badShare', evidence: dealt(a, o, member) })
      return undefined
    }
    seeds.set(member, seed.value)
  }
  return seeds
}

/** The dealer's digests, and revealed shares that fit them. */
function dealt(a: Attempt, o: Opening, dealer: MemberId): Uint8Array[] {
  const offer = a.offerMessages.get(dealer)
  const reveals = [...o.reveals.values()].map(r => r.message)
  return evidenceOf(...(offer ? [offer] : []), ...reveals).slice(0, EVIDENCE_MAX)
}

/**
 * Whether the survivors' inputs were made of the offers that are held here: with others the sum would be another. All
 * honest survivors name the same ones (L6), and one of more than f is honest.
 */
function sameOffers(a: Attempt, o: Opening): boolean {
  const offers = a.offersHash()
  if (!offers) return false
  const same = o.survivors.filter(m => {
    const input = a.commitments.get(m)
    return input !== undefined && equalBytes(input.offers, offers)
  })
  return same.length > a.setup.charter.maliciousMax
}

/** A dropout's pair keys follow from its mask seed, so it must have given its partners the ciphertexts of just these. */
function seedFits(a: Attempt, o: Opening, member: MemberId, seed: Uint8Array): boolean {
  const announced = a.context.keys.get(member)!
  if (kindOf(o, member) === 'self') return equalBytes(selfCommitment(seed), announced.selfCommit)
  const pair = maskPair(seed)
  const them = { id: member, maskSeed: seed, pair }
  return equalBytes(pair.publicKey, announced.mask) && ciphertextsFit(a.context, them, a.offers.get(member)!)
}
