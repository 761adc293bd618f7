/** The one encoding of a global model, and the hash by which the ledger names it. */
import { type Charter, expandedFeatureCount, parameterCount } from '../../config/charter.ts'
import { hasher, sha256 } from '../crypto/hash.ts'
import { Memo } from '../memo.ts'
import { longMemory } from '../memory.ts'
import type { HeldModel, ModelState, Rest } from '../ports.ts'
import { assert, err, ok, type Result } from '../result.ts'
import { isStored, isWhole, lengthOf, nothingStored, type ReadStored, type StoreAccess } from '../stored.ts'
import { basisLength, factorSummed, factorsOf } from '../sum/factors.ts'
import { residuesIn } from '../sum/field.ts'
import { storedPieces, stretch, whole } from '../sum/pieces.ts'
import { readInitial } from './initialisers.ts'

/** 'mmod' and the format's version. */
const MAGIC = 0x6d6d6f64
const VERSION = 1
const HEADER = 16

/** Of states whose parameters lie in the memory of their encoding, and of those that were hashed. */
const encodings = new Memo<ModelState, Uint8Array>()
const hashes = new Memo<HeldModel, Uint8Array>()

/**
 * A state with room for `p` parameters in its encoding itself: a model is in memory once. Whoever makes it fills them in before
 * anybody else sees it.
 */
export function blankState(p: number, { mean, deviation, basis }: Rest): ModelState {
  const encoding = new Uint8Array(longMemory(encodedBytes(p, mean.length, basis?.length)))
  const parameters = new Float32Array(encoding.buffer, HEADER, p)
  const state = { parameters, mean, deviation, ...(basis && { basis }) }
  writeHeader(encoding, p, mean.length)
  writeRest(encoding.subarray(HEADER + 4 * p), state)
  encodings.set(state, encoding)
  return state
}

/** Takes the parameters of a model in their order into `draft`, which is of its encoding. */
export function draftedState(
  p: number,
  rest: Rest,
  draft: string,
  { write }: StoreAccess,
): { put(parameters: Float32Array): void; done(): HeldModel } {
  const hash = hasher()
  let at = 0
  const append = (bytes: Uint8Array) => {
    hash.update(bytes)
    write(draft, at, residuesIn(bytes, 0, bytes.length / 4))
    at += bytes.length / 4
  }
  const header = new Uint8Array(HEADER)
  writeHeader(header, p, rest.mean.length)
  append(header)
  return {
    put: parameters => append(bytesOf(parameters)),
    done: () => {
      assert(at === HEADER / 4 + p, 'all parameters of a model')
      const end = new Uint8Array(encodedBytes(0, rest.mean.length, rest.basis?.length) - HEADER)
      writeRest(end, rest)
      append(end)
      const state = storedModel(p, rest, draft)
      hashes.set(state, hash.digest())
      return state
    },
  }
}

/** Of the encoding of a model with `p` parameters, `d` features and a basis of `b` values. */
export function encodedBytes(p: number, d: number, b = 0): number {
  return HEADER + 4 * p + 16 * d + 4 * b
}

/** Of this model's encoding. */
export function encodedBytesOf({ parameters, mean, basis }: HeldModel): number {
  return encodedBytes(lengthOf(parameters), mean.length, basis?.length)
}

/** Little-endian: magic, version, P, d, then P float32 parameters, d float64 means, d float64 deviations, the basis in float32. */
export function encodeState(state: ModelState): Uint8Array {
  const known = encodings.get(state)
  if (known) return known
  // Where threads share it: it becomes the model that jobs are given, and none of them a copy.
  const out = new Uint8Array(longMemory(encodedBytesOf(state)))
  const { parameters } = state
  writeHeader(out, parameters.length, state.mean.length)
  out.set(bytesOf(parameters), HEADER)
  writeRest(out.subarray(HEADER + 4 * parameters.length), state)
  return out
}

function writeHeader(out: Uint8Array, p: number, d: number): void {
  const view = viewOf(out)
  view.setUint32(0, MAGIC, true)
  view.setUint32(4, VERSION, true)
  view.setUint32(8, p, true)
  view.setUint32(12, d, true)
}

/** What comes after the parameters. */
function writeRest(out: Uint8Array, { mean, deviation, basis }: Rest): void {
  const view = viewOf(out)
  const d = mean.length
  for (let j = 0; j < d; j++) {
    view.setFloat64(8 * j, mean[j]!, true)
    view.setFloat64(8 * (d + j), deviation[j]!, true)
  }
  if (basis) out.set(bytesOf(basis), 16 * d)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** From a peer's bytes; the sizes must be the charter's and every number finite. Errors say what, never a value. */
export function decodeState(bytes: Uint8Array, charter: Charter): Result<ModelState, string> {
  if (bytes.length < HEADER) return err('too short for a model')
  const view = viewOf(bytes)
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== VERSION)
    return err('not a model of this version')
  const p = view.getUint32(8, true)
  const d = view.getUint32(12, true)
  if (p !== parameterCount(charter)) return err(`${p} parameters instead of ${parameterCount(charter)}`)
  if (d !== 0 && d !== expandedFeatureCount(charter))
    return err(`${d} features instead of ${expandedFeatureCount(charter)}`)
  const bases = [0, 1, 2].map(round => basisLengthAfter(charter, round))
  if (!bases.some(b => bytes.length === encodedBytes(p, d, b))) return err('length does not fit the header')
  const { mean, deviation, basis } = restOf(bytes, p, d)
  if (!mean.every(Number.isFinite)) return err('a number is not finite')
  if (!deviation.every(x => Number.isFinite(x) && x > 0)) return err('a deviation is not positive')
  if (basis?.every(Number.isFinite) === false) return err('a number is not finite')
  const state = blankState(p, { mean, deviation, basis })
  bytesOf(state.parameters).set(bytes.subarray(HEADER, HEADER + 4 * p))
  if (!areFinite(state.parameters)) return err('a number is not finite')
  return ok(state)
}

/** The state of an encoding of our own, whose memory begins with it, and in that memory: what a worker hands back. */
export function stateIn(encoding: Uint8Array, hash: Uint8Array): ModelState {
  const view = new DataView(encoding.buffer)
  const p = view.getUint32(8, true)
  const rest = restOf(encoding, p, view.getUint32(12, true))
  const state = { parameters: new Float32Array(encoding.buffer, HEADER, p), ...rest }
  encodings.set(state, encoding)
  hashes.set(state, hash)
  return state
}

/** A model of `p` parameters whose encoding is `record`; in memory there is but the rest of it. */
export function storedModel(p: number, rest: Rest, record: string): HeldModel {
  const { mean, deviation, basis } = rest
  const from = HEADER / 4
  return { parameters: { record, from, to: from + p }, mean, deviation, ...(basis && { basis }) }
}

/** The whole of a model, in memory; itself where it is there already. */
export function wholeModel(model: HeldModel, read: ReadStored = nothingStored): ModelState {
  if (isWhole(model)) return model
  const { parameters, ...rest } = model
  const whole = blankState(lengthOf(parameters), rest)
  readParameters(model, whole.parameters, 0, read)
  return whole
}

/** A model's parameters from `from` on, as many as `out` takes. */
export function readParameters(
  { parameters }: HeldModel,
  out: Float32Array,
  from: number,
  read: ReadStored,
): void {
  if ('initial' in parameters) {
    readInitial(parameters.initial, out, from)
    return
  }
  if (!isStored(parameters)) {
    out.set(parameters.subarray(from, from + out.length))
    return
  }
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length)
  whole(stretch(storedPieces(parameters, read), from, from + words.length), words)
}

/** Values of the basis of a model after round `round` of the study. */
function basisLengthAfter(charter: Charter, round: number): number {
  const factors = factorsOf(charter)
  const trained = Math.min(round, charter.training.rounds)
  return factors && trained >= 1 ? basisLength(factors, factorSummed(trained)) : 0
}

/** Bytes of the encoding of a model after round `round` of the study, which has been normalised. */
export function encodedBytesAfter(charter: Charter, round: number): number {
  return encodedBytes(
    parameterCount(charter),
    expandedFeatureCount(charter),
    basisLengthAfter(charter, round),
  )
}

/** All but the parameters. */
function restOf(encoding: Uint8Array, p: number, d: number): Rest {
  const view = viewOf(encoding)
  const at = HEADER + 4 * p
  const read = (first: number) =>
    Float64Array.from({ length: d }, (_, j) => view.getFloat64(first + 8 * j, true))
  const b = (encoding.length - encodedBytes(p, d)) / 4
  const basis = Float32Array.from({ length: b }, (_, i) => view.getFloat32(at + 16 * d + 4 * i, true))
  return { mean: read(at), deviation: read(at + 8 * d), ...(b > 0 && { basis }) }
}

/** As they are in memory, on little-endian machines, which is all that tfjs runs on. */
function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

/** SHA-256 of the encoding; 32 bytes. Of one that is not in memory only who has just made it knows it. */
export function stateHash(state: HeldModel): Uint8Array {
  const known = hashes.get(state)
  if (known) return known
  assert(isWhole(state), 'the hash of a model that is here')
  const hash = sha256(encodeState(state))
  hashes.set(state, hash)
  return hash
}

function areFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i]!)) return false
  return true
}
