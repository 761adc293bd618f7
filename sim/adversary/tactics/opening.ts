/** Lies in the second half of an attempt: receipts, sums, tags and reveals, another in each attempt. */
import { concatBytes } from '../../../protocol/bytes.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import type { MemberId } from '../../../protocol/ports.ts'
import type { Body } from '../../../protocol/wire/messages.ts'
import type { Random } from '../../random.ts'
import type { Coalition } from '../coalition.ts'
import { about, flipped, type Liar, type Lie, type Tactic, twoFaced } from '../liar.ts'
import { proposes } from '../lies/entries.ts'
import * as receipts from '../lies/receipts.ts'
import * as reveals from '../lies/reveals.ts'
import * as sums from '../lies/sums.ts'
import { together, varying } from './common.ts'
import { backsFellows } from './consensus.ts'

/** Says that it holds what it does not, of commitments that there are not, of its fellows only, or of some not. */
export function receiptsWrong(coalition: Coalition, random: Random): Tactic {
  return varying(
    random,
    receipts.falseReceipts,
    receipts.splitReceipts,
    everything,
    otherRoots,
    onlyOf(coalition),
    receipts.omits(1 + random.below(coalition.honest.length)),
    twoFaced('receipt', (body, l) => ({ ...body, held: allOf(l, body, l.cohort) })),
  )
}

/** All slices of all, by the commitments that are known, whatever of it has come. */
const everything: Lie = about('receipt', (body, l) => ({ ...body, held: allOf(l, body, l.cohort) }))

/** All slices of commitments that nobody made. */
const otherRoots: Lie = about('receipt', (body, l) => ({
  ...body,
  roots: flipped(body.roots, 3),
  held: allOf(l, body, l.cohort),
}))

function onlyOf(coalition: Coalition): Lie {
  return about('receipt', (body, l) => ({ ...body, held: allOf(l, body, coalition.members) }))
}

function allOf(l: Liar, body: Body<'receipt'>, members: readonly MemberId[]): Body<'receipt'>['held'] {
  const from = new Uint8Array(Math.ceil(l.cohort.length / 8))
  l.cohort.forEach((m, i) => {
    if (members.includes(m)) from[i >> 3]! |= 1 << (i & 7)
  })
  // A vector that is gossiped whole has one shard.
  const isOne = l.config.charter.secureSum.gossipBytesMax > 0 && body.held.every(h => h.shard === 0)
  return isOne ? [{ shard: 0, from }] : l.cohort.map((_m, shard) => ({ shard, from }))
}

/** Wrong sums, with and without claims that fit them; and a wrong result in the entry, for which its fellows vote. */
export function sumsWrong(coalition: Coalition, random: Random): Tactic {
  const lie = varying(
    random,
    sums.wrongSum,
    sums.wrongClaim,
    sums.wrongClaimAndSum,
    sums.neverSums,
    sums.twoClaims,
    sums.claimsAll,
  )
  const entry = proposes(({ body }) => {
    if (body.kind !== 'RoundClosed') return undefined
    const draw = random.unit()
    if (draw < 0.2) return { ...body, seeds: flipped(body.seeds, 3) }
    return draw < 0.7 ? { ...body, sum: flipped(body.sum, 5), model: flipped(body.model, 7) } : undefined
  })
  return together(lie, { lie: entry }, backsFellows(coalition))
}

/** Wrong, two and no tags; tags under other claims; and tags of two that are wrong and add up all the same. */
export function tagsWrong(coalition: Coalition, random: Random): Tactic {
  return varying(
    random,
    reveals.wrongTags,
    reveals.twoTags,
    reveals.noTags,
    about('tags', body => ({ ...body, claims: flipped(body.claims, 1) })),
    about('tags', body => ({ ...body, tags: body.tags.subarray(0, Math.max(0, body.tags.length - 16)) })),
    cancels(coalition),
  )
}

/** One of the coalition adds what another takes away, by the first word of each tag. */
function cancels(coalition: Coalition): Lie {
  return about('tags', (body, l) => {
    const sign = coalition.members.indexOf(l.self) % 2 === 0 ? 1 : -1
    const tags = body.tags.slice()
    const words = new DataView(tags.buffer, tags.byteOffset, tags.length)
    for (let at = 0; at + 16 <= tags.length; at += 16) {
      const word = words.getUint32(at, true) + sign
      if (word >= 0 && word < 0x7fff_ffff) words.setUint32(at, word, true)
    }
    return { ...body, tags }
  })
}

/**
 * Wrong, two and no reveals; shares of both seeds of the same members; shares of the other seed; a reveal under other offers,
 * or under some that it made up.
 */
export function revealsWrong(coalition: Coalition, random: Random): Tactic {
  const lie = varying(
    random,
    reveals.wrongReveal,
    reveals.twoReveals,
    reveals.noReveal,
    bothKinds(coalition, true),
    bothKinds(coalition, false),
    about('reveal', body => ({ ...body, offers: flipped(body.offers, 2) })),
    about('reveal', body => ({ ...body, shares: body.shares.subarray(0, 32) })),
  )
  return together(lie, early(coalition, random))
}

/** The shares of the seeds that the entry does not open; `half`: to half of the members only, the right ones to the rest. */
function bothKinds(coalition: Coalition, half: boolean): Lie {
  return (said, l) => {
    if (said.type !== 'reveal') return undefined
    const body = said.body as Body<'reveal'>
    const others = otherShares(coalition, l)
    if (!others || others.length > body.shares.length) return undefined
    const other = l.says('reveal', {
      ...body,
      shares: concatBytes(others, body.shares.subarray(others.length)),
    })
    if (!half) return [{ bytes: other }]
    return l.others.map(to => ({
      to,
      bytes: coalition.half(`reveal ${l.attempt}`, to) === 0 ? said.bytes : other,
    }))
  }
}

function otherShares(coalition: Coalition, l: Liar): Uint8Array | undefined {
  const held = coalition.shares.get(l.self)
  const { phase } = l.peer.state
  if (!held || phase.kind !== 'fixed') return undefined
  const survivors = phase.fixed.survivors.map(s => s.member)
  const parts = l.cohort.map(m => held.get(m)?.[survivors.includes(m) ? 'mask' : 'self'])
  return parts.every(p => p !== undefined) ? concatBytes(...parts) : undefined
}

/** As soon as the survivors are fixed: a reveal of what it holds, under offers that it made up. */
function early(coalition: Coalition, random: Random): Tactic {
  let done = ''
  return {
    besides: (_input, l) => {
      const { phase } = l.peer.state
      if (phase.kind !== 'fixed' || done === l.attempt) return []
      done = l.attempt
      const held = coalition.shares.get(l.self)
      if (!held || !random.chance(0.4)) return []
      const survivors = phase.fixed.survivors.map(s => s.member)
      const parts = l.cohort.map(m => held.get(m)?.[survivors.includes(m) ? 'self' : 'mask'])
      if (parts.some(p => p === undefined)) return []
      const { round, attempt } = phase.opened
      const body: Body<'reveal'> = {
        round,
        attempt,
        fixed: phase.fixedHash,
        offers: sha256(phase.openedHash),
        shares: concatBytes(...parts.filter(p => p !== undefined)),
      }
      return [{ bytes: l.says('reveal', body) }]
    },
  }
}
