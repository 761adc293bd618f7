/** The one encoding of a global model, and the hash by which the ledger names it. */
import { type Charter, expandedFeatureCount, parameterCount } from '../../config/charter.ts'
import { sha256 } from '../crypto/hash.ts'
import { Memo } from '../memo.ts'
import { longMemory } from '../memory.ts'
import type { ModelState } from '../ports.ts'
import { err, ok, type Result } from '../result.ts'

/** 'mmod' and the format's version. */
const MAGIC = 0x6d6d6f64
const VERSION = 1
const HEADER = 16

/** Of states whose parameters lie in the memory of their encoding, and of those that were hashed. */
const encodings = new Memo<ModelState, Uint8Array>()
const hashes = new Memo<ModelState, Uint8Array>()

/**
 * A state with room for `p` parameters in its encoding itself: a large model is in memory once. Whoever makes it fills
 * them in before anybody else sees it. `memory` is where the encoding then lies, from its beginning on.
 */
export function blankState(
  p: number,
  mean: Float64Array,
  deviation: Float64Array,
  memory: ArrayBufferLike = longMemory(encodedBytes(p, mean.length)),
): ModelState {
  const encoding = new Uint8Array(memory, 0, encodedBytes(p, mean.length))
  const parameters = new Float32Array(encoding.buffer, HEADER, p)
  const state = { parameters, mean, deviation }
  writeRest(encoding, state)
  encodings.set(state, encoding)
  return state
}

/** Of the encoding of a model with `p` parameters and `d` features. */
export function encodedBytes(p: number, d: number): number {
  return HEADER + 4 * p + 16 * d
}

/** Little-endian: magic, version, P, d, then P float32 parameters, d float64 means, d float64 deviations. */
export function encodeState(state: ModelState): Uint8Array {
  const known = encodings.get(state)
  if (known) return known
  // Where threads share it: it becomes the model that jobs are given, and none of them a copy.
  const out = new Uint8Array(longMemory(encodedBytes(state.parameters.length, state.mean.length)))
  out.set(bytesOf(state.parameters), HEADER)
  writeRest(out, state)
  return out
}

/** All but the parameters. */
function writeRest(out: Uint8Array, state: ModelState): void {
  const p = state.parameters.length
  const d = state.mean.length
  const view = new DataView(out.buffer)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, VERSION, true)
  view.setUint32(8, p, true)
  view.setUint32(12, d, true)
  const means = HEADER + 4 * p
  for (let j = 0; j < d; j++) {
    view.setFloat64(means + 8 * j, state.mean[j]!, true)
    view.setFloat64(means + 8 * (d + j), state.deviation[j]!, true)
  }
}

/** From a peer's bytes; the sizes must be the charter's and every number finite. Errors say what, never a value. */
export function decodeState(bytes: Uint8Array, charter: Charter): Result<ModelState, string> {
  if (bytes.length < HEADER) return err('too short for a model')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== VERSION)
    return err('not a model of this version')
  const p = view.getUint32(8, true)
  const d = view.getUint32(12, true)
  if (p !== parameterCount(charter)) return err(`${p} parameters instead of ${parameterCount(charter)}`)
  if (d !== 0 && d !== expandedFeatureCount(charter))
    return err(`${d} features instead of ${expandedFeatureCount(charter)}`)
  if (bytes.length !== encodedBytes(p, d)) return err('length does not fit the header')
  const [mean, deviation] = restOf(view, p, d)
  if (!mean.every(Number.isFinite)) return err('a number is not finite')
  if (!deviation.every(x => Number.isFinite(x) && x > 0)) return err('a deviation is not positive')
  const state = blankState(p, mean, deviation)
  bytesOf(state.parameters).set(bytes.subarray(HEADER, HEADER + 4 * p))
  if (!areFinite(state.parameters)) return err('a number is not finite')
  return ok(state)
}

/** The state of an encoding of our own, whose memory begins with it, and in that memory: what a worker hands back. */
export function stateIn(encoding: Uint8Array, hash: Uint8Array): ModelState {
  const view = new DataView(encoding.buffer)
  const p = view.getUint32(8, true)
  const [mean, deviation] = restOf(view, p, view.getUint32(12, true))
  const state = { parameters: new Float32Array(encoding.buffer, HEADER, p), mean, deviation }
  encodings.set(state, encoding)
  hashes.set(state, hash)
  return state
}

/** Means and deviations. */
function restOf(view: DataView, p: number, d: number): [mean: Float64Array, deviation: Float64Array] {
  const at = HEADER + 4 * p
  const read = (first: number) =>
    Float64Array.from({ length: d }, (_, j) => view.getFloat64(first + 8 * j, true))
  return [read(at), read(at + 8 * d)]
}

/** As they are in memory, on little-endian machines, which is all that tfjs runs on. */
function bytesOf(parameters: Float32Array): Uint8Array {
  return new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength)
}

/** SHA-256 of the encoding; 32 bytes. */
export function stateHash(state: ModelState): Uint8Array {
  const known = hashes.get(state)
  if (known) return known
  const hash = sha256(encodeState(state))
  hashes.set(state, hash)
  return hash
}

function areFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i]!)) return false
  return true
}
