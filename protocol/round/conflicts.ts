/**
 * Who did not do its part in an attempt that comes to nothing, and who says so of whom (SPEC L8): from signed messages that all
 * get to see, and as they stand now, so that peers come to the same in the end. No accusation: the line may have been down.
 */
import type { MemberId } from '../ports.ts'
import { CONFLICTS_MAX } from '../wire/limits.ts'
import type { Attempt, Opening } from './attempt.ts'
import { closedPairs } from './audit.ts'
import { claimOf } from './claims.ts'
import { isReceipted } from './receipts.ts'

/** Indices in the cohort, the lower first; twice the same: a member that did not do its part for all. */
export type ConflictIndices = [number, number]

/** All that is known here, in ascending order. */
export function conflictsOf(a: Attempt): readonly ConflictIndices[] {
  const n = a.cohort.length
  const found = new Set<number>()
  const add = (x: MemberId, y: MemberId) => {
    const [i, j] = [a.cohort.indexOf(x), a.cohort.indexOf(y)].sort((p, q) => p - q) as [number, number]
    if (i >= 0) found.add(i * n + j)
  }
  for (const [by, missing] of a.complaints) for (const m of missing.keys()) add(by, m)
  if (a.opening) {
    for (const m of idleInOpening(a, a.opening)) add(m, m)
    for (const [x, y] of closedPairs(a, a.opening)) add(x, y)
  } else inInput(a, add)
  const sorted = [...found].sort((x, y) => x - y).slice(0, CONFLICTS_MAX)
  return sorted.map(x => [Math.floor(x / n), x % n])
}

/** No input, and nobody to blame for it; an owner that has nothing of its shard, or not the slices of some. */
function inInput(a: Attempt, add: (x: MemberId, y: MemberId) => void): void {
  const committed = a.cohort.filter(m => a.commitments.has(m))
  for (const m of a.cohort) if (!a.commitments.has(m) && !a.complaints.has(m)) add(m, m)
  if (a.shards === 1 || committed.length === 0) return
  for (let shard = 0; shard < a.shards; shard++) {
    // To the first owner everybody sends; to others only who has reason to.
    const owner = a.owner(shard, 0)
    if (!a.receipts.get(owner)?.held.get(shard)?.size) add(owner, owner)
    else for (const m of committed) if (!isReceipted(a, owner, shard, m)) add(owner, m)
  }
}

/** No reveal though it could, no claim of the own shard, no tags, no slices of a sum that was claimed. */
function idleInOpening(a: Attempt, o: Opening): MemberId[] {
  // Who was dealt no shares by somebody has none to reveal, and has complained; a survivor had them all.
  const owes = (m: MemberId) => o.survivors.includes(m) || !a.complaints.has(m)
  const idle = a.cohort.filter(m => owes(m) && !o.reveals.has(m))
  if (o.audit) idle.push(...o.survivors.filter(m => !o.pairs.has(m)))
  // Before the masks are known nobody has anything to claim.
  if (a.shards === 1 || !o.recovered) return idle
  const claims = Array.from({ length: a.shards }, (_, shard) => claimOf(a, o, shard))
  idle.push(...o.body.owners.filter((m, shard) => !o.claims.get(shard)?.has(m)))
  if (o.coin) idle.push(...o.survivors.filter(m => !o.tags.has(m)))
  claims.forEach((claim, shard) => {
    if (claim && o.openAsked.has(shard) && !o.own.has(shard)) idle.push(claim.owner)
  })
  return idle
}
