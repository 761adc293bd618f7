/**
 * Whether the claimed sums are the sums: tags, and where tags are missing or do not add up, the slices themselves,
 * still masked, which name the liar (SPEC S13).
 */
import { equalBytes } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type { MemberId } from '../ports.ts'
import { addInto, residueBytes, residuesFromBytes } from '../sum/field.ts'
import { TAG_WORDS, tagOf } from '../sum/tag.ts'
import { type Attempt, evidenceOf, type Opening } from './attempt.ts'
import { claimsHash, slicesOf } from './opening.ts'

export function checkTags(a: Attempt, o: Opening): void {
  // A peer that has every slice itself has computed the sum itself: there is nothing to believe.
  if (a.shards === 1 && o.sums.has(0)) o.verified = true
  if (!o.coin) return
  nameLiars(a, o)
  if (o.verified || o.sums.size < a.shards) {
    if (!o.verified && isLate(a, o)) openAll(a, o)
    return
  }
  let good = true
  for (let shard = 0; shard < a.shards; shard++) if (!shardVerified(a, o, shard)) good = false
  if (good) o.verified = true
  else if (allTags(a, o) || isLate(a, o)) openAll(a, o)
}

/** Whether every survivor's tags, made after the same claims, are here. */
export function allTags(a: Attempt, o: Opening): boolean {
  return o.survivors.every(m => o.tags.has(m)) && a.shards > 0
}

function isLate(a: Attempt, o: Opening): boolean {
  return a.hands.now() >= o.fixedAt + a.setup.charter.secureSum.openDeadlineMs / 4
}

/** The tag that a survivor published for its slice, if it was made under the claims that are held here. */
function publishedTag(a: Attempt, o: Opening, member: MemberId, shard: number): Uint32Array | undefined {
  const claims = claimsHash(a, o)
  const tags = o.tags.get(member)
  if (!claims || !tags || !equalBytes(tags.body.claims, claims)) return undefined
  return residuesFromBytes(tags.body.tags.subarray(16 * shard, 16 * shard + 16))
}

/** A tag that does not belong to a slice that is held here was a lie. */
function nameLiars(a: Attempt, o: Opening): void {
  for (const [member, tags] of o.tags) {
    for (let shard = 0; shard < a.shards; shard++) {
      const published = publishedTag(a, o, member, shard)
      const computed = o.computed.get(`${shard}/${member}`)
      if (!published || !computed || equalWords(published, computed)) continue
      a.find({ member, code: 'badTag', evidence: evidenceOf(tags.message) })
    }
  }
}

/** A shard's sum is good when its slices are all here and add up, or all survivors' tags add up to its tag. */
function shardVerified(a: Attempt, o: Opening, shard: number): boolean {
  const claimed = o.sums.get(shard)!
  const slices = slicesOf(a, o, shard)
  if (slices) {
    const sum = new Uint32Array(claimed.sum.length)
    for (const slice of slices) addInto(sum, slice)
    const hash = sha256(residueBytes(sum))
    const claim = o.claims.get(shard)
    if (claim && !equalBytes(claim.hash, hash)) {
      a.find({ member: claim.owner, code: 'badSum', evidence: evidenceOf(claim.message) })
    }
    o.sums.set(shard, { sum, hash })
    return true
  }
  const total = new Uint32Array(TAG_WORDS)
  for (const m of o.survivors) {
    const tag = o.computed.get(`${shard}/${m}`) ?? publishedTag(a, o, m, shard)
    if (!tag) return false
    addInto(total, tag)
  }
  const own = o.computed.get(`${shard}`) ?? tagOf(o.coin!, shard, claimed.sum)
  o.computed.set(`${shard}`, own)
  return equalWords(total, own)
}

/** Asks the owners for all slices that are not here; commitments tell which are right. */
function openAll(a: Attempt, o: Opening): void {
  // Who is not in the cohort has no claim to slices: it follows the ledger.
  if (o.openAsked || a.shards === 1 || !a.takesPart) return
  o.openAsked = true
  const { round, attempt } = a.context
  const wanted = new Map<MemberId, { member: MemberId; shard: number }[]>()
  for (let shard = 0; shard < a.shards; shard++) {
    for (const member of o.survivors) {
      if (a.held[shard]!.has(member)) continue
      for (const from of new Set([o.body.owners[shard]!, o.claims.get(shard)?.owner, member])) {
        if (from === undefined || from === a.hands.self) continue
        wanted.set(from, [...(wanted.get(from) ?? []), { member, shard }])
      }
    }
  }
  for (const [from, items] of wanted) {
    a.hands.deliver(from, `open:${from}`, 'open', { round, attempt, fixed: o.fixed, wanted: items })
  }
}

/** Opens slices that were asked for: they are committed to and stay masked by the pairs among the honest. */
export function answerOpen(
  a: Attempt,
  to: MemberId,
  wanted: readonly { member: MemberId; shard: number }[],
): void {
  const { round, attempt, opened } = a.context
  for (const { member, shard } of wanted) {
    const slice = a.held[shard]?.get(member)
    if (!slice) continue
    const body = { round, attempt, opened, member, shard, data: residueBytes(slice) }
    a.hands.deliver(to, `opened:${shard}:${member}:${to}`, 'shard', body)
  }
}

/** After slices were opened: their tags, so that who lied is known. */
export function retag(o: Opening, shard: number, member: MemberId, slice: Uint32Array): void {
  if (o.coin) o.computed.set(`${shard}/${member}`, tagOf(o.coin, shard, slice))
}

function equalWords(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i])
}
