import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { u32be } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { CHUNK_WORDS } from '../../../../protocol/crypto/keystream.ts'
import type { Learned, Mask, VectorWork } from '../../../../protocol/ports.ts'
import { upTo } from '../../../../protocol/privacy/shares.ts'
import type { StoreAccess } from '../../../../protocol/stored.ts'
import { addInto, areResidues, HALF, P, residueBytes } from '../../../../protocol/sum/field.ts'
import { quantisedInput, runVectorWork } from '../../../../protocol/sum/kernels.ts'
import { layoutFor, vectorLength } from '../../../../protocol/sum/layout.ts'
import { pairSign } from '../../../../protocol/sum/pairs.ts'
import { PIECE } from '../../../../protocol/sum/pieces.ts'
import { centre, quantisedMax } from '../../../../protocol/sum/quantise.ts'
import { shardRange } from '../../../../protocol/sum/shards.ts'
import { tagOf } from '../../../../protocol/sum/tag.ts'
import { Disk } from '../../../../sim/disk.ts'
import { charterFor, trained } from '../../../support/learned.ts'
import { levelKeys, noised } from '../../../support/noised.ts'

type Work<K> = Extract<VectorWork, { kind: K }>
const run = {
  mask(work: Omit<Work<'mask'>, 'kind'>) {
    const out = runVectorWork({ kind: 'mask', ...work })
    if (out.kind !== 'mask' || !out.masked) throw new Error(out.kind)
    return { ...out, masked: out.masked }
  },
  sum(inputs: readonly Uint32Array[], masked?: Work<'sum'>['masked']) {
    const out = runVectorWork({ kind: 'sum', inputs, masked })
    if (out.kind !== 'sum' || !out.sum) throw new Error(out.kind)
    return { ...out, sum: out.sum }
  },
  whole(sums: readonly Uint32Array[]) {
    const out = runVectorWork({ kind: 'apply', sums, step: undefined })
    if (out.kind !== 'apply' || !out.sum) throw new Error(out.kind)
    return out.sum
  },
}

const key = (...of: number[]) => sha256(u32be(...of))
const pairKey = (i: number, j: number) => key(1, Math.min(i, j), Math.max(i, j))
const pairsOf = (i: number, n: number): Mask[] =>
  Array.from({ length: n }, (_, j) => j)
    .filter(j => j !== i)
    .map(j => ({ key: pairKey(i, j), sign: pairSign(i, j) }))

function nothing({ evaluation: { bins } }: Charter) {
  return { positives: new Float64Array(bins), negatives: new Float64Array(bins), correct: 0, lossSum: 0 }
}

/** What takes off the masks of a survivor that are known once seeds are revealed. */
function knownMasks(i: number, dropouts: ReadonlySet<number>): Mask[] {
  const pairs = [...dropouts].map(d => ({ key: pairKey(i, d), sign: pairSign(d, i) }))
  return [{ key: key(3, i), sign: -1 }, ...pairs]
}

/** A whole secure sum: n inputs, some dropouts, shards summed apart, without their masks. */
function secureSum(charter: Charter, all: Learned[], dropouts: Set<number>, shards: number) {
  const n = all.length
  const sections = layoutFor(charter, 'train', n)
  const work = all.map((learned, i) => ({
    charter,
    task: 'train' as const,
    sections,
    learned,
    publicSeed: key(4),
    roundingKey: key(2, i),
    selfKey: key(3, i),
    pairs: pairsOf(i, n),
    shards,
  }))
  const masked = work.map(run.mask)
  const survivors = all.map((_, i) => i).filter(i => !dropouts.has(i))
  const length = vectorLength(sections)
  const masks = survivors.flatMap(i => knownMasks(i, dropouts))
  const sums = Array.from({ length: shards }, (_, k) => {
    const [from, to] = shardRange(length, shards, k)
    const slices = survivors.map(i => masked[i]!.masked.subarray(from, to))
    return run.sum(slices, { from, masks }).sum
  })
  const opened = run.whole(sums)
  const expected = new Uint32Array(length)
  for (const i of survivors) {
    const input = quantisedInput(work[i]!)
    if (!input.ok) throw new Error(input.error)
    addInto(expected, input.value.residues)
  }
  return { masked, opened, expected, sums }
}

describe('a secure sum', () => {
  it.each([3, 4, 7, 10])('of %i hospitals is exactly that of the quantised inputs, whoever drops out', n => {
    const charter = charterFor(n, 40)
    const element = fc.oneof(
      fc.float({ noNaN: true, min: -5, max: 5 }),
      fc.constantFrom(2, -2, 2 ** 30, -(2 ** 30), 0, -0, 2 ** -149, -(2 ** -149), n / HALF, -n / HALF),
    )
    const input = fc
      .tuple(fc.array(element, { minLength: 40, maxLength: 40 }), fc.integer({ min: 0, max: 2000 }))
      .map(([delta, samples]) => trained(charter, Float32Array.from(delta), samples))
    const lost = fc.subarray(
      Array.from({ length: n }, (_, i) => i),
      { maxLength: n - 2 },
    )
    fc.assert(
      fc.property(
        fc.array(input, { minLength: n, maxLength: n }),
        lost,
        fc.integer({ min: 1, max: n }),
        (all, dropouts, shards) => {
          const { opened, expected } = secureSum(charter, all, new Set(dropouts), shards)
          expect(opened).toEqual(expected)
        },
      ),
      { numRuns: 25 },
    )
  })

  it.each([3, 4, 7, 10])('of %i hospitals holds when all give the largest or the smallest there is', n => {
    // One weight, so that an update of the clipping norm is at its bound.
    const charter = charterFor(n, 1, c => ({ ...c, training: { ...c.training, clipNorm: 2 } }))
    const { scale, bound } = layoutFor(charter, 'train', n)[0]!
    for (const sign of [1, -1]) {
      const all = Array.from({ length: n }, () => trained(charter, Float32Array.of(2 * sign)))
      const { opened } = secureSum(charter, all, new Set(), 1)
      const most = n * quantisedMax({ scale, bound })
      expect(Math.abs(centre(opened[0]!))).toBeLessThanOrEqual(most)
      expect(sign * centre(opened[0]!)).toBeGreaterThanOrEqual(most - n)
    }
  })

  it('spans chunks of the key stream', () => {
    const length = 2 * CHUNK_WORDS + 3
    const charter = charterFor(3, length)
    const all = [0, 1, 2].map(i =>
      trained(
        charter,
        Float32Array.from({ length }, (_, j) => Math.sin(i + j)),
      ),
    )
    const { opened, expected } = secureSum(charter, all, new Set([1]), 3)
    expect(opened).toEqual(expected)
  })

  it('stays closed while a single mask is on', () => {
    const charter = charterFor(4, 500)
    const zeros = { ...trained(charter, new Float32Array(500), 0), evaluation: nothing(charter) }
    const dropouts = new Set([3])
    const { masked } = secureSum(charter, [zeros, zeros, zeros, zeros], dropouts, 2)
    const inputs = [0, 1, 2].map(i => masked[i]!.masked)
    const masks = [0, 1, 2].flatMap(i => knownMasks(i, dropouts))
    expect(run.sum(inputs, { from: 0, masks }).sum.every(x => x === 0)).toBe(true)
    for (let left = 0; left < masks.length; left++) {
      const { sum } = run.sum(inputs, { from: 0, masks: masks.toSpliced(left, 1) })
      expect(chiSquare(sum)).toBeLessThan(LIMIT)
    }
  })

  it('has tags of inputs without their known masks that add up to the tag of the sum without any', () => {
    const length = 2 * PIECE + 7
    const charter = charterFor(4, length)
    const all = [0, 1, 2, 3].map(i => trained(charter, new Float32Array(length).fill(i)))
    const dropouts = new Set([1])
    const { masked } = secureSum(charter, all, dropouts, 1)
    // A stretch that begins and ends nowhere in particular.
    const [from, to] = [3, length - 2]
    const slices = [0, 2, 3].map(i => masked[i]!.masked.subarray(from, to))
    const masks = [0, 2, 3].map(i => knownMasks(i, dropouts))
    const { sum } = run.sum(slices, { from, masks: masks.flat() })
    const items = slices.map((vector, k) => ({ vector, masked: { from, masks: masks[k]! } }))
    const out = runVectorWork({ kind: 'tag', coin: key(7), items: [...items, { vector: sum }] })
    if (out.kind !== 'tag') throw new Error(out.kind)
    const total = new Uint32Array(4)
    for (const tag of out.tags.slice(0, 3)) addInto(total, tag)
    expect(out.tags[3]).toEqual(total)
    expect(out.tags[3]).toEqual(tagOf(key(7), sum))
    for (const [k, vector] of slices.entries()) {
      // What is left of the masks of each is that with the other survivors.
      const own = run.sum([vector], { from, masks: masks[k]! }).sum
      expect(out.tags[k]).toEqual(tagOf(key(7), own))
      expect(chiSquare(own)).toBeLessThan(LIMIT)
    }
  })
})

/** Chi-square over 64 bins of the residue's upper bits; 63 degrees of freedom, LIMIT has probability 10^-6. */
function chiSquare(vector: Uint32Array): number {
  const bins = new Float64Array(64)
  for (const x of vector) bins[Math.floor((x / P) * 64)]! += 1
  const expected = vector.length / 64
  return bins.reduce((s, count) => s + (count - expected) ** 2 / expected, 0)
}
const LIMIT = 128

describe('a masked input', () => {
  const length = 20_000
  const charter = charterFor(4, length)
  const learned = trained(
    charter,
    Float32Array.from({ length }, (_, i) => Math.sin(i) / 10),
  )
  const work = (selfKey: Uint8Array, pairs: Mask[], shards = 4) => {
    const sections = layoutFor(charter, 'train', 4)
    return {
      charter,
      task: 'train',
      sections,
      learned,
      publicSeed: key(4),
      roundingKey: key(2),
      selfKey,
      pairs,
      shards,
    } as const
  }
  const masked = (selfKey: Uint8Array, pairs: Mask[]) => run.mask(work(selfKey, pairs)).masked

  it('is uniform, although the update is not', () => {
    const plain = quantisedInput(work(key(3), []))
    expect(plain.ok && chiSquare(plain.value.residues)).toBeGreaterThan(100 * LIMIT)
    const self = masked(key(3), [])
    const all = masked(key(3), pairsOf(0, 4))
    for (const vector of [self, all]) {
      expect(areResidues(vector)).toBe(true)
      expect(chiSquare(vector)).toBeLessThan(LIMIT)
      // The lower bits too.
      expect(chiSquare(vector.map(x => ((x & 63) << 25) + 1000))).toBeLessThan(LIMIT)
    }
  })

  it('is unrelated to the same update under other keys', () => {
    const one = masked(key(3), pairsOf(0, 4))
    for (const two of [masked(key(4), pairsOf(0, 4)), masked(key(3), pairsOf(0, 3))]) {
      const difference = one.map((x, i) => (x + P - two[i]!) % P)
      expect(chiSquare(difference)).toBeLessThan(LIMIT)
      expect(difference.filter(x => x === 0).length).toBeLessThan(3)
    }
  })

  it('is the same for the same keys, and its shard hashes are those of its slices', () => {
    const out = run.mask(work(key(3), pairsOf(0, 4), 7))
    expect(run.mask(work(key(3), pairsOf(0, 4), 7))).toEqual(out)
    expect(out.shardHashes).toHaveLength(7)
    out.shardHashes.forEach((hash, k) => {
      const [from, to] = shardRange(out.masked.length, 7, k)
      expect(hash).toEqual(sha256(residueBytes(out.masked.slice(from, to))))
    })
  })
})

describe('noise that comes off', () => {
  const charter = charterFor(7, 40, noised())
  const sections = layoutFor(charter, 'train', 7)
  const length = vectorLength(sections)
  const keep = 1
  const inputs = [0, 1, 2].map(i => {
    const delta = Float32Array.from({ length: 40 }, (_, k) => (k + i) / 100)
    const work = { charter, task: 'train' as const, learned: trained(charter, delta), roundingKey: key(2, i) }
    return { ...work, noiseKeys: levelKeys(i), selfKey: key(3, i), pairs: [], shards: 1, publicSeed: key(4) }
  })
  const masked = inputs.map(work => run.mask({ ...work, sections }).masked)
  const kept = inputs.map(work => {
    const input = quantisedInput({ ...work, sections: sections.map(s => upTo(s, keep)) })
    if (!input.ok) throw new Error(input.error)
    return input.value.residues
  })
  const takenOff = (from: number, of: readonly number[]) => ({
    from,
    masks: of.map(i => ({ key: key(3, i), sign: -1 as const })),
    excess: { sections, keys: of.flatMap(i => levelKeys(i).filter(k => k.level > keep)) },
  })

  it('is in the inputs', () => {
    expect(sections[0]!.noise!.levels.length).toBe(3)
    expect(run.sum(masked, { ...takenOff(0, [0, 1, 2]), excess: undefined }).sum).not.toEqual(
      run.sum(kept).sum,
    )
  })

  it('comes off with the masks, of sums of whole vectors and of shards', () => {
    const whole = run.sum(kept).sum
    expect(run.sum(masked, takenOff(0, [0, 1, 2])).sum).toEqual(whole)
    for (let k = 0; k < 4; k++) {
      const [from, to] = shardRange(length, 4, k)
      const slices = masked.map(m => m.subarray(from, to))
      expect(run.sum(slices, takenOff(from, [0, 1, 2])).sum).toEqual(whole.slice(from, to))
    }
  })

  it('comes off before a slice is tagged', () => {
    const coin = key(9)
    const [from, to] = shardRange(length, 3, 1)
    const items = [0, 1, 2].map(i => ({ vector: masked[i]!.subarray(from, to), masked: takenOff(from, [i]) }))
    const out = runVectorWork({ kind: 'tag', coin, items })
    expect(out.kind === 'tag' && out.tags).toEqual(kept.map(v => tagOf(coin, v.slice(from, to))))
  })
})

describe('vector work', () => {
  it('masks nothing that a hospital cannot have learned, and says why without a value of it', () => {
    const charter = charterFor(4, 3)
    const sections = layoutFor(charter, 'train', 4)
    for (const [delta, reason] of [
      [[1, 0, Number.NaN], 'update is not finite at 2'],
      [[1, -Infinity, 0], 'update is not finite at 1'],
      [[1, 2], 'update has 2 elements instead of 3'],
    ] as const) {
      const learned = trained(charter, Float32Array.from(delta))
      const keys = { publicSeed: key(4), roundingKey: key(2), selfKey: key(3), pairs: [], shards: 1 }
      expect(runVectorWork({ kind: 'mask', charter, task: 'train', sections, learned, ...keys })).toEqual({
        kind: 'refused',
        reason,
      })
    }
  })

  it('refuses lengths that do not fit and elements that are no residues', () => {
    expect(() => run.sum([])).toThrow()
    expect(() => run.sum([Uint32Array.of(1), Uint32Array.of(1, 2)])).toThrow(RangeError)
    expect(() => run.sum([Uint32Array.of(1), Uint32Array.of(P)])).toThrow()
    expect(() =>
      runVectorWork({ kind: 'tag', coin: key(1), items: [{ vector: Uint32Array.of(P) }] }),
    ).toThrow()
  })

  it('leaves its inputs as they were', () => {
    const input = Uint32Array.of(1, 2, 3)
    run.sum([input, input])
    run.sum([input], { from: 0, masks: [{ key: key(1), sign: -1 }] })
    run.whole([input])
    expect([...input]).toEqual([1, 2, 3])
  })
})

describe('vectors in the store', () => {
  const length = 2 * PIECE + 5

  /** Never more than a piece at a time is read, and what was read before is overwritten, as in a worker. */
  function piecewise(disk: Disk): StoreAccess {
    const memory = new Uint32Array(PIECE)
    const { read, write } = disk.access
    return {
      write,
      read: stored => {
        expect(stored.to - stored.from).toBeLessThanOrEqual(PIECE)
        memory.fill(0xffff_ffff)
        memory.set(read(stored))
        return memory.subarray(0, stored.to - stored.from)
      },
    }
  }

  it('are summed, tagged and checked as those in memory are', () => {
    const record = Uint32Array.from({ length: 3 * length }, (_, i) => (i * 1_000_003) % P)
    const disk = new Disk()
    disk.write('some', 0, residueBytes(record))
    const access = piecewise(disk)
    const [one, two] = [1, length + 3].map(from => ({ record: 'some', from, to: from + length }))
    const inMemory = [one!, two!].map(v => record.slice(v.from, v.to))
    const masked = { from: 7, masks: [{ key: key(1), sign: -1 as const }] }
    const here = run.sum([...inMemory, inMemory[0]!], masked)
    const sum = { kind: 'sum', inputs: [one!, two!, inMemory[0]!], masked } as const
    expect(runVectorWork(sum, access)).toEqual(here)
    expect(runVectorWork({ ...sum, into: 'sum' }, access)).toEqual({ ...here, sum: undefined })
    expect(disk.read('sum')).toEqual(residueBytes(here.sum))
    const items = [one!, two!, inMemory[1]!].map(vector => ({ vector }))
    expect(runVectorWork({ kind: 'tag', coin: key(7), items }, access)).toEqual({
      kind: 'tag',
      tags: [0, 1, 1].map(i => tagOf(key(7), inMemory[i]!)),
    })
    const hash = sha256(residueBytes(inMemory[0]!))
    const check = runVectorWork({ kind: 'check', words: one! }, access)
    expect(check).toEqual({ kind: 'check', words: undefined, hash, areResidues: true })
    disk.write('some', 4 * length, residueBytes(Uint32Array.of(P)))
    expect(runVectorWork({ kind: 'check', words: one! }, access)).toMatchObject({ areResidues: false })
  })

  it('are drafts also without elements', () => {
    const disk = new Disk()
    runVectorWork({ kind: 'sum', inputs: [new Uint32Array(0)], into: 'sum' }, disk.access)
    expect(disk.read('sum')).toHaveLength(0)
  })

  it('are masked from a draft into another as in memory', () => {
    const charter = charterFor(4, length)
    const sections = layoutFor(charter, 'train', 4)
    const delta = Float32Array.from({ length }, (_, i) => Math.sin(i) / 10)
    const learned = trained(charter, delta)
    const keys = { publicSeed: key(4), roundingKey: key(2), selfKey: key(3), pairs: pairsOf(0, 4), shards: 3 }
    const work = { charter, task: 'train' as const, sections, learned, ...keys }
    const here = run.mask(work)
    const disk = new Disk()
    disk.write('update', 0, new Uint8Array(delta.buffer))
    const stored = { ...learned, delta: { record: 'update', from: 0, to: length } }
    const there = runVectorWork({ kind: 'mask', ...work, learned: stored, into: 'masked' }, piecewise(disk))
    expect(there).toEqual({ ...here, masked: undefined })
    expect(disk.read('masked')).toEqual(residueBytes(here.masked))
    disk.write('update', 4 * (length - 3), new Uint8Array(Float32Array.of(Number.NaN).buffer))
    expect(runVectorWork({ kind: 'mask', ...work, learned: stored, into: 'masked' }, disk.access)).toEqual({
      kind: 'refused',
      reason: `update is not finite at ${length - 3}`,
    })
  })
})
