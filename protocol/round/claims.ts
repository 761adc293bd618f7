/**
 * Whose claim of a shard's sum counts (SPEC S10): that of the owner that the entry names, and, when it is silent for
 * a while, that of the next in the order of owners who claims. Frozen with the own reveal, since coin and tags follow from it.
 */
import { ascii, equalBytes } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type { MemberId, Millis } from '../ports.ts'
import type { Attempt, Claim, Opening } from './attempt.ts'

/** Whether the commitment held here is the one that the entry fixed. */
export function isFixed(o: Opening, member: MemberId, root: Uint8Array): boolean {
  const s = o.body.survivors.find(x => x.member === member)
  return s !== undefined && equalBytes(s.root, root)
}

/** When the opening should have ended. */
export function openDueAt(a: Attempt, o: Opening): Millis {
  return o.fixedAt + a.setup.charter.secureSum.openDeadlineMs * a.patience
}

/** How long an owner may be silent before its shard goes to the next; each further one waits as long again. */
export function takeoverMs(a: Attempt): Millis {
  const { openDeadlineMs } = a.setup.charter.secureSum
  return (openDeadlineMs * a.patience) / (2 * (a.setup.charter.maliciousMax + 2))
}

/** How many owners of a shard have had their time; 0 while the first has it. */
export function takeovers(a: Attempt, o: Opening): number {
  return Math.floor(Math.max(0, a.hands.now() - o.fixedAt) / takeoverMs(a))
}

/** Who is to sum a shard, in turn: the entry's owner, then the others in the order that the entry fixes. */
export function succession(a: Attempt, o: Opening, shard: number): MemberId[] {
  const first = o.body.owners[shard]!
  return [first, ...a.cohort.map((_, p) => a.owner(shard, p)).filter(m => m !== first)]
}

/** The claim of a shard that counts: the one that was frozen, or else that of the first in the succession by now. */
export function claimOf(a: Attempt, o: Opening, shard: number): Claim | undefined {
  if (o.frozen) return o.frozen.claims[shard]
  const claims = o.claims.get(shard)
  if (!claims) return undefined
  for (const owner of succession(a, o, shard).slice(0, takeovers(a, o) + 1)) {
    const claim = claims.get(owner)
    if (claim) return claim
  }
  return undefined
}

/**
 * Fixes the claims, when there is one for each shard, and returns the hash of them all: what a reveal is made after. A
 * claim that comes when the coin can be known counts no more, or its sum could be made to fit the tags.
 */
export function freezeClaims(a: Attempt, o: Opening): Uint8Array | undefined {
  if (o.frozen) return o.frozen.hash
  const claims: Claim[] = []
  const hashes: Uint8Array[] = []
  for (let shard = 0; shard < a.shards; shard++) {
    const claim = a.shards === 1 ? undefined : claimOf(a, o, shard)
    const hash = a.shards === 1 ? o.sums.get(0)?.hash : claim?.hash
    if (!hash) return undefined
    if (claim) claims.push(claim)
    hashes.push(hash)
  }
  const hash = sha256(ascii('medmesh/1 claims'), o.fixed, ...hashes)
  // After a restart only the claims that the own reveal was made after will do.
  const own = o.reveals.get(a.hands.self)
  if (own && !equalBytes(own.body.claims, hash)) return undefined
  o.frozen = { hash, claims }
  for (const m of o.tags.keys()) o.uncompared.add(m)
  // A sum that was taken under another claim may have been made when the coin was known elsewhere.
  for (const { shard, claim } of claims.map((claim, shard) => ({ shard, claim }))) {
    const taken = o.sums.get(shard)
    if (taken && !o.own.has(shard) && !equalBytes(taken.hash, claim.hash)) o.sums.delete(shard)
  }
  return hash
}
