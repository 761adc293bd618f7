/**
 * The second half of an attempt: sum the shards, reveal the shares, draw the coin, check the tags, take the masks
 * off, apply (SPEC S10 to S14). Starts with the certified SurvivorsFixed entry and with nothing less.
 */
import { ascii, concatBytes, equalBytes } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import type { SurvivorsFixed } from '../ledger/entry.ts'
import { applySum } from '../model/apply.ts'
import { stateHash } from '../model/state.ts'
import type { MemberId, Millis, PairKey } from '../ports.ts'
import { residueBytes, residuesFromBytes } from '../sum/field.ts'
import { combiner } from '../sum/shamir.ts'
import { shardRange } from '../sum/shards.ts'
import type { Body } from '../wire/messages.ts'
import { type Attempt, evidenceOf, type Opening } from './attempt.ts'
import { deliverShards, RECORDS } from './input.ts'
import {
  digestOf,
  maskPair,
  maskPartners,
  pairKey,
  type SeedKind,
  selfCommitment,
  selfMaskKey,
  shareDigest,
} from './secrets.ts'
import { checkTags } from './verify.ts'

export function beginOpening(a: Attempt, body: SurvivorsFixed, fixed: Uint8Array, now: Millis): void {
  const survivors = body.survivors.map(s => s.member)
  a.opening = {
    body,
    fixed,
    fixedAt: now,
    survivors,
    dropouts: a.cohort.filter(m => !survivors.includes(m)),
    summing: new Set(),
    sums: new Map(),
    claims: new Map(),
    shares: new Map(a.cohort.map(m => [m, new Map()])),
    reveals: new Map(),
    tags: new Map(),
    revealed: false,
    seeds: undefined,
    coin: undefined,
    tagging: false,
    computed: new Map(),
    verified: false,
    unmasking: false,
    openAsked: false,
    outcome: undefined,
  }
}

/** Does all of the second half that has become possible. */
export function advanceOpening(a: Attempt): void {
  const o = a.opening
  if (!o || o.outcome) {
    if (o) checkTags(a, o)
    return
  }
  deliverShards(a, shard => o.claims.has(shard) || o.sums.has(shard))
  sumShards(a, o)
  reveal(a, o)
  checkReveals(a, o)
  recover(a, o)
  tag(a, o)
  checkTags(a, o)
  unmask(a, o)
}

/** Whether the commitment held here is the one that the entry fixed. */
export function isFixed(o: Opening, member: MemberId, root: Uint8Array): boolean {
  const s = o.body.survivors.find(x => x.member === member)
  return s !== undefined && equalBytes(s.root, root)
}

/** All survivors' slices of a shard as the entry fixed them, in its order; undefined while one is missing. */
export function slicesOf(a: Attempt, o: Opening, shard: number): Uint32Array[] | undefined {
  const out: Uint32Array[] = []
  for (const m of o.survivors) {
    const slice = a.held[shard]!.get(m)
    const commitment = a.commitments.get(m)
    if (!slice || !commitment || !isFixed(o, m, commitment.root)) return undefined
    out.push(slice)
  }
  return out
}

/** Sums each shard whose slices are all here; an owner of one of several shards claims and sends its sum. */
function sumShards(a: Attempt, o: Opening): void {
  for (let shard = 0; shard < a.shards; shard++) {
    if (o.summing.has(shard) || o.sums.has(shard)) continue
    const inputs = slicesOf(a, o, shard)
    if (!inputs) continue
    o.summing.add(shard)
    a.hands.work({ kind: 'sum', inputs }, ({ output }) => {
      if (output.kind !== 'sum') return
      o.sums.set(shard, { sum: output.sum, hash: output.hash })
      if (a.shards > 1 && a.takesPart) claim(a, o, shard, output.sum, output.hash)
    })
  }
}

function claim(a: Attempt, o: Opening, shard: number, sum: Uint32Array, hash: Uint8Array): void {
  const { round, attempt } = a.context
  const message = a.hands.sign('claim', { round, attempt, fixed: o.fixed, shard, sum: hash })
  if (!o.claims.has(shard)) o.claims.set(shard, { owner: a.hands.self, hash, message })
  a.hands.publish(`claim:${a.hands.self}:${shard}`, message)
  const data = residueBytes(sum)
  for (const m of a.cohort) {
    if (m !== a.hands.self)
      a.hands.deliver(m, `shardSum:${shard}:${m}`, 'shardSum', {
        round,
        attempt,
        fixed: o.fixed,
        shard,
        data,
      })
  }
}

export function acceptClaim(a: Attempt, from: MemberId, body: Body<'claim'>, message: Uint8Array): boolean {
  const o = a.opening
  if (!o || a.shards === 1 || !a.cohort.includes(from) || body.shard >= a.shards) return false
  if (!o.claims.has(body.shard)) o.claims.set(body.shard, { owner: from, hash: body.sum, message })
  return true
}

/** A shard's sum from its owner; false when it is not the one that was claimed. */
export function acceptShardSum(a: Attempt, body: Body<'shardSum'>): boolean | undefined {
  const o = a.opening
  const claimed = o?.claims.get(body.shard)
  if (!o || !claimed || o.sums.has(body.shard)) return undefined
  const [from, to] = shardRange(a.length, a.shards, body.shard)
  if (body.data.length !== 4 * (to - from) || !equalBytes(sha256(body.data), claimed.hash)) return false
  const sum = residuesFromBytes(body.data)
  if (!sum) return false
  o.sums.set(body.shard, { sum, hash: claimed.hash })
  return true
}

/** Hash of each shard's sum: own where all slices are here, else as claimed; undefined while one is open. */
function claimList(a: Attempt, o: Opening): Uint8Array[] | undefined {
  const out: Uint8Array[] = []
  for (let shard = 0; shard < a.shards; shard++) {
    const hash = a.shards === 1 ? o.sums.get(0)?.hash : o.claims.get(shard)?.hash
    if (!hash) return undefined
    out.push(hash)
  }
  return out
}

/** One hash over all claims: what a reveal and its tags were made after. */
export function claimsHash(a: Attempt, o: Opening): Uint8Array | undefined {
  const list = claimList(a, o)
  return list && sha256(ascii('medmesh/1 claims'), o.fixed, ...list)
}

/** Which of a member's seeds the entry opens: never both (SPEC S11). */
export function kindOf(o: Opening, member: MemberId): SeedKind {
  return o.survivors.includes(member) ? 'self' : 'mask'
}

/** Own shares, once and durably, after all sums have been claimed. */
function reveal(a: Attempt, o: Opening): void {
  if (o.revealed || !a.takesPart || !a.cohort.every(m => a.shares.has(m))) return
  const claims = claimsHash(a, o)
  if (!claims) return
  o.revealed = true
  const { round, attempt } = a.context
  const shares = concatBytes(...a.cohort.map(m => a.shares.get(m)![kindOf(o, m)]))
  const body: Body<'reveal'> = { round, attempt, fixed: o.fixed, claims, shares }
  const message = a.hands.sign('reveal', body)
  a.hands.store([[RECORDS.reveal, message]], () => {
    o.reveals.set(a.hands.self, { body, message, checked: false })
    a.hands.publish(`reveal:${a.hands.self}`, message)
    a.hands.event({ kind: 'phase', round, attempt, phase: 'revealed' })
  })
}

export function acceptReveal(a: Attempt, from: MemberId, body: Body<'reveal'>, message: Uint8Array): boolean {
  if (!a.opening || !a.cohort.includes(from) || body.shares.length !== 32 * a.cohort.length) return false
  a.opening.reveals.set(from, { body, message, checked: false })
  return true
}

/** Checks each revealed share against the digest that its dealer published; a wrong one names its sender. */
function checkReveals(a: Attempt, o: Opening): void {
  if (o.seeds || !a.cohort.every(m => a.offers.has(m))) return
  for (const [from, r] of o.reveals) {
    if (r.checked) continue
    r.checked = true
    const index = a.cohort.indexOf(from)
    a.cohort.forEach((dealer, i) => {
      const kind = kindOf(o, dealer)
      const share = r.body.shares.slice(32 * i, 32 * i + 32)
      const digest = digestOf(a.context, a.offers.get(dealer)!, kind, from)
      if (equalBytes(shareDigest(a.context, kind, dealer, from, share), digest))
        o.shares.get(dealer)!.set(index, share)
      else a.find({ member: from, code: 'badShare', evidence: evidenceOf(r.message) })
    })
  }
}

/** Recovers all seeds as soon as each has t valid shares, and the coin, which no one could know before. */
function recover(a: Attempt, o: Opening): void {
  const claims = claimsHash(a, o)
  if (o.seeds || !claims) return
  const t = a.context.threshold
  if (a.cohort.some(m => o.shares.get(m)!.size < t)) return
  const seeds = new Map<MemberId, Uint8Array>()
  const combiners = new Map<string, ReturnType<typeof combiner>>()
  for (const member of a.cohort) {
    const points = [...o.shares.get(member)!].sort((p, q) => p[0] - q[0]).slice(0, t)
    const indices = points.map(p => p[0])
    const combine = combiners.get(indices.join()) ?? combiner(indices)
    combiners.set(indices.join(), combine)
    const seed = combine.ok ? combine.value(points.map(p => p[1])) : combine
    if (!seed.ok || !seedFits(a, kindOf(o, member), member, seed.value)) {
      // Every share is as its dealer committed, and yet they are not of one secret: the dealer lied.
      a.find({
        member,
        code: 'badShare',
        evidence: evidenceOf(...[...o.reveals.values()].map(r => r.message)).slice(0, 8),
      })
      return
    }
    seeds.set(member, seed.value)
  }
  o.seeds = seeds
  o.coin = sha256(ascii('medmesh/1 coin'), o.fixed, claims, ...o.survivors.map(m => seeds.get(m)!))
}

function seedFits(a: Attempt, kind: SeedKind, member: MemberId, seed: Uint8Array): boolean {
  const announced = a.context.keys.get(member)!
  if (kind === 'self') return equalBytes(selfCommitment(seed), announced.selfCommit)
  return equalBytes(maskPair(seed).publicKey, announced.mask)
}

/** Tags of the own slices for everybody; and, of all slices and sums that are here, for the own check. */
function tag(a: Attempt, o: Opening): void {
  if (o.tagging || !o.coin) return
  o.tagging = true
  const coin = o.coin
  const names: string[] = []
  const items: { shard: number; vector: Uint32Array }[] = []
  for (let shard = 0; shard < a.shards; shard++) {
    const [from, to] = shardRange(a.length, a.shards, shard)
    for (const m of o.survivors) {
      const slice = m === a.hands.self && a.masked ? a.masked.slice(from, to) : a.held[shard]!.get(m)
      if (!slice) continue
      names.push(`${shard}/${m}`)
      items.push({ shard, vector: slice })
    }
  }
  a.hands.work({ kind: 'tag', coin, items }, ({ output }) => {
    if (output.kind !== 'tag') return
    output.tags.forEach((t, i) => {
      o.computed.set(names[i]!, t)
    })
    publishTags(a, o)
  })
}

function publishTags(a: Attempt, o: Opening): void {
  const claims = claimsHash(a, o)
  const me = a.hands.self
  if (!claims || !o.survivors.includes(me)) return
  const own = Array.from({ length: a.shards }, (_, shard) => o.computed.get(`${shard}/${me}`))
  if (own.some(t => t === undefined)) return
  const { round, attempt } = a.context
  const body = {
    round,
    attempt,
    fixed: o.fixed,
    claims,
    tags: concatBytes(...own.map(t => residueBytes(t!))),
  }
  const message = a.hands.sign('tags', body)
  o.tags.set(me, { body, message })
  a.hands.publish(`tags:${me}`, message)
}

export function acceptTags(a: Attempt, from: MemberId, body: Body<'tags'>, message: Uint8Array): boolean {
  const o = a.opening
  if (!o?.survivors.includes(from) || body.tags.length !== 16 * a.shards) return false
  o.tags.set(from, { body, message })
  return true
}

/** Takes the masks off the verified sum and applies it: the same steps in the same order at every peer. */
function unmask(a: Attempt, o: Opening): void {
  if (o.unmasking || !o.verified || !o.seeds || !a.model) return
  o.unmasking = true
  const sum = new Uint32Array(a.length)
  for (let shard = 0; shard < a.shards; shard++)
    sum.set(o.sums.get(shard)!.sum, shardRange(a.length, a.shards, shard)[0])
  const selfKeys = o.survivors.map(m => selfMaskKey(a.context, o.seeds!.get(m)!))
  a.hands.work({ kind: 'unmask', sum, selfKeys, pairs: dropoutPairs(a, o) }, ({ output }) => {
    if (output.kind !== 'unmask' || !a.model) return
    const { charter, body } = a.setup
    const applied = applySum(charter, body.task, a.sections, output.sum, a.model)
    o.outcome = {
      sumHash: output.hash,
      model: applied.state,
      modelHash: stateHash(applied.state),
      metrics: applied.metrics,
      samples: applied.samples,
      at: a.hands.now(),
    }
  })
}

/** The masks between dropouts and survivors, with the sign that the survivor applied. */
function dropoutPairs(a: Attempt, o: Opening): PairKey[] {
  const out: PairKey[] = []
  for (const dropout of o.dropouts) {
    const maskSeed = o.seeds!.get(dropout)!
    const them = { id: dropout, maskSeed, pair: maskPair(maskSeed) }
    for (const survivor of maskPartners(a.context, dropout).filter(m => o.survivors.includes(m))) {
      const pair = pairKey(a.context, them, survivor, a.offers.get(survivor))
      if (pair) out.push({ key: pair.key, sign: pair.sign === 1 ? -1 : 1 })
    }
  }
  return out
}
