/** Receipts: who says that it holds whose slices, and who has survived by that (SPEC S9). */
import { concatBytes, equalBytes, toHex } from '../bytes.ts'
import type { MemberId } from '../ports.ts'
import { residueBytes } from '../sum/field.ts'
import { encode } from '../wire/codec.ts'
import type { Body } from '../wire/messages.ts'
import { type Attempt, ROOT_BYTES } from './attempt.ts'
import { bitmapOf, membersOf } from './bitmap.ts'
import { RECORDS } from './records.ts'

/** How long an owner may be silent before its shard goes to the next. */
export function reassignMs(a: Attempt): number {
  return Math.max(1, (a.inputDueAt - a.setup.openedAt) / (a.setup.charter.maliciousMax + 3))
}

/** Whether the receipt of `owner` says that it holds the slice of `member`, of the commitment that is known here. */
export function isReceipted(a: Attempt, owner: MemberId, shard: number, member: MemberId): boolean {
  if (!a.receipts.get(owner)?.get(shard)?.has(member)) return false
  const commitment = a.commitments.get(member)
  return commitment !== undefined && a.receiptRoots.get(owner)?.get(member) === commitment.rootName
}

/** The owner whose receipt says that it holds the slice of `member`. */
export function receiptFor(a: Attempt, shard: number, member: MemberId): MemberId | undefined {
  for (const owner of a.receipts.keys()) if (isReceipted(a, owner, shard, member)) return owner
  return undefined
}

/**
 * Own receipt: when everybody's slice is here, at the deadline for those that are, and in between soon enough that
 * nobody takes its owner for silent.
 */
export function receipt(a: Attempt): void {
  if (!a.takesPart || a.opening || a.receiptSent >= 2 * (a.setup.charter.maliciousMax + 3) + 4) return
  const now = a.hands.now()
  const known = a.receipts.get(a.hands.self)
  const mine = a.held
    .map((h, shard) => ({ shard, members: new Set(h.keys()) }))
    .filter(h => h.members.size > 0)
  const news = mine.filter(h => (known?.get(h.shard)?.size ?? 0) < h.members.size)
  if (news.length === 0) return
  a.unreceiptedAt ??= now
  const due = now >= a.inputDueAt || (a.shards > 1 && now >= a.unreceiptedAt + receiptMs(a))
  if (!due && !news.some(h => h.members.size === a.cohort.length)) return
  // A receipt takes nothing back that an earlier one has said.
  const held = mine.filter(h => due || a.promised.has(h.shard) || h.members.size === a.cohort.length)
  a.receiptSent++
  for (const { shard } of held) a.promised.add(shard)
  a.unreceiptedAt = undefined
  const { round, attempt, opened } = a.context
  const none = new Uint8Array(ROOT_BYTES)
  const body: Body<'receipt'> = {
    round,
    attempt,
    opened,
    roots: concatBytes(...a.cohort.map(m => a.commitments.get(m)?.root.subarray(0, ROOT_BYTES) ?? none)),
    held: held.map(h => ({ shard: h.shard, from: bitmapOf(a.cohort, h.members) })),
  }
  const message = a.hands.sign('receipt', body)
  acceptReceipt(a, a.hands.self, body, message)
  a.hands.store([[RECORDS.held, encodeHeld(a)]], () => a.hands.publish(`receipt:${a.hands.self}`, message))
}

/** How long slices may lie here without a receipt. */
export function receiptMs(a: Attempt): number {
  return reassignMs(a) / 2
}

/** What a receipt promises survives a crash: the slices, and the commitments that they were checked against. */
function encodeHeld(a: Attempt): Uint8Array {
  const commitments = [...a.commitments.values()].map(c => c.message)
  const slices = a.held.flatMap((h, shard) =>
    a.shards === 1 ? [] : [...h].map(([member, words]) => ({ shard, member, data: residueBytes(words) })),
  )
  return encode({ commitments, slices })
}

/**
 * False: not of this attempt's shape. Undefined: nothing new. An owner is bound by all that it signed: receipts add up, so
 * that who tells each a different one ends with the same for all.
 */
export function acceptReceipt(
  a: Attempt,
  owner: MemberId,
  body: Body<'receipt'>,
  message: Uint8Array,
): boolean | undefined {
  if (!a.cohort.includes(owner)) return false
  const before = a.receipts.get(owner)
  const next = new Map<number, ReadonlySet<MemberId>>(before ?? [])
  if (body.roots.length !== ROOT_BYTES * a.cohort.length) return false
  // Of each member the first commitment that this owner named: the slices of another are nothing to build on.
  const roots = new Map(a.receiptRoots.get(owner) ?? [])
  const same = new Set<MemberId>()
  a.cohort.forEach((m, i) => {
    const root = toHex(body.roots.subarray(ROOT_BYTES * i, ROOT_BYTES * (i + 1)))
    if ((roots.get(m) ?? root) === root) same.add(m)
  })
  let grown = false
  for (const { shard, from } of body.held) {
    const members = membersOf(a.cohort, from)
    if (!members || shard >= a.shards) return false
    const old = next.get(shard) ?? new Set()
    const all = new Set([...old, ...[...members].filter(m => same.has(m))])
    if (all.size > old.size) grown = true
    next.set(shard, all)
  }
  if (!grown) return undefined
  a.cohort.forEach((m, i) => {
    const isNamed = [...next.values()].some(members => members.has(m))
    if (isNamed && same.has(m)) roots.set(m, toHex(body.roots.subarray(ROOT_BYTES * i, ROOT_BYTES * (i + 1))))
  })
  a.receiptRoots.set(owner, roots)
  a.receipts.set(owner, next)
  a.receiptMessages.set(owner, message)
  noteHeld(a)
  return true
}

/** Notes since when each member has been held: nobody may be left out who was in time. */
export function noteHeld(a: Attempt): void {
  if (a.opening) return
  for (const m of a.cohort) if (!a.receiptedAt.has(m) && isHeld(a, m)) a.receiptedAt.set(m, a.hands.now())
}

/** Whether every shard of a member is where the sum can use it: at t peers when gossiped, else at an owner. */
export function isHeld(a: Attempt, member: MemberId): boolean {
  const commitment = a.commitments.get(member)
  const offers = a.offersHash()
  if (!commitment || !offers || a.barred.has(member) || a.misdealt.has(member)) return false
  // Made of other offers than those that are known here: somebody has told its recipients different things.
  if (!equalBytes(commitment.offers, offers)) return false
  if (a.shards === 1) {
    let count = 0
    for (const owner of a.receipts.keys()) if (isReceipted(a, owner, 0, member)) count++
    return count >= a.context.threshold
  }
  for (let shard = 0; shard < a.shards; shard++) if (!receiptFor(a, shard, member)) return false
  return true
}

/** Who holds most of these members' slices of a shard, the earliest in the order of owners; undefined: nobody any. */
export function bestOwner(a: Attempt, shard: number, members: readonly MemberId[]): MemberId | undefined {
  let best: MemberId | undefined
  let most = -1
  for (let p = 0; p < a.cohort.length; p++) {
    const owner = a.owner(shard, p)
    if (!a.receipts.get(owner)?.has(shard)) continue
    const cover = members.filter(m => isReceipted(a, owner, shard, m)).length
    if (cover > most) {
      best = owner
      most = cover
    }
  }
  return best
}

/** Survivors as the receipts known here show them, and the owner of each shard who holds all their slices. */
export function survivorsNow(a: Attempt): { survivors: MemberId[]; owners: MemberId[] } {
  let survivors = a.cohort.filter(m => isHeld(a, m))
  if (a.shards === 1) return { survivors, owners: [] }
  const owners: MemberId[] = []
  for (let shard = 0; shard < a.shards; shard++) {
    const best = bestOwner(a, shard, survivors)
    if (best === undefined) return { survivors: [], owners: [] }
    owners.push(best)
    survivors = survivors.filter(m => isReceipted(a, best, shard, m))
  }
  return { survivors, owners }
}
