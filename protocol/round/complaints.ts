import type { MemberId } from '../ports.ts'
import type { Body } from '../wire/messages.ts'
import type { Attempt } from './attempt.ts'
import { bitmapOf, membersOf } from './bitmap.ts'

/** Names, at half of the deadline, those whose shares have not come: nobody can mask without them. */
export function complain(a: Attempt): void {
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

/**
 * False: not of this attempt's shape. Undefined: nothing new. Complaints add up, so that whoever tells each peer another one ends
 * with the same for all, after few messages.
 */
export function acceptComplaint(
  a: Attempt,
  from: MemberId,
  body: Body<'complaint'>,
  message: Uint8Array,
): boolean | undefined {
  const missing = membersOf(a.cohort, body.missing)
  if (!missing || !a.cohort.includes(from)) return false
  const before = a.complaints.get(from) ?? new Map<MemberId, Uint8Array>()
  const fresh = [...missing].filter(m => !before.has(m))
  if (fresh.length === 0) return undefined
  a.complaints.set(from, new Map([...before, ...fresh.map(m => [m, message] as const)]))
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
