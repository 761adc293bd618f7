/**
 * The second half of an attempt: sum the shards, reveal the shares, draw the coin, check the tags, take the masks
 * off, apply (SPEC S10 to S14). Starts with the certified SurvivorsFixed entry and with nothing less.
 */
import { concatBytes, equalBytes } from '../bytes.ts'
import type { SurvivorsFixed } from '../ledger/entry.ts'
import { samplesIn } from '../model/apply.ts'
import { stateIn } from '../model/state.ts'
import type { HeldModel, MemberId, Millis, PairKey, Vector, VectorOutput } from '../ports.ts'
import { assert } from '../result.ts'
import { residueBytes, residuesFromBytes } from '../sum/field.ts'
import type { Body } from '../wire/messages.ts'
import { type Attempt, type Claim, type Opening, type Outcome, rootOf } from './attempt.ts'
import { claimOf, freezeClaims, isFixed, openDueAt, succession, takeovers } from './claims.ts'
import { fetchVectors, ownSlice } from './delivery.ts'
import { otherInput } from './input.ts'
import { RECORDS } from './records.ts'
import { checkReveals, kindOf, recover } from './reveals.ts'
import { maskPair, maskPartners, pairKey, selfMaskKey } from './secrets.ts'
import { checkTags, compareAnew, nameAbsent, sumName } from './verify.ts'

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
    own: new Set(),
    claims: new Map(),
    given: new Map(),
    memory: undefined,
    placed: new Map(),
    refused: new Set(),
    shares: new Map(),
    reveals: new Map(),
    tags: new Map(),
    uncompared: new Set(),
    compared: new Set(),
    revealed: false,
    frozen: undefined,
    failed: new Map(),
    seeds: undefined,
    coin: undefined,
    tagging: new Set(),
    tagged: false,
    computed: new Map(),
    verified: false,
    unmasking: false,
    unmaskFailed: false,
    openAsked: new Set(),
    outcome: undefined,
  }
  for (const { member, root } of body.survivors) {
    const named = a.versions.get(member)?.find(v => equalBytes(rootOf(v.body.hashes), root))
    if (named && otherInput(a, member, named.body, named.message) === 'taken')
      a.hands.remember(`input:${member}`, named.message)
  }
}

/** Does all of the second half that has become possible. */
export function advanceOpening(a: Attempt): void {
  const o = a.opening
  if (!o || o.outcome) {
    if (o) checkTags(a, o)
    return
  }
  fetchVectors(a)
  sumShards(a, o)
  claimSums(a, o)
  takeSums(a, o)
  reveal(a, o)
  checkReveals(a, o)
  recover(a, o)
  tag(a, o)
  checkTags(a, o)
  unmask(a, o)
  if (a.hands.now() >= openDueAt(a, o)) nameAbsent(a, o)
}

/** All survivors' slices of a shard as the entry fixed them, in its order; undefined while one is missing. */
export function slicesOf(a: Attempt, o: Opening, shard: number): Vector[] | undefined {
  const out: Vector[] = []
  for (const m of o.survivors) {
    const slice = a.held[shard]!.get(m)
    const commitment = a.commitments.get(m)
    if (!slice || !commitment || !isFixed(o, m, commitment.root)) return undefined
    out.push(slice)
  }
  return out
}

/** Sums each shard whose slices are all here. */
function sumShards(a: Attempt, o: Opening): void {
  for (let shard = 0; shard < a.shards; shard++) {
    if (o.summing.has(shard) || (o.sums.has(shard) && !o.openAsked.has(shard))) continue
    const inputs = slicesOf(a, o, shard)
    if (!inputs) continue
    o.summing.add(shard)
    a.hands.work({ kind: 'sum', inputs }, ({ output }) => {
      if (output.kind !== 'sum') return
      o.sums.set(shard, { sum: output.sum, hash: output.hash })
      o.own.add(shard)
    })
  }
}

/** Claims what was summed here, and sends it, when it is this peer's turn. */
function claimSums(a: Attempt, o: Opening): void {
  if (a.shards === 1 || !a.takesPart) return
  const turn = takeovers(a, o)
  for (const shard of o.own) {
    const { sum, hash } = o.sums.get(shard)!
    if (o.claims.get(shard)?.has(a.hands.self) || claimOf(a, o, shard)) continue
    if (succession(a, o, shard).indexOf(a.hands.self) <= turn) claim(a, o, shard, sum, hash)
  }
}

function claim(a: Attempt, o: Opening, shard: number, sum: Uint32Array, hash: Uint8Array): void {
  const { round, attempt } = a.context
  const message = a.hands.sign('claim', { round, attempt, fixed: o.fixed, shard, sum: hash })
  claimsOf(o, shard).set(a.hands.self, { owner: a.hands.self, hash, message, at: a.hands.now() })
  a.transfers.hold(hash, sum, 'sum')
  a.hands.publish(`claim:${a.hands.self}:${shard}`, message)
}

export function acceptClaim(a: Attempt, from: MemberId, body: Body<'claim'>, message: Uint8Array): boolean {
  const o = a.opening
  if (!o || a.shards === 1 || !a.cohort.includes(from) || body.shard >= a.shards) return false
  claimsOf(o, body.shard).set(from, { owner: from, hash: body.sum, message, at: a.hands.now() })
  return true
}

function claimsOf(o: Opening, shard: number): Map<MemberId, Claim> {
  const claims = o.claims.get(shard) ?? new Map<MemberId, Claim>()
  o.claims.set(shard, claims)
  return claims
}

/** Of the sums that were given, those whose claim counts. */
function takeSums(a: Attempt, o: Opening): void {
  for (let shard = 0; shard < a.shards; shard++) {
    const claim = o.sums.has(shard) || o.summing.has(shard) ? undefined : claimOf(a, o, shard)
    const sum = claim && o.given.get(`${shard}/${claim.owner}`)
    if (sum) o.sums.set(shard, { sum, hash: claim.hash })
  }
}

/** Own shares, once and durably, after all sums have been claimed. */
function reveal(a: Attempt, o: Opening): void {
  if (o.revealed || !a.takesPart || a.shares.size < a.cohort.length) return
  if (!a.cohort.every(m => a.shares.has(m))) return
  const claims = freezeClaims(a, o)
  if (!claims) return
  const { round, attempt } = a.context
  const shares = concatBytes(...a.cohort.map(m => a.shares.get(m)![kindOf(o, m)]))
  // With an own input, the offers that it was made of: those are what the shares were checked against.
  const offers = a.commitments.get(a.hands.self)?.offers ?? a.offersHash()
  if (!offers) return
  const body: Body<'reveal'> = { round, attempt, fixed: o.fixed, claims, offers, shares }
  o.revealed = true
  const message = a.hands.sign('reveal', body)
  a.hands.store([[RECORDS.reveal, message]], () => {
    o.reveals.set(a.hands.self, { body, message, checked: false })
    a.hands.publish(`reveal:${a.hands.self}`, message)
    a.hands.event({ kind: 'phase', round, attempt, phase: 'revealed' })
  })
}

/**
 * Tags of the own slices for everybody; and, of all slices and sums that are here, for the own check. With one shard each
 * has summed all inputs itself, and there is nothing to check.
 */
function tag(a: Attempt, o: Opening): void {
  if (a.shards === 1 || !o.coin) return
  const names: string[] = []
  const items: { shard: number; vector: Vector }[] = []
  const add = (name: string, shard: number, vector: Vector | undefined) => {
    if (!vector || o.computed.has(name) || o.tagging.has(name)) return
    o.tagging.add(name)
    names.push(name)
    items.push({ shard, vector })
  }
  for (let shard = 0; shard < a.shards; shard++) {
    for (const m of o.survivors) {
      const slice = m === a.hands.self ? ownSlice(a, shard) : a.held[shard]!.get(m)
      const commitment = a.commitments.get(m)
      if (commitment && isFixed(o, m, commitment.root)) add(`${shard}/${m}`, shard, slice)
    }
    // Of what was summed here no tag is needed; and once the masks come off, a sum is none any more.
    const sum = o.sums.get(shard)
    if (sum && !o.own.has(shard) && !o.unmasking) add(sumName(shard, sum.hash), shard, sum.sum)
  }
  if (items.length === 0) return
  a.hands.work({ kind: 'tag', coin: o.coin, items }, ({ output }) => {
    if (output.kind !== 'tag') return
    output.tags.forEach((t, i) => {
      o.computed.set(names[i]!, t)
      o.tagging.delete(names[i]!)
    })
    compareAnew(o)
    publishTags(a, o)
  })
}

function publishTags(a: Attempt, o: Opening): void {
  const claims = o.frozen?.hash
  const me = a.hands.self
  if (o.tagged || !claims || !o.survivors.includes(me)) return
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
  o.tagged = true
  const message = a.hands.sign('tags', body)
  acceptTags(a, me, body, message)
  a.hands.publish(`tags:${me}`, message)
}

export function acceptTags(a: Attempt, from: MemberId, body: Body<'tags'>, message: Uint8Array): boolean {
  const o = a.opening
  if (!o?.survivors.includes(from) || a.shards === 1 || body.tags.length !== 16 * a.shards) return false
  const words = residuesFromBytes(body.tags)
  if (!words) return false
  o.tags.set(from, { body, words, message })
  o.uncompared.add(from)
  return true
}

/** Takes the masks off the verified sum and applies it: the same steps in the same order at every peer. */
function unmask(a: Attempt, o: Opening): void {
  if (o.unmasking || !o.verified || !o.seeds || !a.model) return
  o.unmasking = true
  const { charter, plan, body } = a.setup
  const { model, sections, publicSeed } = a
  const sums = Array.from({ length: a.shards }, (_, shard) => o.sums.get(shard)!.sum)
  // Something may still come to the place of a sum that was made here.
  const isFree = sums.every((sum, shard) => sum.buffer === o.memory?.buffer || !o.placed.has(shard))
  const memory = isFree ? o.memory : undefined
  const selfKeys = o.survivors.map(m => selfMaskKey(a.context, o.seeds!.get(m)!))
  const apply = plan.applies ? { charter, task: body.task, sections, model, publicSeed } : undefined
  const pairs = dropoutPairs(a, o)
  // Also when others close the round before: then this gives its model, which else would have to be fetched.
  a.hands.work(
    { kind: 'unmask', sums, memory, selfKeys, pairs, apply },
    ({ output }) => {
      o.memory = undefined
      if (output.kind === 'unmask') o.outcome = outcomeOf(a, model, output)
    },
    () => {
      o.unmaskFailed = true
    },
  )
}

function outcomeOf(a: Attempt, start: HeldModel, opened: VectorOutput & { kind: 'unmask' }): Outcome {
  const { sum, hash: sumHash, stepped } = opened
  const at = a.hands.now()
  if (!stepped) {
    assert(sum !== undefined, 'a sum that is applied to nothing is still there')
    const samples = samplesIn(a.sections, sum)
    return { sumHash, sum, model: start, modelHash: a.setup.body.model, metrics: undefined, samples, at }
  }
  const { next, metrics, samples } = stepped
  const model = next ? stateIn(next.model, next.hash) : start
  const modelHash = next?.hash ?? a.setup.body.model
  return { sumHash, sum: undefined, model, modelHash, metrics, samples, at }
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
