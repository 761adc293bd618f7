/**
 * CBOR of plain values in its one deterministic form (RFC 8949, section 4.2.1; numbers that are no safe integers are
 * float64, never shorter).
 */
import { decode, encode, encodeInto, rfc8949EncodeOptions } from 'cborg'
import { ascii, equalBytes } from '../bytes.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from './limits.ts'

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

/** Bytes from which on a value is encoded in memory of its size: cborg gathers pieces and copies them once more. */
const LARGE_BYTES = 1 << 14
/** Of such memory what may stay unused for as long as the encoding is kept. */
const SLACK_BYTES_MAX = 1 << 10

/**
 * The encoding of null, a boolean, a finite number, a string, a Uint8Array, an array or an object of these. Throws
 * TypeError on anything else, also on undefined.
 */
export function encodeCbor(value: unknown): Uint8Array {
  const bytesMax = roomFor(value)
  if (bytesMax >= LARGE_BYTES) {
    const room = new Uint8Array(bytesMax)
    const { written } = encodeInto(value, room, encodeOptions)
    return bytesMax - written > SLACK_BYTES_MAX ? room.slice(0, written) : room.subarray(0, written)
  }
  const encoded = encode(value, encodeOptions)
  // cborg hands out a Buffer, whose `slice` is no copy, and a short one in Node's shared pool: give away plain bytes of
  // our own.
  const { buffer, byteLength } = encoded
  return buffer.byteLength === byteLength ? new Uint8Array(buffer) : new Uint8Array(encoded)
}

/** More than the encoding takes: no head is longer than 9 bytes, no character than 3. */
function roomFor(value: unknown): number {
  if (value instanceof Uint8Array) return 9 + value.length
  if (typeof value === 'string') return 9 + 3 * value.length
  if (typeof value !== 'object' || value === null) return 9
  let room = 9
  for (const [key, part] of Object.entries(value)) room += 9 + 3 * key.length + roomFor(part)
  return room
}

/** A message out of which cborg takes long byte strings as they lie there; short ones, which are kept, do not keep the message. */
class Message extends Uint8Array {
  static get [Symbol.species](): Uint8ArrayConstructor {
    return Uint8Array
  }

  override slice(from: number, to: number): Uint8Array<ArrayBuffer> {
    const part = this.subarray(from, to) as Uint8Array<ArrayBuffer>
    return part.length < LARGE_BYTES ? part.slice() : part
  }
}

function messageOf({ buffer, byteOffset, length }: Uint8Array): Message {
  return new Message(buffer as ArrayBuffer, byteOffset, length)
}

/**
 * The value of exactly these bytes, in whose memory its long byte strings are. Throws Error, in words without bytes of theirs,
 * where they are not its encoding.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const isPlain = readStructure(bytes)
  let value: unknown
  try {
    value = decode(bytes.length < LARGE_BYTES ? bytes : messageOf(bytes), decodeOptions)
  } catch {
    throw new Error('not CBOR of the allowed types')
  }
  if (!isPlain && !equalBytes(encodedAnew(value, bytes.length), bytes)) throw new Error(NOT_DETERMINISTIC)
  return value
}

const NOT_DETERMINISTIC = 'CBOR is not in its deterministic form'

/** What was read is encoded again to be compared, and forgotten: one memory for all. */
let scratch = new Uint8Array(1 << 16)

/** The encoding in the scratch memory; no bytes where it is longer than `bytesMax`. */
function encodedAnew(value: unknown, bytesMax: number): Uint8Array {
  if (bytesMax > scratch.length) scratch = new Uint8Array(bytesMax)
  const room = scratch.subarray(0, bytesMax)
  try {
    return room.subarray(0, encodeInto(value, room, encodeOptions).written)
  } catch {
    return room.subarray(0, 0)
  }
}

/** An array or a map whose items are being walked over. */
interface Open {
  left: number
  readonly isMap: boolean
  /** Where the last key of a map begins and ends. */
  keyFrom: number
  keyEnd: number
}

/**
 * Walks the heads of all items without recursion, so that depth and number are bounded before cborg recurses, and throws
 * where they are not as the deterministic form has them: the shortest ones, and keys in order. False: there is something
 * (text beyond ASCII, a number that is no integer, a key that objects treat apart) of which only encoding it again tells.
 */
function readStructure(bytes: Uint8Array): boolean {
  const open: Open[] = [{ left: 1, isMap: false, keyFrom: 0, keyEnd: 0 }]
  let at = 0
  let items = 0
  let isPlain = true
  while (open.length > 0) {
    const level = open[open.length - 1]!
    if (level.left === 0) {
      open.pop()
      continue
    }
    level.left--
    if (++items > CBOR_ITEMS_MAX) throw new Error(`more than ${CBOR_ITEMS_MAX} CBOR items`)
    if (at >= bytes.length) throw new Error('CBOR ends too early')
    const begin = at
    const head = bytes[at++]!
    const major = head >> 5
    let argument = head & 31
    if (argument > 27) throw new Error('CBOR of indefinite length')
    const width = argument > 23 ? 1 << (argument - 24) : 0
    if (width > 0) {
      if (at + width > bytes.length) throw new Error('CBOR ends too early')
      argument = 0
      for (const end = at + width; at < end; at++) argument = argument * 256 + bytes[at]!
    }
    if (major === 6) throw new Error('CBOR tag')
    if (major === 7 || width === 8) isPlain &&= width === 0
    if (major !== 7 && width > 0 && argument < (width === 1 ? 24 : 2 ** (4 * width)))
      throw new Error(NOT_DETERMINISTIC)
    if (major === 2 || major === 3) {
      if (at + argument > bytes.length) throw new Error('CBOR ends too early')
      if (major === 3) isPlain &&= isAscii(bytes, at, at + argument)
      at += argument
    }
    // An odd number of items is left: this one was a key.
    if (level.isMap && level.left % 2 === 1) {
      if (major !== 3) throw new Error('a CBOR key that is no text')
      if (level.keyEnd > 0 && !comesBefore(bytes, level, begin, at)) throw new Error(NOT_DETERMINISTIC)
      isPlain &&= argument !== PROTO.length || !equalBytes(bytes.subarray(at - argument, at), PROTO)
      level.keyFrom = begin
      level.keyEnd = at
    }
    if (major === 4 || major === 5) {
      if (open.length > CBOR_DEPTH_MAX) throw new Error(`CBOR nested deeper than ${CBOR_DEPTH_MAX}`)
      open.push({ left: major === 4 ? argument : 2 * argument, isMap: major === 5, keyFrom: 0, keyEnd: 0 })
    }
  }
  if (at !== bytes.length) throw new Error('CBOR does not end with its item')
  return isPlain
}

const PROTO = ascii('__proto__')

function isAscii(bytes: Uint8Array, from: number, end: number): boolean {
  let all = 0
  for (let i = from; i < end; i++) all |= bytes[i]!
  return all < 0x80
}

/** Whether the last key comes before the one from `from` up to `end`, byte by byte. */
function comesBefore(bytes: Uint8Array, { keyFrom, keyEnd }: Open, from: number, end: number): boolean {
  for (let i = 0; keyFrom + i < keyEnd && from + i < end; i++) {
    const d = bytes[from + i]! - bytes[keyFrom + i]!
    if (d !== 0) return d > 0
  }
  return false
}
