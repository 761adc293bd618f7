/** Which claims coin and tags are of (SPEC S12): one for each shard, fixed once, in whatever life. */
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import type { Attempt, Opening } from '../../../../protocol/round/attempt.ts'
import { freezeClaims } from '../../../../protocol/round/claims.ts'
import { acceptClaim, acceptTags, beginOpening } from '../../../../protocol/round/opening.ts'
import { attempts } from '../../../support/attempts.ts'

const N = 4
const FIXED = new Uint8Array(32).fill(9)
const OF = { round: 0, attempt: 0, fixed: FIXED }
const hash = (byte: number) => new Uint8Array(32).fill(byte)
const { fresh } = attempts(N, 0)

/** All survive, and each owns the shard of its own number. */
function opened(): { a: Attempt; o: Opening } {
  const a = fresh()
  const survivors = a.cohort.map(member => ({ member, root: hash(1) }))
  const body = { kind: 'SurvivorsFixed', ...OF, survivors, leftOut: [], owners: [...a.cohort] } as const
  beginOpening(a, body, FIXED, 1000)
  const o = a.opening!
  o.recovered = { hash: hash(2), masks: new Map(), excess: new Map(), at: 1000 }
  return { a, o }
}

function claim(a: Attempt, owner: number, shard: number, sum: number): void {
  acceptClaim(a, a.cohort[owner]!, { ...OF, shard, sum: hash(sum) }, hash(sum))
}

function claimAll(a: Attempt, sums: readonly number[]): void {
  for (const [shard, sum] of sums.entries()) claim(a, shard, shard, sum)
}

function frozen(sums: readonly number[]): NonNullable<Opening['frozen']> & { readonly coin: string } {
  const { a, o } = opened()
  claimAll(a, sums)
  freezeClaims(a, o)
  return { ...o.frozen!, coin: toHex(o.coin!) }
}

describe('claims', () => {
  it('are fixed when there is one that counts for each shard, and no later one counts', () => {
    const { a, o } = opened()
    claimAll(a, [3, 4, 5])
    // Not its owner, which still has its time.
    claim(a, 0, 3, 7)
    freezeClaims(a, o)
    expect([o.frozen, o.coin]).toEqual([undefined, undefined])
    claim(a, 3, 3, 6)
    freezeClaims(a, o)
    expect(o.frozen!.claims.map(c => c.hash[0])).toEqual([3, 4, 5, 6])
    const { coin } = o
    claim(a, 3, 3, 8)
    freezeClaims(a, o)
    expect(o.frozen!.claims.map(c => c.hash[0])).toEqual([3, 4, 5, 6])
    expect(o.coin).toBe(coin)
  })

  it('give another coin, each of them', () => {
    const coins = [[3, 4, 5, 6], ...[0, 1, 2, 3].map(i => [3, 4, 5, 6].with(i, 7))].map(s => frozen(s).coin)
    expect(new Set(coins).size).toBe(5)
    expect(frozen([3, 4, 5, 6]).coin).toBe(coins[0])
  })

  it('are those that the tags of a former life were made of', () => {
    const { a, o } = opened()
    const claims = frozen([3, 4, 5, 6]).hash
    acceptTags(a, a.hands.self, { ...OF, claims, tags: new Uint8Array(16 * N) }, hash(1))
    claimAll(a, [3, 4, 5, 7])
    freezeClaims(a, o)
    expect(o.frozen).toBeUndefined()
    claim(a, 3, 3, 6)
    freezeClaims(a, o)
    expect(o.frozen!.hash).toEqual(claims)
  })

  it('leave no sum that was taken under another', () => {
    const { a, o } = opened()
    claimAll(a, [3, 4, 5, 6])
    o.sums.set(1, { sum: Uint32Array.of(1), hash: hash(4) })
    o.sums.set(2, { sum: Uint32Array.of(1), hash: hash(8) })
    o.sums.set(3, { sum: Uint32Array.of(1), hash: hash(8) })
    // Made here of all slices: that cannot be wrong.
    o.own.add(3)
    freezeClaims(a, o)
    expect([...o.sums.keys()]).toEqual([1, 3])
  })
})
