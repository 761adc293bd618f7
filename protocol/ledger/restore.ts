/**
 * How a suspended member comes back (SPEC A9): a quorum of the others signs that it may. A signature is of one suspension: it restores nobody
 * twice, and in no other study.
 */

import { z } from 'zod'
import type { Charter } from '../../config/charter.ts'
import { equalBytes } from '../bytes.ts'
import type { MemberId } from '../ports.ts'
import { bytes, decode, encode, memberId } from '../wire/codec.ts'
import { openEnvelope, sealEnvelope, verifyEnvelope } from '../wire/envelope.ts'
import { memberKeys } from './certificate.ts'

const TYPE = 'restore'
const BodySchema = z.strictObject({ member: memberId, suspension: bytes(32) })

/** Which suspension of whom: hash of its entry; and the study, by the hash of its charter. */
export interface Suspension {
  readonly member: MemberId
  readonly entry: Uint8Array
  readonly charterHash: Uint8Array
}

/** A member's word that another may come back. `seed`: of its identity key, 32 bytes. */
export function signRestoration(of: Suspension, from: MemberId, seed: Uint8Array): Uint8Array {
  const body = encode({ member: of.member, suspension: of.entry } satisfies z.infer<typeof BodySchema>)
  return sealEnvelope({ network: of.charterHash, type: TYPE, from, seed }, body)
}

/** Those members of the charter that have signed; of what is no such signature, none. */
export function restorers(
  charter: Charter,
  of: Suspension,
  signed: readonly Uint8Array[],
): ReadonlySet<MemberId> {
  const keys = memberKeys(charter)
  const found = new Set<MemberId>()
  for (const message of signed) {
    const raw = openEnvelope(message)
    const key = raw.ok ? keys.get(raw.value.from) : undefined
    if (!raw.ok || !key || raw.value.type !== TYPE || !verifyEnvelope(raw.value, of.charterHash, key))
      continue
    const body = decode(raw.value.body, BodySchema)
    const isThis = body.ok && body.value.member === of.member && equalBytes(body.value.suspension, of.entry)
    if (isThis) found.add(raw.value.from)
  }
  return found
}
