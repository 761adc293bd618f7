/**
 * The slot that a signed message fills: what its author can say only once (SPEC W4). Two different messages for one
 * slot show to anybody that their author says one thing to some and another to others.
 */
import { equalBytes, toHex } from '../bytes.ts'
import { isConsensusType, parseConsensus } from '../consensus/message.ts'
import type { MemberId } from '../ports.ts'
import { decode } from '../wire/codec.ts'
import type { RawEnvelope } from '../wire/envelope.ts'
import { BODIES, type Body, GOSSIP_TYPES, type GossipType } from '../wire/messages.ts'

/** The slot within an attempt: one for each member and kind, and shard where there are several. */
export function slotOf<T extends GossipType>(type: T, from: MemberId, body: Body<T>): string {
  return type === 'claim' ? `claim:${from}:${(body as Body<'claim'>).shard}` : `${type}:${from}`
}

/** Kinds of which a later message rightly replaces an earlier one. */
export function replaceable(type: GossipType): boolean {
  return type === 'receipt' || type === 'complaint'
}

/** Whether one author signed both and may not have; their signatures are the caller's to check. */
export function contradict(a: RawEnvelope, b: RawEnvelope): boolean {
  if (a.type !== b.type || a.from !== b.from || equalBytes(a.body, b.body)) return false
  const slot = fullSlotOf(a)
  return slot !== undefined && slot === fullSlotOf(b)
}

/** With attempt, entry or height and view; undefined where nothing binds. */
function fullSlotOf(raw: RawEnvelope): string | undefined {
  if (isConsensusType(raw.type)) {
    const parsed = parseConsensus(raw)
    return parsed.ok ? `${raw.type}:${raw.from}:${parsed.value.height}:${parsed.value.view}` : undefined
  }
  if (!(GOSSIP_TYPES as readonly string[]).includes(raw.type)) return undefined
  const type = raw.type as GossipType
  if (replaceable(type)) return undefined
  const decoded = decode<Body<GossipType>>(raw.body, BODIES[type])
  if (!decoded.ok) return undefined
  const { round, attempt } = decoded.value
  const of = decoded.value as { head?: Uint8Array; opened?: Uint8Array; fixed?: Uint8Array }
  const entry = of.head ?? of.opened ?? of.fixed
  return `${slotOf(type, raw.from, decoded.value)}:${round}:${attempt}:${entry ? toHex(entry) : ''}`
}
