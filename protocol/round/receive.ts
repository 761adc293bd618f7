/**
 * One message of an attempt and what it is worth now (SPEC W4, W5): of the present step and taken in, of a later
 * one and kept, of an earlier one and dropped, or of nobody's and held against its author.
 */
import { equalBytes } from '../bytes.ts'
import type { Phase } from '../ledger/state.ts'
import type { MemberId, Millis } from '../ports.ts'
import type { Body, GossipType, StreamType } from '../wire/messages.ts'
import type { Attempt } from './attempt.ts'
import { acceptComplaint, acceptInput, acceptReceipt, acceptShard } from './input.ts'
import type { Join } from './join.ts'
import { acceptClaim, acceptReveal, acceptShardSum, acceptTags } from './opening.ts'
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

/** The slot that a gossip message fills: one for each member and kind, and shard where there are several. */
export function slotOf<T extends GossipType>(type: T, from: MemberId, body: Body<T>): string {
  return type === 'claim' ? `claim:${from}:${(body as Body<'claim'>).shard}` : `${type}:${from}`
}

/** Kinds of which a later message rightly replaces an earlier one. */
export function replaceable(type: GossipType): boolean {
  return type === 'receipt' || type === 'complaint'
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
      return a.acceptOffer(from, body as Body<'offer'>)
    case 'input':
      return acceptInput(a, from, body as Body<'input'>, message)
    case 'receipt':
      return acceptReceipt(a, from, body as Body<'receipt'>)
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
  const { shard, member } = body as Body<'shard'>
  if (shard >= a.shards || (member !== undefined && !a.cohort.includes(member))) return 'bad'
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
      if (!a.commitments.has(shard.member)) return 'later'
      const good = acceptShard(a, shard)
      if (good && a.opening)
        retag(a.opening, shard.shard, shard.member, a.held[shard.shard]!.get(shard.member)!)
      return good === undefined ? 'useless' : good ? 'taken' : 'bad'
    }
    case 'shardSum': {
      const sum = body as Body<'shardSum'>
      if (!a.opening?.claims.has(sum.shard)) return 'later'
      const good = acceptShardSum(a, sum)
      return good === undefined ? 'useless' : good ? 'taken' : 'bad'
    }
    case 'open':
      answerOpen(a, from, (body as Body<'open'>).wanted)
      return 'taken'
  }
}
