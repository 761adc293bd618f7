/** Lies of a proposer: other entries than those that follow from what is known. */
import { proposalBody, voteBody } from '../../../protocol/consensus/message.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import {
  decodeEntry,
  type Entry,
  type Body as EntryBody,
  encodeEntry,
} from '../../../protocol/ledger/entry.ts'
import type { MemberId } from '../../../protocol/ports.ts'
import { flipped, type Liar, type Lie } from '../liar.ts'

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

/** Names one owner more than there are shards. */
export const moreOwners: Lie = proposes(({ body }) =>
  body.kind === 'SurvivorsFixed' ? { ...body, owners: [...body.owners, body.owners[0]!] } : undefined,
)

/** Leaves only two. */
export const tooFew: Lie = proposes(({ body }, l) => {
  if (body.kind !== 'SurvivorsFixed') return undefined
  const survivors = body.survivors.slice(0, 2)
  const leftOut = l.cohort
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
          conflicts: [],
        }
      : undefined,
  )
}
