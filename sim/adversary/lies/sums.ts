/** Lies of an owner about its shard's sum. */
import { toHex } from '../../../protocol/bytes.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import type { Body } from '../../../protocol/wire/messages.ts'
import { about, flipped, type Lie, silentAbout, twoFaced } from '../liar.ts'

/** Receipts, and no sum ever. */
export const neverSums: Lie = silentAbout('claim')

/** The right claim, and nothing to whoever asks for the sum. */
export const keepsSum: Lie = (said, l) =>
  said.type === 'part' && l.sums.has(toHex((said.body as Body<'part'>).hash)) ? [] : undefined

/** Nothing at all after the survivors are fixed. */
export const vanishes: Lie = silentAbout('claim', 'reveal', 'tags', 'part')

/** The right claim and another sum. */
export const wrongSum: Lie = about('part', (body, l) =>
  l.sums.has(toHex(body.hash)) ? { ...body, data: flipped(body.data, 8) } : undefined,
)

/** A claim that nobody's sum matches. */
export const wrongClaim: Lie = about('claim', body => ({ ...body, sum: flipped(body.sum, 1) }))

/** A wrong sum with the claim that fits it. */
export const wrongClaimAndSum: Lie = about('claim', (body, l) => {
  const sum = l.sums.get(toHex(body.sum))
  if (!sum) return undefined
  const other = flipped(sum, 0)
  const hash = sha256(other)
  l.forged.set(toHex(hash), other)
  return { ...body, sum: hash }
})

export const twoClaims: Lie = twoFaced('claim', body => ({ ...body, sum: flipped(body.sum) }))

/** Claims every shard, whoever owns it, as soon as the survivors are fixed. */
export const claimsAll: Lie = (said, l) => {
  if (said.type !== 'claim') return undefined
  const body = said.body as Body<'claim'>
  return l.cohort.map((_m, shard) => ({
    bytes: l.says('claim', { ...body, shard, sum: flipped(body.sum) }),
  }))
}
