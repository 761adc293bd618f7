/**
 * Why an entry holds: the signed precommits of a quorum. Anybody with the charter can check one, offline; two
 * quorums meet in an honest member, so there is never one for a second entry of the same height.
 */
import { z } from 'zod'
import type { Charter } from '../../config/charter.ts'
import { fromHex, toHex } from '../bytes.ts'
import { precommitBody } from '../consensus/message.ts'
import { verify } from '../crypto/sign.ts'
import { Memo } from '../memo.ts'
import type { MemberId } from '../ports.ts'
import { err, ok, type Result } from '../result.ts'
import { bytes, bytesMax, decode, encode, list, memberId, uint } from '../wire/codec.ts'
import { signingBytes } from '../wire/envelope.ts'
import { ENTRY_BYTES_MAX, MEMBERS_MAX, VIEW_MAX } from '../wire/limits.ts'
import type { LedgerState } from './state.ts'

export const CertificateSchema = z.strictObject({
  /** The view of the height in which it was decided. */
  view: uint(VIEW_MAX),
  votes: list(z.strictObject({ member: memberId, sig: bytes(64) }), MEMBERS_MAX),
})
export type Certificate = z.infer<typeof CertificateSchema>

/** A certified entry as it is stored and handed on. */
export const RecordSchema = z.strictObject({
  entry: bytesMax(ENTRY_BYTES_MAX),
  certificate: CertificateSchema,
})
export type LedgerRecord = z.infer<typeof RecordSchema>

/** Who decides at a height. */
export interface Authority {
  /** Hash of the study's first charter, 32 bytes. */
  readonly network: Uint8Array
  readonly voters: readonly MemberId[]
  readonly quorum: number
  /** Ed25519, 32 bytes. */
  publicKeyOf(member: MemberId): Uint8Array
}

const keysOf = new Memo<Charter, ReadonlyMap<MemberId, Uint8Array>>()

/** The public keys of a charter's members, made once for each charter. */
export function memberKeys(charter: Charter): ReadonlyMap<MemberId, Uint8Array> {
  const known = keysOf.get(charter)
  if (known) return known
  const keys = new Map(charter.members.map(m => [m.id, fromHex(m.publicKey)]))
  keysOf.set(charter, keys)
  return keys
}

/** Who decides the entry that follows `state`. */
export function authorityOf(state: LedgerState, network: Uint8Array): Authority {
  const keys = memberKeys(state.charter)
  return { network, voters: state.voters, quorum: state.quorum, publicKeyOf: member => keys.get(member)! }
}

/** Checks that a quorum of `authority` precommitted to the entry; the error names what is wrong, and with whom. */
export function verifyCertificate(
  authority: Authority,
  entry: { readonly height: number; readonly hash: Uint8Array },
  certificate: Certificate,
): Result<undefined, string> {
  const seen = new Set<MemberId>()
  const body = precommitBody(entry.height, certificate.view, entry.hash)
  for (const { member } of certificate.votes) {
    if (!authority.voters.includes(member)) return err(`${member} has no vote`)
    if (seen.has(member)) return err(`${member} is counted twice`)
    seen.add(member)
  }
  if (seen.size < authority.quorum) return err(`${seen.size} votes of ${authority.quorum} that are needed`)
  for (const { member, sig } of certificate.votes) {
    const signed = signingBytes(authority.network, 'precommit', member, body)
    if (!verify(authority.publicKeyOf(member), signed, sig)) {
      return err(`${member} did not sign this entry (${toHex(entry.hash).slice(0, 16)})`)
    }
  }
  return ok(undefined)
}

/** Key of a height's record in the store; sorts by height. */
export function recordKey(height: number): string {
  return `ledger/${String(height).padStart(12, '0')}`
}

export function encodeRecord(record: LedgerRecord): Uint8Array {
  return encode(record)
}

export function decodeRecord(record: Uint8Array): Result<LedgerRecord, string> {
  return decode(record, RecordSchema)
}
