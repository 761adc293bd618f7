/** A message, from its envelope to whoever it is for: this peer in the study, or the machine in its committee (SPEC T3). */
import { equalBytes } from '../bytes.ts'
import { isConsensusType, parseConsensus } from '../consensus/message.ts'
import { fault, verdictOf } from '../fault.ts'
import type { MemberId, Verdict } from '../ports.ts'
import { decode } from '../wire/codec.ts'
import { openEnvelope, type RawEnvelope, verifyEnvelope } from '../wire/envelope.ts'
import { BODIES, type Body } from '../wire/messages.ts'
import { type CommitteeBooks, RECORD } from './books.ts'
import { checkDelivery } from './delivery.ts'
import { feed } from './inner.ts'
import { COMMITTEE_BODIES, type CommitteeBody } from './messages.ts'
import { onEntry, onStatus, tell } from './spread.ts'

/** Messages of a study with committees that are as those of any ledger. */
const STUDY_TYPES = ['status', 'entry', 'modelAsk', 'modelPart'] as const
type StudyType = (typeof STUDY_TYPES)[number]

export function receive(
  b: CommitteeBooks,
  from: MemberId,
  via: 'gossip' | 'stream',
  bytes: Uint8Array,
): Verdict {
  const raw = openEnvelope(bytes)
  if (!raw.ok) return b.blame(from, raw.error)
  const { type, from: author } = raw.value
  if (!b.keys.has(author)) return b.blame(from, fault('notMember', type))
  // Nothing goes to all.
  if (via !== 'stream') return b.blame(from, fault('wrongChannel', type))
  if (isConsensusType(type)) return onConsensus(b, raw.value, from)
  if (type === 'committeeSum') return onSum(b, raw.value, from)
  if (author !== from) return b.blame(from, fault('wrongChannel', type))
  if (type === 'committee') return onCommittee(b, raw.value, from)
  if ((STUDY_TYPES as readonly string[]).includes(type)) return onStudy(b, raw.value, type as StudyType)
  return b.blame(from, fault('malformed', 'unknown type'))
}

function onConsensus(b: CommitteeBooks, raw: RawEnvelope, from: MemberId): Verdict {
  const parsed = parseConsensus(raw)
  if (!parsed.ok) return b.blame(from, parsed.error)
  const { height } = parsed.value
  const next = b.state.height + 1
  if (height < next) return 'ignore'
  if (height > next) {
    tell(b, from)
    const signed = verifyEnvelope(raw, b.config.network, b.keys.get(raw.from)!)
    if (!signed) return b.blame(from, fault('badSignature', raw.type))
    return keep(b, raw.from, from, raw.bytes)
  }
  if (!b.ballot) return 'ignore'
  const worst = b.ballot.receive(parsed.value, from)
  // Who relays one of two contradicting messages has done nothing wrong.
  return !worst || worst.code === 'equivocation' ? 'accept' : verdictOf(worst)
}

/** `author`: of whose room it takes. */
function keep(b: CommitteeBooks, author: MemberId, from: MemberId, bytes: Uint8Array): Verdict {
  return b.future.keep(author, { from, via: 'stream', bytes }) ? 'accept' : 'ignore'
}

/** Of a round that is over: its sender is behind. Of a later one: this peer is. Either hears of it. */
function elsewhere(b: CommitteeBooks, round: number, from: MemberId, bytes: Uint8Array): Verdict | undefined {
  if (round === b.round) return undefined
  tell(b, from)
  return round === b.round + 1 ? keep(b, from, from, bytes) : 'ignore'
}

function onCommittee(b: CommitteeBooks, raw: RawEnvelope, from: MemberId): Verdict {
  const decoded = decode<CommitteeBody<'committee'>>(raw.body, COMMITTEE_BODIES.committee)
  if (!decoded.ok) return b.blame(from, fault('malformed', `committee: ${decoded.error}`))
  const { round, committee, message } = decoded.value
  const place = elsewhere(b, round, from, raw.bytes)
  if (place) return place
  // Until the model is here.
  if (!b.inner) return keep(b, from, from, raw.bytes)
  if (!equalBytes(committee, b.inner.committee.hash)) {
    return b.blame(from, fault('wrongNetwork', 'of another committee'))
  }
  return feed(b, b.inner, { kind: 'message', from, via: 'stream', bytes: message }) ?? 'ignore'
}

function onSum(b: CommitteeBooks, raw: RawEnvelope, from: MemberId): Verdict {
  const decoded = decode<CommitteeBody<'committeeSum'>>(raw.body, COMMITTEE_BODIES.committeeSum)
  if (!decoded.ok) return b.blame(from, fault('malformed', `committeeSum: ${decoded.error}`))
  const { round, index } = decoded.value
  const place = elsewhere(b, round, from, raw.bytes)
  if (place) return place
  if (!b.ballot || b.delivered.has(index)) return 'ignore'
  const delivery = checkDelivery(b.state, b.config.network, decoded.value, raw.bytes, b.now)
  if (!delivery.ok) return b.blame(from, fault('badSum', `committee ${index}: ${delivery.error}`))
  b.delivered.set(index, delivery.value)
  const key = `${RECORD.delivered}${index}`
  b.roundKeys.add(key)
  b.effects.store([[key, raw.bytes]], [], () => {})
  return 'accept'
}

function onStudy(b: CommitteeBooks, raw: RawEnvelope, type: StudyType): Verdict {
  const decoded = decode<Body<StudyType>>(raw.body, BODIES[type])
  const { from } = raw
  if (!decoded.ok) return b.blame(from, fault('malformed', `${type}: ${decoded.error}`))
  switch (type) {
    case 'status':
      return onStatus(b, from, decoded.value as Body<'status'>)
    case 'entry':
      return onEntry(b, from, decoded.value as Body<'entry'>)
    case 'modelAsk':
      return b.models.onAsk(from, decoded.value as Body<'modelAsk'>)
    case 'modelPart':
      return b.models.onPart(from, decoded.value as Body<'modelPart'>)
  }
}
