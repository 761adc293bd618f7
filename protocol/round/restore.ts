/** What a restarted peer knows again of the attempt that it was in: what it said, byte for byte, and what it promised. */
import type { z } from 'zod'
import { equalBytes } from '../bytes.ts'
import type { Durable } from '../ports.ts'
import { residuesFromBytes } from '../sum/field.ts'
import { decode } from '../wire/codec.ts'
import { openEnvelope } from '../wire/envelope.ts'
import { BODIES, type Body, type GossipType } from '../wire/messages.ts'
import { type Attempt, sliceMatches } from './attempt.ts'
import { acceptPairs } from './audit.ts'
import { ownSlice } from './delivery.ts'
import { acceptInput, giveOwn } from './input.ts'
import { acceptTags } from './opening.ts'
import { decodeHeld, decodeShares, RECORDS, sliceOf } from './records.ts'

/** Before the attempt's first step. Records of other attempts are not in the store any more. */
export function restoreAttempt(a: Attempt, records: Durable): void {
  restoreHeld(a, records)
  if (!a.takesPart) return
  restoreInput(a, records)
}

function restoreHeld(a: Attempt, records: Durable): void {
  const held = decodeHeld(records.get(RECORDS.held))
  if (!held) return
  for (const message of held.inputs) {
    const input = bodyOf('input', message)
    if (input && acceptInput(a, input.from, input.body, message))
      a.hands.remember(`input:${input.from}`, message)
  }
  for (const shard of held.shards) a.promised.add(shard)
  for (const [key, data] of records) {
    const of = sliceOf(key)
    const commitment = of && a.commitments.get(of.member)
    // Of another input of its member, if that has sent two.
    if (!commitment || !sliceMatches(commitment.hashes, of.shard, data)) continue
    if (!residuesFromBytes(data)) continue
    const stored = { record: key, from: 0, to: data.length / 4 }
    a.stored.set(key, stored)
    a.hold(of.shard, of.member, stored)
  }
}

function restoreInput(a: Attempt, records: Durable): void {
  const message = records.get(RECORDS.input)
  const shares = decodeShares(records.get(RECORDS.shares))
  const input = message && bodyOf('input', message)
  if (!message || !input || !shares) return
  for (const [from, theirs] of shares) a.shares.set(from, theirs)
  if (a.shards === 1) a.masked = residuesFromBytes(input.body.data)
  else if (records.has(RECORDS.masked)) a.masked = { record: RECORDS.masked, from: 0, to: a.length }
  // Never again another input under these masks.
  a.inputSent = true
  acceptInput(a, a.hands.self, input.body, message)
  giveOwn(a)
  // Receipts may have named it, also for shards of which others are the owners again.
  for (const shard of a.shards > 1 ? a.promised : []) {
    const slice = ownSlice(a, shard)
    if (slice) a.hold(shard, a.hands.self, slice)
  }
  a.hands.publish(`input:${a.hands.self}`, message)
}

/** The reveal that was made for the certified survivors, to be said again and never differently. */
export function restoreReveal(a: Attempt, records: Durable): void {
  const message = records.get(RECORDS.reveal)
  const reveal = message && bodyOf('reveal', message)
  if (!message || !reveal || !a.opening || !equalBytes(reveal.body.fixed, a.opening.fixed)) return
  a.opening.revealed = true
  a.opening.reveals.set(a.hands.self, { body: reveal.body, message, checked: false })
  a.hands.publish(`reveal:${a.hands.self}`, message)
}

/** The keys that were opened for an audit. */
export function restorePairs(a: Attempt, records: Durable): void {
  const message = records.get(RECORDS.pairs)
  const pairs = message && bodyOf('pairs', message)
  if (!message || !pairs || !a.opening || !equalBytes(pairs.body.fixed, a.opening.fixed)) return
  if (acceptPairs(a, a.hands.self, pairs.body, message)) a.hands.publish(`pairs:${a.hands.self}`, message)
}

/** The tags that were published; with others under other claims it would contradict itself. */
export function restoreTags(a: Attempt, records: Durable): void {
  const message = records.get(RECORDS.tags)
  const tags = message && bodyOf('tags', message)
  if (!message || !tags || !a.opening || !equalBytes(tags.body.fixed, a.opening.fixed)) return
  if (!acceptTags(a, a.hands.self, tags.body, message)) return
  a.opening.tagged = true
  a.hands.publish(`tags:${a.hands.self}`, message)
}

function bodyOf<T extends GossipType>(
  type: T,
  message: Uint8Array,
): { from: string; body: Body<T> } | undefined {
  const raw = openEnvelope(message)
  if (!raw.ok || raw.value.type !== type) return undefined
  const body = decode(raw.value.body, BODIES[type] as unknown as z.ZodType<Body<T>>)
  return body.ok ? { from: raw.value.from, body: body.value } : undefined
}
