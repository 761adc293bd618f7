/** Against agreement: two proposals for one view, votes for all and nothing, each half of the honest shown its own. */
import { toHex } from '../../../protocol/bytes.ts'
import {
  type ConsensusMessage,
  parseConsensus,
  proposalBody,
  voteBody,
} from '../../../protocol/consensus/message.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import {
  decodeEntry,
  type Entry,
  type Body as EntryBody,
  encodeEntry,
  type SurvivorsFixed,
} from '../../../protocol/ledger/entry.ts'
import type { Input, MemberId } from '../../../protocol/ports.ts'
import { openEnvelope } from '../../../protocol/wire/envelope.ts'
import type { Random } from '../../random.ts'
import type { Coalition } from '../coalition.ts'
import type { Liar, Says, Tactic } from '../liar.ts'
import { encodeOther, oneOf } from './common.ts'

/** Views of which it is remembered what was told to whom. */
const SPLITS_MAX = 16
const VOTES = ['prevote', 'precommit'] as const

/** Another body for an entry; undefined: the same, at another time. */
export type Alternative = (entry: Entry, liar: Liar, random: Random) => EntryBody | undefined

/**
 * In its turn it proposes two entries, one to each half of the honest members, and all of the coalition vote for either
 * where it was shown.
 */
export function splitProposals(alternative: Alternative): Tactic {
  const splits = new Map<string, string>()
  return {
    lie: ({ consensus: m, bytes }, l) => {
      if (!m) return undefined
      const name = `${m.height}/${m.view}`
      if (m.type !== 'proposal') {
        const shown = splits.get(name)
        if (shown === undefined || m.id === null || toHex(m.id) !== shown) return undefined
        return l.others.filter(to => half(l, name, to) === 0).map(to => ({ to, bytes }))
      }
      const other = otherValue(m.value, l, alternative, l.coalition.random(`other ${name}`))
      if (!other) return undefined
      splits.set(name, toHex(m.id))
      if (splits.size > SPLITS_MAX) splits.delete(splits.keys().next().value!)
      const second = l.signs('proposal', proposalBody(m.height, m.view, m.validView, other))
      const ids = [m.id, sha256(other)]
      return l.others.flatMap(to => {
        const side = half(l, name, to)
        const votes = l.coalition.members.flatMap(by =>
          VOTES.map(type => ({
            to,
            bytes: l.coalition.signs(by, type, voteBody(m.height, m.view, ids[side]!)),
          })),
        )
        return [{ to, bytes: side === 0 ? bytes : second }, ...(l.coalition.includes(to) ? [] : votes)]
      })
    },
  }
}

/** Fellows are shown what the own machine says. */
function half(l: Liar, name: string, to: MemberId): 0 | 1 {
  return l.coalition.includes(to) ? 0 : l.coalition.half(name, to)
}

function otherValue(
  value: Uint8Array,
  l: Liar,
  alternative: Alternative,
  random: Random,
): Uint8Array | undefined {
  const other = encodeOther(value, entry => alternative(entry, l, random))
  if (other) return other
  const entry = decodeEntry(value)
  return entry.ok ? encodeEntry({ ...entry.value, at: entry.value.at + 1 }) : undefined
}

/** Any entry: without an honest member, with a fault more or fewer, given up, or the same a millisecond later. */
export const anyOther: Alternative = ({ body }, l, random) => {
  const victim = oneOf(random, l.others)
  if (random.chance(0.3)) return undefined
  switch (body.kind) {
    case 'RoundOpened': {
      const order = l.config.charter.members.map(m => m.id)
      const absent = [...body.absent, victim].sort((a, b) => order.indexOf(a) - order.indexOf(b))
      if (body.absent.includes(victim)) return undefined
      return { ...body, cohort: body.cohort.filter(c => c.member !== victim), absent }
    }
    case 'SurvivorsFixed':
      return random.chance(0.5) ? withoutOne(body, l.cohort, victim) : aborted(body, victim)
    case 'RoundClosed':
      if (random.chance(0.3)) return aborted(body, victim)
      if (body.faults.length > 0) return { ...body, faults: [] }
      return { ...body, faults: [{ member: victim, code: 'badTag', evidence: [random.bytes(64)] }] }
    case 'RoundAborted':
      return {
        ...body,
        reason: 'culprit',
        culprits: [{ member: victim, code: 'unshared', evidence: [random.bytes(64)] }],
      }
    default:
      return undefined
  }
}

function aborted(
  { round, attempt }: { readonly round: number; readonly attempt: number },
  member: MemberId,
): EntryBody {
  const culprits = [{ member, code: 'badSum' as const, evidence: [new Uint8Array(64)] }]
  return { kind: 'RoundAborted', round, attempt, reason: 'culprit', culprits, conflicts: [] }
}

/** The same survivors but one. */
export function withoutOne(
  body: SurvivorsFixed,
  cohort: readonly MemberId[],
  member: MemberId,
): SurvivorsFixed | undefined {
  if (!body.survivors.some(s => s.member === member) || body.survivors.length < 4) return undefined
  const leftOut = [...body.leftOut, { member, reason: 'silent' as const, evidence: [] }]
  return {
    ...body,
    survivors: body.survivors.filter(s => s.member !== member),
    leftOut: cohort.flatMap(m => leftOut.filter(o => o.member === m)),
  }
}

/** A proposal among what was heard. */
function proposalIn(input: Input): (ConsensusMessage & { type: 'proposal' }) | undefined {
  if (input.kind !== 'message') return undefined
  const raw = openEnvelope(input.bytes)
  if (!raw.ok || raw.value.type !== 'proposal') return undefined
  const parsed = parseConsensus(raw.value)
  return parsed.ok && parsed.value.type === 'proposal' ? parsed.value : undefined
}

/** Entries that are voted for at one height. */
const BACKED_MAX = 64

/** Calls `says` once for each proposal of the next height that is heard. */
function onProposal(
  says: (p: ConsensusMessage & { type: 'proposal' }, l: Liar) => readonly Says[],
): NonNullable<Tactic['besides']> {
  let height = 0
  const seen = new Set<string>()
  return (input, l) => {
    const p = proposalIn(input)
    if (!p || p.height !== l.peer.state.height + 1) return []
    if (height !== p.height) seen.clear()
    height = p.height
    const name = `${p.view}/${toHex(p.id)}`
    if (seen.has(name) || seen.size >= BACKED_MAX) return []
    seen.add(name)
    return says(p, l)
  }
}

/** Votes for every entry that it hears of, whatever it is locked on, and says nil at the same time to the others. */
export function votesForAll(): Tactic {
  return {
    lie: ({ consensus: m, bytes }, l) => {
      if (!m || m.type === 'proposal') return undefined
      const name = `${m.type} ${m.height}/${m.view}`
      const nil = l.signs(m.type, voteBody(m.height, m.view, null))
      return l.others.map(to => ({ to, bytes: half(l, name, to) === 0 ? bytes : nil }))
    },
    besides: onProposal((p, l) =>
      VOTES.flatMap(type => {
        const vote = (id: Uint8Array | null) => l.signs(type, voteBody(p.height, p.view, id))
        const name = `${type} ${p.height}/${p.view}`
        const [yes, nil] = [vote(p.id), vote(null)]
        return l.others.map(to => ({ to, bytes: half(l, name, to) === 0 ? nil : yes }))
      }),
    ),
  }
}

/** Votes for whatever a fellow proposes, and for nothing else in that view. */
export function backsFellows(coalition: Coalition): Tactic {
  const backed = new Set<string>()
  return {
    lie: ({ consensus: m }) =>
      m && m.type !== 'proposal' && backed.has(`${m.height}/${m.view}`) ? [] : undefined,
    besides: onProposal((p, l) => {
      if (!coalition.includes(p.from) || p.from === l.self) return []
      backed.add(`${p.height}/${p.view}`)
      if (backed.size > SPLITS_MAX) backed.delete(backed.keys().next().value!)
      return VOTES.map(type => ({ bytes: l.signs(type, voteBody(p.height, p.view, p.id)) }))
    }),
  }
}
