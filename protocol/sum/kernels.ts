/**
 * The vector work of a secure sum as one pure function, so that the node does it in worker threads and the simulator
 * inline with the same bits. What is wrong here is our own fault (a peer's vectors are checked when they come in, by
 * `residuesFromBytes`): it throws, and the host reports the job as failed.
 */
import { sha256 } from '../crypto/hash.ts'
import { keyStream } from '../crypto/keystream.ts'
import { joined, longVector } from '../memory.ts'
import { applySum } from '../model/apply.ts'
import { contribution, type Part } from '../model/contribution.ts'
import { encodedBytesMax, encodeState, stateHash, wholeModel } from '../model/state.ts'
import type { Masked, Step, Stepped, Vector, VectorOutput, VectorWork } from '../ports.ts'
import { assert, ok, type Result } from '../result.ts'
import { isStored, lengthOf, nothingStored, type ReadStored } from '../stored.ts'
import { areResidues, residueBytes } from './field.ts'
import { elementsOf, vectorLength } from './layout.ts'
import { masksInto } from './mask.ts'
import { PIECE, type Pieces, piecesOf } from './pieces.ts'
import { quantiseInto } from './quantise.ts'
import { shardRange } from './shards.ts'
import { addWords, elements, words } from './simd.ts'
import { tagger } from './tag.ts'

type WorkOf<K extends VectorWork['kind']> = Extract<VectorWork, { kind: K }>
type OutputOf<K extends VectorOutput['kind']> = Extract<VectorOutput, { kind: K }>

/**
 * Does `work`; its inputs stay as they are, but for what belongs to the job. Same work, same output, on every machine.
 * `read` is asked for vectors that lie in the store, one at a time. Throws when lengths do not fit or an element is no
 * residue.
 */
export function runVectorWork(work: VectorWork, read: ReadStored = nothingStored): VectorOutput {
  switch (work.kind) {
    case 'mask':
      return maskInput(work)
    case 'check': {
      const { words } = work
      return { kind: 'check', words, hash: hashOf(words), areResidues: areResidues(words) }
    }
    case 'sum':
      return sumShards(work, read)
    case 'tag':
      return tagVectors(work, read)
    case 'apply':
      return applyWhole(work, read)
  }
}

/** y = quantised x + PRG(self) +- sum of PRG(pair), and the hash of each of its shards (little-endian bytes). */
function maskInput(work: WorkOf<'mask'>): OutputOf<'mask'> | OutputOf<'refused'> {
  const input = quantisedInput(work)
  if (!input.ok) return { kind: 'refused', reason: input.error }
  const { residues: masked, unsent } = input.value
  masksInto(masked, [{ key: work.selfKey, sign: 1 }, ...work.pairs])
  const shardHashes = Array.from({ length: work.shards }, (_, k) => {
    const [from, to] = shardRange(masked.length, work.shards, k)
    return hashOf(masked.subarray(from, to))
  })
  return { kind: 'mask', masked, shardHashes, unsent }
}

/** What a hospital masks: what it learned, in residues, and what of it is left. An error names what is wrong with it. */
export function quantisedInput(
  work: Pick<WorkOf<'mask'>, 'charter' | 'task' | 'sections' | 'learned' | 'roundingKey'> &
    Partial<Pick<WorkOf<'mask'>, 'publicSeed' | 'residual' | 'basis'>>,
): Result<{ readonly residues: Uint32Array; readonly unsent: Float32Array | undefined }, string> {
  const { charter, task, sections, learned } = work
  const parts = contribution(charter, task, sections, learned, work)
  if (!parts.ok) return parts
  const residues = quantiseParts(parts.value, work.roundingKey)
  return ok({ residues, unsent: parts.value.find(p => p.unsent)?.unsent })
}

/**
 * Each part at its section's scale and bound, one after the other. One rounding stream for all. In the memory of the first
 * part, where that has room for all of it.
 */
export function quantiseParts(parts: readonly Part[], roundingKey: Uint8Array): Uint32Array {
  const residues = memoryFor(parts)
  const stream = keyStream(roundingKey)
  let from = 0
  for (const { section, values, factor } of parts) {
    const to = from + elementsOf(section)
    quantiseInto(residues.subarray(from, to), values, factor, section, stream)
    from = to
  }
  return residues
}

function memoryFor(parts: readonly Part[]): Uint32Array {
  const length = vectorLength(parts.map(p => p.section))
  const { section, values } = parts[0]!
  const { buffer } = values
  // A value's residue has its place then, and what is behind it is not read any more.
  const fits = section.lanes === 1 && values.BYTES_PER_ELEMENT === 4 && values.byteOffset === 0
  const hasRoom = buffer.byteLength > values.byteLength && buffer.byteLength >= 4 * length
  return fits && buffer instanceof ArrayBuffer && hasRoom
    ? new Uint32Array(buffer, 0, length)
    : new Uint32Array(length)
}

function sumShards(work: WorkOf<'sum'>, read: ReadStored): OutputOf<'sum'> {
  const inputs = work.inputs.map(input => readable(input, read))
  const [first] = inputs
  assert(first !== undefined, 'a sum has inputs')
  for (const { length } of inputs) {
    if (length !== first.length) throw new RangeError(`vectors of ${first.length} and ${length} elements`)
  }
  const sum = longVector(first.length)
  for (const [from, part] of piecesOf(sum)) {
    elements.fill(0, 0, part.length)
    for (const input of inputs) {
      words.set(input.subarray(from, from + part.length))
      assert(addWords(part.length), 'inputs of a sum are residues')
    }
    part.set(elements.subarray(0, part.length))
    // While it is in the cache.
    if (work.masked) masksInto(part, work.masked.masks, work.masked.from + from)
  }
  return { kind: 'sum', sum, hash: hashOf(sum) }
}

function readable(vector: Vector, read: ReadStored): Pieces {
  if (!isStored(vector)) return vector
  const { record, from: start } = vector
  return {
    length: lengthOf(vector),
    subarray: (from, to) => read({ record, from: start + from, to: start + to }),
  }
}

function tagVectors(work: WorkOf<'tag'>, read: ReadStored): OutputOf<'tag'> {
  const tag = tagger(work.coin)
  const tags = work.items.map(({ vector, masked }) => {
    const pieces = readable(vector, read)
    return tag(masked ? unmasked(pieces, masked) : pieces)
  })
  return { kind: 'tag', tags }
}

/** `vector` without its masks: a piece at a time, in memory that the next one takes. */
function unmasked(vector: Pieces, { from: start, masks }: Masked): Pieces {
  const memory = new Uint32Array(Math.min(vector.length, PIECE))
  return {
    length: vector.length,
    subarray: (from, to) => {
      const piece = memory.subarray(0, to - from)
      piece.set(vector.subarray(from, to))
      masksInto(piece, masks, start + from)
      return piece
    },
  }
}

/** The whole sum, its hash, and its step. */
function applyWhole({ sums, memory, step }: WorkOf<'apply'>, read: ReadStored): OutputOf<'apply'> {
  for (const sum of sums) assert(areResidues(sum), 'a sum holds residues')
  const sum = joined(sums, memory)
  const hash = hashOf(sum)
  const stepped = step && applied(step, sum, memory && roomFor(step, memory), read)
  return { kind: 'apply', sum: stepped?.next?.model.buffer === sum.buffer ? undefined : sum, hash, stepped }
}

/** Memory in which the next model may lie: shared, as it is the sum's whose worker will not be the last to read it. */
function roomFor({ charter }: Step, { buffer }: Uint32Array): SharedArrayBuffer | undefined {
  const hasRoom = buffer.byteLength >= encodedBytesMax(charter)
  return buffer instanceof SharedArrayBuffer && hasRoom ? buffer : undefined
}

function applied(
  { charter, task, sections, model, publicSeed }: Step,
  sum: Uint32Array,
  memory: SharedArrayBuffer | undefined,
  read: ReadStored,
): Stepped {
  const host = { memory, read }
  const { state, metrics, samples } = applySum(charter, task, sections, sum, model, publicSeed, host)
  if (state === model) return { next: undefined, metrics, samples }
  const next = wholeModel(state, read)
  return { next: { model: encodeState(next), hash: stateHash(next) }, metrics, samples }
}

function hashOf(vector: Uint32Array): Uint8Array {
  return sha256(residueBytes(vector))
}
