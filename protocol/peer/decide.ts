/** The next entry: one consensus instance a height, and what follows when an entry is certified (SPEC C1 to C3, M2). */
import { declaresSamples } from '../../config/charter.ts'
import { equalBytes } from '../bytes.ts'
import { Consensus, proposerAt, type Step } from '../consensus/tendermint.ts'
import { type Fault, verdictOf } from '../fault.ts'
import { encodeRecord, type LedgerRecord, recordKey } from '../ledger/certificate.ts'
import { encodeEntry, type SurvivorsFixed } from '../ledger/entry.ts'
import { applyEntry, type LedgerState, type Phase } from '../ledger/state.ts'
import { decodeState, encodeState, stateHash } from '../model/state.ts'
import type { HeldModel, MemberId, Task, Value } from '../ports.ts'
import { assert } from '../result.ts'
import { type Attempt, evidenceOf } from '../round/attempt.ts'
import { eventOf, standingEvents } from '../round/describe.ts'
import { Join } from '../round/join.ts'
import { beginOpening, modelDraft } from '../round/opening.ts'
import { judge, proposable } from '../round/propose.ts'
import { RECORDS, sliceOf } from '../round/records.ts'
import { restorePairs, restoreReveal, restoreTags } from '../round/restore.ts'
import { isWhole, recordOf } from '../stored.ts'
import { residueBytes, residuesFromBytes } from '../sum/field.ts'
import { rootOfBytes } from '../sum/shards.ts'
import { type Books, CONSENSUS_PREFIX } from './books.ts'
import { keptModel, MODEL_RECORD } from './models.ts'

/** For the entry after the last. */
export function newConsensus(b: Books): Consensus {
  const { voters, quorum, height } = b.state
  const next = height + 1
  return new Consensus({
    network: b.config.network,
    height: next,
    self: { id: b.config.self, seed: b.config.seed },
    voters,
    quorum,
    faultyMax: b.config.charter.maliciousMax,
    viewTimeoutMs: b.config.charter.secureSum.viewTimeoutMs,
    proposerOf: view => proposerAt(voters, next, view),
    publicKeyOf: member => b.keys.get(member)!,
    host: {
      value: () => {
        const body = proposable(b.outlook())
        if (!body) return undefined
        const at = Math.max(Math.floor(b.now), b.state.at)
        return encodeEntry({ height: next, prev: b.state.head, at, body })
      },
      check: (value, prevoters) => {
        const entry = b.entryOf(value)
        return entry ? judge(b.outlook(), entry, prevoters) : 'invalid'
      },
    },
  })
}

/** Starts consensus when there is something to propose; else lets it look at what is known now. */
export function decide(b: Books): void {
  if (b.state.phase.kind === 'finished') return
  if (b.consensusStarted) apply(b, b.consensus.poll(b.now))
  else if (proposable(b.outlook())) {
    b.consensusStarted = true
    apply(b, b.consensus.start(b.now))
  }
}

/** Performs a step of consensus; its worst fault, if any. */
export function apply(b: Books, step: Step, relay?: MemberId): Fault | undefined {
  for (const f of step.faults) {
    const peer = f.peer ?? relay
    if (peer !== undefined && f.fault.code !== 'duplicate')
      b.effects.emit({ kind: 'fault', peer, fault: f.fault })
    if (f.peer !== undefined && f.evidence.length > 0)
      b.charge({ member: f.peer, code: f.fault.code, evidence: evidenceOf(...f.evidence) })
  }
  if (step.say.length > 0) {
    const puts: (readonly [string, Value])[] = [...step.say, ...step.keep].map(bytes => {
      const key = `${CONSENSUS_PREFIX}${String(b.consensusRecords.length).padStart(6, '0')}`
      b.consensusRecords.push(key)
      return [key, bytes] as const
    })
    puts.push(...outcomePuts(b))
    b.effects.store(puts, [], () => {
      for (const bytes of [...step.say, ...step.pass]) b.effects.emit({ kind: 'publish', bytes })
    })
  }
  if (step.say.length > 0 || b.consensus.view >= 0) b.consensusStarted = true
  b.consensusWakeAt = step.wakeAt
  if (step.decided) {
    const record = { entry: step.decided.value, certificate: step.decided.certificate }
    // Its votes were verified when they came.
    const next = applyEntry(b.state, b.entryOf(record.entry)!)
    assert(next.ok, 'what a quorum decided follows')
    adopt(b, record, next.value)
  }
  return step.faults.map(f => f.fault).find(f => verdictOf(f) === 'reject') ?? step.faults[0]?.fault
}

/**
 * What the attempt gives, if it is not stored yet. It is durable before a vote for it leaves: each certified model is on the
 * disk of an honest peer at least, whoever crashes.
 */
function outcomePuts(b: Books): (readonly [string, Value])[] {
  const outcome = b.attempt?.opening?.outcome
  if (!outcome || outcome === b.outcomeStored) return []
  b.outcomeStored = outcome
  const { sum, model } = outcome
  if (sum) return [[RECORDS.outcome, residueBytes(sum)]]
  // The one before it has its record.
  return model === b.model ? [] : [[RECORDS.outcome, encodingOf(model)]]
}

/** What a record of a model is to hold: its encoding, in memory or as a draft has it. */
export function encodingOf(model: HeldModel): Value {
  return isWhole(model) ? encodeState(model) : { sameAs: recordOf(model.parameters) }
}

/** The model with this hash, as this life or the one before it computed it; undefined: it must be fetched. */
function modelOf(b: Books, hash: Uint8Array): HeldModel | undefined {
  const outcome = b.attempt?.opening?.outcome
  if (outcome && equalBytes(outcome.modelHash, hash)) return outcome.model
  const record = b.restored.get(RECORDS.outcome)
  const stored = record && decodeState(record, b.config.charter)
  return stored?.ok && equalBytes(stateHash(stored.value), hash) ? stored.value : undefined
}

/** The sum with this hash, as this life or the one before it opened it. `phase`: the one that its entry ended. */
export function sumOf(b: Books, phase: Phase, hash: Uint8Array): Uint32Array | undefined {
  const outcome = b.attempt?.opening?.outcome
  if (outcome && equalBytes(outcome.sumHash, hash)) return outcome.sum
  const record = b.restored.get(RECORDS.outcome)
  const shards = phase.kind === 'fixed' ? phase.fixed.owners.length : 1
  return record && equalBytes(rootOfBytes(record, shards), hash) ? residuesFromBytes(record) : undefined
}

/** One certified entry further: durable, told, and the next step begins. */
export function adopt(b: Books, record: LedgerRecord, next: LedgerState): void {
  const entry = b.entryOf(record.entry)!
  const before = b.state.phase
  const task: Task =
    before.kind === 'between' ? before.task : 'opened' in before ? before.opened.task : 'evaluate'
  const puts: [string, Value][] = [[recordKey(next.height), encodeRecord(record)]]
  const deletes = b.consensusRecords
  if (!equalBytes(next.modelHash, b.state.modelHash)) {
    const model = modelOf(b, next.modelHash)
    if (model) puts.push([MODEL_RECORD, encodingOf(model)])
    b.model = model && keptModel(model, b.config.charter)
  }
  if (entry.body.kind === 'SurvivorsFixed') settleResidual(b, entry.body)
  if (!next.plan.applies && entry.body.kind === 'RoundClosed') b.sum = sumOf(b, before, entry.body.sum)
  const over = !('opened' in next.phase)
  // A sum that is handed on is not in the model: it goes with the ledger that it is of.
  if (over) {
    deletes.push(...Object.values(RECORDS).filter(key => key !== RECORDS.outcome || !b.sum))
    deletes.push(...(b.attempt?.stored.keys() ?? []), ...[...b.restored.keys()].filter(sliceOf))
    if (b.attempt && !isComing(b, b.attempt)) deletes.push(...draftsOf(b.attempt))
  }
  const event = eventOf(entry, task)
  b.effects.store(puts, deletes, () => {
    if (event) b.effects.emit({ kind: 'event', event })
  })
  for (const told of standingEvents(b.state, next)) b.effects.emit({ kind: 'event', event: told })
  if (next.suspended !== b.state.suspended) shutOut(b, next)
  b.state = next
  b.since = b.now
  b.waiting = ''
  b.consensusRecords = []
  b.consensusStarted = false
  b.consensusWakeAt = undefined
  b.consensus = newConsensus(b)
  if (over) endAttempt(b)
  else if (b.attempt) openSum(b)
  b.moved = true
}

/** Who is suspended has no part in the network; it is told why before. */
export function shutOut(b: Books, { suspended }: LedgerState): void {
  const peers = suspended.filter(m => m !== b.config.self)
  b.effects.emit({ kind: 'shutOut', peers })
}

/**
 * What was sent is owed no more as soon as it is certain to be summed; else nothing has changed. From then on and not only when
 * the round is closed: the sum may be known to others though the attempt fails, and what is in it must be in no second one.
 */
function settleResidual(b: Books, { survivors }: SurvivorsFixed): void {
  if (survivors.some(s => s.member === b.config.self)) b.residual = b.attempt?.unsent
}

function endAttempt(b: Books): void {
  b.effects.cancelJobs()
  b.coming = b.attempt && isComing(b, b.attempt) ? b.attempt : undefined
  b.attempt = undefined
  b.restored = new Map()
  b.outcomeStored = undefined
  b.join = new Join(declaresSamples(b.config.charter))
  b.known.clear()
  b.sync.clearAttempt()
}

export function draftsOf(a: Attempt): string[] {
  return [...a.drafts, modelDraft(a)]
}

/** Whether an attempt that is over may still give the model that is missing here. */
function isComing(b: Books, { opening }: Attempt): boolean {
  return !b.model && opening?.applying === true
}

/** The survivors are fixed: the sum may be opened. */
export function openSum(b: Books): void {
  const { phase } = b.state
  if (phase.kind !== 'fixed' || !b.attempt) return
  beginOpening(b.attempt, phase.fixed, phase.fixedHash, b.now)
  restoreReveal(b.attempt, b.restored)
  restorePairs(b.attempt, b.restored)
  restoreTags(b.attempt, b.restored)
}
