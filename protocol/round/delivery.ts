import type { MemberId } from '../ports.ts'
import { residueBytes } from '../sum/field.ts'
import { shardRange } from '../sum/shards.ts'
import type { Attempt } from './attempt.ts'
import { bestOwner, isCovered, isReceipted, reassignMs } from './receipts.ts'

/**
 * Sends the own slices to their owners; where an owner is gone or silent, to the next in the order that the entry
 * fixes, until one has receipted them. Also to an owner that holds more of the others' slices than the one that has
 * the own: the sum needs all of a shard at one owner.
 */
export function deliverShards(a: Attempt): void {
  if (a.shards === 1 || !a.inputSent || !a.masked || a.opening) return
  const me = a.hands.self
  const changed = a.betterSoughtAt !== a.receiptsChanged
  a.betterSoughtAt = a.receiptsChanged
  for (let shard = 0; shard < a.shards; shard++) {
    if (isCovered(a, shard, me)) {
      const best = changed ? bestOwner(a, shard, a.cohort) : undefined
      if (best !== undefined && !isReceipted(a, best, shard, me)) sendSlice(a, shard, best)
      continue
    }
    const last = a.deliveredTo[shard]
    if (last && a.hands.connected(a.owner(shard, last.position)) && a.hands.now() < last.at + reassignMs(a))
      continue
    if (last && a.owner(shard, last.position) === me && a.hands.now() < last.at + reassignMs(a)) continue
    const position = nextOwner(a, shard, last === undefined ? 0 : last.position + 1)
    a.deliveredTo[shard] = { position, at: a.hands.now() }
    sendSlice(a, shard, a.owner(shard, position))
  }
}

/** The own slice of a shard to one member, once; it may ask for it again. */
export function sendSlice(a: Attempt, shard: number, owner: MemberId): void {
  const slice = ownSlice(a, shard)
  const slot = `shard:${shard}:${owner}`
  if (!slice || a.sent.has(slot)) return
  a.sent.add(slot)
  const me = a.hands.self
  if (owner === me) {
    a.held[shard]!.set(me, slice)
    return
  }
  const { round, attempt, opened } = a.context
  a.hands.deliver(owner, slot, 'shard', {
    round,
    attempt,
    opened,
    member: me,
    shard,
    data: residueBytes(slice),
  })
}

/** The own slice of a shard; undefined without an own input. */
export function ownSlice(a: Attempt, shard: number): Uint32Array | undefined {
  const [from, to] = shardRange(a.length, a.shards, shard)
  return a.inputSent ? a.masked?.slice(from, to) : undefined
}

/** First position from `start` whose owner can be reached; `start` itself when none can. */
function nextOwner(a: Attempt, shard: number, start: number): number {
  const n = a.cohort.length
  for (let p = start; p < start + n; p++) {
    const owner = a.owner(shard, p)
    if (owner === a.hands.self || a.hands.connected(owner)) return p % n
  }
  return start % n
}
