/** What a decider would put into the study's ledger, and what it thinks of what another proposes (SPEC T5). */
import { equalBytes, toHex } from '../bytes.ts'
import type { Body, CommitteesSummed, Entry } from '../ledger/entry.ts'
import { applyEntry, faultyMax } from '../ledger/state.ts'
import { applySum } from '../model/apply.ts'
import { stateHash } from '../model/state.ts'
import type { MemberId, Millis } from '../ports.ts'
import type { Judgement } from '../round/propose.ts'
import { publicSeedOf } from '../round/secrets.ts'
import { encode } from '../wire/codec.ts'
import { COMMITTEE_FAULTS_MAX } from '../wire/limits.ts'
import type { CommitteeBooks, Total } from './books.ts'
import { roundSections } from './delivery.ts'
import { committeesMin } from './draw.ts'

/** Sums of different sets of committees that are kept: with few late ones there are few sets. */
const TOTALS_MAX = 8

/** When committees may be left out that have not delivered: twice the time that an attempt of theirs may take. */
export function deliveryDueAt({ since, state }: CommitteeBooks): Millis {
  const { joinDeadlineMs, inputDeadlineMs, openDeadlineMs } = state.charter.secureSum
  return since + 2 * (joinDeadlineMs + inputDeadlineMs + openDeadlineMs)
}

/** The body that this peer would propose now; undefined while it would rather wait. */
export function proposable(b: CommitteeBooks): Body | undefined {
  const { phase, charter, modelHash } = b.state
  if (phase.kind === 'complete') {
    return { kind: 'StudyFinished', rounds: charter.training.rounds, model: modelHash }
  }
  if (phase.kind !== 'between') return undefined
  const count = b.draw.committees.length
  const here = [...b.delivered.keys()].sort((x, y) => x - y)
  if (here.length < committeesMin(count)) return undefined
  if (here.length < count && b.now < deliveryDueAt(b)) return undefined
  return summed(b, here)
}

/** What the entry says if just these committees are in it; undefined while their sum or the model is not here yet. */
function summed(b: CommitteeBooks, indices: readonly number[]): CommitteesSummed | undefined {
  const { phase } = b.state
  const total = totalOf(b, indices)
  if (phase.kind !== 'between' || !total || !b.model) return undefined
  total.applied ??= applied(b, total.sum)
  if (!total.applied) return undefined
  const { outcome, modelHash } = total.applied
  return {
    kind: 'CommitteesSummed',
    round: phase.round,
    task: phase.task,
    committees: indices.map(index => {
      const { seeds, hash, survivors } = b.delivered.get(index)!
      return { index, seeds, sum: hash, survivors }
    }),
    missing: b.draw.committees.map((_, index) => index).filter(index => !indices.includes(index)),
    sum: total.hash,
    model: modelHash,
    samples: outcome.samples,
    metrics: outcome.metrics ?? null,
    epsilon: 0,
    faults: faultsOf(b, indices),
  }
}

/** The model after the round, if its committees' sums make this one; undefined while the model before it is missing. */
export function applied(b: CommitteeBooks, sum: Uint32Array): Total['applied'] {
  const { phase, charter } = b.state
  if (phase.kind !== 'between' || !b.model) return undefined
  const publicSeed = publicSeedOf(b.state.head, phase.round)
  const outcome = applySum(charter, phase.task, roundSections(b.state), sum, b.model, publicSeed)
  return { outcome, modelHash: stateHash(outcome.state) }
}

/** Each accused member once, those of the first committees where there are too many for an entry. */
function faultsOf(b: CommitteeBooks, indices: readonly number[]): CommitteesSummed['faults'] {
  const faults: { member: MemberId; code: CommitteesSummed['faults'][number]['code'] }[] = []
  for (const index of indices) {
    for (const { member, code } of b.delivered.get(index)!.faults) {
      if (!b.draw.committeeOf.has(member) || faults.some(f => f.member === member)) continue
      if (faults.length < COMMITTEE_FAULTS_MAX) faults.push({ member, code })
    }
  }
  return faults
}

/** The sum of these committees' sums, made where work is done; undefined until it is. */
function totalOf(b: CommitteeBooks, indices: readonly number[]): Total | undefined {
  const name = indices.map(index => `${index}:${toHex(b.delivered.get(index)!.hash)}`).join()
  const known = b.totals.get(name)
  if (known) return known === 'computing' ? undefined : known
  if (b.totals.size >= TOTALS_MAX) b.totals.clear()
  b.totals.set(name, 'computing')
  const { head } = b.state
  const inputs = indices.map(index => b.delivered.get(index)!.sum)
  b.effects.run({ kind: 'vector', work: { kind: 'sum', inputs } }, result => {
    if (result.kind !== 'vector' || result.output.kind !== 'sum' || b.state.head !== head) return
    const { sum, hash } = result.output
    if (sum) b.totals.set(name, { sum, hash, applied: undefined })
  })
  return undefined
}

/** What a decider thinks of a proposed entry; `prevoters`: as in `round/propose.ts`, one of more than f is honest. */
export function judge(b: CommitteeBooks, entry: Entry, prevoters: readonly MemberId[]): Judgement {
  const { state } = b
  if (!applyEntry(state, entry).ok) return 'invalid'
  if (prevoters.length > faultyMax(state.charter)) return 'valid'
  if (Math.abs(entry.at - b.now) > state.charter.secureSum.clockSkewMaxMs) return 'unknown'
  const { body } = entry
  if (body.kind === 'StudyFinished') return 'valid'
  // Other entries are decided by signatures of members, not by this machine.
  return body.kind === 'CommitteesSummed' ? judgeSummed(b, body) : 'invalid'
}

function judgeSummed(b: CommitteeBooks, body: CommitteesSummed): Judgement {
  for (const { index, seeds, sum, survivors } of body.committees) {
    const here = b.delivered.get(index)
    const isSame = here && equalBytes(here.hash, sum) && equalBytes(here.seeds, seeds)
    if (!isSame || !equalBytes(here.survivors, survivors)) return 'unknown'
  }
  const dueAt = deliveryDueAt(b)
  for (const index of body.missing) {
    // Whose sum was here in time is not left out; the others get it from here.
    if (b.now < dueAt || (b.delivered.get(index)?.at ?? Infinity) <= dueAt) return 'unknown'
  }
  const own = summed(
    b,
    body.committees.map(c => c.index),
  )
  if (!own) return 'unknown'
  return toHex(encode(own)) === toHex(encode(body)) ? 'valid' : 'invalid'
}
