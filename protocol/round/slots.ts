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
import { ROOT_BYTES } from './attempt.ts'

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
  if (a.type === 'receipt') return receiptsContradict(a, b)
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

/**
 * What an owner has receipted it takes back neither in this life nor in another (SPEC S9): of two receipts one says all that the
 * other does, of the same commitments. Else it tells each member another one (seed 1014423).
 */
function receiptsContradict(a: RawEnvelope, b: RawEnvelope): boolean {
  const x = decode(a.body, BODIES.receipt)
  const y = decode(b.body, BODIES.receipt)
  if (!x.ok || !y.ok || !equalBytes(x.value.opened, y.value.opened)) return false
  return !(saysAll(x.value, y.value) || saysAll(y.value, x.value)) || namesAnother(x.value, y.value)
}

type Receipt = Body<'receipt'>

/** Whether `a` has every slice that `b` has. */
function saysAll(a: Receipt, b: Receipt): boolean {
  const has = new Map(a.held.map(h => [h.shard, h.from]))
  return b.held.every(({ shard, from }) =>
    from.every((bits, i) => (bits & ~(has.get(shard)?.[i] ?? 0)) === 0),
  )
}

/** Whether both have slices of one member, of two commitments. */
function namesAnother(a: Receipt, b: Receipt): boolean {
  for (let at = 0; ROOT_BYTES * at < a.roots.length; at++) {
    const [x, y] = [a, b].map(r => r.roots.subarray(ROOT_BYTES * at, ROOT_BYTES * (at + 1)))
    if (hasSlice(a, at) && hasSlice(b, at) && !equalBytes(x!, y!)) return true
  }
  return false
}

/** Whether it has a slice of the member at this place in the cohort. */
function hasSlice({ held }: Receipt, at: number): boolean {
  return held.some(({ from }) => ((from[at >> 3] ?? 0) >> (at & 7)) & 1)
}
