/**
 * Whether the claimed sums are the sums: tags, and where tags are missing or do not add up, the slices themselves,
 * masked as they are, which name the liar (SPEC S13).
 */
import { equalBytes, toHex } from '../bytes.ts'
import type { MemberId, Millis } from '../ports.ts'
import { addInto } from '../sum/field.ts'
import { TAG_WORDS } from '../sum/tag.ts'
import { type Attempt, evidenceOf, type Opening, type Recovered } from './attempt.ts'
import { claimOf, takeoverMs } from './claims.ts'
import type { Finding } from './hands.ts'

export function checkTags(a: Attempt, o: Opening): void {
  if (a.shards === 1) {
    // A peer that has every input has computed the sum itself: there is nothing to believe.
    if (o.sums.has(0)) o.verified = true
    return
  }
  // Nobody can have summed anything before.
  if (!o.recovered) return
  suspect(o)
  nameLiars(a, o)
  nameSilent(a, o)
  if (o.verified) return
  const bad: number[] = []
  let isOpen = false
  for (let shard = 0; shard < a.shards; shard++) {
    const verdict = shardVerified(a, o, shard)
    if (verdict === undefined) isOpen = true
    else if (!verdict) bad.push(shard)
  }
  if (bad.length === 0) o.verified ||= !isOpen
  else if (a.hands.now() >= lateAt(a, o.recovered) || (o.coin && allTags(a, o) && o.sums.size === a.shards))
    openShards(a, o, bad)
}

/** An owner that signed for slices and whose sum had to be made by another. */
function nameSilent(a: Attempt, o: Opening): void {
  for (const [shard, claim] of o.frozen?.claims.entries() ?? []) {
    const owner = o.body.owners[shard]!
    if (claim.owner !== owner) a.find(withheld(a, owner, a.receiptMessages.get(owner)))
  }
}

/** Owners without whose sums the opening has come to nothing; where the masks are not known, nobody has any. */
export function nameAbsent(a: Attempt, o: Opening): void {
  if (a.shards === 1 || !o.recovered) return
  for (const [shard, owner] of o.body.owners.entries()) {
    if (!o.claims.get(shard)?.has(owner)) a.find(withheld(a, owner, a.receiptMessages.get(owner)))
  }
}

function withheld(a: Attempt, owner: MemberId, message: Uint8Array | undefined): Finding {
  return { member: owner, code: 'withheld', evidence: message ? evidenceOf(message) : [a.context.opened] }
}

/** Whether the tags are here that every survivor owes, made after the same claims. */
export function allTags(a: Attempt, o: Opening): boolean {
  return a.shards === 1 || o.survivors.every(m => o.tags.has(m))
}

/** When no tags are waited for any longer. */
export function lateAt(a: Attempt, { at }: Recovered): Millis {
  return at + a.setup.charter.secureSum.openDeadlineMs / 4
}

/** The tag that a survivor published for its slice, if it was made under the claims that are held here. */
function publishedTag(o: Opening, member: MemberId, shard: number): Uint32Array | undefined {
  const claims = o.frozen?.hash
  const tags = o.tags.get(member)
  if (!claims || !tags || !equalBytes(tags.body.claims, claims)) return undefined
  return tags.words.subarray(TAG_WORDS * shard, TAG_WORDS * (shard + 1))
}

/** All tags are to be compared: slices' own are there now. */
export function compareAnew(o: Opening): void {
  for (const m of o.tags.keys()) o.uncompared.add(m)
}

/** Of which shards the tags of all slices that are here are wanted. */
function suspect(o: Opening): void {
  for (const shard of o.openAsked) o.suspect.add(shard)
  for (const [shard, { hash }] of o.sums) {
    const sum = o.computed.get(sumName(shard, hash))
    const total = sum && tagsTotal(o, shard)
    if (total && !equalWords(total, sum)) o.suspect.add(shard)
  }
}

/** Of all survivors' slices of a shard, the published ones where none was computed here; undefined while one is missing. */
function tagsTotal(o: Opening, shard: number): Uint32Array | undefined {
  const total = new Uint32Array(TAG_WORDS)
  for (const m of o.survivors) {
    const tag = o.computed.get(`${shard}/${m}`) ?? publishedTag(o, m, shard)
    if (!tag) return undefined
    addInto(total, tag)
  }
  return total
}

/** A tag that does not belong to a slice that is held here was a lie. */
function nameLiars(a: Attempt, o: Opening): void {
  for (const member of o.uncompared) {
    const tags = o.tags.get(member)
    if (!tags) continue
    for (let shard = 0; shard < a.shards; shard++) {
      const name = `${shard}/${member}`
      const computed = o.compared.has(name) ? undefined : o.computed.get(name)
      const published = computed && publishedTag(o, member, shard)
      if (!published) continue
      o.compared.add(name)
      if (equalWords(published, computed)) continue
      a.find({ member, code: 'badTag', evidence: evidenceOf(tags.message) })
    }
  }
  o.uncompared.clear()
}

/** Of a claimed sum that is held here, as `computed` and `tagging` name it. */
export function sumName(shard: number, hash: Uint8Array): string {
  return `${shard}:${toHex(hash)}`
}

/**
 * A shard's sum is good when it was made here of all slices, or when all survivors' tags add up to its tag. Undefined:
 * that is being computed.
 */
function shardVerified(a: Attempt, o: Opening, shard: number): boolean | undefined {
  const known = o.sums.get(shard)
  if (!known) return false
  if (o.own.has(shard)) {
    judgeClaims(a, o, shard, known.hash)
    return true
  }
  const total = o.coin && tagsTotal(o, shard)
  if (!total) return false
  const own = o.computed.get(sumName(shard, known.hash))
  return own && equalWords(total, own)
}

/** Who claimed another sum than the slices give; and whose claim was right, but what it gave was not, or nothing. */
function judgeClaims(a: Attempt, o: Opening, shard: number, hash: Uint8Array): void {
  for (const claim of o.claims.get(shard)?.values() ?? []) {
    if (!equalBytes(claim.hash, hash))
      a.find({ member: claim.owner, code: 'badSum', evidence: evidenceOf(claim.message) })
  }
  const claim = claimOf(a, o, shard)
  if (!claim || claim.owner === a.hands.self || !o.openAsked.has(shard)) return
  // Who claimed only now, in a silent owner's place, has had no time to give its sum.
  const isDue = a.hands.now() >= claim.at + takeoverMs(a)
  if (isDue && !o.given.has(`${shard}/${claim.owner}`)) a.find(withheld(a, claim.owner, claim.message))
}

/** The slices of these shards are fetched; commitments tell which are right. Who has no input follows the ledger. */
function openShards(a: Attempt, o: Opening, shards: readonly number[]): void {
  if (a.takesPart) for (const shard of shards) o.openAsked.add(shard)
}

function equalWords(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((x, i) => x === b[i])
}
