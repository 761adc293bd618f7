/** Which slices and sums a peer fetches, and from whom: what it owns, what it takes over, and what is in dispute (SPEC S8, S12, S13). */
import type { MemberId, Millis, Vector } from '../ports.ts'
import { isStored } from '../stored.ts'
import { shardRange } from '../sum/shards.ts'
import { type Attempt, evidenceOf, type Opening, sliceHash } from './attempt.ts'
import { claimOf, isFixed, succession, takeoverMs, takeovers } from './claims.ts'
import { bestOwner, isCovered, isReceipted, reassignMs } from './receipts.ts'
import type { Wish } from './transfers.ts'

/** Fetches all that this peer needs of others' vectors now. */
export function fetchVectors(a: Attempt): void {
  a.fetchDueAt = undefined
  if (a.shards === 1 || !a.takesPart) return
  const o = a.opening
  const wishes = o ? [...slicesToOpen(a, o), ...sumsToOpen(a, o)] : slicesToOwn(a)
  const stallAt = a.transfers.meet(wishes, o ? takeoverMs(a) : reassignMs(a))
  consider(a, stallAt)
}

function consider(a: Attempt, at: Millis | undefined): void {
  if (at !== undefined) a.fetchDueAt = Math.min(a.fetchDueAt ?? Number.POSITIVE_INFINITY, at)
}

/**
 * Before the survivors are fixed: the slices of the own shard, as soon as they are committed to. Where an owner is gone or
 * has been silent for its time, the next in the order that the entry fixes; and who holds more of the others' slices than
 * the owner that has one gets that one too: the sum needs all of a shard at one owner.
 */
function slicesToOwn(a: Attempt): Wish[] {
  const now = a.hands.now()
  const out: Wish[] = []
  for (let shard = 0; shard < a.shards; shard++) {
    const before = a.ownersBefore(shard)
    const waitMs = before.filter(m => a.hands.connected(m)).length * reassignMs(a)
    for (const [member, { at }] of a.commitments) {
      if (a.held[shard]!.has(member)) continue
      if (before.length > 0) {
        const isElsewhere = isCovered(a, shard, member)
        if (isElsewhere && !holdsMost(a, shard)) continue
        if (!isElsewhere && now < at + waitMs) {
          consider(a, at + waitMs)
          continue
        }
      }
      wishSlice(a, out, shard, member, [member])
    }
  }
  return out
}

function holdsMost(a: Attempt, shard: number): boolean {
  const me = a.hands.self
  return a.receipts.get(me)?.held.has(shard) === true && bestOwner(a, shard, a.cohort) === me
}

/** Afterwards: all slices of a shard whose owners are silent and whose turn is this peer's, and of one in dispute. */
function slicesToOpen(a: Attempt, o: Opening): Wish[] {
  const out: Wish[] = []
  const turn = takeovers(a, o)
  for (let shard = 0; shard < a.shards; shard++) {
    const isDisputed = o.openAsked.has(shard)
    if (!isDisputed && !takesOver(a, o, shard, turn)) continue
    for (const member of o.survivors) {
      if (a.held[shard]!.has(member)) continue
      const others = [o.body.owners[shard]!, claimOf(a, o, shard)?.owner, ...receipted(a, shard, member)]
      wishSlice(a, out, shard, member, [member, ...others.filter(m => m !== undefined)])
    }
  }
  return out
}

function takesOver(a: Attempt, o: Opening, shard: number, turn: number): boolean {
  if (claimOf(a, o, shard) || o.sums.has(shard) || o.summing.has(shard)) return false
  const place = turn === 0 ? [o.body.owners[shard]] : succession(a, o, shard).slice(0, turn + 1)
  return place.includes(a.hands.self)
}

function receipted(a: Attempt, shard: number, member: MemberId): MemberId[] {
  return a.cohort.filter(owner => isReceipted(a, owner, shard, member))
}

function wishSlice(
  a: Attempt,
  out: Wish[],
  shard: number,
  member: MemberId,
  from: readonly MemberId[],
): void {
  const commitment = a.commitments.get(member)
  if (!commitment || a.unfit.has(member)) return
  // What is fixed stays so, whoever has found out meanwhile that there was another input.
  if (a.opening ? !isFixed(a.opening, member, commitment.root) : a.barred.has(member)) return
  const me = a.hands.self
  if (member === me) {
    const own = ownSlice(a, shard)
    if (own) a.hold(shard, me, own)
    return
  }
  const [start, end] = shardRange(a.length, a.shards, shard)
  out.push({
    key: `${shard}/${member}`,
    what: 'slice',
    hash: sliceHash(commitment.hashes, shard),
    length: end - start,
    sources: [...new Set(from)].filter(m => m !== me),
    into: () => a.draft('slice'),
    come: (slice, areResidues) => {
      if (areResidues) {
        a.hold(shard, member, slice)
        return
      }
      // What was committed to is no vector of the field: the commitment itself is wrong.
      a.unfit.add(member)
      a.find({ member, code: 'badShard', evidence: evidenceOf(commitment.message) })
    },
  })
}

/** The sums that count and were made elsewhere. */
function sumsToOpen(a: Attempt, o: Opening): Wish[] {
  const out: Wish[] = []
  for (let shard = 0; shard < a.shards; shard++) {
    // In a dispute also what is known here already: whether its owner gives it is part of the question.
    if ((o.sums.has(shard) || o.summing.has(shard)) && !o.openAsked.has(shard)) continue
    const claim = claimOf(a, o, shard)
    const name = `${shard}/${claim?.owner}`
    if (!claim || claim.owner === a.hands.self || o.given.has(name) || o.refused.has(name)) continue
    const { hash, owner } = claim
    const [start, end] = shardRange(a.length, a.shards, shard)
    out.push({
      key: `sum ${shard}`,
      what: 'sum',
      hash,
      length: end - start,
      sources: [owner],
      into: () => a.draft('sum'),
      come: (sum, areResidues) => {
        if (areResidues) o.given.set(name, sum)
        else o.refused.add(name)
      },
    })
  }
  return out
}

/** The own slice of a shard; undefined without an own input. */
export function ownSlice(a: Attempt, shard: number): Vector | undefined {
  if (!a.inputSent || !a.masked) return undefined
  const [from, to] = shardRange(a.length, a.shards, shard)
  if (!isStored(a.masked)) return a.masked.subarray(from, to)
  return { record: a.masked.record, from: a.masked.from + from, to: a.masked.from + to }
}
