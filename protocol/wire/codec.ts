/**
 * The one way in and out of bytes: CBOR in one deterministic form (RFC 8949, section 4.2.1), so that equal
 * values have equal bytes and a hash or a signature over bytes is one over the value. Integers are integers;
 * every other number is a float64 (we never shorten floats: one width needs no rule).
 */
import { decode as cborDecode, encode as cborEncode, rfc8949EncodeOptions } from 'cborg'
import { z } from 'zod'
import { equalBytes } from '../bytes.ts'
import type { MemberId } from '../ports.ts'
import { err, ok, type Result } from '../result.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, STREAM_MESSAGE_BYTES_MAX } from './limits.ts'

function refuse(type: string): () => never {
  return () => {
    throw new TypeError(`${type} has no place in a message`)
  }
}

// Types that cborg would write, and that would come back as something else.
const noEncoders = Object.fromEntries(
  ['undefined', 'bigint', 'Map', 'ArrayBuffer', 'DataView']
    .concat(['Uint8ClampedArray', 'Uint16Array', 'Uint32Array', 'Int8Array', 'Int16Array', 'Int32Array'])
    .concat(['BigUint64Array', 'BigInt64Array', 'Float32Array', 'Float64Array', 'Date'])
    .map(type => [type, refuse(type)]),
)
const finite = (value: number) => (Number.isFinite(value) ? null : refuse(String(value))())
const encodeOptions = {
  ...rfc8949EncodeOptions,
  float64: true,
  typeEncoders: { ...noEncoders, number: finite },
}
const decodeOptions = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  rejectDuplicateMapKeys: true,
}

/**
 * Deterministic CBOR of plain values: null, booleans, finite numbers, strings, Uint8Array, arrays, objects.
 * Throws on anything else (also `undefined`): our own bug, not a peer's fault.
 */
export function encode(value: unknown): Uint8Array {
  // cborg may hand out a Buffer in Node's shared pool, whose `slice` is no copy: give away plain bytes of our own.
  return new Uint8Array(cborEncode(value, encodeOptions))
}

/**
 * What was read from an array last. The same array is read again when what was kept for later is taken up, when it is
 * forwarded, and by each of the peers of a simulation; whoever hands bytes over does not change them afterwards.
 */
const readBefore = new WeakMap<Uint8Array, { readonly schema: z.ZodType; readonly value: unknown }>()

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
  const broken = brokenStructure(bytes)
  if (broken !== undefined) return err(broken)
  let value: unknown
  try {
    value = cborDecode(bytes, decodeOptions)
    if (!equalBytes(cborEncode(value, encodeOptions), bytes))
      return err('CBOR is not in its deterministic form')
  } catch {
    return err('not CBOR of the allowed types')
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) {
    readBefore.set(bytes, { schema, value: parsed.data })
    return ok(parsed.data)
  }
  const issue = parsed.error.issues[0]
  return err(`${issue?.path.join('.') || 'message'}: ${issue?.code ?? 'invalid'}`)
}

/** Walks the heads of all items without recursion, so that depth and number are bounded before cborg recurses. */
function brokenStructure(bytes: Uint8Array): string | undefined {
  const open = [1]
  let at = 0
  let items = 0
  while (open.length > 0) {
    const level = open.length - 1
    if (open[level] === 0) {
      open.pop()
      continue
    }
    open[level]!--
    if (++items > CBOR_ITEMS_MAX) return `more than ${CBOR_ITEMS_MAX} CBOR items`
    if (at >= bytes.length) return 'CBOR ends too early'
    const head = bytes[at++]!
    const major = head >> 5
    let argument = head & 31
    if (argument > 27) return 'CBOR of indefinite length'
    if (argument > 23) {
      const width = 1 << (argument - 24)
      if (at + width > bytes.length) return 'CBOR ends too early'
      argument = 0
      for (const end = at + width; at < end; at++) argument = argument * 256 + bytes[at]!
    }
    if (major === 6) return 'CBOR tag'
    if (major === 2 || major === 3) at += argument
    if (major === 4 || major === 5) {
      if (open.length > CBOR_DEPTH_MAX) return `CBOR nested deeper than ${CBOR_DEPTH_MAX}`
      open.push(major === 4 ? argument : 2 * argument)
    }
  }
  return at === bytes.length ? undefined : 'CBOR does not end with its item'
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
