/**
 * The safetensors format (huggingface/safetensors, README 'Format'): 8 bytes little-endian length of the header, the
 * header as JSON, the tensors' bytes. Written in the order of the reference library, so that equal tensors give
 * equal files; read with every offset checked, since a file comes from outside.
 */
import { MedmeshError } from '../../config/error.ts'

export interface Tensor {
  readonly shape: readonly number[]
  /** F32 or F64; as many elements as the shape says. */
  readonly data: Float32Array | Float64Array
}

export interface TensorFile {
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly metadata: Readonly<Record<string, string>>
}

/** The reference library's bound on a header. */
const HEADER_BYTES_MAX = 100_000_000
const ALIGNMENT = 8
const WIDTH = { F32: 4, F64: 8 } as const

interface Entry {
  readonly dtype: keyof typeof WIDTH
  readonly shape: readonly number[]
  readonly data_offsets: readonly [number, number]
}

/** Throws RangeError when a tensor's shape does not fit its data. */
export function encodeSafetensors({ tensors, metadata }: TensorFile): Uint8Array {
  // Widest elements first, so that all are aligned; then by name.
  const sorted = [...tensors].sort(
    ([a, x], [b, y]) => y.data.BYTES_PER_ELEMENT - x.data.BYTES_PER_ELEMENT || (a < b ? -1 : 1),
  )
  const entries: [string, Entry | Record<string, string>][] =
    Object.keys(metadata).length > 0 ? [['__metadata__', { ...metadata }]] : []
  let size = 0
  for (const [name, { shape, data }] of sorted) {
    if (count(shape) !== data.length) throw new RangeError(`tensor ${name}: the shape does not fit the data`)
    const dtype = data instanceof Float64Array ? 'F64' : 'F32'
    entries.push([name, { dtype, shape, data_offsets: [size, size + data.byteLength] }])
    size += data.byteLength
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)))
  const header = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT
  const out = new Uint8Array(8 + header + size).fill(0x20, 8, 8 + header)
  new DataView(out.buffer).setBigUint64(0, BigInt(header), true)
  out.set(json, 8)
  let at = 8 + header
  for (const [, { data }] of sorted) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return out
}

/** Throws MedmeshError SAFETENSORS_INVALID for whatever the format forbids, and for types other than F32 and F64. */
export function decodeSafetensors(bytes: Uint8Array): TensorFile {
  const { header, body } = split(bytes)
  const tensors = new Map<string, Tensor>()
  let metadata: Record<string, string> = {}
  const ranges: (readonly [number, number])[] = []
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isTexts(value)) throw invalid('__metadata__ is not a map of texts')
      metadata = value
    } else {
      const entry = entryOf(name, value, body.length)
      ranges.push(entry.data_offsets)
      tensors.set(name, tensorOf(entry, body))
    }
  }
  // Neither holes nor overlaps: a file has no room for anything but its tensors.
  let end = 0
  for (const [from, to] of ranges.sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (from !== end) throw invalid('the tensors do not follow each other')
    end = to
  }
  if (end !== body.length) throw invalid('there are bytes after the last tensor')
  return { tensors, metadata }
}

function split(bytes: Uint8Array): { header: Record<string, unknown>; body: Uint8Array } {
  if (bytes.length < 8) throw invalid('too short')
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true)
  if (length > BigInt(Math.min(HEADER_BYTES_MAX, bytes.length - 8)))
    throw invalid('the header is longer than the file')
  const end = 8 + Number(length)
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, end)))
  } catch {
    throw invalid('the header is not JSON')
  }
  if (!isObject(header)) throw invalid('the header is not an object')
  return { header, body: bytes.subarray(end) }
}

function entryOf(name: string, value: unknown, bodyBytes: number): Entry {
  const where = `tensor ${JSON.stringify(name.slice(0, 200))}`
  if (!isObject(value)) throw invalid(`${where} is not described`)
  const { dtype, shape, data_offsets: offsets } = value
  if (dtype !== 'F32' && dtype !== 'F64') throw invalid(`${where} is neither F32 nor F64`)
  if (!isCounts(shape)) throw invalid(`${where} has no shape`)
  if (!isCounts(offsets) || offsets.length !== 2) throw invalid(`${where} has no offsets`)
  const [from, to] = offsets as [number, number]
  if (to < from || to > bodyBytes) throw invalid(`${where} lies outside the file`)
  if (count(shape) * WIDTH[dtype] !== to - from) throw invalid(`${where}: the shape does not fit the bytes`)
  return { dtype, shape, data_offsets: [from, to] }
}

function tensorOf({ dtype, shape, data_offsets: [from, to] }: Entry, body: Uint8Array): Tensor {
  // A copy, since a tensor need not be aligned in the file.
  const { buffer } = body.slice(from, to)
  return { shape, data: dtype === 'F64' ? new Float64Array(buffer) : new Float32Array(buffer) }
}

function count(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isTexts(value: unknown): value is Record<string, string> {
  return isObject(value) && Object.values(value).every(v => typeof v === 'string')
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(v => Number.isSafeInteger(v) && v >= 0)
}

function invalid(what: string): MedmeshError {
  return new MedmeshError('SAFETENSORS_INVALID', `not a safetensors file: ${what}`, 'export the model again')
}
