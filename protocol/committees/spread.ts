/**
 * How entries, models and sums get about without a word to all (SPEC T6): each member pushes an entry to a few others that
 * the lot names, asks a few now and then what they have, and hands its committee's sum to those who decide.
 */
import { equalBytes } from '../bytes.ts'
import { fault } from '../fault.ts'
import { recordKey } from '../ledger/certificate.ts'
import { entryHash } from '../ledger/entry.ts'
import { applyRecord } from '../ledger/verify.ts'
import { encodeState } from '../model/state.ts'
import { MODEL_RECORD } from '../peer/models.ts'
import type { MemberId, Verdict } from '../ports.ts'
import { prefixOf } from '../round/known.ts'
import { ANSWER_BYTES_MAX, readHave } from '../round/sync.ts'
import type { Body } from '../wire/messages.ts'
import { adopt, spread } from './adopt.ts'
import { type CommitteeBooks, RECORD } from './books.ts'
import { ownSum } from './inner.ts'

/** Deciders to which a member sends its committee's sum at once; after a view's time as many more, then ever later. */
const SUMS_AT_ONCE = 2
const SUM_DOUBLINGS = 4
/** Members that are told at once when they are connected; to tell all would be n^2 messages at every start. */
const GREETED = 3

/** Goes on with the model that is missing here, if one is. */
export function fetchModel(b: CommitteeBooks): void {
  b.models.advance(model => {
    b.model = model
    b.effects.store([[MODEL_RECORD, encodeState(model)]], [], () => spread(b))
    b.moved = true
  })
}

/** The own committee's sum to those who decide, to a few at once and in turn to all; the new message, once. */
export function deliverSum(b: CommitteeBooks): Uint8Array | undefined {
  if (b.own) {
    if (b.now >= b.own.at) sendSum(b, b.own)
    return undefined
  }
  const message = ownSum(b)
  if (!message) return undefined
  const own = { message, step: 0, at: b.now }
  b.own = own
  b.roundKeys.add(RECORD.own)
  b.effects.store([[RECORD.own, message]], [], () => sendSum(b, own))
  return message
}

function sendSum(b: CommitteeBooks, own: NonNullable<CommitteeBooks['own']>): void {
  const { deciders, committees, committeeOf } = b.draw
  const place = committees[committeeOf.get(b.config.self) ?? 0]!.indexOf(b.config.self)
  for (let i = 0; i < Math.min(SUMS_AT_ONCE, deciders.length); i++) {
    const to = deciders[(SUMS_AT_ONCE * (place + own.step) + i) % deciders.length]!
    b.emit(to, own.message)
  }
  own.step++
  // By then somebody else of the committee has reached those who decide, or nobody can.
  own.at = b.now + b.state.charter.secureSum.viewTimeoutMs * 2 ** Math.min(own.step - 1, SUM_DOUBLINGS)
}

/** A status to one member, unless it has just had one. */
export function tell(b: CommitteeBooks, peer: MemberId): void {
  if (b.entropy && b.sync.mayTell(peer, b.now)) sendStatus(b, peer)
}

/** Tells the first few that are connected in a life what is held here: from them comes what was missed. */
export function greet(b: CommitteeBooks, peer: MemberId): void {
  if (b.connected.size <= GREETED) tell(b, peer)
}

function sendStatus(b: CommitteeBooks, peer: MemberId): void {
  const model = b.model ? b.state.modelHash : new Uint8Array(32)
  const fellow = b.ballot !== undefined && b.state.voters.includes(peer)
  const prefixes = fellow
    ? [...b.ballot!.messages().map(prefixOf), ...[...b.delivered.values()].map(d => d.name)]
    : []
  b.send(peer, 'status', { height: b.state.height, have: b.bench.have(prefixes), model })
}

/** Who is behind gets entries; who decides with this peer, what it lacks for that. */
export function onStatus(b: CommitteeBooks, from: MemberId, body: Body<'status'>): Verdict {
  const have = readHave(body.have)
  if (!have) return b.blame(from, fault('malformed', 'status: have'))
  b.models.says(from, body.model)
  const mine = b.state.height
  if (body.height > mine) {
    tell(b, from)
    return 'accept'
  }
  if (body.height < mine) {
    for (const height of b.sync.entriesFor(from, body.height, mine, b.now)) {
      b.effects.emit({ kind: 'sendRecord', to: from, key: recordKey(height) })
    }
    return 'accept'
  }
  if (b.model && !equalBytes(body.model, b.state.modelHash)) tell(b, from)
  if (b.ballot && b.state.voters.includes(from) && b.bench.mayAnswer(from, b.now)) answer(b, from, have)
  return 'accept'
}

function answer(b: CommitteeBooks, to: MemberId, have: ReadonlySet<string>): void {
  for (const message of b.ballot?.messages() ?? []) if (!have.has(prefixOf(message))) b.emit(to, message)
  let size = 0
  for (const d of b.delivered.values()) {
    if (have.has(d.name)) continue
    b.emit(to, d.message)
    size += d.message.length
    if (size > ANSWER_BYTES_MAX) return
  }
}

/** A certified entry from anybody: its certificate speaks for itself. */
export function onEntry(b: CommitteeBooks, from: MemberId, record: Body<'entry'>): Verdict {
  // Each is pushed the last entry by several; it costs them a hash.
  if (equalBytes(entryHash(record.entry), b.state.head)) {
    b.models.says(from, b.state.modelHash)
    return 'ignore'
  }
  const entry = b.entryOf(record.entry)
  if (!entry) return b.blame(from, fault('malformed', 'entry'))
  if (entry.height > b.state.height + 1) tell(b, from)
  if (entry.height !== b.state.height + 1) return 'ignore'
  const next = applyRecord(b.state, b.config.network, record)
  if (!next.ok) return b.blame(from, fault('badCertificate', `height ${entry.height}: ${next.error}`))
  adopt(b, record, next.value)
  b.models.says(from, b.state.modelHash)
  return 'accept'
}

/** Tells a few members, and a few of those who decide with this one, what is held here when their turn has come. */
export function inform(b: CommitteeBooks): void {
  const { height, voters } = b.state
  const { connected } = b
  const { self } = b.config
  const turn = b.sync.turn({ members: b.draw.order, self, connected }, b.now, `${height}`)
  for (const peer of turn ?? []) tell(b, peer)
  if (turn) sayWaiting(b)
  const { ballot } = b
  if (!ballot) return
  const step = `${height}/${ballot.view}/${b.delivered.size}`
  for (const peer of b.bench.turn({ members: voters, self, connected }, b.now, step) ?? []) tell(b, peer)
}

/** What people are told of waiting, once the own committee has nothing more to do. */
function sayWaiting(b: CommitteeBooks): void {
  if (b.state.phase.kind === 'finished' || b.inner?.peer.state.phase.kind !== 'finished') return
  const { length } = b.draw.committees
  const missing = Array.from({ length }, (_, index) => index).filter(index => !b.delivered.has(index))
  const silent = (b.ballot?.waitsFor() ?? []).filter(m => m !== b.config.self)
  const waits =
    b.ballot === undefined
      ? { reason: 'the deciding committee', for: [] }
      : missing.length > 0
        ? { reason: `sums of committees ${missing.join(', ')}`, for: [] }
        : { reason: 'votes', for: silent }
  const text = `${waits.reason}:${waits.for.join()}`
  if (text !== b.waiting) b.effects.emit({ kind: 'event', event: { kind: 'waiting', ...waits } })
  b.waiting = text
}
