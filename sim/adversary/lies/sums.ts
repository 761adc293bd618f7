/** Lies of an owner about its shard's sum. */
import { toHex } from '../../../protocol/bytes.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import type { Body } from '../../../protocol/wire/messages.ts'
import { about, flipped, type Lie, silentAbout, twoFaced } from '../liar.ts'

/** Receipts, and no sum ever. */
export const neverSums: Lie = silentAbout('claim', 'shardSum')

/** Nothing at all after the survivors are fixed. */
export const vanishes: Lie = silentAbout('claim', 'shardSum', 'reveal', 'tags', 'shard')

/** The right claim and another sum. */
export const wrongSum: Lie = about('shardSum', body => ({ ...body, data: flipped(body.data, 8) }))

/** A claim that nobody's sum matches. */
export const wrongClaim: Lie = about('claim', body => ({ ...body, sum: flipped(body.sum, 1) }))

/** A wrong sum with the claim that fits it. */
export const wrongClaimAndSum: Lie = (said, l) => {
  const other = (data: Uint8Array) => flipped(data, 0)
  if (said.type === 'shardSum') {
    const body = said.body as Body<'shardSum'>
    return [{ bytes: l.says('shardSum', { ...body, data: other(body.data) }) }]
  }
  if (said.type !== 'claim') return undefined
  const body = said.body as Body<'claim'>
  const sum = l.sums.get(toHex(body.sum))
  return sum && [{ bytes: l.says('claim', { ...body, sum: sha256(other(sum)) }) }]
}

export const twoClaims: Lie = twoFaced('claim', body => ({ ...body, sum: flipped(body.sum) }))

/** Claims every shard, whoever owns it, as soon as the survivors are fixed. */
export const claimsAll: Lie = (said, l) => {
  if (said.type !== 'claim') return undefined
  const body = said.body as Body<'claim'>
  return l.cohort.map((_m, shard) => ({
    bytes: l.says('claim', { ...body, shard, sum: flipped(body.sum) }),
  }))
}
