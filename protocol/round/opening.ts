/**
 * The second half of an attempt: reveal the shares, sum the shards without their masks, draw the coin, check the tags, apply
 * (SPEC S10 to S14). Starts with the certified SurvivorsFixed entry and with nothing less.
 */
import { concatBytes, equalBytes } from '../bytes.ts'
import type { SurvivorsFixed } from '../ledger/entry.ts'
import { samplesIn } from '../model/apply.ts'
import { encodedBytesAfter, stateIn, storedModel } from '../model/state.ts'
import type { HeldModel, Masked, MemberId, Millis, Stored, TagItem, Vector, VectorOutput } from '../ports.ts'
import { upTo } from '../privacy/shares.ts'
import { assert } from '../result.ts'
import { isLong, lengthOf } from '../stored.ts'
import { residueBytes, residuesFromBytes } from '../sum/field.ts'
import { rootOf, shardRange } from '../sum/shards.ts'
import type { Body } from '../wire/messages.ts'
import type { Attempt, Claim, Opening, Outcome, Recovered } from './attempt.ts'
import { advanceAudit, auditOf, beginAudit, drawAudit } from './audit.ts'
import { claimOf, freezeClaims, isFixed, openDueAt, succession, takeovers } from './claims.ts'
import { fetchVectors, ownSlice } from './delivery.ts'
import { otherInput } from './input.ts'
import { draftKey, RECORDS } from './records.ts'
import { checkReveals, levelKeptBy, recover, seedsToOpen } from './reveals.ts'
import { shareOf } from './secrets.ts'
import { checkTags, compareAnew, nameAbsent, sumName } from './verify.ts'

export function beginOpening(a: Attempt, body: SurvivorsFixed, fixed: Uint8Array, now: Millis): void {
  const survivors = body.survivors.map(s => s.member)
  a.opening = {
    kept: levelKeptBy(a, survivors),
    seeds: seedsToOpen(a, survivors),
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
    refused: new Set(),
    shares: new Map(),
    reveals: new Map(),
    pairs: new Map(),
    audit: undefined,
    tags: new Map(),
    uncompared: new Set(),
    compared: new Set(),
    revealed: false,
    frozen: undefined,
    failed: new Map(),
    recovered: undefined,
    coin: undefined,
    tagging: new Set(),
    tagged: false,
    suspect: new Set(),
    computed: new Map(),
    verified: false,
    applying: false,
    applyFailed: false,
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
  reveal(a, o)
  checkReveals(a, o)
  recover(a, o)
  drawAudit(a, o)
  advanceAudit(a, o)
  fetchVectors(a)
  sumShards(a, o)
  claimSums(a, o)
  takeSums(a, o)
  tag(a, o)
  checkTags(a, o)
  apply(a, o)
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

/** Sums each shard whose slices are all here, without the masks that are known and without noise that is too much. */
function sumShards(a: Attempt, o: Opening): void {
  if (!o.recovered) return
  for (let shard = 0; shard < a.shards; shard++) {
    if (o.summing.has(shard) || (o.sums.has(shard) && !o.openAsked.has(shard))) continue
    const inputs = slicesOf(a, o, shard)
    if (!inputs) continue
    o.summing.add(shard)
    const masked = maskedBy(a, o.recovered, shard, o.survivors)
    const into = a.draft('own')
    a.hands.work({ kind: 'sum', inputs, masked, into }, ({ output }) => {
      if (output.kind !== 'sum') return
      const sum = into === undefined ? output.sum! : stored(into, lengthOf(inputs[0]!))
      o.sums.set(shard, { sum, hash: output.hash })
      o.own.add(shard)
    })
  }
}

/** What takes the known masks of these survivors, and noise that is too much, off their slices of a shard, or off the sum of these. */
function maskedBy(a: Attempt, { masks, excess }: Recovered, shard: number, of: readonly MemberId[]): Masked {
  const [from] = shardRange(a.length, a.shards, shard)
  const keys = of.flatMap(m => excess.get(m) ?? [])
  return {
    from,
    masks: of.flatMap(m => masks.get(m) ?? []),
    ...(keys.length > 0 && { excess: { sections: a.sections, keys } }),
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

function claim(a: Attempt, o: Opening, shard: number, sum: Vector, hash: Uint8Array): void {
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

/** Own shares of the seeds that the entry opens, once and durably. */
function reveal(a: Attempt, o: Opening): void {
  if (o.revealed || !a.takesPart || a.shares.size < a.cohort.length) return
  if (!a.cohort.every(m => a.shares.has(m))) return
  const { round, attempt } = a.context
  const shares = concatBytes(...o.seeds.map(s => shareOf(a.shares.get(s.member)!, s.kind)))
  // With an own input, the offers that it was made of: those are what the shares were checked against.
  const offers = a.commitments.get(a.hands.self)?.offers ?? a.offersHash()
  if (!offers) return
  const body: Body<'reveal'> = { round, attempt, fixed: o.fixed, offers, shares }
  o.revealed = true
  const message = a.hands.sign('reveal', body)
  a.hands.store([[RECORDS.reveal, message]], () => {
    o.reveals.set(a.hands.self, { body, message, checked: false })
    a.hands.publish(`reveal:${a.hands.self}`, message)
    a.hands.event({ kind: 'phase', round, attempt, phase: 'revealed' })
  })
}

/**
 * Tags of the own slices for everybody, of the sums for the own check, and of slices that are here where that fails. All of them
 * without masks that are known. With one shard each has summed all inputs itself, and there is nothing to check.
 */
function tag(a: Attempt, o: Opening): void {
  const { recovered } = o
  if (a.shards === 1 || !recovered) return
  freezeClaims(a, o)
  if (!o.coin) return
  const names: string[] = []
  const items: TagItem[] = []
  const add = (name: string, item: TagItem) => {
    if (o.computed.has(name) || o.tagging.has(name)) return
    o.tagging.add(name)
    names.push(name)
    items.push(item)
  }
  for (let shard = 0; shard < a.shards; shard++) {
    for (const m of o.survivors) {
      const slice = sliceToTag(a, o, shard, m)
      if (slice) add(`${shard}/${m}`, { vector: slice, masked: maskedBy(a, recovered, shard, [m]) })
    }
    const sum = o.sums.get(shard)
    if (sum) add(sumName(shard, sum.hash), { vector: sum.sum })
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

function sliceToTag(a: Attempt, o: Opening, shard: number, member: MemberId): Vector | undefined {
  const isOwn = member === a.hands.self
  const commitment = a.commitments.get(member)
  if (!commitment || !isFixed(o, member, commitment.root)) return undefined
  if (isOwn) return ownSlice(a, shard)
  return o.suspect.has(shard) ? a.held[shard]!.get(member) : undefined
}

/** Once and durably: of these claims and no others. */
function publishTags(a: Attempt, o: Opening): void {
  const claims = o.frozen?.hash
  const me = a.hands.self
  if (o.tagged || !claims || !o.survivors.includes(me)) return
  const own = Array.from({ length: a.shards }, (_, shard) => o.computed.get(`${shard}/${me}`))
  if (own.some(t => t === undefined)) return
  const { round, attempt } = a.context
  const tags = concatBytes(...own.map(t => residueBytes(t!)))
  const body = { round, attempt, fixed: o.fixed, claims, tags }
  o.tagged = true
  const message = a.hands.sign('tags', body)
  acceptTags(a, me, body, message)
  a.hands.store([[RECORDS.tags, message]], () => a.hands.publish(`tags:${me}`, message))
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

/** Puts the verified sum together and applies it: the same steps in the same order at every peer. */
function apply(a: Attempt, o: Opening): void {
  const { recovered, audit } = o
  if (o.applying || !o.verified || !recovered || !a.model || (audit && !audit.sums)) return
  o.applying = true
  const { charter, plan, body } = a.setup
  const { model, publicSeed } = a
  const sections = a.sections.map(s => upTo(s, o.kept))
  const sums = Array.from({ length: a.shards }, (_, shard) => o.sums.get(shard)!)
  const sumHash = rootOf(concatBytes(...sums.map(s => s.hash)))
  const of = { charter, task: body.task, sections, model, publicSeed }
  const step = plan.applies ? { ...of, ...(a.context.audits && { audit: auditOf(a, o) }) } : undefined
  const into = step && isLong(encodedBytesAfter(charter, body.round), charter) ? modelDraft(a) : undefined
  // Also when others close the round before: then this gives its model, which else would have to be fetched.
  a.hands.work(
    { kind: 'apply', sums: sums.map(s => s.sum), step, into },
    ({ output }) => {
      if (output.kind === 'beyond') {
        beginAudit(a, o)
        o.applying = false
      }
      if (output.kind !== 'apply') return
      const of = { seeds: recovered.hash, sumHash, at: a.hands.now() }
      o.outcome = { ...of, ...opened(a, model, output, into) }
    },
    () => {
      o.applyFailed = true
    },
  )
}

/** Of the attempt's outcome; it outlasts the attempt where that is over before the model is made. */
export function modelDraft(a: Attempt): string {
  return draftKey(a.context, 'model')
}

function opened(
  a: Attempt,
  start: HeldModel,
  { sum, stepped }: VectorOutput & { kind: 'apply' },
  into: string | undefined,
): Pick<Outcome, 'sum' | 'model' | 'modelHash' | 'metrics' | 'samples' | 'audit'> {
  const before = { model: start, modelHash: a.setup.body.model }
  if (!stepped) {
    assert(sum !== undefined, 'a sum that is applied to nothing is still there')
    return { ...before, sum, metrics: undefined, samples: samplesIn(a.sections, sum), audit: undefined }
  }
  const { next, metrics, samples, audit } = stepped
  const found = { sum: undefined, metrics, samples, audit }
  if (!next) return { ...before, ...found }
  const { model, hash } = next
  const made =
    model instanceof Uint8Array ? stateIn(model, hash) : storedModel(lengthOf(start.parameters), model, into!)
  return { ...found, model: made, modelHash: hash }
}

function stored(record: string, length: number): Stored {
  return { record, from: 0, to: length }
}
