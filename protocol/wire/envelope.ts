/**
 * Who says what in which study: the frame of every message. A signature binds the protocol version, the network
 * (hash of the first charter), the type, the sender and the body, so that no message can be replayed as another.
 */
import { z } from 'zod'
import { equalBytes } from '../bytes.ts'
import { sign, verify } from '../crypto/sign.ts'
import { type Fault, fault } from '../fault.ts'
import { Memo } from '../memo.ts'
import type { MemberId } from '../ports.ts'
import { err, ok, type Result } from '../result.ts'
import { bytesMax, decodeAnew, encode, memberId } from './codec.ts'
import { STREAM_MESSAGE_BYTES_MAX, TYPE_CHARS_MAX } from './limits.ts'

export const protocolVersion = 1
const domain = 'medmesh/1'

/** A message whose structure is right; whether the signature holds is another question. */
export interface RawEnvelope {
  readonly type: string
  readonly from: MemberId
  readonly body: Uint8Array
  /** Ed25519, 64 bytes; empty when the type is not signed (direct, over an authenticated stream). */
  readonly sig: Uint8Array
  /** The whole message as it came: what is forwarded, stored and shown as evidence. */
  readonly bytes: Uint8Array
}

const typeName = z.string().regex(new RegExp(`^[a-zA-Z][a-zA-Z0-9-]{0,${TYPE_CHARS_MAX - 1}}$`))
const signature = z.custom<Uint8Array>(v => v instanceof Uint8Array && (v.length === 64 || v.length === 0))
const EnvelopeSchema = z.tuple([
  z.literal(protocolVersion),
  typeName,
  memberId,
  bytesMax(STREAM_MESSAGE_BYTES_MAX),
  signature,
])

/** What is signed: a CBOR array, whose heads make all lengths unambiguous. `network`: 32 bytes. */
export function signingBytes(
  network: Uint8Array,
  type: string,
  from: MemberId,
  body: Uint8Array,
): Uint8Array {
  return encode([domain, network, type, from, body])
}

/** Whose name and key a message is sealed with. */
export interface Seal {
  readonly network: Uint8Array
  readonly type: string
  readonly from: MemberId
  /** Ed25519 seed, 32 bytes. */
  readonly seed: Uint8Array
}

/** The signed message; deterministic, so that the same words are the same bytes after a restart. */
export function sealEnvelope(seal: Seal, body: Uint8Array): Uint8Array {
  const sig = sign(seal.seed, signingBytes(seal.network, seal.type, seal.from, body))
  return encode([protocolVersion, seal.type, seal.from, body, sig])
}

/** An unsigned message, for types that go directly over an authenticated stream and bind nobody. */
export function plainEnvelope(type: string, from: MemberId, body: Uint8Array): Uint8Array {
  return encode([protocolVersion, type, from, body, new Uint8Array(0)])
}

/** What was opened before, by the message's bytes; as with `decode`, nobody changes them. */
const openedBefore = new Memo<Uint8Array, RawEnvelope>()

/** Structure only: neither the sender's membership nor the signature is checked. */
export function openEnvelope(message: Uint8Array): Result<RawEnvelope, Fault> {
  const before = openedBefore.get(message)
  if (before) return ok(before)
  if (message.length > STREAM_MESSAGE_BYTES_MAX) return err(fault('malformed', 'envelope: too long'))
  const opened = decodeAnew(message, EnvelopeSchema)
  if (!opened.ok) return err(fault('malformed', `envelope: ${opened.error}`))
  const [, type, from, body, sig] = opened.value
  const raw = { type, from, body, sig, bytes: message }
  openedBefore.set(message, raw)
  return ok(raw)
}

/**
 * Envelopes whose signature held, and under what. Sound, as an envelope does not change and only success is remembered; it
 * saves encoding and verifying again what comes by several ways, and for each of the peers of a simulation.
 */
const verifiedBefore = new Memo<RawEnvelope, { readonly network: Uint8Array; readonly key: Uint8Array }>()

/** Whether the signature is that of `publicKey` (32 bytes) in this network. An empty one never is. */
export function verifyEnvelope(raw: RawEnvelope, network: Uint8Array, publicKey: Uint8Array): boolean {
  if (raw.sig.length !== 64) return false
  const before = verifiedBefore.get(raw)
  if (before && equalBytes(before.network, network) && equalBytes(before.key, publicKey)) return true
  const holds = verify(publicKey, signingBytes(network, raw.type, raw.from, raw.body), raw.sig)
  if (holds) verifiedBefore.set(raw, { network, key: publicKey })
  return holds
}
