/**
 * The one way in and out of bytes: CBOR in one deterministic form (RFC 8949, section 4.2.1), so that equal
 * values have equal bytes and a hash or a signature over bytes is one over the value. Integers are integers;
 * every other number is a float64 (we never shorten floats: one width needs no rule).
 */
import { z } from 'zod'
import { Memo } from '../memo.ts'
import type { MemberId } from '../ports.ts'
import { err, ok, type Result } from '../result.ts'
import { decodeCbor, encodeCbor } from './cbor.ts'
import { STREAM_MESSAGE_BYTES_MAX } from './limits.ts'

/**
 * Deterministic CBOR of plain values: null, booleans, finite numbers, strings, Uint8Array, arrays, objects.
 * Throws on anything else (also `undefined`): our own bug, not a peer's fault.
 */
export function encode(value: unknown): Uint8Array {
  return encodeCbor(value)
}

/**
 * What was read from an array last. The same array is read again when what was kept for later is taken up, when it is
 * forwarded, and by each of the peers of a simulation; whoever hands bytes over does not change them afterwards.
 */
const readBefore = new Memo<Uint8Array, { readonly schema: z.ZodType; readonly value: unknown }>()

/**
 * Reads one value of `schema` from hostile bytes. Refused: over `bytesMax`, not exactly one item, nested or
 * split beyond the bounds, tags, indefinite lengths, undefined, repeated keys, any form but the deterministic
 * one. Never throws. The error is in our own words, without bytes of the message.
 */
export function decode<T>(
  bytes: Uint8Array,
  schema: z.ZodType<T>,
  bytesMax: number = STREAM_MESSAGE_BYTES_MAX,
): Result<T, string> {
  if (bytes.length > bytesMax) return err(`${bytes.length} bytes, at most ${bytesMax} are allowed`)
  const before = readBefore.get(bytes)
  if (before?.schema === schema) return ok(before.value as T)
  const read = decodeAnew(bytes, schema)
  if (read.ok) readBefore.set(bytes, { schema, value: read.value })
  return read
}

/** As `decode`, without a bound and without remembering what was read. */
export function decodeAnew<T>(bytes: Uint8Array, schema: z.ZodType<T>): Result<T, string> {
  try {
    const parsed = schema.safeParse(decodeCbor(bytes))
    if (parsed.success) return ok(parsed.data)
    const issue = parsed.error.issues[0]
    return err(`${issue?.path.join('.') || 'message'}: ${issue?.code ?? 'invalid'}`)
  } catch (error) {
    return err(error instanceof Error ? error.message : 'not CBOR')
  }
}

/** Byte string of exactly `length` bytes. */
export function bytes(length: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>(v => v instanceof Uint8Array && v.length === length)
}

/** Byte string of at most `max` bytes. */
export function bytesMax(max: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>(v => v instanceof Uint8Array && v.length <= max)
}

/** Integer from 0 to `max`. */
export function uint(max: number = Number.MAX_SAFE_INTEGER) {
  return z.int().min(0).max(max)
}

/** At most `max` of `item`. Not zod's `readonly()`: it freezes whatever came, and throws where that is a byte string. */
export function list<S extends z.ZodType>(item: S, max: number): z.ZodType<readonly z.infer<S>[]> {
  return z.array(item).max(max)
}

/** A member's identifier, as the charter's schema has it. */
export const memberId: z.ZodType<MemberId> = z.string().regex(/^[a-z][a-z0-9-]{0,30}[a-z0-9]$/)
