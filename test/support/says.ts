/** Messages that a member of a test's consortium did not say, signed as if it had. */
import { decodeRecord } from '../../protocol/ledger/certificate.ts'
import { decodeEntry, type Entry } from '../../protocol/ledger/entry.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { encode } from '../../protocol/wire/codec.ts'
import { plainEnvelope, sealEnvelope } from '../../protocol/wire/envelope.ts'
import { type Body, type BodyType, GOSSIP_TYPES } from '../../protocol/wire/messages.ts'
import { readMessage } from '../../sim/checkers/read.ts'
import type { Consortium } from './consortium.ts'

export function says<T extends BodyType>(c: Consortium, from: MemberId, type: T, body: Body<T>): Uint8Array {
  if (!(GOSSIP_TYPES as readonly string[]).includes(type)) return plainEnvelope(type, from, encode(body))
  return signs(c, from, type, encode(body))
}

/** Any body as any type. */
export function signs(c: Consortium, from: MemberId, type: string, body: Uint8Array): Uint8Array {
  const { network, seed } = c.configs.get(from)!
  return sealEnvelope({ network, type, from, seed }, body)
}

/** The body of a message, where it is of this type and of this author's. */
export function said<T extends BodyType>(bytes: Uint8Array, from: MemberId, type: T): Body<T> | undefined {
  const message = readMessage(bytes)
  return message?.type === type && message.author === from ? (message.body as Body<T>) : undefined
}

/** The entry in a stored record. */
export function entryOf(record: Uint8Array): Entry {
  const decoded = decodeRecord(record)
  const entry = decoded.ok ? decodeEntry(decoded.value.entry) : decoded
  if (!entry.ok) throw new Error(entry.error)
  return entry.value
}

export function flipped(bytes: Uint8Array, at = 0): Uint8Array {
  return bytes.map((b, i) => (i === at ? b ^ 1 : b))
}
