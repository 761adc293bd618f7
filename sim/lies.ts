/** What a malicious hospital can do wrong in a round: one lie each, to be combined (`sim/adversary.ts`). */
import { toHex } from '../protocol/bytes.ts'
import { proposalBody, voteBody } from '../protocol/consensus/message.ts'
import { sha256 } from '../protocol/crypto/hash.ts'
import { decodeEntry, type Entry, type Body as EntryBody, encodeEntry } from '../protocol/ledger/entry.ts'
import type { MemberId } from '../protocol/ports.ts'
import type { Body } from '../protocol/wire/messages.ts'
import { about, flipped, type Liar, type Lie, silentAbout, twoFaced } from './adversary.ts'

// --- inputs ---

/** Gossiped data that are not what its own signed commitment names. */
export const corruptInput: Lie = about('input', body =>
  body.data.length > 0 ? { ...body, data: flipped(body.data, 20) } : undefined,
)

/** Own slices that are not what was committed to. */
export const corruptShards: Lie = (said, l) => {
  // An owner's own slices need no delivery: it does not vouch for itself either.
  if (said.type === 'receipt') return []
  if (said.type !== 'shard') return undefined
  const body = said.body as Body<'shard'>
  return body.member === l.self
    ? [{ bytes: l.says('shard', { ...body, data: flipped(body.data, 4) }) }]
    : undefined
}

/** A commitment, and nothing delivered. */
export const noDelivery: Lie = (said, l) =>
  said.type === 'receipt' || (said.type === 'shard' && (said.body as Body<'shard'>).member === l.self)
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

// --- keys and shares ---

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
    const cohort = cohortOf(l)
    const missing = new Uint8Array(Math.ceil(cohort.length / 8))
    const i = cohort.indexOf(of)
    if (i < 0) return undefined
    missing[i >> 3]! |= 1 << (i & 7)
    return [{ bytes: l.says('complaint', { round, attempt, opened, missing }) }, { bytes: said.bytes }]
  }
}

// --- receipts, sums ---

/** Says that it holds everything. */
export const falseReceipts: Lie = about('receipt', (body, l) =>
  body.held.length === 1 && l.config.charter.secureSum.gossipBytesMax > 0
    ? undefined
    : { ...body, held: allHeld(l) },
)

/** Tells each of the others that it holds that one's slices and no other's. */
export const splitReceipts: Lie = (said, l) => {
  if (said.type !== 'receipt') return undefined
  const cohort = cohortOf(l)
  return l.others.map(to => {
    const from = new Uint8Array(Math.ceil(cohort.length / 8))
    const i = cohort.indexOf(to)
    from[i >> 3]! |= 1 << (i & 7)
    const held = (said.body as Body<'receipt'>).held.map(h => ({ shard: h.shard, from }))
    return { to, bytes: l.says('receipt', { ...(said.body as Body<'receipt'>), held }) }
  })
}

function allHeld(l: Liar): Body<'receipt'>['held'] {
  const cohort = cohortOf(l)
  const from = new Uint8Array(Math.ceil(cohort.length / 8))
  cohort.forEach((_m, i) => {
    from[i >> 3]! |= 1 << (i & 7)
  })
  return cohort.map((_m, shard) => ({ shard, from }))
}

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
  return cohortOf(l).map((_m, shard) => ({
    bytes: l.says('claim', { ...body, shard, sum: flipped(body.sum) }),
  }))
}

// --- reveals, tags ---

/** One of the revealed shares is another. */
export const wrongReveal: Lie = about('reveal', body => ({ ...body, shares: flipped(body.shares, 35) }))
export const twoReveals: Lie = twoFaced('reveal', body => ({ ...body, shares: flipped(body.shares, 35) }))
export const noReveal: Lie = silentAbout('reveal')
export const wrongTags: Lie = about('tags', body => ({ ...body, tags: flipped(body.tags, 0) }))
export const twoTags: Lie = twoFaced('tags', body => ({ ...body, tags: flipped(body.tags, 0) }))
export const noTags: Lie = silentAbout('tags')

// --- entries ---

/** Proposes another entry, and votes for it. */
export function proposes(change: (entry: Entry, l: Liar) => EntryBody | undefined): Lie {
  const instead = new Map<string, Uint8Array>()
  const key = (id: Uint8Array) => id.join()
  return (said, l) => {
    const m = said.consensus
    if (!m) return undefined
    if (m.type !== 'proposal') {
      const value = m.id && instead.get(key(m.id))
      return value ? [{ bytes: l.signs(m.type, voteBody(m.height, m.view, sha256(value))) }] : undefined
    }
    const entry = decodeEntry(m.value)
    const body = entry.ok ? change(entry.value, l) : undefined
    if (!entry.ok || !body) return undefined
    const value = encodeEntry({ ...entry.value, body })
    instead.set(key(m.id), value)
    return [{ bytes: l.signs('proposal', proposalBody(m.height, m.view, m.validView, value)) }]
  }
}

/** Two proposals for one view. */
export const twoProposals: Lie = (said, l) => {
  const m = said.consensus
  if (m?.type !== 'proposal') return undefined
  const entry = decodeEntry(m.value)
  if (!entry.ok) return undefined
  const value = encodeEntry({ ...entry.value, at: entry.value.at + 1 })
  const other = l.signs('proposal', proposalBody(m.height, m.view, m.validView, value))
  return l.others.map((to, i) => ({ to, bytes: i % 2 === 0 ? said.bytes : other }))
}

/** Leaves out a member that has delivered. */
export function leavesOut(victim: MemberId): Lie {
  return proposes(({ body }) => {
    if (body.kind !== 'SurvivorsFixed' || !body.survivors.some(s => s.member === victim)) return undefined
    return {
      ...body,
      survivors: body.survivors.filter(s => s.member !== victim),
      leftOut: [...body.leftOut, { member: victim, reason: 'corrupt', evidence: [new Uint8Array(40)] }],
    }
  })
}

/** Leaves only two. */
export const tooFew: Lie = proposes(({ body }, l) => {
  if (body.kind !== 'SurvivorsFixed') return undefined
  const survivors = body.survivors.slice(0, 2)
  const leftOut = cohortOf(l)
    .filter(m => !survivors.some(s => s.member === m))
    .map(member => ({ member, reason: 'silent' as const, evidence: [] }))
  return { ...body, survivors, leftOut }
})

export const wrongModel: Lie = proposes(({ body }) =>
  body.kind === 'RoundClosed' ? { ...body, model: flipped(body.model) } : undefined,
)

/** Accuses an honest member. */
export function frames(victim: MemberId): Lie {
  return proposes(({ body }) =>
    body.kind === 'RoundClosed'
      ? { ...body, faults: [{ member: victim, code: 'badTag', evidence: [new Uint8Array(64)] }] }
      : undefined,
  )
}

/** Gives up at once, blaming an honest member. */
export function abortsFor(victim: MemberId): Lie {
  return proposes(({ body }) =>
    body.kind === 'SurvivorsFixed' || body.kind === 'RoundClosed'
      ? {
          kind: 'RoundAborted',
          round: body.round,
          attempt: body.attempt,
          reason: 'culprit',
          culprits: [{ member: victim, code: 'badShard', evidence: [new Uint8Array(64)] }],
        }
      : undefined,
  )
}

/** The cohort of the present attempt, as the liar's own machine knows it. */
function cohortOf(l: Liar): readonly MemberId[] {
  const { phase } = l.peer.state
  return 'opened' in phase ? phase.opened.cohort.map(c => c.member) : []
}
