/**
 * One message of an attempt and what it is worth now (SPEC W4, W5): of the present step and taken in, of a later
 * one and kept, of an earlier one and dropped, or of nobody's and held against its author.
 */
import { equalBytes } from '../bytes.ts'
import type { Phase } from '../ledger/state.ts'
import type { MemberId, Millis } from '../ports.ts'
import { shardRange } from '../sum/shards.ts'
import type { Body, GossipType, StreamType } from '../wire/messages.ts'
import type { Attempt } from './attempt.ts'
import { acceptComplaint } from './complaints.ts'
import { acceptInput, acceptShard, otherInput } from './input.ts'
import type { Join } from './join.ts'
import { acceptClaim, acceptShardSum, acceptTags, isFixed } from './opening.ts'
import { acceptReceipt, disown, noteHeld } from './receipts.ts'
import { acceptReveal } from './reveals.ts'
import { answerOpen, retag } from './verify.ts'

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
export function placeOf<T extends GossipType | 'sealed' | 'shard' | 'shardSum' | 'open'>(
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
    case 'tags':
      return acceptTags(a, from, body as Body<'tags'>, message)
    case 'keys':
      return undefined
  }
}

/** Takes in a direct message of the present step. */
export function receiveDirect(
  a: Attempt,
  type: StreamType & ('sealed' | 'shard' | 'shardSum' | 'open'),
  from: MemberId,
  body: Body<'sealed'> | Body<'shard'> | Body<'shardSum'> | Body<'open'>,
): Routed {
  if (!a.cohort.includes(from)) return 'bad'
  const routed = receiveNow(a, type, from, body)
  if (routed !== 'later') return routed
  // What it is checked against is still on its way: one place for each sender, member and shard.
  const { shard, member, data } = body as Body<'shard'>
  if (shard >= a.shards || (member !== undefined && !a.cohort.includes(member))) return 'bad'
  const [start, end] = shardRange(a.length, a.shards, shard)
  if (data.length !== 4 * (end - start)) return 'bad'
  const key = `${type}:${from}:${member}:${shard}`
  a.early.set(key, () => {
    if (receiveNow(a, type, from, body) === 'later')
      a.early.set(key, () => void receiveDirect(a, type, from, body))
  })
  return 'taken'
}

/** After a commitment or a claim has come: what was waiting for it. */
export function retryEarly(a: Attempt): void {
  for (const [key, retry] of [...a.early]) {
    a.early.delete(key)
    retry()
  }
}

/** Whether the commitment that a slice is to be checked against is still on its way: any, or the one that the entry fixed. */
function awaited(a: Attempt, member: MemberId): boolean {
  const commitment = a.commitments.get(member)
  if (!commitment) return true
  return a.opening?.survivors.includes(member) === true && !isFixed(a.opening, member, commitment.root)
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

function receiveNow(
  a: Attempt,
  type: 'sealed' | 'shard' | 'shardSum' | 'open',
  from: MemberId,
  body: Body<'sealed'> | Body<'shard'> | Body<'shardSum'> | Body<'open'>,
): Routed {
  switch (type) {
    case 'sealed':
      a.acceptSealed(from, body as Body<'sealed'>)
      return 'taken'
    case 'shard': {
      const shard = body as Body<'shard'>
      if (awaited(a, shard.member)) return 'later'
      // Others' slices go about only where a shard's sum is in dispute.
      if (!a.opening && from !== shard.member) return 'useless'
      const good = acceptShard(a, shard)
      if (good && a.opening)
        retag(a.opening, shard.shard, shard.member, a.held[shard.shard]!.get(shard.member)!)
      return good === undefined ? 'useless' : good ? 'taken' : 'bad'
    }
    case 'shardSum': {
      const sum = body as Body<'shardSum'>
      if (!a.opening?.claims.get(sum.shard)?.has(from)) return 'later'
      const good = acceptShardSum(a, from, sum)
      return good === undefined ? 'useless' : good ? 'taken' : 'bad'
    }
    case 'open':
      answerOpen(a, from, (body as Body<'open'>).wanted)
      return 'taken'
  }
}
