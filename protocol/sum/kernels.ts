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
import { encodeState, stateHash } from '../model/state.ts'
import type { Step, Stepped, Stored, Vector, VectorOutput, VectorWork } from '../ports.ts'
import { assert, ok, type Result } from '../result.ts'
import { addInto, areResidues, residueBytes } from './field.ts'
import { elementsOf, vectorLength } from './layout.ts'
import { type Mask, masksInto } from './mask.ts'
import { quantiseInto } from './quantise.ts'
import { shardRange } from './shards.ts'
import { tagger } from './tag.ts'

type WorkOf<K extends VectorWork['kind']> = Extract<VectorWork, { kind: K }>
type OutputOf<K extends VectorOutput['kind']> = Extract<VectorOutput, { kind: K }>

/** Gives the residues that a record holds; they are good until it is asked for the next. */
export type ReadStored = (vector: Stored) => Uint32Array

function nothingStored({ record }: Stored): never {
  throw new Error(`${record} is not stored here`)
}

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
    case 'unmask':
      return unmaskSum(work)
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
  work: Pick<WorkOf<'mask'>, 'charter' | 'task' | 'sections' | 'learned' | 'roundingKey' | 'residual'> & {
    readonly publicSeed?: Uint8Array
  },
): Result<{ readonly residues: Uint32Array; readonly unsent: Float32Array | undefined }, string> {
  const { charter, task, sections, learned, publicSeed, residual } = work
  const parts = contribution(charter, task, sections, learned, publicSeed, residual)
  if (!parts.ok) return parts
  const residues = quantiseParts(parts.value, work.roundingKey)
  return ok({ residues, unsent: parts.value.find(p => p.unsent)?.unsent })
}

/** Each part at its section's scale and bound, one after the other. One rounding stream for all. */
export function quantiseParts(parts: readonly Part[], roundingKey: Uint8Array): Uint32Array {
  const residues = longVector(vectorLength(parts.map(p => p.section)))
  const stream = keyStream(roundingKey)
  let from = 0
  for (const { section, values, factor } of parts) {
    const to = from + elementsOf(section)
    quantiseInto(residues.subarray(from, to), values, factor, section, stream)
    from = to
  }
  return residues
}

function sumShards(work: WorkOf<'sum'>, read: ReadStored): OutputOf<'sum'> {
  let sum: Uint32Array | undefined
  for (const input of work.inputs) {
    const words = wordsOf(input, read)
    assert(areResidues(words), 'inputs of a sum are residues')
    if (sum) addInto(sum, words)
    else sum = joined([words])
  }
  assert(sum !== undefined, 'a sum has inputs')
  return { kind: 'sum', sum, hash: hashOf(sum) }
}

function wordsOf(vector: Vector, read: ReadStored): Uint32Array {
  return vector instanceof Uint32Array ? vector : read(vector)
}

function tagVectors(work: WorkOf<'tag'>, read: ReadStored): OutputOf<'tag'> {
  const taggers = new Map<number, (vector: Uint32Array) => Uint32Array>()
  const tags = work.items.map(({ shard, vector }) => {
    const words = wordsOf(vector, read)
    assert(areResidues(words), 'a tagged vector holds residues')
    let tag = taggers.get(shard)
    if (tag === undefined) {
      tag = tagger(work.coin, shard)
      taggers.set(shard, tag)
    }
    return tag(words)
  })
  return { kind: 'tag', tags }
}

/** The survivors' sum without its masks: self masks subtracted, pairwise masks with dropouts taken back; and its step. */
function unmaskSum(work: WorkOf<'unmask'>): OutputOf<'unmask'> {
  for (const sum of work.sums) assert(areResidues(sum), 'a sum holds residues')
  const sum = joined(work.sums, work.memory)
  const masks: Mask[] = [
    ...work.selfKeys.map(key => ({ key, sign: -1 as const })),
    ...work.pairs.map(({ key, sign }) => ({ key, sign: sign === 1 ? (-1 as const) : (1 as const) })),
  ]
  masksInto(sum, masks)
  return { kind: 'unmask', sum, hash: hashOf(sum), stepped: work.apply && applied(work.apply, sum) }
}

function applied({ charter, task, sections, model, publicSeed }: Step, sum: Uint32Array): Stepped {
  const { state, metrics, samples } = applySum(charter, task, sections, sum, model, publicSeed)
  return { model: encodeState(state), modelHash: stateHash(state), metrics, samples }
}

function hashOf(vector: Uint32Array): Uint8Array {
  return sha256(residueBytes(vector))
}
