/** A committee's sum as it is handed to those who decide: checked against charter and lot, by nothing but itself (SPEC T4). */
import { equalBytes, toHex } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { verifyCertificate } from '../ledger/certificate.ts'
import { decodeEntry, entryHash, type RoundClosed, type SurvivorsFixed } from '../ledger/entry.ts'
import type { LedgerState } from '../ledger/state.ts'
import type { MemberId, Millis, Section } from '../ports.ts'
import { err, ok, type Result } from '../result.ts'
import { bitmapOf, membersOf } from '../round/bitmap.ts'
import { PREFIX_BYTES } from '../round/known.ts'
import { residuesFromBytes } from '../sum/field.ts'
import { layoutFor, vectorLength } from '../sum/layout.ts'
import { rootOfBytes } from '../sum/shards.ts'
import { committeeAt, committeeAuthority } from './committee.ts'
import type { CommitteeBody } from './messages.ts'

export interface Delivery {
  readonly index: number
  /** As the committee's entry has it. */
  readonly seeds: Uint8Array
  readonly sum: Uint32Array
  /** Of the sum, as the committee certified it. */
  readonly hash: Uint8Array
  /** What stands for it in a status. */
  readonly name: string
  /** Bits in the committee's order. */
  readonly survivors: Uint8Array
  readonly faults: RoundClosed['faults']
  /** The whole message, to be passed on. */
  readonly message: Uint8Array
  readonly at: Millis
}

/** The sections of the coming round for all members' inputs; `state` is between rounds. */
export function roundSections(state: LedgerState): readonly Section[] {
  const { phase, charter } = state
  if (phase.kind !== 'between') return []
  return layoutFor(charter, phase.task, charter.members.length, phase.round)
}

/** What a message delivers in the round that `state` is before, or what is wrong with it. */
export function checkDelivery(
  state: LedgerState,
  network: Uint8Array,
  body: CommitteeBody<'committeeSum'>,
  message: Uint8Array,
  at: Millis,
): Result<Delivery, string> {
  const { phase, draw } = state
  if (phase.kind !== 'between' || !draw || body.round !== phase.round) return err('of another round')
  const { index, data } = body
  if (index >= draw.committees.length) return err(`there is no committee ${index}`)
  const committee = committeeAt(state, network, index)
  const named = namedBy(body, committee.members)
  if (!named.ok) return named
  const { closed, height, survivors, shards } = named.value
  if (closed.round !== phase.round) return err('the entry is of another round')
  if (data.length !== 4 * vectorLength(roundSections(state))) return err('the sum has another length')
  if (!equalBytes(rootOfBytes(data, shards), closed.sum))
    return err('the sum is not the one that was certified')
  const sum = residuesFromBytes(data)
  if (!sum) return err('the sum is no vector of the field')
  const certified = verifyCertificate(
    committeeAuthority(state, committee),
    { height, hash: entryHash(body.closed.entry) },
    body.closed.certificate,
  )
  if (!certified.ok) return err(`certificate: ${certified.error}`)
  const { seeds, sum: hash, faults } = closed
  const name = toHex(sha256(hash).subarray(0, PREFIX_BYTES))
  return ok({ index, seeds, sum, hash, name, survivors, faults, message, at })
}

/** What the two entries say. The later one is certified and names the hash of the one before. */
function namedBy(
  { fixed: fixedBytes, closed: record }: CommitteeBody<'committeeSum'>,
  members: readonly MemberId[],
): Result<{ closed: RoundClosed; height: number; survivors: Uint8Array; shards: number }, string> {
  const closed = decodeEntry(record.entry)
  const fixed = decodeEntry(fixedBytes)
  if (!closed.ok || !fixed.ok) return err('not two entries')
  if (closed.value.body.kind !== 'RoundClosed') return err('the entry closes no round')
  if (fixed.value.body.kind !== 'SurvivorsFixed') return err('the entry before fixes no survivors')
  if (!equalBytes(closed.value.prev, entryHash(fixedBytes))) return err('the entry before is another')
  const survivors = bitmapOf(members, new Set(namesOf(fixed.value.body)))
  if (membersOf(members, survivors)?.size !== fixed.value.body.survivors.length)
    return err('a survivor is no member of the committee')
  const shards = fixed.value.body.owners.length
  return ok({ closed: closed.value.body, height: closed.value.height, survivors, shards })
}

function namesOf(body: SurvivorsFixed): MemberId[] {
  return body.survivors.map(s => s.member)
}
