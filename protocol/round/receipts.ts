/** Receipts: who says that it holds whose slices, and who has survived by that (SPEC S9). */
import { concatBytes, equalBytes, toHex } from '../bytes.ts'
import { Memo } from '../memo.ts'
import type { MemberId, Stored } from '../ports.ts'
import { isStored, lengthOf } from '../stored.ts'
import type { Body } from '../wire/messages.ts'
import { type Attempt, ROOT_BYTES } from './attempt.ts'
import { bitmapOf, membersOf } from './bitmap.ts'
import { encodeHeld, isDraft, RECORDS, sliceKey } from './records.ts'

/** How long an owner may be silent before its shard goes to the next. */
export function reassignMs(a: Attempt): number {
  return Math.max(1, (a.inputDueAt - a.setup.openedAt) / (a.setup.charter.maliciousMax + 3))
}

/** Whether the receipt of `owner` says that it holds the slice of `member`, of the commitment that is known here. */
export function isReceipted(a: Attempt, owner: MemberId, shard: number, member: MemberId): boolean {
  const receipts = a.receipts.get(owner)
  const at = a.positionOf(member)
  if (!receipts || at === undefined || a.rootNames[at] === undefined) return false
  return receipts.held.get(shard)?.members[at] === 1 && receipts.roots[at] === a.rootNames[at]
}

/** Whether any owner's receipt says that it holds the slice of `member`. */
export function isCovered(a: Attempt, shard: number, member: MemberId): boolean {
  return a.covers[a.positionOf(member)! * a.shards + shard]! > 0
}

/** Counts anew who holds the slices of `member`, whose commitment has become known or is another one now. */
export function recount(a: Attempt, member: MemberId): void {
  const at = a.positionOf(member)!
  a.rootNames[at] = a.commitments.get(member)?.rootName
  const owners = a.covers.subarray(at * a.shards, (at + 1) * a.shards)
  owners.fill(0)
  for (const { roots, held } of a.receipts.values()) {
    if (roots[at] !== a.rootNames[at]) continue
    for (const [shard, { members }] of held) owners[shard]! += members[at]!
  }
}

/**
 * Own receipt: when everybody's slice is here, at the deadline for those that are, and in between soon enough that
 * nobody takes its owner for silent.
 */
export function receipt(a: Attempt): void {
  if (!a.takesPart || a.opening || a.receiptSent >= 2 * (a.setup.charter.maliciousMax + 3) + 4) return
  const now = a.hands.now()
  const known = a.receipts.get(a.hands.self)?.held
  const news = a.held.filter((h, shard) => (known?.get(shard)?.size ?? 0) < h.size)
  if (news.length === 0) return
  a.unreceiptedAt ??= now
  const due = now >= a.inputDueAt || (a.shards > 1 && now >= a.unreceiptedAt + receiptMs(a))
  if (!due && !news.some(h => h.size === a.cohort.length)) return
  // A receipt takes nothing back that an earlier one has said.
  const held = a.held
    .map((h, shard) => ({ shard, members: new Set(h.keys()) }))
    .filter(({ shard, members: { size } }) => {
      return size > 0 && (due || a.promised.has(shard) || size === a.cohort.length)
    })
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
  const slices = newSlices(a)
  const puts = slices.map(s => [s.key, { sameAs: s.slice.record }] as const)
  a.hands.store([[RECORDS.held, heldRecord(a)], ...puts], () => {
    a.hands.publish(`receipt:${a.hands.self}`, message)
  })
  for (const slice of slices) settle(a, slice)
}

/** How long slices may lie here without a receipt. */
export function receiptMs(a: Attempt): number {
  return reassignMs(a) / 2
}

function heldRecord(a: Attempt): Uint8Array {
  return encodeHeld(
    [...a.commitments.values()].map(c => c.message),
    a.promised,
  )
}

interface Slice {
  readonly shard: number
  readonly member: MemberId
  readonly key: string
  readonly slice: Stored
}

/** What a receipt promises survives a crash: also the slices that are but drafts. */
function newSlices(a: Attempt): Slice[] {
  const out: Slice[] = []
  for (const [shard, slices] of a.held.entries()) {
    for (const [member, slice] of slices) {
      if (isStored(slice) && isDraft(slice.record))
        out.push({ shard, member, key: sliceKey(shard, member), slice })
    }
  }
  return out
}

/** A slice that is durable, or will be before anything that is built on it. */
function settle(a: Attempt, { shard, member, key, slice }: Slice): void {
  const stored = { record: key, from: 0, to: lengthOf(slice) }
  a.stored.set(key, stored)
  a.hold(shard, member, stored)
}

/** A receipt's body, with one place for each of the cohort. */
interface Read {
  readonly opened: Uint8Array
  readonly roots: readonly string[]
  readonly held: readonly { readonly shard: number; readonly places: readonly number[] }[]
}
/** What was read before, as each of the peers of a simulation reads it. */
const readBefore = new Memo<Body<'receipt'>, Read>()

/** Undefined: not of this attempt's shape. */
function read(a: Attempt, body: Body<'receipt'>): Read | undefined {
  const before = readBefore.get(body)
  if (before && equalBytes(before.opened, a.context.opened)) return before
  if (body.roots.length !== ROOT_BYTES * a.cohort.length) return undefined
  const roots = a.cohort.map((_, i) => toHex(body.roots.subarray(ROOT_BYTES * i, ROOT_BYTES * (i + 1))))
  const held: { readonly shard: number; readonly places: readonly number[] }[] = []
  for (const { shard, from } of body.held) {
    const members = membersOf(a.cohort, from)
    if (!members || shard >= a.shards) return undefined
    held.push({ shard, places: Array.from(members, m => a.positionOf(m)!) })
  }
  const fresh = { opened: a.context.opened, roots, held }
  readBefore.set(body, fresh)
  return fresh
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
  const said = read(a, body)
  if (!said) return false
  if (a.disowned.has(owner)) return undefined
  const { roots, held } = a.receipts.get(owner) ?? { roots: [], held: new Map() }
  // Of each member the first commitment that this owner named: the slices of another are nothing to build on.
  const isNews = (members: Uint8Array | undefined, at: number) =>
    members?.[at] !== 1 && (roots[at] === undefined || roots[at] === said.roots[at])
  if (!said.held.some(h => h.places.some(at => isNews(held.get(h.shard)?.members, at)))) return undefined
  a.receipts.set(owner, { roots, held })
  a.receiptMessages.set(owner, message)
  const named = new Set<MemberId>()
  for (const { shard, places } of said.held) {
    const of = held.get(shard) ?? { members: new Uint8Array(a.cohort.length), size: 0 }
    held.set(shard, of)
    for (const at of places) {
      if (!isNews(of.members, at)) continue
      roots[at] = said.roots[at]
      of.members[at] = 1
      of.size++
      named.add(a.cohort[at]!)
      if (a.rootNames[at] === said.roots[at]) a.covers[at * a.shards + shard]!++
    }
  }
  noteHeld(a, named)
  return true
}

/** Nothing is built on the word of an owner that gives each another one; false: that was known. */
export function disown(a: Attempt, owner: MemberId): boolean {
  if (a.disowned.has(owner)) return false
  a.disowned.add(owner)
  // What is fixed stays so: its owners are held to what they signed.
  if (!a.opening && a.receipts.delete(owner)) for (const m of a.cohort) recount(a, m)
  return true
}

/** Notes since when members have been held, of those that may be so now: nobody may be left out who was in time. */
export function noteHeld(a: Attempt, members: Iterable<MemberId> = a.cohort): void {
  if (a.opening || !a.offersHash()) return
  for (const m of members) if (!a.receiptedAt.has(m) && isHeld(a, m)) a.receiptedAt.set(m, a.hands.now())
}

/** Whether every shard of a member is where the sum can use it: at t peers when gossiped, else at an owner. */
export function isHeld(a: Attempt, member: MemberId): boolean {
  const commitment = a.commitments.get(member)
  const offers = a.offersHash()
  if (!commitment || !offers || a.barred.has(member) || a.misdealt.has(member)) return false
  // Made of other offers than those that are known here: somebody has told its recipients different things.
  if (!equalBytes(commitment.offers, offers)) return false
  const at = a.positionOf(member)! * a.shards
  if (a.shards === 1) return a.covers[at]! >= a.context.threshold
  return a.covers.subarray(at, at + a.shards).every(count => count > 0)
}

/** Who holds most of these members' slices of a shard, the earliest in the order of owners; undefined: nobody any. */
export function bestOwner(a: Attempt, shard: number, members: readonly MemberId[]): MemberId | undefined {
  let best: MemberId | undefined
  let most = -1
  for (let p = 0; p < a.cohort.length; p++) {
    const owner = a.owner(shard, p)
    if (!a.receipts.get(owner)?.held.has(shard)) continue
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
