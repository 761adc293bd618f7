/** One certified entry of the study's ledger further: durable, told, and the next round begins (SPEC T5, T6, M2). */
import { equalBytes, toHex } from '../bytes.ts'
import { encodeRecord, type LedgerRecord, recordKey } from '../ledger/certificate.ts'
import type { Body, CommitteesSummed } from '../ledger/entry.ts'
import type { LedgerState } from '../ledger/state.ts'
import { encodeState } from '../model/state.ts'
import { MODEL_RECORD } from '../peer/models.ts'
import type { Event, ModelState } from '../ports.ts'
import { runVectorWork } from '../sum/kernels.ts'
import { Ballot } from './ballot.ts'
import type { CommitteeBooks } from './books.ts'
import type { Draw } from './draw.ts'
import { endInner } from './inner.ts'
import { applied } from './propose.ts'
import { missedOf, survivorsOf } from './summed.ts'

export function adopt(b: CommitteeBooks, record: LedgerRecord, next: LedgerState): void {
  const { body } = b.entryOf(record.entry)!
  const puts: [string, Uint8Array][] = [[recordKey(next.height), encodeRecord(record)]]
  if (!equalBytes(next.modelHash, b.state.modelHash)) {
    b.model = computed(b, next.modelHash) ?? computedAnew(b, body, next.modelHash)
    if (b.model) puts.push([MODEL_RECORD, encodeState(b.model)])
  }
  const events = eventsOf(b.draw, body)
  const forgotten = [...b.roundKeys]
  endInner(b)
  b.roundKeys.clear()
  b.state = next
  b.since = b.now
  b.own = undefined
  b.delivered.clear()
  b.totals.clear()
  b.waiting = ''
  b.toSpread = true
  b.effects.store(puts, forgotten, () => {
    for (const event of events) b.effects.emit({ kind: 'event', event })
    spread(b)
  })
  takeSeat(b)
  b.moved = true
}

/** Members to which each pushes an entry: one that all have gets to 1,000 in five steps. */
const FANOUT = 4

/** Pushes the last entry on, when it is durable and its model can be had from here too. */
export function spread(b: CommitteeBooks): void {
  if (!b.toSpread || !b.model) return
  b.toSpread = false
  const { order, positionOf } = b.draw
  const at = positionOf.get(b.config.self)
  if (at === undefined) return
  const key = recordKey(b.state.height)
  // The digraph of de Bruijn: from any member all are reached in log(n) / log(FANOUT) steps.
  const targets = Array.from({ length: FANOUT }, (_, i) => order[(FANOUT * at + i + 1) % order.length]!)
  for (const to of new Set(targets)) if (to !== b.config.self) b.effects.emit({ kind: 'sendRecord', to, key })
}

/** A vote on the next entry for whom the lot has drawn. */
export function takeSeat(b: CommitteeBooks): void {
  b.ballot = b.decides && b.state.phase.kind !== 'finished' ? new Ballot(b) : undefined
}

/** The model of this hash, where this peer has made it of the committees' sums. */
function computed(b: CommitteeBooks, modelHash: Uint8Array): ModelState | undefined {
  for (const total of b.totals.values()) {
    if (total === 'computing' || !total.applied) continue
    if (equalBytes(total.applied.modelHash, modelHash)) return total.applied.outcome.state
  }
  return undefined
}

/**
 * From the sums on this disk, where the life that made the model of them is over: they are stored before any vote for the entry
 * leaves and forgotten with its adoption, so that no crash of all who decide loses a model (swarm, seed 890). At once and
 * not as a job, as what is not stored together with the entry can be lost.
 */
function computedAnew(b: CommitteeBooks, body: Body, modelHash: Uint8Array): ModelState | undefined {
  if (body.kind !== 'CommitteesSummed') return undefined
  const inputs: Uint32Array[] = []
  for (const { index, sum } of body.committees) {
    const delivery = b.delivered.get(index)
    if (!delivery || !equalBytes(delivery.hash, sum)) return undefined
    inputs.push(delivery.sum)
  }
  const output = runVectorWork({ kind: 'sum', inputs })
  const made = output.kind === 'sum' && output.sum ? applied(b, output.sum) : undefined
  return made && equalBytes(made.modelHash, modelHash) ? made.outcome.state : undefined
}

function eventsOf(draw: Draw, body: Body): Event[] {
  if (body.kind === 'StudyFinished') {
    return [{ kind: 'studyFinished', rounds: body.rounds, modelHash: toHex(body.model) }]
  }
  return body.kind === 'CommitteesSummed' ? roundEvents(draw, body) : []
}

function roundEvents(draw: Draw, body: CommitteesSummed): Event[] {
  const { round, task, metrics } = body
  return [
    {
      kind: 'survivorsFixed',
      round,
      attempt: 0,
      survivors: survivorsOf(draw, body),
      leftOut: missedOf(draw, body),
    },
    {
      kind: 'roundClosed',
      round,
      attempt: 0,
      task,
      modelHash: toHex(body.model),
      metrics: metrics ?? undefined,
      faults: body.faults.map(f => ({ member: f.member, fault: f.code })),
    },
  ]
}
