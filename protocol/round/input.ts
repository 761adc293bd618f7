/**
 * The first half of an attempt: deal shares, learn, mask, commit; and others' commitments and slices (SPEC S3 to S8).
 */
import { concatBytes, equalBytes, toHex } from '../bytes.ts'
import { Memo } from '../memo.ts'
import type { MemberId, Value, VectorOutput } from '../ports.ts'
import { assert } from '../result.ts'
import { residueBytes, residuesFromBytes } from '../sum/field.ts'
import { rootOf } from '../sum/shards.ts'
import type { Body } from '../wire/messages.ts'
import { type Attempt, evidenceOf, ROOT_BYTES, sliceHash, sliceMatches } from './attempt.ts'
import { complain } from './complaints.ts'
import { fetchVectors, ownSlice } from './delivery.ts'
import { maskPartners, pairKey, pairKeyFits } from './pair-keys.ts'
import { noteHeld, receipt, recount } from './receipts.ts'
import { encodeShares, RECORDS } from './records.ts'
import {
  dealShares,
  digestOf,
  houseKey,
  levelSeeds,
  type MemberShares,
  noiseKeys,
  seedKinds,
  selfMaskKey,
  shareDigest,
  shareOf,
} from './secrets.ts'

/** Other inputs of one member that are kept: more could only be an attempt to fill memory. */
const VERSIONS_MAX = 3

/** Does all of the first half that has become possible. */
export function advanceInput(a: Attempt): void {
  deal(a)
  a.openSealed((from, shares) => areAsOffered(a, from, shares) && isPairAsOffered(a, from))
  learn(a)
  mask(a)
  fetchVectors(a)
  receipt(a)
  complain(a)
}

/** Whether shares are those that their dealer's offer commits to. */
export function areAsOffered(a: Attempt, from: MemberId, shares: MemberShares): boolean {
  const offer = a.offers.get(from)!
  return seedKinds(a.context).every(kind =>
    equalBytes(
      digestOf(a.context, offer, kind, a.hands.self),
      shareDigest(a.context, kind, from, a.hands.self, shareOf(shares, kind)),
    ),
  )
}

/** The same of the key that the dealer encapsulated to this member, where an audit may have to open it. It is kept. */
function isPairAsOffered(a: Attempt, from: MemberId): boolean {
  const { own } = a.setup
  const self = a.hands.self
  if (!a.context.audits || !own || a.pairKeys?.has(from)) return true
  const me = { id: self, maskSeed: own.maskSeed, pair: own.mask }
  const mask = pairKey(a.context, me, from, a.offers.get(from))
  if (!mask || !pairKeyFits(a.context, from, self, mask.key, a.offers)) return false
  a.pairKeys?.set(from, mask.key)
  return true
}

function deal(a: Attempt): void {
  const own = a.setup.own
  if (a.dealt || !own) return
  a.dealt = true
  const dealt = dealShares(a.context, a.hands.self, own)
  a.offers.set(a.hands.self, dealt.offer)
  a.shares.set(a.hands.self, dealt.own)
  a.pairKeys = dealt.pairs
  const message = a.hands.sign('offer', dealt.offer)
  a.offerMessages.set(a.hands.self, message)
  a.hands.publish(`offer:${a.hands.self}`, message)
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
  if (a.shares.size < a.cohort.length || !a.cohort.every(m => a.shares.has(m))) return
  const { charter, body } = a.setup
  const { sections, learned } = a
  assert(a.model !== undefined, 'who has learned has the model')
  a.learned = undefined
  a.masking = true
  const me = { id: a.hands.self, maskSeed: own.maskSeed, pair: own.mask }
  const pairs = maskPartners(a.context, me.id).map(m =>
    pairKey(a.context, me, m, a.offers.get(m), a.pairKeys?.get(m)),
  )
  if (!a.context.audits) a.pairKeys = undefined
  const into = a.draft('masked')
  a.hands.work(
    {
      kind: 'mask',
      charter,
      task: body.task,
      sections,
      learned,
      publicSeed: a.publicSeed,
      residual: a.setup.residual,
      basis: a.model.basis,
      roundingKey: houseKey(a.context, own, 'rounding'),
      ...(a.context.levels > 0 && { noiseKeys: noiseKeys(a.context, 1, levelSeeds(a.context, own)) }),
      selfKey: selfMaskKey(a.context, own.selfSeed),
      pairs: pairs.filter(p => p !== undefined),
      shards: a.shards,
      into,
    },
    ({ output }) => {
      if (a.opening) return
      if (output.kind === 'mask') commit(a, output, into)
      if (output.kind === 'refused') a.hands.event({ kind: 'jobFailed', reason: output.reason })
    },
  )
}

/** The commitment, the masked input, all shares and what it costs are durable before the commitment leaves. */
function commit(
  a: Attempt,
  { masked, shardHashes, unsent }: VectorOutput & { kind: 'mask' },
  draft: string | undefined,
): void {
  const { round, attempt, opened } = a.context
  const data = draft === undefined ? residueBytes(masked!) : new Uint8Array(0)
  const offers = a.offersHash()
  assert(offers !== undefined, 'who masks has been dealt shares by all')
  const hashes = concatBytes(...shardHashes)
  const body: Body<'input'> = { round, attempt, opened, offers, hashes, data }
  const message = a.hands.sign('input', body)
  const puts: (readonly [string, Value])[] = [
    [RECORDS.input, message],
    [RECORDS.shares, encodeShares(a.shares)],
  ]
  puts.push(...a.hands.charge(a.setup.body.task))
  if (draft !== undefined) puts.push([RECORDS.masked, { sameAs: draft }])
  a.hands.store(puts, () => {
    a.masked = draft === undefined ? masked : { record: RECORDS.masked, from: 0, to: a.length }
    a.inputSent = true
    a.unsent = unsent
    acceptInput(a, a.hands.self, body, message)
    giveOwn(a)
    a.hands.publish(`input:${a.hands.self}`, message)
    a.hands.event({ kind: 'phase', round, attempt, phase: 'delivered' })
  })
}

/** Lets the owners have the own slices. */
export function giveOwn(a: Attempt): void {
  const commitment = a.commitments.get(a.hands.self)
  if (!commitment || a.shards === 1) return
  for (let shard = 0; shard < a.shards; shard++) {
    const slice = ownSlice(a, shard)
    if (slice) a.transfers.hold(sliceHash(commitment.hashes, shard), slice)
  }
}

/** What follows from an input alone; the same for each of the peers of a simulation. */
interface ReadInput {
  readonly root: Uint8Array
  readonly rootName: string
  /** Of data that come along: undefined where they are not what the input commits to, or no residues. */
  readonly words: Uint32Array | undefined
}
const readBefore = new Memo<Body<'input'>, ReadInput>()

function readInput(body: Body<'input'>): ReadInput {
  const before = readBefore.get(body)
  if (before) return before
  const root = rootOf(body.hashes)
  const rootName = toHex(root.subarray(0, ROOT_BYTES))
  const words = sliceMatches(body.hashes, 0, body.data) ? residuesFromBytes(body.data) : undefined
  const read = { root, rootName, words }
  readBefore.set(body, read)
  return read
}

/** Keeps a commitment; false: it is not one of this attempt's shape, or its data are not what it commits to. */
export function acceptInput(a: Attempt, from: MemberId, body: Body<'input'>, message: Uint8Array): boolean {
  if (!a.cohort.includes(from) || body.hashes.length !== 32 * a.shards) return false
  const { root, rootName, words } = readInput(body)
  if (a.shards === 1) {
    if (body.data.length !== 4 * a.length) return false
    if (!words) {
      // Signed, and wrong in itself: the message is its own evidence.
      a.find({ member: from, code: 'badShard', evidence: evidenceOf(message) })
      if (!a.opening) a.barred.add(from)
      return false
    }
    a.held[0]!.set(from, words)
  } else if (body.data.length > 0) return false
  const { hashes, offers } = body
  a.commitments.set(from, { hashes, offers, root, rootName, message, at: a.hands.now() })
  recount(a, from)
  noteHeld(a, [from])
  return true
}

/**
 * A second, different input of one member. Before the survivors are fixed the member is out of them; afterwards the one
 * that the entry names takes the place of the one that was here. `kept`: for the case that the entry will name it.
 */
export function otherInput(
  a: Attempt,
  from: MemberId,
  body: Body<'input'>,
  message: Uint8Array,
): 'taken' | 'kept' | 'dropped' {
  const fixed = a.opening?.body.survivors.find(s => s.member === from)
  if (fixed) {
    const held = a.commitments.get(from)
    if (held && equalBytes(held.root, fixed.root)) return 'kept'
    if (!equalBytes(rootOf(body.hashes), fixed.root)) return 'dropped'
    a.held.forEach((slices, shard) => {
      const before = held && sliceHash(held.hashes, shard)
      if (!before || !equalBytes(before, sliceHash(body.hashes, shard))) slices.delete(from)
    })
    return acceptInput(a, from, body, message) ? 'taken' : 'dropped'
  }
  a.barred.add(from)
  const versions = a.versions.get(from) ?? []
  if (versions.length >= VERSIONS_MAX) return 'dropped'
  a.versions.set(from, [...versions, { body, message }])
  return 'kept'
}
