/** What a hospital's noised sums have cost: durable before its part of one leaves, and never forgotten while the study goes (SPEC P). */
import { z } from 'zod'
import { decodeAnew, encode, uint } from '../wire/codec.ts'
import { NO_RELEASES, type Releases } from './policy.ts'

export const CHARGES_RECORD = 'privacy/charges'

const ChargesRecord = z.strictObject({ statistics: uint(), train: uint(), evaluate: uint() })

export function encodeCharges(releases: Releases): Uint8Array {
  return encode(releases)
}

/** Nothing where there is no record. Throws where it cannot be read: who does not know what it has spent must not spend. */
export function decodeCharges(record: Uint8Array | undefined): Releases {
  if (record === undefined) return NO_RELEASES
  const read = decodeAnew(record, ChargesRecord)
  if (!read.ok) throw new Error(`the record ${CHARGES_RECORD} is damaged (${read.error})`)
  return read.value
}
