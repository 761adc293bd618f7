/**
 * CBOR of plain values in its one deterministic form (RFC 8949, section 4.2.1; numbers that are no safe integers are
 * float64, never shorter).
 */
import { decode, encode, encodeInto, rfc8949EncodeOptions } from 'cborg'
import { equalBytes } from '../bytes.ts'
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

/**
 * The encoding of null, a boolean, a finite number, a string, a Uint8Array, an array or an object of these. Throws
 * TypeError on anything else, also on undefined.
 */
export function encodeCbor(value: unknown): Uint8Array {
  const encoded = encode(value, encodeOptions)
  // cborg hands out a Buffer, whose `slice` is no copy, and a short one in Node's shared pool: give away plain bytes of
  // our own.
  const { buffer, byteLength } = encoded
  return buffer.byteLength === byteLength ? new Uint8Array(buffer) : new Uint8Array(encoded)
}

/** The value of exactly these bytes. Throws Error, in words without bytes of theirs, where they are not its encoding. */
export function decodeCbor(bytes: Uint8Array): unknown {
  boundStructure(bytes)
  let value: unknown
  try {
    value = decode(bytes, decodeOptions)
  } catch {
    throw new Error('not CBOR of the allowed types')
  }
  if (!equalBytes(encodedAnew(value, bytes.length), bytes))
    throw new Error('CBOR is not in its deterministic form')
  return value
}

/** What was read is encoded again to be compared, and forgotten: one memory for all, as a part of a vector is long. */
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

/** Walks the heads of all items without recursion, so that depth and number are bounded before cborg recurses. */
function boundStructure(bytes: Uint8Array): void {
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
    if (++items > CBOR_ITEMS_MAX) throw new Error(`more than ${CBOR_ITEMS_MAX} CBOR items`)
    if (at >= bytes.length) throw new Error('CBOR ends too early')
    const head = bytes[at++]!
    const major = head >> 5
    let argument = head & 31
    if (argument > 27) throw new Error('CBOR of indefinite length')
    if (argument > 23) {
      const width = 1 << (argument - 24)
      if (at + width > bytes.length) throw new Error('CBOR ends too early')
      argument = 0
      for (const end = at + width; at < end; at++) argument = argument * 256 + bytes[at]!
    }
    if (major === 6) throw new Error('CBOR tag')
    if (major === 2 || major === 3) at += argument
    if (major === 4 || major === 5) {
      if (open.length > CBOR_DEPTH_MAX) throw new Error(`CBOR nested deeper than ${CBOR_DEPTH_MAX}`)
      open.push(major === 4 ? argument : 2 * argument)
    }
  }
  if (at !== bytes.length) throw new Error('CBOR does not end with its item')
}
