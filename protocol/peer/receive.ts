/** A message, from its envelope to whoever it is for (SPEC W1 to W5, F2). */
import { type ConsensusMessage, isConsensusType, parseConsensus } from '../consensus/message.ts'
import { fault, verdictOf } from '../fault.ts'
import type { MemberId, Verdict } from '../ports.ts'
import { evidenceOf } from '../round/attempt.ts'
import { prefixOf } from '../round/known.ts'
import { type DirectType, placeOf, receiveDirect, receiveGossip, receiveOther } from '../round/receive.ts'
import { contradict, replaceable, slotOf } from '../round/slots.ts'
import { decode } from '../wire/codec.ts'
import { openEnvelope, type RawEnvelope } from '../wire/envelope.ts'
import {
  BODIES,
  type Body,
  GOSSIP_TYPES,
  type GossipType,
  STREAM_TYPES,
  type StreamType,
} from '../wire/messages.ts'
import type { Books } from './books.ts'
import { onEntry, onStatus } from './catchup.ts'
import { apply } from './decide.ts'

/** Takes in one message; what gossip is told of it. A fault of form is held against who handed it over. */
export function receive(b: Books, from: MemberId, via: 'gossip' | 'stream', bytes: Uint8Array): Verdict {
  // Nothing of who is suspended, until it is restored; the network does not let it in, but may be late.
  if (b.state.suspended.includes(from)) return 'ignore'
  const raw = openEnvelope(bytes)
  if (!raw.ok) return b.blame(from, raw.error)
  const { type, from: author } = raw.value
  // A part is long, and never kept as a message: what is lacking of a whole is known without the part's hash.
  const prefix = type === 'part' || type === 'modelPart' ? '' : prefixOf(bytes)
  if (b.known.has(prefix) || b.sync.hasSeen(prefix)) return 'ignore'
  if (!b.keys.has(author)) return b.blame(from, fault('notMember', type))
  if ((STREAM_TYPES as readonly string[]).includes(type)) {
    if (via !== 'stream' || author !== from) return b.blame(from, fault('wrongChannel', type))
    return onStream(b, raw.value, type as StreamType, prefix)
  }
  if (isConsensusType(type)) return onConsensus(b, raw.value, from, via)
  if ((GOSSIP_TYPES as readonly string[]).includes(type)) {
    return onGossip(b, raw.value, type as GossipType, from, via, prefix)
  }
  return b.blame(from, fault('malformed', 'unknown type'))
}

function onConsensus(b: Books, raw: RawEnvelope, from: MemberId, via: 'gossip' | 'stream'): Verdict {
  const parsed = parseConsensus(raw)
  if (!parsed.ok) return b.blame(from, parsed.error)
  const message: ConsensusMessage = parsed.value
  const next = b.state.height + 1
  if (message.height < next) return 'ignore'
  if (message.height > next) return keepForLater(b, raw, from, via)
  const worst = apply(b, b.consensus.receive(message, b.now), from)
  // Who relays one of two contradicting messages has done nothing wrong.
  if (!worst || worst.code === 'equivocation') return 'accept'
  return verdictOf(worst)
}

function keepForLater(b: Books, raw: RawEnvelope, from: MemberId, via: 'gossip' | 'stream'): Verdict {
  // Only what its author signed takes of its author's room.
  const signed = raw.sig.length === 0 ? raw.from === from : b.isSigned(raw)
  if (!signed) return b.blame(from, fault('badSignature', raw.type))
  return b.future.keep(raw.from, { from, via, bytes: raw.bytes }) ? 'accept' : 'ignore'
}

function onGossip(
  b: Books,
  raw: RawEnvelope,
  type: GossipType,
  from: MemberId,
  via: 'gossip' | 'stream',
  prefix: string,
): Verdict {
  const decoded = decode<Body<GossipType>>(raw.body, BODIES[type])
  if (!decoded.ok) return b.blame(from, fault('malformed', `${type}: ${decoded.error}`))
  const body = decoded.value
  const stage = b.stage()
  const place = placeOf(stage, type, body)
  if (place === 'stale') {
    // Keys under another ledger: late ones are signed all the same, those of another study are not.
    if (type !== 'keys' || b.isSigned(raw)) return 'ignore'
    return b.blame(from, fault('wrongNetwork', 'keys that are not signed for this study'))
  }
  if (place === 'later') return keepForLater(b, raw, from, via)
  if (!b.isSigned(raw)) return b.blame(from, fault('badSignature', type))
  const slot = slotOf(type, raw.from, body)
  const before = b.known.get(slot)
  if (before && (!replaceable(type) || contradictsKnown(before, raw)))
    return contradicted(b, raw, type, body, { slot, before, prefix })
  const routed = receiveGossip(stage, type, raw.from, body, raw.bytes)
  if (routed === 'bad') {
    b.charge({ member: raw.from, code: 'malformed', evidence: evidenceOf(raw.bytes) })
    return b.blame(raw.from, fault('malformed', `${type}: not of this attempt's shape`))
  }
  if (routed !== 'taken') return 'ignore'
  b.known.add(slot, raw.bytes, prefix, replaceable(type))
  return 'accept'
}

function contradictsKnown(before: Uint8Array, raw: RawEnvelope): boolean {
  const first = openEnvelope(before)
  return first.ok && contradict(first.value, raw)
}

/** Not held against whoever relays it; both messages are passed on, once, so that all get to see them. */
function contradicted<T extends GossipType>(
  b: Books,
  raw: RawEnvelope,
  type: T,
  body: Body<T>,
  seen: { readonly slot: string; readonly before: Uint8Array; readonly prefix: string },
): Verdict {
  const first = openEnvelope(seen.before)
  if (first.ok && !contradict(first.value, raw)) return 'ignore'
  const evidence = evidenceOf(seen.before, raw.bytes)
  const isCharge = b.charge({ member: raw.from, code: 'equivocation', evidence })
  const done = receiveOther(b.stage(), type, raw.from, body, raw.bytes)
  // Who has equivocated before has done so otherwise: all must see these receipts to count none of them.
  const isNew = isCharge || (type === 'receipt' && done === 'kept')
  if (isNew) {
    b.blame(raw.from, fault('equivocation', `two different ${type} messages`))
    for (const message of [seen.before, raw.bytes]) b.effects.emit({ kind: 'publish', bytes: message })
  }
  if (done === 'taken') b.known.add(seen.slot, raw.bytes, seen.prefix, true)
  else if (done === 'kept') b.sync.markSeen(seen.prefix)
  return isNew ? 'accept' : 'ignore'
}

function onStream(b: Books, raw: RawEnvelope, type: StreamType, prefix: string): Verdict {
  const decoded = decode<Body<StreamType>>(raw.body, BODIES[type])
  const from = raw.from
  if (!decoded.ok) return b.blame(from, fault('malformed', `${type}: ${decoded.error}`))
  const body = decoded.value
  switch (type) {
    case 'status':
      return onStatus(b, from, body as Body<'status'>)
    case 'entry':
      return onEntry(b, from, body as Body<'entry'>)
    case 'modelAsk':
      return b.models.onAsk(from, body as Body<'modelAsk'>)
    case 'modelPart':
      return b.models.onPart(from, body as Body<'modelPart'>)
    default: {
      const part = body as Body<DirectType>
      const place = placeOf(b.stage(), type, part)
      if (place === 'stale') return 'ignore'
      if (place === 'later' || !b.attempt) return keepForLater(b, raw, from, 'stream')
      const routed = receiveDirect(b.attempt, type, from, part)
      if (routed === 'bad') return b.blame(from, fault('badShard', `${type}: not what was committed to`))
      if (type === 'sealed') b.sync.markSeen(prefix)
      return 'accept'
    }
  }
}
