/** Lies about keys and seed shares: such as do not open, and such as differ from one to the other. */
import type { MemberId } from '../../../protocol/ports.ts'
import type { Body } from '../../../protocol/wire/messages.ts'
import { about, flipped, type Lie, twoFaced } from '../liar.ts'

/** X25519 of low order, and ML-KEM coefficients that are not reduced. */
export const garbageKeys: Lie = about('keys', body => ({
  ...body,
  mask: new Uint8Array(body.mask.length),
  channel: new Uint8Array(body.channel.length).fill(255),
}))

export const twoKeys: Lie = twoFaced('keys', body => ({ ...body, selfCommit: flipped(body.selfCommit) }))
export const manyKeys: Lie = twoFaced(
  'keys',
  (body, _l, version) => ({ ...body, selfCommit: flipped(body.selfCommit, version) }),
  i => i,
)

/** Shares that do not open, or not to what was committed to; `to`: only for these members. */
export function wrongSealed(to?: readonly MemberId[]): Lie {
  return about('sealed', (body, _l, said) =>
    !to || to.includes(said.to!) ? { ...body, box: flipped(body.box, 9) } : undefined,
  )
}

/** Digests that differ between the halves of the others. */
export const twoOffers: Lie = twoFaced('offer', body => ({ ...body, digests: flipped(body.digests, 70) }))

/** Ciphertexts from which the partners compute pair keys that nobody else can. */
export const garbageCiphertexts: Lie = about('offer', body => ({
  ...body,
  ciphertexts: body.ciphertexts.map(c => flipped(c, 3)),
}))

/** Complains of a member whose shares it has. */
export function falseComplaint(of: MemberId): Lie {
  return (said, l) => {
    if (said.type !== 'input') return undefined
    const { round, attempt, opened } = said.body as Body<'input'>
    const cohort = l.cohort
    const missing = new Uint8Array(Math.ceil(cohort.length / 8))
    const i = cohort.indexOf(of)
    if (i < 0) return undefined
    missing[i >> 3]! |= 1 << (i & 7)
    return [{ bytes: l.says('complaint', { round, attempt, opened, missing }) }, { bytes: said.bytes }]
  }
}
