/**
 * One message of an attempt and what it is worth now (SPEC W4, W5): of the present step and taken in, of a later
 * one and kept, of an earlier one and dropped, or of nobody's and held against its author.
 */
import { equalBytes } from '../bytes.ts'
import type { Phase } from '../ledger/state.ts'
import type { MemberId, Millis } from '../ports.ts'
import type { Body, GossipType } from '../wire/messages.ts'
import type { Attempt } from './attempt.ts'
import { acceptPairs } from './audit.ts'
import { acceptComplaint } from './complaints.ts'
import { acceptInput, otherInput } from './input.ts'
import type { Join } from './join.ts'
import { acceptClaim, acceptTags } from './opening.ts'
import { acceptReceipt, disown, noteHeld } from './receipts.ts'
import { acceptReveal } from './reveals.ts'

/** Of an attempt, and for one member alone. */
export type DirectType = 'sealed' | 'ask' | 'part'

/** `taken`: new and good. `bad`: its author is at fault. */
export type Routed = 'taken' | 'later' | 'stale' | 'useless' | 'bad'

export interface Stage {
  readonly phase: Phase
  readonly head: Uint8Array
  readonly join: Join
  readonly attempt: Attempt | undefined
  readonly now: Millis
}

type OfAttempt = { readonly round: number; readonly attempt: number }

/** Of which attempt the present step is; undefined after the last round. */
function present(phase: Phase): OfAttempt | undefined {
  if (phase.kind === 'between') return phase
  return phase.kind === 'opened' || phase.kind === 'fixed' ? phase.opened : undefined
}

function compare(a: OfAttempt, b: OfAttempt): number {
  return a.round - b.round || a.attempt - b.attempt
}

/** Whether a message is of the present step, decided before anything in it is used. */
export function placeOf<T extends GossipType | DirectType>(
  s: Stage,
  type: T,
  body: Body<T>,
): 'now' | 'later' | 'stale' {
  const here = present(s.phase)
  if (!here) return 'stale'
  const order = compare(body as OfAttempt, here)
  if (order < 0) return 'stale'
  if (order > 0) return 'later'
  if (type === 'keys') {
    if (s.phase.kind !== 'between') return 'now'
    return equalBytes((body as Body<'keys'>).head, s.head) ? 'now' : 'stale'
  }
  if (!s.attempt || s.phase.kind === 'between') return 'later'
  if ('opened' in body && !equalBytes(body.opened as Uint8Array, s.attempt.context.opened)) return 'stale'
  if ('fixed' in body) {
    if (s.phase.kind !== 'fixed' || !s.attempt.opening) return 'later'
    if (!equalBytes(body.fixed as Uint8Array, s.attempt.opening.fixed)) return 'stale'
  }
  return 'now'
}

/** Takes in a signed message of the present step. `message`: the whole of it, as evidence. */
export function receiveGossip<T extends GossipType>(
  s: Stage,
  type: T,
  from: MemberId,
  body: Body<T>,
  message: Uint8Array,
): Routed {
  if (type === 'keys') return s.join.accept(from, body as Body<'keys'>, message, s.now) ? 'taken' : 'bad'
  const a = s.attempt
  if (!a) return 'later'
  const good = accept(a, type, from, body, message)
  return good === undefined ? 'useless' : good ? 'taken' : 'bad'
}

function accept(
  a: Attempt,
  type: GossipType,
  from: MemberId,
  body: unknown,
  message: Uint8Array,
): boolean | undefined {
  switch (type) {
    case 'offer':
      if (!a.acceptOffer(from, body as Body<'offer'>, message)) return false
      noteHeld(a)
      return true
    case 'input':
      return acceptInput(a, from, body as Body<'input'>, message)
    case 'receipt':
      return acceptReceipt(a, from, body as Body<'receipt'>, message)
    case 'complaint':
      return acceptComplaint(a, from, body as Body<'complaint'>, message)
    case 'claim':
      return acceptClaim(a, from, body as Body<'claim'>, message)
    case 'reveal':
      return acceptReveal(a, from, body as Body<'reveal'>, message)
    case 'pairs':
      return acceptPairs(a, from, body as Body<'pairs'>, message)
    case 'tags':
      return acceptTags(a, from, body as Body<'tags'>, message)
    case 'keys':
      return undefined
  }
}

/** Takes in a direct message of the present step. */
export function receiveDirect(a: Attempt, type: DirectType, from: MemberId, body: Body<DirectType>): Routed {
  if (!a.cohort.includes(from)) return 'bad'
  switch (type) {
    case 'sealed':
      a.acceptSealed(from, body as Body<'sealed'>)
      return 'taken'
    case 'ask':
      a.transfers.give(from, body as Body<'ask'>)
      return 'taken'
    case 'part': {
      const good = a.transfers.take(from, body as Body<'part'>)
      return good === undefined ? 'useless' : good ? 'taken' : 'bad'
    }
  }
}

/**
 * A second, different message for a slot that its author may fill once. `taken`: it is the one that the ledger names and takes
 * the first one's place. `kept`: noted. `dropped`: there is no room for it now.
 */
export function receiveOther<T extends GossipType>(
  s: Stage,
  type: T,
  from: MemberId,
  body: Body<T>,
  message: Uint8Array,
): 'taken' | 'kept' | 'dropped' {
  if (type === 'keys') {
    const opened = 'opened' in s.phase ? s.phase.opened : undefined
    return s.join.acceptOther(from, body as Body<'keys'>, message, s.now, opened)
  }
  if (type === 'input' && s.attempt) return otherInput(s.attempt, from, body as Body<'input'>, message)
  if (type === 'offer' && !s.attempt?.opening) s.attempt?.misdealt.add(from)
  if (type === 'receipt' && s.attempt) return disown(s.attempt, from) ? 'kept' : 'dropped'
  return 'kept'
}
