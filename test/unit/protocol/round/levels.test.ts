/** Seeds of levels of noise: a chain of which shares are dealt, and of which no more is opened than comes off (SPEC S2, S3, S10). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { quorum } from '../../../../config/charter.ts'
import { equalBytes, toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import type { CohortContext, PublicKeys } from '../../../../protocol/round/context.ts'
import { areAsOffered } from '../../../../protocol/round/input.ts'
import { decodeShares, encodeShares } from '../../../../protocol/round/records.ts'
import { seedsToOpen } from '../../../../protocol/round/reveals.ts'
import {
  type AttemptKeys,
  attemptKeys,
  dealShares,
  digestOf,
  hashOfOffers,
  levelSeeds,
  noiseKeys,
  offerFits,
  openShares,
  seedChain,
  seedKinds,
  selfCommitment,
  shareDigest,
  shareOf,
} from '../../../../protocol/round/secrets.ts'
import { combine } from '../../../../protocol/sum/shamir.ts'
import { attempts } from '../../../support/attempts.ts'
import { memberName } from '../../../support/consortium.ts'
import { hospitalsNoised, noised } from '../../../support/noised.ts'

const N = 4
const cohort = Array.from({ length: N }, (_, i) => memberName(i))
const [me, other] = cohort as [string, string]
const owns = new Map(cohort.map((m, i) => [m, attemptKeys(sha256(Uint8Array.of(i)))]))
const keys = new Map(cohort.map(m => [m, announced(owns.get(m)!)]))
const threshold = quorum(N, 1)
const plain: CohortContext = {
  round: 3,
  attempt: 1,
  opened: sha256(),
  cohort,
  keys,
  threshold,
  levels: 0,
  audits: false,
}
const context: CohortContext = { ...plain, levels: 3 }
const own = owns.get(me)!

function announced({ mask, channel, selfSeed }: AttemptKeys): PublicKeys {
  return { mask: mask.publicKey, channel: channel.publicKey, selfCommit: selfCommitment(selfSeed) }
}

describe('the seeds of levels of noise', () => {
  const chain = levelSeeds(context, own)

  it('are a chain: each gives all that follow it, the last of which is the anchor that the offer publishes', () => {
    expect(chain.length).toBe(4)
    for (let level = 1; level <= 4; level++)
      expect(seedChain(chain[level - 1]!, 5 - level)).toEqual(chain.slice(level - 1))
    expect(dealShares(context, me, own).offer.anchor).toEqual(chain[3])
    expect(new Set(chain.map(toHex)).size).toBe(4)
  })

  it('give a key for each level but the anchor, the same for whoever begins at a later one', () => {
    const all = noiseKeys(context, 1, chain)
    expect(all.map(k => k.level)).toEqual([1, 2, 3])
    expect(noiseKeys(context, 2, seedChain(chain[1]!, 3))).toEqual(all.slice(1))
    const others = [
      ...noiseKeys(context, 1, levelSeeds(context, owns.get(other)!)),
      ...[{ round: 4 }, { attempt: 2 }, { opened: sha256(Uint8Array.of(1)) }].flatMap(change => {
        const changed = { ...context, ...change }
        // Also of the same seeds: keys are bound to round, attempt and entry.
        return [...noiseKeys(changed, 1, chain), ...noiseKeys(changed, 1, levelSeeds(changed, own))]
      }),
    ]
    expect(new Set([...all, ...others].map(k => toHex(k.key))).size).toBe(all.length + others.length)
  })

  it('are shared: t shares of each give it, and each is as its digest says, and no other', () => {
    const dealt = dealShares(context, me, own)
    const held = cohort.map(m =>
      m === me ? dealt.own : openShares(context, m, owns.get(m)!, me, dealt.sealed.get(m)!)!,
    )
    for (const kind of seedKinds(context)) {
      const shares = held.map((h, index) => ({ index, share: shareOf(h, kind) }))
      const secret = kind === 'self' ? own.selfSeed : kind === 'mask' ? own.maskSeed : chain[kind - 1]!
      for (const some of [shares.slice(0, threshold), shares.slice(N - threshold)])
        expect(combine(some, threshold)).toEqual({ ok: true, value: secret })
      cohort.forEach((to, i) => {
        for (const as of seedKinds(context)) {
          const digest = shareDigest(context, kind, me, to, shareOf(held[i]!, kind))
          expect(equalBytes(digest, digestOf(context, dealt.offer, as, to))).toBe(as === kind)
        }
      })
    }
    expect(offerFits(context, me, dealt.offer)).toBe(true)
    expect(offerFits(plain, me, dealt.offer)).toBe(false)
    const { anchor: _, ...without } = dealt.offer
    expect(offerFits(context, me, without)).toBe(false)
  })

  it('are not there where no noise may come off: messages are as they were without any', () => {
    const { offer, sealed, own: ownShares } = dealShares(plain, me, own)
    expect(levelSeeds(plain, own)).toEqual([])
    expect(Object.keys(offer)).not.toContain('anchor')
    expect(offer.digests.length).toBe(64 * N)
    expect(sealed.get(other)!.box.length).toBe(64 + 16)
    expect(offerFits(plain, me, { ...offer, anchor: new Uint8Array(32) })).toBe(false)
    expect(offerFits(context, me, offer)).toBe(false)
    const record = encodeShares(new Map([[me, ownShares]]))
    expect(new TextDecoder().decode(record)).not.toContain('levels')
  })

  it('and their shares come back from the record', () => {
    const shares = new Map(cohort.map(m => [m, dealShares(context, m, owns.get(m)!).own]))
    expect(decodeShares(encodeShares(shares))).toEqual(shares)
    expect(decodeShares(Uint8Array.of(1))).toBeUndefined()
    expect(decodeShares(undefined)).toBeUndefined()
  })

  it('end in what the hash of all offers covers', () => {
    const offers = cohort.map(m => dealShares(context, m, owns.get(m)!).offer)
    const changed = [{ ...offers[0]!, anchor: new Uint8Array(32) }, ...offers.slice(1)]
    expect(hashOfOffers(changed)).not.toEqual(hashOfOffers(offers))
  })
})

describe('sealed shares', () => {
  it('count as sent only if those of each level are as they were committed to', () => {
    const { fresh } = attempts(N, 0, noised())
    const taken = (levels: number, wrong?: number) => {
      const a = fresh({ keys, own })
      expect(a.context.levels).toBe(1)
      const { offer, sealed } = dealShares({ ...a.context, levels }, other, owns.get(other)!)
      const digests = offer.digests.slice()
      if (wrong !== undefined) digests[32 * (3 * a.positionOf(me)! + wrong)]! ^= 1
      a.offers.set(other, { ...offer, digests })
      a.acceptSealed(other, sealed.get(me)!)
      a.openSealed((from, shares) => areAsOffered(a, from, shares))
      return a.shares.has(other)
    }
    expect(taken(1)).toBe(true)
    for (const kind of [0, 1, 2]) expect(taken(1, kind)).toBe(false)
    // Without any of a level, and with one too many.
    expect(taken(0)).toBe(false)
    expect(taken(2)).toBe(false)
  })
})

describe('a reveal', () => {
  it('opens one seed of each member, and of survivors that of the first level that comes off, never one below it', () => {
    for (const edit of [noised(), hospitalsNoised()]) {
      const { fresh } = attempts(10, 0, edit)
      const a = fresh()
      expect(a.context.levels).toBe(3)
      fc.assert(
        fc.property(fc.subarray([...a.cohort], { minLength: 6 }), survivors => {
          const seeds = seedsToOpen(a, survivors)
          // Levels are for up to 0, 1, 3 and 4 dropouts.
          const off = [0, 1, 3, 4].filter(end => end < 10 - survivors.length).length + 1
          const expected = [
            ...a.cohort.map(member => ({ member, kind: survivors.includes(member) ? 'self' : 'mask' })),
            ...(off > 3
              ? []
              : a.cohort.filter(m => survivors.includes(m)).map(member => ({ member, kind: off }))),
          ]
          expect(seeds).toEqual(expected)
        }),
      )
      expect(() => seedsToOpen(a, a.cohort.slice(0, 5))).toThrow(RangeError)
    }
  })

  it('opens nothing else without noise', () => {
    const a = attempts(10, 0).fresh()
    expect(a.context.levels).toBe(0)
    expect(seedsToOpen(a, a.cohort).length).toBe(10)
  })
})
