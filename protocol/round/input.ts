/**
 * The first half of an attempt: deal shares, learn, mask, commit, deliver, receipt; and who has survived
 * (SPEC S3 to S9).
 */
import { concatBytes, equalBytes } from '../bytes.ts'
import { contribution } from '../model/contribution.ts'
import type { MemberId } from '../ports.ts'
import { residueBytes, residuesFromBytes } from '../sum/field.ts'
import { shardRange } from '../sum/shards.ts'
import { encode } from '../wire/codec.ts'
import type { Body } from '../wire/messages.ts'
import { type Attempt, evidenceOf, rootOf, sliceMatches } from './attempt.ts'
import { bitmapOf, membersOf } from './bitmap.ts'
import { dealShares, digestOf, houseKey, maskPartners, pairKey, selfMaskKey, shareDigest } from './secrets.ts'

/** Durable records of an attempt; all are forgotten when it is over. */
export const RECORDS = {
  seed: 'attempt/seed',
  shares: 'attempt/shares',
  input: 'attempt/input',
  masked: 'attempt/masked',
  held: 'attempt/held',
  reveal: 'attempt/reveal',
} as const

/** Does all of the first half that has become possible. */
export function advanceInput(a: Attempt): void {
  deal(a)
  a.openSealed((kind, from, share) =>
    equalBytes(
      digestOf(a.context, a.offers.get(from)!, kind, a.hands.self),
      shareDigest(a.context, kind, from, a.hands.self, share),
    ),
  )
  learn(a)
  mask(a)
  deliverShards(a, shard => receiptFor(a, shard, a.hands.self) !== undefined)
  receipt(a)
  complain(a)
}

function deal(a: Attempt): void {
  const own = a.setup.own
  if (a.dealt || !own) return
  a.dealt = true
  const dealt = dealShares(a.context, a.hands.self, own)
  a.offers.set(a.hands.self, dealt.offer)
  a.shares.set(a.hands.self, dealt.own)
  a.hands.publish(`offer:${a.hands.self}`, a.hands.sign('offer', dealt.offer))
  for (const [to, sealed] of dealt.sealed) a.hands.deliver(to, `sealed:${to}`, 'sealed', sealed)
  a.hands.event({ kind: 'phase', round: a.context.round, attempt: a.context.attempt, phase: 'sharing' })
}

function learn(a: Attempt): void {
  const own = a.setup.own
  if (a.learning || a.inputSent || a.masked || !own || !a.model) return
  a.learning = true
  const { task, round } = a.setup.body
  const seed = houseKey(a.context, own, 'learning')
  a.hands.learn({ kind: 'learn', task, round, model: a.model, seed }, result => {
    a.learned = result.learned
  })
}

function mask(a: Attempt): void {
  const own = a.setup.own
  if (a.masking || a.masked || !own || !a.learned || a.opening) return
  if (!a.cohort.every(m => a.shares.has(m))) return
  const values = contribution(a.setup.charter, a.setup.body.task, a.sections, a.learned)
  a.learned = undefined
  a.masking = true
  if (!values.ok) {
    a.hands.event({ kind: 'jobFailed', reason: values.error })
    return
  }
  const me = { id: a.hands.self, maskSeed: own.maskSeed, pair: own.mask }
  const pairs = maskPartners(a.context, me.id).map(m => pairKey(a.context, me, m, a.offers.get(m)))
  a.hands.work(
    {
      kind: 'mask',
      values: values.value,
      sections: a.sections,
      roundingKey: houseKey(a.context, own, 'rounding'),
      selfKey: selfMaskKey(a.context, own.selfSeed),
      pairs: pairs.filter(p => p !== undefined),
      shards: a.shards,
    },
    ({ output }) => {
      if (output.kind === 'mask' && !a.opening) commit(a, output.masked, concatBytes(...output.shardHashes))
    },
  )
}

/** The commitment, the masked input and all shares are durable before the commitment leaves. */
function commit(a: Attempt, masked: Uint32Array, hashes: Uint8Array): void {
  const { round, attempt, opened } = a.context
  const data = a.shards === 1 ? residueBytes(masked) : new Uint8Array(0)
  const body: Body<'input'> = { round, attempt, opened, hashes, data }
  const message = a.hands.sign('input', body)
  a.masked = masked
  const puts: (readonly [string, Uint8Array])[] = [
    [RECORDS.input, message],
    [RECORDS.shares, encodeShares(a)],
  ]
  if (a.shards > 1) puts.push([RECORDS.masked, residueBytes(masked)])
  a.hands.store(puts, () => {
    a.inputSent = true
    acceptInput(a, a.hands.self, body, message)
    a.hands.publish(`input:${a.hands.self}`, message)
    a.hands.event({ kind: 'phase', round, attempt, phase: 'delivered' })
  })
}

function encodeShares(a: Attempt): Uint8Array {
  return encode([...a.shares].map(([from, s]) => ({ from, self: s.self, mask: s.mask })))
}

/** Keeps a commitment; false: it is not one of this attempt's shape, or its data are not what it commits to. */
export function acceptInput(a: Attempt, from: MemberId, body: Body<'input'>, message: Uint8Array): boolean {
  if (!a.cohort.includes(from) || body.hashes.length !== 32 * a.shards) return false
  if (a.shards === 1) {
    if (body.data.length !== 4 * a.length) return false
    const words = sliceMatches(body.hashes, 0, body.data) ? residuesFromBytes(body.data) : undefined
    if (!words) {
      // Signed, and wrong in itself: the message is its own evidence.
      a.find({ member: from, code: 'badShard', evidence: evidenceOf(message) })
      return false
    }
    a.held[0]!.set(from, words)
  } else if (body.data.length > 0) return false
  a.commitments.set(from, { hashes: body.hashes, root: rootOf(body.hashes), message })
  return true
}

/** Keeps a slice that its member's commitment names; false: it is not the one committed to. */
export function acceptShard(a: Attempt, body: Body<'shard'>): boolean | undefined {
  const commitment = a.commitments.get(body.member)
  const held = a.held[body.shard]
  if (!commitment || !held || held.has(body.member)) return undefined
  const [from, to] = shardRange(a.length, a.shards, body.shard)
  if (body.data.length !== 4 * (to - from) || !sliceMatches(commitment.hashes, body.shard, body.data))
    return false
  const words = residuesFromBytes(body.data)
  if (!words) {
    // What was committed to is no vector of the field: the commitment itself is wrong.
    a.find({ member: body.member, code: 'badShard', evidence: evidenceOf(commitment.message) })
    return false
  }
  held.set(body.member, words)
  return true
}

/**
 * Sends the own slices to their owners; where an owner is gone or silent, to the next in the order that the entry
 * fixes, until `done(shard)`.
 */
export function deliverShards(a: Attempt, done: (shard: number) => boolean): void {
  if (a.shards === 1 || !a.inputSent || !a.masked) return
  const { round, attempt, opened } = a.context
  const me = a.hands.self
  for (let shard = 0; shard < a.shards; shard++) {
    if (done(shard)) continue
    const last = a.deliveredTo[shard]
    if (last && a.hands.connected(a.owner(shard, last.position)) && a.hands.now() < last.at + reassignMs(a))
      continue
    if (last && a.owner(shard, last.position) === me && a.hands.now() < last.at + reassignMs(a)) continue
    const position = nextOwner(a, shard, last === undefined ? 0 : last.position + 1)
    a.deliveredTo[shard] = { position, at: a.hands.now() }
    const [from, to] = shardRange(a.length, a.shards, shard)
    const slice = a.masked.slice(from, to)
    const owner = a.owner(shard, position)
    if (owner === me) a.held[shard]!.set(me, slice)
    else {
      const body = { round, attempt, opened, member: me, shard, data: residueBytes(slice) }
      a.hands.deliver(owner, `shard:${shard}:${owner}`, 'shard', body)
    }
  }
}

/** How long an owner may be silent before its shard goes to the next. */
export function reassignMs(a: Attempt): number {
  return Math.max(1, (a.inputDueAt - a.setup.openedAt) / 4)
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

/** The owner whose receipt says that it holds the slice of `member`. */
function receiptFor(a: Attempt, shard: number, member: MemberId): MemberId | undefined {
  for (const [owner, shards] of a.receipts) if (shards.get(shard)?.has(member)) return owner
  return undefined
}

/** Own receipt: when everybody's slice is here, and again at the deadline for those that are. */
function receipt(a: Attempt): void {
  if (!a.takesPart || a.opening || a.receiptSent >= 4) return
  const due = a.hands.now() >= a.inputDueAt
  const mine = a.held
    .map((h, shard) => ({ shard, members: new Set(h.keys()) }))
    .filter(h => h.members.size > 0)
  const known = a.receipts.get(a.hands.self)
  const news = mine.filter(h => {
    const complete = h.members.size === a.cohort.length
    return (complete || due) && (known?.get(h.shard)?.size ?? 0) < h.members.size
  })
  if (news.length === 0) return
  a.receiptSent++
  const { round, attempt, opened } = a.context
  const held = mine.filter(h => h.members.size === a.cohort.length || due)
  const body: Body<'receipt'> = {
    round,
    attempt,
    opened,
    held: held.map(h => ({ shard: h.shard, from: bitmapOf(a.cohort, h.members) })),
  }
  const message = a.hands.sign('receipt', body)
  acceptReceipt(a, a.hands.self, body)
  a.hands.store([[RECORDS.held, encodeHeld(a)]], () => a.hands.publish(`receipt:${a.hands.self}`, message))
}

/** What a receipt promises survives a crash: the slices, and the commitments that they were checked against. */
function encodeHeld(a: Attempt): Uint8Array {
  const commitments = [...a.commitments.values()].map(c => c.message)
  const slices = a.held.flatMap((h, shard) =>
    a.shards === 1 ? [] : [...h].map(([member, words]) => ({ shard, member, data: residueBytes(words) })),
  )
  return encode({ commitments, slices })
}

/** False: not of this attempt's shape. Undefined: nothing new, since an honest owner's receipts only grow. */
export function acceptReceipt(a: Attempt, owner: MemberId, body: Body<'receipt'>): boolean | undefined {
  if (!a.cohort.includes(owner)) return false
  const before = a.receipts.get(owner)
  const next = new Map<number, ReadonlySet<MemberId>>(before ?? [])
  let grown = false
  for (const { shard, from } of body.held) {
    const members = membersOf(a.cohort, from)
    if (!members || shard >= a.shards) return false
    const old = next.get(shard)
    if (old && [...old].some(m => !members.has(m))) return undefined
    if ((old?.size ?? 0) < members.size) grown = true
    next.set(shard, members)
  }
  if (!grown) return undefined
  a.receipts.set(owner, next)
  for (const m of a.cohort) if (!a.receiptedAt.has(m) && isHeld(a, m)) a.receiptedAt.set(m, a.hands.now())
  return true
}

/** Whether every shard of a member is where the sum can use it: at t peers when gossiped, else at an owner. */
export function isHeld(a: Attempt, member: MemberId): boolean {
  if (!a.commitments.has(member)) return false
  if (a.shards === 1) {
    let count = 0
    for (const shards of a.receipts.values()) if (shards.get(0)?.has(member)) count++
    return count >= a.context.threshold
  }
  for (let shard = 0; shard < a.shards; shard++) if (!receiptFor(a, shard, member)) return false
  return true
}

/** Survivors as the receipts known here show them, and the owner of each shard who holds all their slices. */
export function survivorsNow(a: Attempt): { survivors: MemberId[]; owners: MemberId[] } {
  let survivors = a.cohort.filter(m => isHeld(a, m))
  if (a.shards === 1) return { survivors, owners: [] }
  const owners: MemberId[] = []
  for (let shard = 0; shard < a.shards; shard++) {
    let best: MemberId | undefined
    let bestCover = -1
    for (let p = 0; p < a.cohort.length; p++) {
      const owner = a.owner(shard, p)
      const held = a.receipts.get(owner)?.get(shard)
      const cover = held ? survivors.filter(m => held.has(m)).length : -1
      if (cover > bestCover) {
        best = owner
        bestCover = cover
      }
    }
    const held = best !== undefined ? a.receipts.get(best)?.get(shard) : undefined
    if (best === undefined || !held) return { survivors: [], owners: [] }
    owners.push(best)
    survivors = survivors.filter(m => held.has(m))
  }
  return { survivors, owners }
}

/** Names, at half of the deadline, those whose shares have not come: nobody can mask without them. */
function complain(a: Attempt): void {
  if (!a.takesPart || a.complained || a.opening || a.hands.now() < a.complainAt) return
  const missing = new Set(a.cohort.filter(m => !a.shares.has(m)))
  if (missing.size === 0) return
  a.complained = true
  const { round, attempt, opened } = a.context
  const body = { round, attempt, opened, missing: bitmapOf(a.cohort, missing) }
  const message = a.hands.sign('complaint', body)
  acceptComplaint(a, a.hands.self, body, message)
  a.hands.publish(`complaint:${a.hands.self}`, message)
}

export function acceptComplaint(
  a: Attempt,
  from: MemberId,
  body: Body<'complaint'>,
  message: Uint8Array,
): boolean {
  const missing = membersOf(a.cohort, body.missing)
  if (!missing || !a.cohort.includes(from)) return false
  a.complaints.set(from, missing)
  a.complaintMessages.set(from, message)
  return true
}

/** Members of whom more than f others say that their shares never came: one of these is honest. */
export function unshared(a: Attempt): MemberId[] {
  return a.cohort.filter(m => {
    let count = 0
    for (const [by, missing] of a.complaints) if (by !== m && missing.has(m)) count++
    return count > a.setup.charter.maliciousMax
  })
}
