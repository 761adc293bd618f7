/** What consensus says: a proposal carries the whole entry, votes its hash. All are signed envelopes. */
import { z } from 'zod'
import { sha256 } from '../crypto/hash.ts'
import { type Fault, fault } from '../fault.ts'
import { Memo } from '../memo.ts'
import type { MemberId } from '../ports.ts'
import { err, ok, type Result } from '../result.ts'
import { bytes, bytesMax, decode, encode, uint } from '../wire/codec.ts'
import type { RawEnvelope } from '../wire/envelope.ts'
import { ENTRY_BYTES_MAX, HEIGHT_MAX, VIEW_MAX } from '../wire/limits.ts'

const slot = { height: uint(HEIGHT_MAX), view: uint(VIEW_MAX) }
const ProposalSchema = z.strictObject({
  ...slot,
  /** The last view in which a quorum prevoted for the value; null for a new value. */
  validView: uint(VIEW_MAX).nullable(),
  value: bytesMax(ENTRY_BYTES_MAX),
})
/** `id`: hash of the value; null says nil. */
const VoteSchema = z.strictObject({ ...slot, id: bytes(32).nullable() })

export type VoteType = 'prevote' | 'precommit'

export interface Proposal {
  readonly type: 'proposal'
  readonly height: number
  readonly view: number
  readonly from: MemberId
  /** -1 for a new value, as in the paper. */
  readonly validView: number
  readonly value: Uint8Array
  readonly id: Uint8Array
  readonly raw: RawEnvelope
}

export interface Vote {
  readonly type: VoteType
  readonly height: number
  readonly view: number
  readonly from: MemberId
  readonly id: Uint8Array | null
  readonly raw: RawEnvelope
}

export type ConsensusMessage = Proposal | Vote

export function isConsensusType(type: string): type is ConsensusMessage['type'] {
  return type === 'proposal' || type === 'prevote' || type === 'precommit'
}

const parsedBefore = new Memo<RawEnvelope, ConsensusMessage>()

/** Structure only; `Consensus.receive` checks membership, turn and signature. */
export function parseConsensus(raw: RawEnvelope): Result<ConsensusMessage, Fault> {
  const before = parsedBefore.get(raw)
  if (before) return ok(before)
  const parsed = parse(raw)
  if (parsed.ok) parsedBefore.set(raw, parsed.value)
  return parsed
}

function parse(raw: RawEnvelope): Result<ConsensusMessage, Fault> {
  const { type, from } = raw
  if (type === 'proposal') {
    const body = decode(raw.body, ProposalSchema)
    if (!body.ok) return err(fault('malformed', `proposal: ${body.error}`))
    const { height, view, value } = body.value
    const validView = body.value.validView ?? -1
    if (validView >= view) return err(fault('malformed', 'proposal: validView is not a view before'))
    return ok({ type, from, height, view, validView, value, id: sha256(value), raw })
  }
  if (type === 'prevote' || type === 'precommit') {
    const body = decode(raw.body, VoteSchema)
    if (!body.ok) return err(fault('malformed', `${type}: ${body.error}`))
    return ok({ type, from, ...body.value, raw })
  }
  return err(fault('malformed', 'not a consensus message'))
}

export function proposalBody(height: number, view: number, validView: number, value: Uint8Array): Uint8Array {
  return encode({ height, view, validView: validView < 0 ? null : validView, value })
}

export function voteBody(height: number, view: number, id: Uint8Array | null): Uint8Array {
  return encode({ height, view, id })
}

/** What the signatures of a certificate sign, made anew from what it certifies. */
export function precommitBody(height: number, view: number, id: Uint8Array): Uint8Array {
  return voteBody(height, view, id)
}
