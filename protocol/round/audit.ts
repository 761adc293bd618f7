/**
 * An audit (SPEC A1 to A4): when the survivors' seeds are known, a lot drawn of them says whether the round is audited and who is in
 * a group with whom. Survivors then open the keys of their pairwise masks across groups, and those alone: what is left of an input
 * stays masked with the others of its group, whose sum is all that can be had.
 *
 * Either of a pair can open its key, which an offer committed to. Only two that both refuse keep an audit from ending: the attempt
 * comes to nothing, and the entry says so of them (L8).
 */
import { concatBytes, equalBytes } from '../bytes.ts'
import { groupsOf, isAudited } from '../contribution/groups.ts'
import { weightOf as weightFor } from '../model/contribution.ts'
import type { Mask, MemberId, Step } from '../ports.ts'
import { pairSign } from '../sum/pairs.ts'
import type { Body } from '../wire/messages.ts'
import { type Attempt, type Audit, evidenceOf, type Opening } from './attempt.ts'
import { slicesOf } from './opening.ts'
import { pairKey, pairKeyFits } from './pair-keys.ts'
import { RECORDS } from './records.ts'

/** Draws the lot, as soon as the seeds are known. */
export function drawAudit(a: Attempt, o: Opening): void {
  const audit = a.setup.charter.contribution?.audit
  if (!a.context.audits || !audit || !o.recovered || o.audit) return
  if (isAudited(o.recovered.hash, audit.oneIn)) beginAudit(a, o)
}

/** Also where a sum is more than the survivors may have given. */
export function beginAudit(a: Attempt, o: Opening): void {
  const { groupSize } = a.setup.charter.contribution!.audit
  const groups = groupsOf(o.recovered!.hash, o.survivors, groupSize)
  const pairsOf = (n: number) => (n * (n - 1)) / 2
  const pairs = groups.reduce((sum, g) => sum - pairsOf(g.length), pairsOf(o.survivors.length))
  o.audit = { groups, pairs, keys: new Map(), said: false, sums: undefined, summing: false }
  const { round, attempt } = a.context
  a.hands.event({ kind: 'phase', round, attempt, phase: 'audited' })
}

/** Does all of an audit that has become possible. */
export function advanceAudit(a: Attempt, o: Opening): void {
  const { audit } = o
  if (!audit) return
  openPairs(a, o, audit)
  checkPairs(a, o, audit)
  sumGroups(a, o, audit)
}

/** Survivors of other groups, in the cohort's order: those whose keys a member opens. */
function others(o: Opening, { groups }: Audit, member: MemberId): readonly MemberId[] {
  const own = groups.find(g => g.includes(member))!
  return o.survivors.filter(m => !own.includes(m))
}

/** The own keys, once and durably: of these offers and no others. */
function openPairs(a: Attempt, o: Opening, audit: Audit): void {
  const { own } = a.setup
  const { self } = a.hands
  const offers = a.commitments.get(self)?.offers
  if (audit.said || !own || !offers || !o.survivors.includes(self)) return
  // Said in a life before.
  if (o.pairs.has(self)) audit.said = true
  if (audit.said) return
  const me = { id: self, maskSeed: own.maskSeed, pair: own.mask }
  const keys = others(o, audit, self).map(
    m => pairKey(a.context, me, m, a.offers.get(m), a.pairKeys?.get(m))?.key,
  )
  // After a restart an offer may still be on its way.
  if (!keys.every(key => key !== undefined)) return
  audit.said = true
  const { round, attempt } = a.context
  const body: Body<'pairs'> = { round, attempt, fixed: o.fixed, offers, keys: concatBytes(...keys) }
  const message = a.hands.sign('pairs', body)
  a.hands.store([[RECORDS.pairs, message]], () => {
    acceptPairs(a, self, body, message)
    a.hands.publish(`pairs:${self}`, message)
  })
}

export function acceptPairs(a: Attempt, from: MemberId, body: Body<'pairs'>, message: Uint8Array): boolean {
  const o = a.opening
  if (!o?.survivors.includes(from) || !a.context.audits) return false
  if (body.keys.length % 32 !== 0 || body.keys.length >= 32 * o.survivors.length) return false
  o.pairs.set(from, { body, message, checked: false })
  return true
}

/** Takes in the keys of each new message; one that is not the key that was committed to names its sender. */
function checkPairs(a: Attempt, o: Opening, audit: Audit): void {
  const offers = a.offersHash()
  if (!offers) return
  for (const [from, said] of o.pairs) {
    if (said.checked) continue
    said.checked = true
    const known = a.commitments.get(from)?.offers
    const isMine = equalBytes(said.body.offers, offers)
    // Who was dealt other offers is not to blame for it; who says so of other ones than its input was made of, is.
    const wrong = isMine ? takeKeys(a, o, audit, from, said.body.keys) : known && equalBytes(known, offers)
    if (wrong) a.find({ member: from, code: 'badShare', evidence: evidenceOf(said.message) })
  }
}

/** True: a key of theirs is wrong, or there are not as many as there should be. */
function takeKeys(a: Attempt, o: Opening, audit: Audit, from: MemberId, keys: Uint8Array): boolean {
  const to = others(o, audit, from)
  let isWrong = keys.length !== 32 * to.length
  to.forEach((m, i) => {
    const key = keys.slice(32 * i, 32 * i + 32)
    if (pairKeyFits(a.context, from, m, key, a.offers)) audit.keys.set(nameOf(a, from, m), key)
    else isWrong = true
  })
  return isWrong
}

function nameOf(a: Attempt, x: MemberId, y: MemberId): string {
  const [i, j] = [a.positionOf(x)!, a.positionOf(y)!]
  return i < j ? `${i}/${j}` : `${j}/${i}`
}

/** Pairs of survivors whose mask neither has opened. */
export function closedPairs(a: Attempt, o: Opening): (readonly [MemberId, MemberId])[] {
  const { audit } = o
  if (!audit) return []
  return o.survivors.flatMap(m =>
    others(o, audit, m)
      .filter(x => a.positionOf(m)! < a.positionOf(x)! && !audit.keys.has(nameOf(a, m, x)))
      .map(x => [m, x] as const),
  )
}

/** Each group's sum without the masks that are known, when all of them and all inputs are here. */
function sumGroups(a: Attempt, o: Opening, audit: Audit): void {
  const inputs = slicesOf(a, o, 0)
  if (audit.summing || !inputs || audit.keys.size < audit.pairs) return
  audit.summing = true
  const sums: Uint32Array[] = []
  audit.groups.forEach((group, g) => {
    const masks = group.flatMap(m => [...o.recovered!.masks.get(m)!, ...crossMasks(a, o, audit, m)])
    const vectors = group.map(m => inputs[o.survivors.indexOf(m)]!)
    a.hands.work({ kind: 'sum', inputs: vectors, masked: { from: 0, masks } }, ({ output }) => {
      if (output.kind !== 'sum') return
      sums[g] = output.sum!
      if (Object.keys(sums).length === audit.groups.length) audit.sums = sums
    })
  })
}

/** What takes a survivor's masks with other groups off its input. */
function crossMasks(a: Attempt, o: Opening, audit: Audit, member: MemberId): Mask[] {
  return others(o, audit, member).map(m => ({
    key: audit.keys.get(nameOf(a, member, m))!,
    sign: pairSign(a.positionOf(m)!, a.positionOf(member)!),
  }))
}

/** What is known of who gave a sum, and its groups where it is audited. */
export function auditOf(a: Attempt, o: Opening): NonNullable<Step['audit']> {
  const of = (members: readonly MemberId[]) => ({ hospitals: members.length, weight: weightOf(a, members) })
  const sums = o.audit?.sums
  return {
    ...of(o.survivors),
    groups: sums && o.audit!.groups.map((group, g) => ({ ...of(group), sum: sums[g]! })),
  }
}

function weightOf(a: Attempt, members: readonly MemberId[]): number {
  return members.reduce((sum, m) => {
    const { samples } = a.setup.body.cohort[a.positionOf(m)!]!
    return sum + (samples === undefined ? 1 : weightFor(a.setup.charter, samples))
  }, 0)
}
