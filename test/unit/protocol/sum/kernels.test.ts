import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { u32be } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { CHUNK_WORDS } from '../../../../protocol/crypto/keystream.ts'
import type { PairKey, Section, VectorWork } from '../../../../protocol/ports.ts'
import { addInto, areResidues, HALF, P, residueBytes } from '../../../../protocol/sum/field.ts'
import { quantiseSections, runVectorWork } from '../../../../protocol/sum/kernels.ts'
import { pairSign } from '../../../../protocol/sum/pairs.ts'
import { centre, quantisedMax } from '../../../../protocol/sum/quantise.ts'
import { shardRange } from '../../../../protocol/sum/shards.ts'
import { tagOf } from '../../../../protocol/sum/tag.ts'

type Work<K> = Extract<VectorWork, { kind: K }>
const run = {
  mask(work: Omit<Work<'mask'>, 'kind'>) {
    const out = runVectorWork({ kind: 'mask', ...work })
    if (out.kind !== 'mask') throw new Error(out.kind)
    return out
  },
  sum(inputs: readonly Uint32Array[]) {
    const out = runVectorWork({ kind: 'sum', inputs })
    if (out.kind !== 'sum') throw new Error(out.kind)
    return out
  },
  unmask(work: Omit<Work<'unmask'>, 'kind' | 'apply'>) {
    const out = runVectorWork({ kind: 'unmask', apply: undefined, ...work })
    if (out.kind !== 'unmask') throw new Error(out.kind)
    return out
  },
}

const key = (...of: number[]) => sha256(u32be(...of))
const pairKey = (i: number, j: number) => key(1, Math.min(i, j), Math.max(i, j))
const pairsOf = (i: number, n: number): PairKey[] =>
  Array.from({ length: n }, (_, j) => j)
    .filter(j => j !== i)
    .map(j => ({ key: pairKey(i, j), sign: pairSign(i, j) }))

/** A whole secure sum: n inputs, some dropouts, shards summed apart, masks taken off. */
function secureSum(values: Float64Array[], sections: Section[], dropouts: Set<number>, shards: number) {
  const n = values.length
  const masked = values.map((v, i) =>
    run.mask({
      values: v,
      sections,
      roundingKey: key(2, i),
      selfKey: key(3, i),
      pairs: pairsOf(i, n),
      shards,
    }),
  )
  const survivors = values.map((_, i) => i).filter(i => !dropouts.has(i))
  const length = values[0]!.length
  const sums = Array.from({ length: shards }, (_, k) => {
    const [from, to] = shardRange(length, shards, k)
    return run.sum(survivors.map(i => masked[i]!.masked.subarray(from, to))).sum
  })
  const opened = run.unmask({
    sums,
    selfKeys: survivors.map(i => key(3, i)),
    pairs: survivors.flatMap(i => [...dropouts].map(d => ({ key: pairKey(i, d), sign: pairSign(i, d) }))),
  })
  const expected = new Uint32Array(length)
  for (const i of survivors) addInto(expected, quantiseSections(values[i]!, sections, key(2, i)))
  return { masked, opened, expected, sums }
}

describe('a secure sum', () => {
  it.each([3, 4, 7, 10])('of %i hospitals is exactly that of the quantised inputs, whoever drops out', n => {
    const scale = Math.floor(HALF / n) / 2
    const sections: Section[] = [
      { name: 'update', length: 40, bound: 2, scale },
      { name: 'weight', length: 1, bound: 1000, scale: 1 },
      { name: 'empty', length: 0, bound: 1, scale: 1 },
      { name: 'counts', length: 10, bound: 303, scale: 1 },
    ]
    const element = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(2, -2, 1e9, -1e9, 0, -0, Number.MIN_VALUE, -Number.MIN_VALUE, 1 / scale, -1 / scale),
    )
    const input = fc.array(element, { minLength: 51, maxLength: 51 }).map(v => Float64Array.from(v))
    const lost = fc.subarray(
      Array.from({ length: n }, (_, i) => i),
      { maxLength: n - 2 },
    )
    fc.assert(
      fc.property(
        fc.array(input, { minLength: n, maxLength: n }),
        lost,
        fc.integer({ min: 1, max: n }),
        (values, dropouts, shards) => {
          const { opened, expected } = secureSum(values, sections, new Set(dropouts), shards)
          expect(opened.sum).toEqual(expected)
          expect(opened.hash).toEqual(sha256(residueBytes(expected)))
        },
      ),
      { numRuns: 25 },
    )
  })

  it.each([3, 4, 7, 10])('of %i hospitals holds when all give the largest or the smallest there is', n => {
    const scale = Math.floor(HALF / n)
    const sections = [{ name: 'update', length: 4, bound: 1, scale }]
    for (const value of [1, -1]) {
      const values = Array.from({ length: n }, () => new Float64Array(4).fill(value))
      const { opened } = secureSum(values, sections, new Set(), 1)
      expect([...opened.sum].map(centre)).toEqual(new Array(4).fill(value * n * quantisedMax(scale, 1)))
    }
  })

  it('spans chunks of the key stream', () => {
    const length = 2 * CHUNK_WORDS + 3
    const values = [0, 1, 2].map(i => Float64Array.from({ length }, (_, j) => Math.sin(i + j)))
    const sections = [
      { name: 'a', length: 5, bound: 1, scale: 1000 },
      { name: 'b', length: length - 5, bound: 1, scale: 2 ** 20 },
    ]
    const { opened, expected } = secureSum(values, sections, new Set([1]), 3)
    expect(opened.sum).toEqual(expected)
  })

  it('stays closed while a single mask is on', () => {
    const values = [0, 1, 2, 3].map(() => new Float64Array(500))
    const sections = [{ name: 'zeros', length: 500, bound: 1, scale: 1 }]
    const { sums } = secureSum(values, sections, new Set([3]), 2)
    const selfKeys = [0, 1, 2].map(i => key(3, i))
    const pairs = [0, 1, 2].map(i => ({ key: pairKey(i, 3), sign: pairSign(i, 3) }))
    expect(run.unmask({ sums, selfKeys, pairs }).sum.every(x => x === 0)).toBe(true)
    for (let left = 0; left < 3; left++) {
      const bySelf = run.unmask({ sums, selfKeys: selfKeys.toSpliced(left, 1), pairs }).sum
      const byPair = run.unmask({ sums, selfKeys, pairs: pairs.toSpliced(left, 1) }).sum
      expect(chiSquare(bySelf)).toBeLessThan(LIMIT)
      expect(chiSquare(byPair)).toBeLessThan(LIMIT)
    }
  })

  it('has tags that add up to the tag of the sum', () => {
    const values = [0, 1, 2, 3].map(i => new Float64Array(100).fill(i))
    const sections = [{ name: 'x', length: 100, bound: 9, scale: 100 }]
    const { masked } = secureSum(values, sections, new Set(), 1)
    const { sum } = run.sum(masked.map(m => m.masked))
    const items = [...masked.map(m => m.masked), sum].map(vector => ({ shard: 2, vector }))
    const out = runVectorWork({ kind: 'tag', coin: key(7), items })
    if (out.kind !== 'tag') throw new Error(out.kind)
    const total = new Uint32Array(4)
    for (const tag of out.tags.slice(0, 4)) addInto(total, tag)
    expect(out.tags[4]).toEqual(total)
    expect(out.tags[0]).toEqual(tagOf(key(7), 2, masked[0]!.masked))
    const other = runVectorWork({
      kind: 'tag',
      coin: key(7),
      items: [
        { shard: 3, vector: sum },
        { shard: 2, vector: sum },
      ],
    })
    expect(other.kind === 'tag' && other.tags).toEqual([tagOf(key(7), 3, sum), tagOf(key(7), 2, sum)])
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
  const update = Float64Array.from({ length }, (_, i) => Math.sin(i) / 10)
  const sections = [{ name: 'update', length, bound: 1, scale: 2 ** 16 }]
  const masked = (selfKey: Uint8Array, pairs: PairKey[]) =>
    run.mask({ values: update, sections, roundingKey: key(2), selfKey, pairs, shards: 4 }).masked

  it('is uniform, although the update is not', () => {
    const plain = quantiseSections(update, sections, key(2))
    expect(chiSquare(plain)).toBeGreaterThan(100 * LIMIT)
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
    const work = {
      values: update,
      sections,
      roundingKey: key(2),
      selfKey: key(3),
      pairs: pairsOf(0, 4),
      shards: 7,
    }
    const out = run.mask(work)
    expect(run.mask(work)).toEqual(out)
    expect(out.shardHashes).toHaveLength(7)
    out.shardHashes.forEach((hash, k) => {
      const [from, to] = shardRange(length, 7, k)
      expect(hash).toEqual(sha256(residueBytes(out.masked.slice(from, to))))
    })
  })
})

describe('vector work', () => {
  const sections = [
    { name: 'update', length: 3, bound: 1, scale: 10 },
    { name: 'loss', length: 2, bound: 1, scale: 10 },
  ]
  const work = (values: number[]): VectorWork => ({
    kind: 'mask',
    values: Float64Array.from(values),
    sections,
    roundingKey: key(2),
    selfKey: key(3),
    pairs: [],
    shards: 1,
  })

  it('lets no NaN or infinity in, and says where without saying what', () => {
    expect(() => runVectorWork(work([1, 0, 0, 0, Number.NaN]))).toThrow(
      'section loss: element 1 is not a finite number',
    )
    expect(() => runVectorWork(work([1, 0, -Infinity, 0, 0]))).toThrow(
      'section update: element 2 is not a finite',
    )
  })

  it('refuses lengths that do not fit and elements that are no residues', () => {
    expect(() => runVectorWork(work([1, 2]))).toThrow()
    expect(() => run.sum([])).toThrow()
    expect(() => run.sum([Uint32Array.of(1), Uint32Array.of(1, 2)])).toThrow(RangeError)
    expect(() => run.sum([Uint32Array.of(1), Uint32Array.of(P)])).toThrow()
    expect(() => run.unmask({ sums: [Uint32Array.of(P)], selfKeys: [], pairs: [] })).toThrow()
    expect(() =>
      runVectorWork({ kind: 'tag', coin: key(1), items: [{ shard: 0, vector: Uint32Array.of(P) }] }),
    ).toThrow()
  })

  it('leaves its inputs as they were', () => {
    const input = Uint32Array.of(1, 2, 3)
    run.sum([input, input])
    run.unmask({ sums: [input], selfKeys: [key(1)], pairs: [] })
    expect([...input]).toEqual([1, 2, 3])
  })
})
