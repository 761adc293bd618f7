/** Lies about the own masked input: other data, other slices, other vectors, several. */
import { toHex } from '../../../protocol/bytes.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import type { Body } from '../../../protocol/wire/messages.ts'
import { about, flipped, type Lie, twoFaced } from '../liar.ts'

/** Gossiped data that are not what its own signed commitment names. */
export const corruptInput: Lie = about('input', body =>
  body.data.length > 0 ? { ...body, data: flipped(body.data, 20) } : undefined,
)

/** Own slices that are not what was committed to. */
export const corruptShards: Lie = (said, l) => {
  // An owner's own slices need no delivery: it does not vouch for itself either.
  if (said.type === 'receipt') return []
  if (said.type !== 'part') return undefined
  const body = said.body as Body<'part'>
  return l.slices.has(toHex(body.hash))
    ? [{ bytes: l.says('part', { ...body, data: flipped(body.data, 4) }) }]
    : undefined
}

/** A commitment, and nothing delivered. */
export const noDelivery: Lie = (said, l) =>
  said.type === 'receipt' || (said.type === 'part' && l.slices.has(toHex((said.body as Body<'part'>).hash)))
    ? []
    : undefined

/** A vector that is none of the field: residues of p and more. */
export const outsideField: Lie = about('input', body => {
  if (body.data.length === 0) return undefined
  const data = body.data.slice().fill(255, 0, 4)
  return { ...body, data, hashes: sha256(data) }
})

/** Any vector of the field, well beyond the charter's bounds, rightly committed to. */
export const anyVector: Lie = about('input', body => {
  if (body.data.length === 0) return undefined
  // The high byte stays below 127, so that each word is a residue.
  const data = body.data.map((b, i) => (i % 4 === 3 ? (b * 5 + 3) % 127 : (b + 17 * i) & 255))
  return { ...body, data, hashes: sha256(data) }
})

/** Two commitments, each with its data, to two halves of the others. */
export const twoInputs: Lie = twoFaced('input', (body, _l, version) => otherInput(body, version))

/** A different commitment to everybody. */
export const manyInputs: Lie = twoFaced(
  'input',
  (body, _l, version) => otherInput(body, version),
  i => i,
)

function otherInput(body: Body<'input'>, version: number): Body<'input'> {
  if (body.data.length === 0) return { ...body, hashes: flipped(body.hashes, version) }
  const data = body.data.slice()
  // Another residue, in the element that the version names.
  data[4 * version] = data[4 * version]! ^ 2
  return { ...body, data, hashes: sha256(data) }
}
