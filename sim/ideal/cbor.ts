/**
 * The same CBOR as `protocol/wire/cbor.ts`, written for its one form alone: every value has one encoding, and whatever is not
 * the encoding of a value is refused where it is read, so that nothing has to be encoded again to compare. Half of what a
 * message costs in a simulation is spent here.
 */
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from '../../protocol/wire/limits.ts'

const UINT = 0
const NEGATIVE = 1
const BYTES = 2
const TEXT = 3
const ARRAY = 4
const MAP = 5
const SIMPLE = 7
const FALSE = 0xf4
const TRUE = 0xf5
const NULL = 0xf6
const FLOAT64 = 0xfb

/**
 * The encoding of null, a boolean, a finite number, a string, a Uint8Array, an array or an object of these, in memory of
 * its own and nowhere else: what is written may be secret. Throws TypeError on anything else, also on undefined.
 */
export function encodeCbor(value: unknown): Uint8Array {
  const out = new Uint8Array(sizeOf(value))
  write({ out, view: new DataView(out.buffer), at: 0 }, value)
  return out
}

interface Writer {
  readonly out: Uint8Array
  readonly view: DataView
  at: number
}

function sizeOf(value: unknown): number {
  if (typeof value === 'number')
    return Number.isSafeInteger(value) ? headSize(value < 0 ? -1 - value : value) : 9
  if (typeof value === 'string') return textSize(value)
  if (value === null || typeof value === 'boolean') return 1
  if (value instanceof Uint8Array) return headSize(value.length) + value.length
  if (Array.isArray(value)) {
    let size = headSize(value.length)
    for (const item of value) size += sizeOf(item)
    return size
  }
  if (!isPlain(value)) throw new TypeError(`${typeof value} has no place in a message`)
  const keys = Object.keys(value)
  let size = headSize(keys.length)
  for (const key of keys) size += textSize(key) + sizeOf(value[key])
  return size
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function headSize(argument: number): number {
  if (argument < 24) return 1
  if (argument < 0x100) return 2
  if (argument < 0x1_0000) return 3
  return argument < 0x1_0000_0000 ? 5 : 9
}

function textSize(text: string): number {
  const size = isAscii(text) ? text.length : utf8(text).length
  return headSize(size) + size
}

function write(w: Writer, value: unknown): void {
  if (typeof value === 'number') writeNumber(w, value)
  else if (typeof value === 'string') writeText(w, value)
  else if (value === null) w.out[w.at++] = NULL
  else if (typeof value === 'boolean') w.out[w.at++] = value ? TRUE : FALSE
  else if (value instanceof Uint8Array) writeBytes(w, BYTES, value)
  else if (Array.isArray(value)) {
    writeHead(w, ARRAY, value.length)
    for (const item of value) write(w, item)
  } else writeMap(w, value as Record<string, unknown>)
}

function writeHead(w: Writer, major: number, argument: number): void {
  const first = major << 5
  if (argument < 24) w.out[w.at++] = first | argument
  else if (argument < 0x100) {
    w.out[w.at++] = first | 24
    w.out[w.at++] = argument
  } else if (argument < 0x1_0000) {
    w.out[w.at++] = first | 25
    w.view.setUint16(w.at, argument)
    w.at += 2
  } else if (argument < 0x1_0000_0000) {
    w.out[w.at++] = first | 26
    w.view.setUint32(w.at, argument)
    w.at += 4
  } else {
    w.out[w.at++] = first | 27
    w.view.setUint32(w.at, Math.floor(argument / 0x1_0000_0000))
    w.view.setUint32(w.at + 4, argument % 0x1_0000_0000)
    w.at += 8
  }
}

function writeNumber(w: Writer, value: number): void {
  if (Number.isSafeInteger(value)) {
    // Also -0, which is 0.
    if (value < 0) writeHead(w, NEGATIVE, -1 - value)
    else writeHead(w, UINT, value + 0)
    return
  }
  if (!Number.isFinite(value)) throw new TypeError(`${value} has no place in a message`)
  w.out[w.at++] = FLOAT64
  w.view.setFloat64(w.at, value)
  w.at += 8
}

function writeBytes(w: Writer, major: number, bytes: Uint8Array): void {
  writeHead(w, major, bytes.length)
  w.out.set(bytes, w.at)
  w.at += bytes.length
}

function writeText(w: Writer, text: string): void {
  if (isAscii(text)) {
    writeHead(w, TEXT, text.length)
    for (let i = 0; i < text.length; i++) w.out[w.at++] = text.charCodeAt(i)
  } else writeBytes(w, TEXT, utf8(text))
}

function writeMap(w: Writer, value: Record<string, unknown>): void {
  const keys = inOrder(Object.keys(value))
  writeHead(w, MAP, keys.length)
  for (const key of keys) {
    writeText(w, key)
    write(w, value[key])
  }
}

/** Sorts a few keys in place, which mostly are in order. */
function inOrder(keys: string[]): string[] {
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!
    let at = i
    for (; at > 0 && beforeInMap(key, keys[at - 1]!) < 0; at--) keys[at] = keys[at - 1]!
    keys[at] = key
  }
  return keys
}

/** Bytewise by encoding, so shorter keys first. */
function beforeInMap(a: string, b: string): number {
  if (isAscii(a) && isAscii(b)) return a.length - b.length || (a < b ? -1 : 1)
  const x = utf8(a)
  const y = utf8(b)
  if (x.length !== y.length) return x.length - y.length
  const i = x.findIndex((byte, at) => byte !== y[at])
  return x[i]! - y[i]!
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false
  return true
}

/** Throws URIError on half of a surrogate pair, which has no encoding. */
function utf8(text: string): Uint8Array {
  const escaped = encodeURIComponent(text)
  const out: number[] = []
  for (let i = 0; i < escaped.length; i++) {
    const isEscape = escaped[i] === '%'
    out.push(isEscape ? Number.parseInt(escaped.slice(i + 1, i + 3), 16) : escaped.charCodeAt(i))
    if (isEscape) i += 2
  }
  return Uint8Array.from(out)
}

/**
 * The value of `bytes`, hostile ones too. Throws Error, in our own words, on everything that `encodeCbor` would not have
 * written: other types, tags, indefinite lengths, longer heads than needed, unordered or repeated keys, bytes after the
 * item; and beyond the bounds on depth and number of items. Long byte strings share the memory of
 * `bytes`, which nobody changes.
 */
export function decodeCbor(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const r: Reader = { bytes, view, at: 0, items: 0 }
  const value = read(r, 0)
  if (r.at !== bytes.length) throw new Error('CBOR does not end with its item')
  return value
}

interface Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  at: number
  items: number
}

function read(r: Reader, depth: number): unknown {
  if (++r.items > CBOR_ITEMS_MAX) throw new Error(`more than ${CBOR_ITEMS_MAX} CBOR items`)
  const first = take(r, 1)
  const head = r.bytes[first]!
  const major = head >> 5
  if (major === SIMPLE) return readSimple(r, head)
  const argument = readArgument(r, head & 31)
  switch (major) {
    case UINT:
      return argument
    case NEGATIVE:
      if (argument >= Number.MAX_SAFE_INTEGER) throw new Error('CBOR integer beyond 2^53')
      return -1 - argument
    case BYTES: {
      const from = take(r, argument)
      // What is small has its own memory in the heap; of what is not, half of a simulation's memory would be copies.
      return argument > 64 ? r.bytes.subarray(from, r.at) : r.bytes.slice(from, r.at)
    }
    case TEXT:
      return readText(r, argument)
    case ARRAY:
      return readArray(r, argument, depth)
    case MAP:
      return readMap(r, argument, depth)
    default:
      throw new Error('CBOR tag')
  }
}

/** Where the next `count` bytes are, which are passed over. */
function take(r: Reader, count: number): number {
  const from = r.at
  if (count > r.bytes.length - from) throw new Error('CBOR ends too early')
  r.at = from + count
  return from
}

function readArgument(r: Reader, short: number): number {
  if (short < 24) return short
  if (short > 27) throw new Error('CBOR of indefinite length')
  const from = take(r, 1 << (short - 24))
  const argument =
    short === 24
      ? r.bytes[from]!
      : short === 25
        ? r.view.getUint16(from)
        : short === 26
          ? r.view.getUint32(from)
          : r.view.getUint32(from) * 0x1_0000_0000 + r.view.getUint32(from + 4)
  if (argument > Number.MAX_SAFE_INTEGER) throw new Error('CBOR integer beyond 2^53')
  if (headSize(argument) !== 1 + (1 << (short - 24))) throw new Error('CBOR is not in its deterministic form')
  return argument
}

function readSimple(r: Reader, head: number): unknown {
  switch (head) {
    case FALSE:
      return false
    case TRUE:
      return true
    case NULL:
      return null
    case FLOAT64: {
      const value = r.view.getFloat64(take(r, 8))
      if (!Number.isFinite(value)) throw new Error('CBOR number that is not finite')
      if (Number.isSafeInteger(value)) throw new Error('CBOR is not in its deterministic form')
      return value
    }
    default:
      throw new Error('not CBOR of the allowed types')
  }
}

function readText(r: Reader, length: number): string {
  const from = take(r, length)
  let text = ''
  for (let i = from; i < r.at; i++) {
    const byte = r.bytes[i]!
    if (byte > 127) return otherText(r.bytes.subarray(from, r.at))
    text += String.fromCharCode(byte)
  }
  return text
}

/** Throws URIError on what is not UTF-8; a byte order mark is no text either. */
function otherText(bytes: Uint8Array): string {
  let escaped = ''
  for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, '0')}`
  const text = decodeURIComponent(escaped)
  if (text.charCodeAt(0) === 0xfeff) throw new Error('CBOR text with a byte order mark')
  return text
}

function readArray(r: Reader, length: number, depth: number): unknown[] {
  enter(depth)
  const out: unknown[] = []
  for (let i = 0; i < length; i++) out.push(read(r, depth + 1))
  return out
}

function readMap(r: Reader, length: number, depth: number): Record<string, unknown> {
  enter(depth)
  const out: Record<string, unknown> = {}
  let before = r.at
  for (let i = 0; i < length; i++) {
    const from = r.at
    const key = read(r, depth + 1)
    if (typeof key !== 'string') throw new Error('CBOR key that is no text')
    if (i > 0 && !isAscending(r.bytes, before, from, r.at))
      throw new Error('CBOR keys are not in their order')
    before = from
    const value = read(r, depth + 1)
    // Assigned, this one would become the object's prototype.
    if (key === '__proto__') Object.defineProperty(out, key, { value, enumerable: true, writable: true })
    else out[key] = value
  }
  return out
}

function enter(depth: number): void {
  if (depth >= CBOR_DEPTH_MAX) throw new Error(`CBOR nested deeper than ${CBOR_DEPTH_MAX}`)
}

/** Whether the encoded key at `a` comes before the one in `b` .. `end`. A head says the length, so neither is a prefix. */
function isAscending(bytes: Uint8Array, a: number, b: number, end: number): boolean {
  for (let i = b; i < end; i++) {
    const difference = bytes[i]! - bytes[a + i - b]!
    if (difference !== 0) return difference > 0
  }
  return false
}
