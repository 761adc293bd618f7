/** Messages and records as checkers read them: each array once, however many hosts send, store and receive it. */
import { toHex } from '../../protocol/bytes.ts'
import {
  COMMITTEE_BODIES,
  type CommitteeBody,
  type CommitteeType,
} from '../../protocol/committees/messages.ts'
import { type ConsensusMessage, isConsensusType, parseConsensus } from '../../protocol/consensus/message.ts'
import { Lru } from '../../protocol/crypto/lru.ts'
import { type Certificate, decodeRecord } from '../../protocol/ledger/certificate.ts'
import { decodeEntry, type Entry, entryHash } from '../../protocol/ledger/entry.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { decode } from '../../protocol/wire/codec.ts'
import { openEnvelope, type RawEnvelope } from '../../protocol/wire/envelope.ts'
import { BODIES, type Body, type BodyType } from '../../protocol/wire/messages.ts'

/** A message of known form; `vote` for those of consensus (proposals too), `body` for all others. */
export interface Message {
  readonly type: string
  readonly author: MemberId
  readonly raw: RawEnvelope
  readonly body: unknown
  readonly vote: ConsensusMessage | undefined
}

const messages = new WeakMap<Uint8Array, Message | 'malformed'>()

/** Undefined: of no form that the protocol has. Whether its signature holds is not asked. */
export function readMessage(bytes: Uint8Array): Message | undefined {
  let known = messages.get(bytes)
  if (known === undefined) {
    known = parse(bytes) ?? 'malformed'
    messages.set(bytes, known)
  }
  return known === 'malformed' ? undefined : known
}

function parse(bytes: Uint8Array): Message | undefined {
  const raw = openEnvelope(bytes)
  if (!raw.ok) return undefined
  const { type, from: author } = raw.value
  if (isConsensusType(type)) {
    const vote = parseConsensus(raw.value)
    return vote.ok ? { type, author, raw: raw.value, body: undefined, vote: vote.value } : undefined
  }
  const schema = Object.hasOwn(BODIES, type)
    ? BODIES[type as BodyType]
    : Object.hasOwn(COMMITTEE_BODIES, type)
      ? COMMITTEE_BODIES[type as CommitteeType]
      : undefined
  if (!schema) return undefined
  const body = decode<unknown>(raw.value.body, schema)
  return body.ok ? { type, author, raw: raw.value, body: body.value, vote: undefined } : undefined
}

type BodyOf<T extends BodyType | CommitteeType> = T extends BodyType
  ? Body<T>
  : T extends CommitteeType
    ? CommitteeBody<T>
    : never

/** The body of a message, where it is of this type. */
export function bodyOf<T extends BodyType | CommitteeType>(message: Message, type: T): BodyOf<T> | undefined {
  return message.type === type ? (message.body as BodyOf<T>) : undefined
}

/** An entry with its certificate, as it lies on a disk. */
export interface Certified {
  readonly entry: Entry
  readonly hash: Uint8Array
  /** The hash in hex. */
  readonly name: string
  readonly certificate: Certificate
}

const records = new WeakMap<Uint8Array, Certified | 'unreadable'>()
/** Each host stores its own array of the same entry. */
const entries = new Lru<Entry>(64)

/** A ledger record; undefined: it cannot be read. */
export function readRecord(bytes: Uint8Array): Certified | undefined {
  let known = records.get(bytes)
  if (known === undefined) {
    known = parseRecord(bytes) ?? 'unreadable'
    records.set(bytes, known)
  }
  return known === 'unreadable' ? undefined : known
}

function parseRecord(bytes: Uint8Array): Certified | undefined {
  const record = decodeRecord(bytes)
  if (!record.ok) return undefined
  const { entry: entryBytes, certificate } = record.value
  const hash = entryHash(entryBytes)
  const name = toHex(hash)
  let entry = entries.get(name)
  if (entry === undefined) {
    const decoded = decodeEntry(entryBytes)
    if (!decoded.ok) return undefined
    entry = decoded.value
    entries.set(name, entry)
  }
  return { entry, hash, name, certificate }
}

/** Height that a key of the store names; undefined: no key of a ledger record. */
export function heightOfKey(key: string): number | undefined {
  return key.startsWith('ledger/') ? Number(key.slice('ledger/'.length)) : undefined
}
