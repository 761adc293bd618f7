/** What gossip lost and what a peer missed that was away (SPEC W6); and what people are told of waiting. */
import { equalBytes } from '../bytes.ts'
import { fault } from '../fault.ts'
import { recordKey } from '../ledger/certificate.ts'
import { applyRecord } from '../ledger/verify.ts'
import type { HeldModel, MemberId, Verdict } from '../ports.ts'
import { waitsFor } from '../round/describe.ts'
import { prefixOf } from '../round/known.ts'
import { ANSWER_BYTES_MAX, readHave } from '../round/sync.ts'
import type { Body } from '../wire/messages.ts'
import type { Books } from './books.ts'
import { adopt, draftsOf, encodingOf } from './decide.ts'
import { keptModel, MODEL_RECORD } from './models.ts'

/** A status to one peer, unless it has just had one. */
export function tell(b: Books, peer: MemberId): void {
  if (b.entropy && b.sync.mayTell(peer, b.now)) sendStatus(b, peer)
}

function sendStatus(b: Books, peer: MemberId): void {
  const prefixes = [...b.known.prefixes(), ...b.consensus.messages().map(prefixOf)]
  const model = b.model ? b.state.modelHash : new Uint8Array(32)
  b.send(peer, 'status', { height: b.state.height, have: b.sync.have(prefixes), model })
}

/** Who is behind gets entries, who is level the messages it lacks; from who is ahead the same is asked. */
export function onStatus(b: Books, from: MemberId, body: Body<'status'>): Verdict {
  const have = readHave(body.have)
  if (!have) return b.blame(from, fault('malformed', 'status: have'))
  b.sync.heard(from, body.height)
  b.models.says(from, body.model)
  const mine = b.state.height
  if (body.height > mine) tell(b, from)
  else if (body.height < mine) {
    for (const height of b.sync.entriesFor(from, body.height, mine, b.now)) {
      b.effects.emit({ kind: 'sendRecord', to: from, key: recordKey(height) })
    }
  } else if (b.sync.mayAnswer(from, b.now)) {
    const votes = b.consensus.messages().filter(m => !have.has(prefixOf(m)))
    const messages = [...votes, ...b.sync.directFor(from, have), ...b.known.missing(have, ANSWER_BYTES_MAX)]
    for (const bytes of messages) b.effects.emit({ kind: 'send', to: from, bytes })
  }
  return 'accept'
}

/** A certified entry from anybody: its certificate speaks for itself. */
export function onEntry(b: Books, from: MemberId, record: Body<'entry'>): Verdict {
  const entry = b.entryOf(record.entry)
  if (!entry) return b.blame(from, fault('malformed', 'entry'))
  b.sync.heard(from, entry.height)
  if (entry.height !== b.state.height + 1) return 'ignore'
  const next = applyRecord(b.state, b.config.network, record)
  if (!next.ok) return b.blame(from, fault('badCertificate', `height ${entry.height}: ${next.error}`))
  adopt(b, record, next.value)
  return 'accept'
}

/** Goes on with the model that is missing here, if one is. */
export function fetchModel(b: Books): void {
  if (!isComing(b)) b.models.advance(model => takeModel(b, model))
}

/** Whether the work on it here still goes on, which others were faster with. */
function isComing(b: Books): boolean {
  const { coming } = b
  if (!coming?.opening) return false
  const { outcome, applyFailed } = coming.opening
  if (!b.model && !outcome && !applyFailed) return true
  b.coming = undefined
  const isIt = outcome && !b.model && equalBytes(outcome.modelHash, b.state.modelHash)
  if (isIt) takeModel(b, outcome.model)
  b.effects.store([], draftsOf(coming), () => {})
  return false
}

function takeModel(b: Books, model: HeldModel): void {
  b.effects.store([[MODEL_RECORD, encodingOf(model)]], [], () => {})
  b.model = keptModel(model, b.config.charter)
  if (b.attempt) b.attempt.model = b.model
}

/** Tells a few peers what is held here when their turn has come, and people what is waited for. */
export function inform(b: Books): void {
  const { height, phase, plan } = b.state
  // A part ends with the study's next entry, which each hears of by itself.
  if (phase.kind === 'finished' && plan.applies) {
    // At once to all: whoever knows that everybody has finished may go.
    if (!b.toldFinished) for (const peer of [...b.connected].sort()) sendStatus(b, peer)
    b.toldFinished = true
    const behind = [...b.keys.keys()].filter(m => m !== b.config.self && b.sync.heightOf(m) < height)
    if (behind.length === 0 && !b.settled) {
      b.settled = true
      b.effects.emit({ kind: 'event', event: { kind: 'settled' } })
    }
  }
  const fingerprint = `${height}/${b.consensus.view}/${b.known.size}`
  const turn = b.sync.turn(
    { members: b.members, self: b.config.self, connected: b.connected },
    b.now,
    fingerprint,
  )
  for (const peer of turn ?? []) tell(b, peer)
  if (!turn || phase.kind === 'finished') return
  const { voters, quorum } = b.state
  const away = voters.filter(m => m !== b.config.self && !b.connected.has(m))
  const silent = b.consensus.waitsFor().filter(m => m !== b.config.self)
  // Below a quorum nothing else matters: whatever comes, nothing can be decided.
  const waits =
    voters.length - away.length < quorum ? { reason: 'a quorum', for: away } : waitsFor(b.outlook(), silent)
  const text = `${waits.reason}:${waits.for.join()}`
  if (text !== b.waiting) b.effects.emit({ kind: 'event', event: { kind: 'waiting', ...waits } })
  b.waiting = text
}
