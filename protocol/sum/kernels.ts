/**
 * The vector work of a secure sum as one pure function, so that the node does it in worker threads and the simulator
 * inline with the same bits. What is wrong here is our own fault (a peer's vectors are checked when they come in, by
 * `residuesFromBytes`): it throws, and the host reports the job as failed.
 */
import { ascii } from '../bytes.ts'
import { auditGroups, countedSum, isBeyond, progressOf } from '../contribution/audit.ts'
import { hasher } from '../crypto/hash.ts'
import { hkdf } from '../crypto/kdf.ts'
import { keyStream } from '../crypto/keystream.ts'
import { longVector } from '../memory.ts'
import { applySum } from '../model/apply.ts'
import { contribution, type Part } from '../model/contribution.ts'
import { inDraft, inMemory, remade } from '../model/next.ts'
import { encodeState, stateHash } from '../model/state.ts'
import type { HeldModel, Masked, NoiseKey, Section, Vector, VectorOutput, VectorWork } from '../ports.ts'
import { assert, ok, type Result } from '../result.ts'
import { isStored, isWhole, NO_STORE, type ReadStored, type StoreAccess } from '../stored.ts'
import { areResidues, residueBytes } from './field.ts'
import { vectorLength } from './layout.ts'
import { masker } from './mask.ts'
import { noiser } from './noised.ts'
import { joined, PIECE, type Pieces, piecesOf, storedPieces, whole } from './pieces.ts'
import { quantiseInto } from './quantise.ts'
import { shardRange } from './shards.ts'
import { addWords, elements, words } from './simd.ts'
import { tagger } from './tag.ts'

type WorkOf<K extends VectorWork['kind']> = Extract<VectorWork, { kind: K }>
type OutputOf<K extends VectorOutput['kind']> = Extract<VectorOutput, { kind: K }>

/**
 * Does `work`, of long vectors a piece at a time; its inputs stay as they are. Same work, same output, on every machine. Throws when
 * lengths do not fit or an element is no residue.
 */
export function runVectorWork(work: VectorWork, store: StoreAccess = NO_STORE): VectorOutput {
  switch (work.kind) {
    case 'mask':
      return maskInput(work, store)
    case 'check':
      return checkWords(work, store)
    case 'sum':
      return sumVectors(work, store)
    case 'tag':
      return tagVectors(work, store)
    case 'apply':
      return applyWhole(work, store)
  }
}

/** y = quantised x, with noise if there is any, + PRG(self) +- sum of PRG(pair), and the hash of each of its shards (little-endian bytes). */
function maskInput(work: WorkOf<'mask'>, store: StoreAccess): OutputOf<'mask'> | OutputOf<'refused'> {
  const parts = partsOf(work, store)
  if (!parts.ok) return { kind: 'refused', reason: parts.error }
  const length = vectorLength(work.sections)
  const sink = sinkFor(length, work.into, store)
  const hashes = shardHashes(length, work.shards)
  const mask = masker([{ key: work.selfKey, sign: 1 }, ...work.pairs])
  for (const piece of quantised(parts.value, work.roundingKey, work.noiseKeys)) {
    mask(piece)
    hashes.update(piece)
    sink.put(piece)
  }
  const unsent = parts.value.find(p => p.unsent)?.unsent
  return { kind: 'mask', masked: sink.memory, shardHashes: hashes.all(), unsent }
}

type Masking = Pick<WorkOf<'mask'>, 'charter' | 'task' | 'sections' | 'learned' | 'roundingKey'> &
  Partial<Pick<WorkOf<'mask'>, 'publicSeed' | 'residual' | 'basis' | 'noiseKeys'>>

function partsOf(work: Masking, { read }: StoreAccess): Result<readonly Part[], string> {
  const { charter, task, sections, learned } = work
  return contribution(charter, task, sections, learned, work, read)
}

/** What a hospital masks: what it learned, in residues, and what of it is left. An error names what is wrong with it. */
export function quantisedInput(
  work: Masking,
): Result<{ readonly residues: Uint32Array; readonly unsent: Float32Array | undefined }, string> {
  const parts = partsOf(work, NO_STORE)
  if (!parts.ok) return parts
  const residues = quantiseParts(parts.value, work.roundingKey, work.noiseKeys)
  return ok({ residues, unsent: parts.value.find(p => p.unsent)?.unsent })
}

/** Each part at its section's scale and bound, and with its noise, one after the other. One rounding stream for all. */
export function quantiseParts(
  parts: readonly Part[],
  roundingKey: Uint8Array,
  noiseKeys?: readonly NoiseKey[],
): Uint32Array {
  const residues = new Uint32Array(vectorLength(parts.map(p => p.section)))
  let at = 0
  for (const piece of quantised(parts, roundingKey, noiseKeys)) {
    residues.set(piece, at)
    at += piece.length
  }
  return residues
}

/** The same piece by piece, each in memory that the next one takes. */
function* quantised(
  parts: readonly Part[],
  roundingKey: Uint8Array,
  noiseKeys: readonly NoiseKey[] = [],
): Generator<Uint32Array> {
  const sections = parts.map(p => p.section)
  const keys = ownNoise(roundingKey, noiseKeys)
  assert(hasAllLevels(sections, keys), 'each level of noise has a key')
  const addNoise = noiser({ sections, keys }, 1)
  const stream = keyStream(roundingKey)
  const memory = new Uint32Array(PIECE)
  for (const { section, values, factor } of parts) {
    // Whole elements, however many lanes they have.
    const step = PIECE - (PIECE % section.lanes)
    for (let from = 0; from < values.length; from += step) {
      const some = values.subarray(from, Math.min(values.length, from + step))
      const piece = memory.subarray(0, Math.ceil(some.length / section.lanes))
      quantiseInto(piece, some, factor, section, stream)
      addNoise(piece)
      yield piece
    }
  }
}

const NOISE = ascii('medmesh noise')

/** All keys of a hospital's own noise. */
function ownNoise(roundingKey: Uint8Array, above: readonly NoiseKey[]): readonly NoiseKey[] {
  return [{ level: 0, key: hkdf(roundingKey, NOISE, 32) }, ...above]
}

/** Whether there is a key for each level of noise in these sections. */
function hasAllLevels(sections: readonly Section[], keys: readonly NoiseKey[]): boolean {
  return sections.every(
    ({ noise }) =>
      noise?.levels.every((variance, level) => variance === 0 || keys.some(k => k.level === level)) !== false,
  )
}

/** Where a job puts a long vector, one piece after the other: memory of its own, or a draft. */
function sinkFor(
  length: number,
  into: string | undefined,
  { write }: StoreAccess,
): { readonly memory: Uint32Array | undefined; put(piece: Uint32Array): void } {
  const memory = into === undefined ? longVector(length) : undefined
  // Also where there are no elements.
  if (into !== undefined) write(into, 0, new Uint32Array(0))
  let at = 0
  return {
    memory,
    put: piece => {
      if (memory) memory.set(piece, at)
      else write(into!, at, piece)
      at += piece.length
    },
  }
}

/** The hash of each shard of a vector that comes piece by piece. */
function shardHashes(
  length: number,
  shards: number,
): { update(piece: Uint32Array): void; all(): Uint8Array[] } {
  const ends = Array.from({ length: shards }, (_, k) => shardRange(length, shards, k)[1])
  const hashers = ends.map(() => hasher())
  let at = 0
  let k = 0
  return {
    update: piece => {
      for (let from = 0; from < piece.length; ) {
        while (at >= ends[k]!) k++
        const to = Math.min(piece.length, from + ends[k]! - at)
        hashers[k]!.update(residueBytes(piece.subarray(from, to)))
        at += to - from
        from = to
      }
    },
    all: () => hashers.map(h => h.digest()),
  }
}

function checkWords({ words }: WorkOf<'check'>, { read }: StoreAccess): OutputOf<'check'> {
  const hash = hasher()
  let residues = true
  for (const [, piece] of piecesOf(readable(words, read))) {
    hash.update(residueBytes(piece))
    residues &&= areResidues(piece)
  }
  return {
    kind: 'check',
    words: isStored(words) ? undefined : words,
    hash: hash.digest(),
    areResidues: residues,
  }
}

function sumVectors(work: WorkOf<'sum'>, store: StoreAccess): OutputOf<'sum'> {
  const inputs = work.inputs.map(input => readable(input, store.read))
  const [first] = inputs
  assert(first !== undefined, 'a sum has inputs')
  for (const { length } of inputs) {
    if (length !== first.length) throw new RangeError(`vectors of ${first.length} and ${length} elements`)
  }
  const sink = sinkFor(first.length, work.into, store)
  const hash = hasher()
  const unmask = work.masked && unmasker(work.masked)
  const sum = new Uint32Array(Math.min(first.length, PIECE))
  for (let from = 0; from < first.length; from += PIECE) {
    const part = sum.subarray(0, Math.min(PIECE, first.length - from))
    elements.fill(0, 0, part.length)
    for (const input of inputs) {
      words.set(input.subarray(from, from + part.length))
      assert(addWords(part.length), 'inputs of a sum are residues')
    }
    part.set(elements.subarray(0, part.length))
    unmask?.(part)
    hash.update(residueBytes(part))
    sink.put(part)
  }
  return { kind: 'sum', sum: sink.memory, hash: hash.digest() }
}

function readable(vector: Vector, read: ReadStored): Pieces {
  return isStored(vector) ? storedPieces(vector, read) : vector
}

function tagVectors(work: WorkOf<'tag'>, { read }: StoreAccess): OutputOf<'tag'> {
  const tag = tagger(work.coin)
  const tags = work.items.map(({ vector, masked }) => {
    const pieces = readable(vector, read)
    return tag(masked ? unmasked(pieces, masked) : pieces)
  })
  return { kind: 'tag', tags }
}

/** Takes off masks, and noise that is too much, one piece after the other. */
function unmasker({ from, masks, excess }: Masked): (piece: Uint32Array) => void {
  const unmask = masker(masks, from)
  const denoise = excess && noiser(excess, -1, from)
  return piece => {
    unmask(piece)
    denoise?.(piece)
  }
}

/** `vector` without what comes off it: one piece after the other, in memory that the next one takes. */
function unmasked(vector: Pieces, masked: Masked): Pieces {
  const memory = new Uint32Array(Math.min(vector.length, PIECE))
  const unmask = unmasker(masked)
  return {
    length: vector.length,
    subarray: (from, to) => {
      const piece = memory.subarray(0, to - from)
      piece.set(vector.subarray(from, to))
      unmask(piece)
      return piece
    },
  }
}

/** The whole sum, or what it makes of the model. */
function applyWhole(
  { sums, step, into }: WorkOf<'apply'>,
  store: StoreAccess,
): OutputOf<'apply'> | OutputOf<'beyond'> {
  const sum = joined(sums.map(s => readable(s, store.read)))
  if (!step) return { kind: 'apply', sum: whole(sum, longVector(sum.length)), stepped: undefined }
  const { charter, task, sections, model, publicSeed, audit: of } = step
  const groups = of?.groups
  if (of && !groups && isBeyond(charter, sections, sum, of.hospitals, of.weight)) return { kind: 'beyond' }
  const read = groups && auditGroups(charter, sections, groups)
  const counted = read ? countedSum(groups, read) : sum
  const audited = (after: HeldModel) =>
    read && { groups: read, progress: progressOf(charter, after, store.read) }
  if (!counted) {
    const nothing = { next: undefined, metrics: undefined, samples: 0 }
    return { kind: 'apply', sum: undefined, stepped: { ...nothing, audit: audited(model) } }
  }
  const make = into === undefined ? inMemory : inDraft(into, store)
  const { state, metrics, samples } = applySum(charter, task, sections, counted, model, publicSeed, {
    store,
    make,
  })
  const found = { metrics, samples, audit: audited(state) }
  if (state === model) return { kind: 'apply', sum: undefined, stepped: { next: undefined, ...found } }
  const next = isIn(state, into) ? state : remade(state, make, store)
  const hash = stateHash(next)
  const { mean, deviation, basis } = next
  const encoding = isWhole(next) ? encodeState(next) : { mean, deviation, ...(basis && { basis }) }
  return { kind: 'apply', sum: undefined, stepped: { next: { model: encoding, hash }, ...found } }
}

/** Whether a model is where it is wanted. */
function isIn({ parameters }: HeldModel, into: string | undefined): boolean {
  return isStored(parameters) ? parameters.record === into : into === undefined
}
