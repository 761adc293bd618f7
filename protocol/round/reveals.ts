/** Revealed shares and what they give: each is checked against what its dealer committed to (SPEC S10, S11). */
import { ascii, equalBytes } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { Memo } from '../memo.ts'
import type { Mask, MemberId, NoiseKey } from '../ports.ts'
import { noisyCohort } from '../privacy/layout.ts'
import { levelKept } from '../privacy/shares.ts'
import { combiner } from '../sum/shamir.ts'
import { EVIDENCE_MAX } from '../wire/limits.ts'
import type { Body } from '../wire/messages.ts'
import { type Attempt, evidenceOf, type Opening, type Seed } from './attempt.ts'
import { ciphertextsFit, maskPartners, pairKey } from './pair-keys.ts'
import {
  digestOf,
  maskPair,
  noiseKeys,
  seedChain,
  selfCommitment,
  selfMaskKey,
  shareDigest,
} from './secrets.ts'

/**
 * Which of the cohort's seeds the entry opens: of each one of two and never both; and of each survivor that of the first level of noise
 * which so many survivors do not need, if there is one, and with it those above (SPEC S10).
 */
export function seedsToOpen(a: Attempt, survivors: readonly MemberId[]): readonly Seed[] {
  const opened = a.cohort.map(
    (member): Seed => ({ member, kind: survivors.includes(member) ? 'self' : 'mask' }),
  )
  const level = levelKeptBy(a, survivors) + 1
  if (level > a.context.levels) return opened
  const noise = a.cohort.filter(m => survivors.includes(m)).map((member): Seed => ({ member, kind: level }))
  return [...opened, ...noise]
}

/** The highest level of noise that stays in the sum of these survivors; 0 where none may come off. */
export function levelKeptBy(a: Attempt, survivors: readonly MemberId[]): number {
  if (a.context.levels === 0) return 0
  return levelKept(noisyCohort(a.setup.charter, a.cohort.length), survivors.length)
}

export function acceptReveal(a: Attempt, from: MemberId, body: Body<'reveal'>, message: Uint8Array): boolean {
  if (!a.opening || !a.cohort.includes(from) || body.shares.length !== 32 * a.opening.seeds.length)
    return false
  a.opening.reveals.set(from, { body, message, checked: false })
  return true
}

/** What a reveal was found to hold, and under which entry and offers; the same for each of the peers of a simulation. */
interface Checked {
  readonly from: MemberId
  readonly fixed: Uint8Array
  readonly offers: Uint8Array
  readonly valid: ReadonlyMap<number, Uint8Array>
}
const checkedBefore = new Memo<Body<'reveal'>, Checked>()

/** The share of each of the seeds that `from` reveals, where it is the one that its dealer committed to. */
function validShares(
  a: Attempt,
  o: Opening,
  from: MemberId,
  body: Body<'reveal'>,
  offers: Uint8Array,
): ReadonlyMap<number, Uint8Array> {
  const before = checkedBefore.get(body)
  if (before?.from === from && equalBytes(before.fixed, o.fixed) && equalBytes(before.offers, offers))
    return before.valid
  const valid = new Map<number, Uint8Array>()
  o.seeds.forEach(({ member: dealer, kind }, i) => {
    const share = body.shares.slice(32 * i, 32 * i + 32)
    const digest = digestOf(a.context, a.offers.get(dealer)!, kind, from)
    if (equalBytes(shareDigest(a.context, kind, dealer, from, share), digest)) valid.set(i, share)
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
  if (!offers || body.shares.length !== 32 * o.seeds.length) return false
  const input = a.commitments.get(from)
  if (!equalBytes(body.offers, offers)) return input !== undefined && equalBytes(input.offers, offers)
  return validShares(a, o, from, body, offers).size < o.seeds.length
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
  /** Of every seed the same holders' shares were used: their places. */
  readonly places: string
  readonly seeds: readonly Uint8Array[]
}
const recoveredBefore = new Memo<ReadonlyMap<number, Uint8Array>, Combined>()

/** Recovers all seeds as soon as each has t valid shares, and with them the masks that come off. */
export function recover(a: Attempt, o: Opening): void {
  const t = a.context.threshold
  if (o.recovered || o.shares.size < t || !sameOffers(a, o)) return
  const places = [...o.shares.keys()].sort((p, q) => p - q)
  const holders = (i: number) => places.filter(p => o.shares.get(p)!.has(i)).slice(0, t)
  if (o.seeds.some((_, i) => holders(i).length < t)) return
  // Where all holders are honest the first t give every seed, and the digests that they fit determine them.
  const first = o.shares.get(places[0]!)!
  const usual = places.slice(0, t)
  const isUsual = usual.every(p => o.shares.get(p)!.size === o.seeds.length)
  const before = isUsual ? recoveredBefore.get(first) : undefined
  const known = before?.places === usual.join() ? before.seeds : undefined
  const all = known ?? recoverAll(a, o, isUsual ? () => usual : holders)
  if (!all) return
  if (isUsual && !known) recoveredBefore.set(first, { places: usual.join(), seeds: all })
  const seeds = new Map(a.cohort.map((m, i) => [m, all[i]!]))
  const hash = sha256(ascii('medmesh/1 seeds'), o.fixed, ...o.survivors.map(m => seeds.get(m)!))
  o.recovered = { hash, masks: knownMasks(a, o, seeds), excess: excessNoise(a, o, all), at: a.hands.now() }
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

/** Of each survivor the keys of the levels of its noise that come off, if any do. */
function excessNoise(
  a: Attempt,
  o: Opening,
  seeds: readonly Uint8Array[],
): ReadonlyMap<MemberId, readonly NoiseKey[]> {
  const excess = new Map<MemberId, readonly NoiseKey[]>()
  o.seeds.forEach(({ member, kind }, i) => {
    if (typeof kind === 'number') excess.set(member, noiseKeys(a.context, kind, chainTo(a, kind, seeds[i]!)))
  })
  return excess
}

/** From a level's seed up to the anchor. */
function chainTo(a: Attempt, level: number, seed: Uint8Array): readonly Uint8Array[] {
  return seedChain(seed, a.context.levels + 2 - level)
}

/** All seeds of the shares of these holders; undefined where one cannot be made, whose dealer is then named. */
function recoverAll(
  a: Attempt,
  o: Opening,
  holders: (seed: number) => readonly number[],
): readonly Uint8Array[] | undefined {
  const seeds: Uint8Array[] = []
  for (const [i, wanted] of o.seeds.entries()) {
    const places = holders(i)
    const name = places.join()
    if (o.failed.get(i) === name) return undefined
    const combine = combiner(places)
    const seed = combine.ok ? combine.value(places.map(p => o.shares.get(p)!.get(i)!)) : combine
    if (!seed.ok || !seedFits(a, wanted, seed.value)) {
      const { member } = wanted
      // Every share is as its dealer committed, and yet they are not of one secret: the dealer lied.
      o.failed.set(i, name)
      a.find({ member, code: 'badShare', evidence: dealt(a, o, member) })
      return undefined
    }
    seeds.push(seed.value)
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

/**
 * A dropout's pair keys follow from its mask seed, so it must have given its partners the ciphertexts of just these; and a survivor's levels of
 * noise from the seed of one of them, so it must be of the chain whose end is published.
 */
function seedFits(a: Attempt, { member, kind }: Seed, seed: Uint8Array): boolean {
  const announced = a.context.keys.get(member)!
  const offer = a.offers.get(member)!
  if (typeof kind === 'number')
    return offer.anchor !== undefined && equalBytes(chainTo(a, kind, seed).at(-1)!, offer.anchor)
  if (kind === 'self') return equalBytes(selfCommitment(seed), announced.selfCommit)
  const pair = maskPair(seed)
  return (
    equalBytes(pair.publicKey, announced.mask) &&
    ciphertextsFit(a.context, { id: member, maskSeed: seed, pair }, offer)
  )
}
