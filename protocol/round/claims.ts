/**
 * Whose claim of a shard's sum counts (SPEC S12): that of the owner that the entry names, and, when it is silent for
 * a while, that of the next in the order of owners who claims. Frozen when the own tags are made, since the coin follows from it.
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

/** How many owners of a shard have had their time, since the masks are known; 0 while the first has it. */
export function takeovers(a: Attempt, o: Opening): number {
  if (!o.recovered) return 0
  return Math.floor(Math.max(0, a.hands.now() - o.recovered.at) / takeoverMs(a))
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
 * Fixes the claims, when there is one for each shard, and with them the coin: their hash, under which nobody can make a sum that
 * is not one fit the tags, as any other claim gives another coin. The own tags are of these claims and no others, in no life.
 */
export function freezeClaims(a: Attempt, o: Opening): void {
  if (o.frozen) return
  const claims = Array.from({ length: a.shards }, (_, shard) => claimOf(a, o, shard))
  if (!claims.every(claim => claim !== undefined)) return
  const hash = sha256(ascii('medmesh/1 claims'), o.fixed, ...claims.map(c => c.hash))
  const own = o.tags.get(a.hands.self)
  if (own && !equalBytes(own.body.claims, hash)) return
  o.frozen = { hash, claims }
  o.coin = sha256(ascii('medmesh/1 coin'), hash)
  for (const m of o.tags.keys()) o.uncompared.add(m)
  // Taken under a claim that does not count.
  for (const [shard, claim] of claims.entries()) {
    const taken = o.sums.get(shard)
    if (taken && !o.own.has(shard) && !equalBytes(taken.hash, claim.hash)) o.sums.delete(shard)
  }
}
