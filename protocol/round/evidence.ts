/**
 * What shows a fault to anybody (SPEC F3), and whether this peer agrees that an entry names a member: it has found a fault of the
 * member itself, as grave as that, or the evidence in the entry speaks for itself.
 */
import { equalBytes } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { type FaultCode, fault, verdictOf } from '../fault.ts'
import type { Accusation } from '../ledger/entry.ts'
import type { MemberId } from '../ports.ts'
import { decode } from '../wire/codec.ts'
import { BODIES } from '../wire/messages.ts'
import type { Attempt } from './attempt.ts'
import { membersOf } from './bitmap.ts'
import type { Finding } from './hands.ts'
import { wrongShares } from './reveals.ts'
import { contradict } from './slots.ts'

/** Most accusations, and most bytes of evidence, that one entry carries. */
const ACCUSED_MAX = 16
const ACCUSED_BYTES_MAX = 40_960

/** What this attempt holds against members, one accusation each, in the charter's order; bounded for an entry. */
export function accusations(a: Attempt): Accusation[] {
  const found = a.setup.charter.members
    .map(m => a.findings.find(f => f.member === m.id))
    .filter(f => f !== undefined)
    .slice(0, ACCUSED_MAX)
    .map(({ member, code, evidence }) => ({ member, code, evidence: [...evidence] }))
  return bounded(found)
}

/** Evidence beyond the room in an entry is named by its hashes. */
export function bounded(list: readonly Accusation[]): Accusation[] {
  let room = ACCUSED_BYTES_MAX
  return list.map(accusation => {
    const size = accusation.evidence.reduce((sum, e) => sum + e.length, 0)
    if (size > room) return { ...accusation, evidence: accusation.evidence.map(e => sha256(e)) }
    room -= size
    return accusation
  })
}

/** Whether this peer agrees with all that an entry holds against members. */
export function concur(a: Attempt, accused: readonly Accusation[]): boolean {
  return accused.every(
    c => a.findings.some(own => own.member === c.member && supports(own, c)) || proves(a, c),
  )
}

/** Who has found a member to be only late does not agree that it lied: liars would name the slow (seed 1128939). */
function supports(own: Finding, { code }: Accusation): boolean {
  return isLie(own.code) || !isLie(code)
}

function isLie(code: FaultCode): boolean {
  return verdictOf(fault(code, '')) === 'reject'
}

/** Whether the evidence alone shows the fault to a peer of this attempt. */
export function proves(a: Attempt, { member, code, evidence }: Accusation): boolean {
  switch (code) {
    case 'equivocation':
      return provesEquivocation(a, member, evidence)
    case 'unshared':
      return provesUnshared(a, member, evidence)
    case 'badShare':
      return evidence.some(e => provesWrongReveal(a, member, e))
    default:
      return false
  }
}

function provesEquivocation(a: Attempt, member: MemberId, [x, y]: readonly Uint8Array[]): boolean {
  const first = x && a.hands.authentic(x)
  const second = y && a.hands.authentic(y)
  return first?.from === member && second !== undefined && contradict(first, second)
}

/** Two different offers in this very attempt. */
export function provesMisdealt(a: Attempt, { member, code, evidence }: Accusation): boolean {
  if (code !== 'equivocation') return false
  if (a.misdealt.has(member)) return true
  const raw = evidence[0] && a.hands.authentic(evidence[0])
  if (raw?.type !== 'offer' || !provesEquivocation(a, member, evidence)) return false
  const body = decode(raw.body, BODIES.offer)
  return body.ok && equalBytes(body.value.opened, a.context.opened)
}

/** Complaints of more than f others: one of them is honest. */
function provesUnshared(a: Attempt, member: MemberId, evidence: readonly Uint8Array[]): boolean {
  const by = new Set<MemberId>()
  for (const e of evidence) {
    const raw = a.hands.authentic(e)
    const body = raw?.type === 'complaint' ? decode(raw.body, BODIES.complaint) : undefined
    if (!raw || !body?.ok || raw.from === member || !a.cohort.includes(raw.from)) continue
    if (!equalBytes(body.value.opened, a.context.opened)) continue
    if (membersOf(a.cohort, body.value.missing)?.has(member)) by.add(raw.from)
  }
  return by.size > a.setup.charter.maliciousMax
}

function provesWrongReveal(a: Attempt, member: MemberId, message: Uint8Array): boolean {
  const o = a.opening
  const raw = a.hands.authentic(message)
  if (!o || raw?.type !== 'reveal' || raw.from !== member) return false
  const body = decode(raw.body, BODIES.reveal)
  return body.ok && equalBytes(body.value.fixed, o.fixed) && wrongShares(a, o, member, body.value)
}
