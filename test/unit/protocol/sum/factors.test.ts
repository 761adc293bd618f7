/** Updates as factors of low rank: what is sent is the update's part along a basis that all share, and bases stay bases (SPEC S6). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  addUnfactored,
  basisLength,
  type Factor,
  type Factors,
  factored,
  factoredLength,
  factorSummed,
  factorsOf,
  firstBasis,
  nextBasis,
  otherFactor,
} from '../../../../protocol/sum/factors.ts'

const SEED = new Uint8Array(32).fill(7)
const SHAPES = [[7, 4], [4], [2, 3, 5], [9, 2], [1, 6]]
const P = 28 + 4 + 30 + 18 + 6

function factors(rank: number, shapes: readonly number[][] = SHAPES): Factors {
  return factorsOf({
    model: { weights: shapes.map(shape => ({ shape })) },
    secureSum: { compression: { rank } },
  })!
}

/** The update that `values` stand for. */
function whole(f: Factors, summed: Factor, values: Float64Array, basis: Float32Array): Float32Array {
  const out = new Float32Array(P)
  addUnfactored(f, summed, values, basis, { out, start: out, factor: 0, sign: 1 })
  return out
}

const norm = (v: ArrayLike<number>) => Math.sqrt(Array.from(v).reduce((s, x) => s + x * x, 0))
const updates = fc
  .array(fc.float({ noNaN: true, min: -3, max: 3 }), { minLength: P, maxLength: P })
  .map(v => Float32Array.from(v))
const sides = fc.constantFrom<Factor>('left', 'right')
const ranks = fc.integer({ min: 1, max: 3 })

/** Rows of the parts of a basis that the next round uses, matrix by matrix. */
function partsOf(f: Factors, basis: Float32Array, side: Factor): number[][][] {
  let at = 0
  return f.matrices.map(({ rows, columns }) => {
    const length = side === 'left' ? rows : columns
    const part = Array.from({ length }, (_, i) => [...basis.subarray(at + f.rank * i, at + f.rank * (i + 1))])
    at += f.rank * length
    return part
  })
}

function expectOrthonormal(f: Factors, basis: Float32Array, side: Factor): void {
  for (const part of partsOf(f, basis, side)) {
    for (let k = 0; k < f.rank; k++)
      for (let j = 0; j <= k; j++) {
        const product = part.reduce((sum, row) => sum + row[k]! * row[j]!, 0)
        expect(Math.abs(product - (j === k ? 1 : 0))).toBeLessThan(1e-5)
      }
  }
}

describe('the factors of a model', () => {
  it('are of its matrices with more rows and columns than the rank; the rest is summed as it is', () => {
    const two = factors(2)
    expect(two.matrices).toEqual([
      { from: 0, rows: 7, columns: 4 },
      { from: 32, rows: 6, columns: 5 },
    ])
    expect(two.others).toEqual([
      [28, 32],
      [62, 80],
      [80, 86],
    ])
    expect(factoredLength(two, 'left')).toBe(2 * (7 + 6) + 28)
    expect(factoredLength(two, 'right')).toBe(2 * (4 + 5) + 28)
    expect(basisLength(two, 'left')).toBe(2 * (7 + 6))
    expect(factors(1).matrices.length).toBe(3)
    expect(factors(5).matrices).toEqual([])
  })

  it('are none where the charter does not say so', () => {
    const model = { weights: [{ shape: [7, 4] }] }
    expect(factorsOf({ model, secureSum: {} })).toBeUndefined()
    expect(factorsOf({ model, secureSum: { compression: {} } })).toBeUndefined()
  })

  it('take turns', () => {
    expect([1, 2, 3].map(factorSummed)).toEqual(['left', 'right', 'left'])
    expect(otherFactor(factorSummed(1))).toBe(factorSummed(2))
  })
})

describe('a basis', () => {
  it('is orthonormal, whatever was summed: nothing, too little, or what a liar made of it', () => {
    const values = (f: Factors, side: Factor) => {
      const length = factoredLength(f, side)
      const value = fc.oneof(
        { weight: 3, arbitrary: fc.double({ min: -1e18, max: 1e18, noNaN: true }) },
        fc.constantFrom(0, 1, -1, 1e-30, 1e18),
      )
      // Squares of them are nothing, or nearly.
      const tiny = fc.double({ min: -1e-150, max: 1e-150, noNaN: true })
      return fc.oneof(
        fc.array(value, { minLength: length, maxLength: length }),
        fc.array(tiny, { minLength: length, maxLength: length }),
        // Columns that are the same.
        fc.oneof(value, tiny).map(x => new Array<number>(length).fill(x)),
        fc.constant(new Array<number>(length).fill(0)),
      )
    }
    fc.assert(
      fc.property(
        fc.tuple(ranks, sides).chain(([rank, side]) => {
          const f = factors(rank)
          return fc.tuple(fc.constant(f), fc.constant(side), values(f, side))
        }),
        ([f, side, all]) => {
          const basis = nextBasis(f, side, Float64Array.from(all))
          expect(basis.length).toBe(basisLength(f, side))
          expectOrthonormal(f, basis, side)
        },
      ),
    )
  })

  it('spans what was summed', () => {
    const f = factors(2)
    const values = Float64Array.from({ length: factoredLength(f, 'left') }, (_, i) => Math.sin(i * i))
    const basis = nextBasis(f, 'left', values)
    const given = partsOf(f, Float32Array.from(values), 'left')
    partsOf(f, basis, 'left').forEach((part, m) => {
      for (let k = 0; k < 2; k++) {
        const column = given[m]!.map(row => row[k]!)
        const along = [0, 1].map(j => part.reduce((sum, row, i) => sum + row[j]! * column[i]!, 0))
        column.forEach((x, i) => {
          expect(part[i]![0]! * along[0]! + part[i]![1]! * along[1]!).toBeCloseTo(x, 4)
        })
      }
    })
  })

  it('is drawn by the seed where there is none, for the factor that is not summed', () => {
    for (const side of ['left', 'right'] as const) {
      const f = factors(2)
      const basis = firstBasis(f, side, SEED)
      expect(basis.length).toBe(basisLength(f, otherFactor(side)))
      expectOrthonormal(f, basis, otherFactor(side))
      expect(firstBasis(f, side, SEED)).toEqual(basis)
      expect(firstBasis(f, side, new Uint8Array(32))).not.toEqual(basis)
    }
  })
})

describe('what is sent of an update', () => {
  it('is its part along the basis: what is left has none, and is no longer than the update', () => {
    fc.assert(
      fc.property(ranks, sides, updates, fc.constantFrom(1, 0.5), (rank, side, update, factor) => {
        const f = factors(rank)
        const basis = firstBasis(f, side, SEED)
        const values = factored(f, side, update, factor, basis)
        const left = new Float32Array(P)
        addUnfactored(f, side, values, basis, { out: left, start: update, factor, sign: -1 })
        const scale = 1 + norm(update)
        expect(norm(factored(f, side, left, 1, basis))).toBeLessThan(1e-5 * scale)
        expect(norm(left)).toBeLessThan(factor * norm(update) + 1e-5 * scale)
        for (const [from, to] of f.others) expect(norm(left.subarray(from, to))).toBe(0)
        // Both together are the update.
        const sent = whole(f, side, values, basis)
        sent.forEach((x, i) => {
          expect(Math.abs(x + left[i]! - update[i]! * factor)).toBeLessThan(1e-5 * scale)
        })
      }),
    )
  })

  it('adds up: the factor of a sum is the sum of the factors', () => {
    fc.assert(
      fc.property(ranks, sides, updates, updates, (rank, side, a, b) => {
        const f = factors(rank)
        const basis = firstBasis(f, side, SEED)
        const sum = Float32Array.from(a, (x, i) => x + b[i]!)
        const [ofA, ofB] = [a, b].map(u => factored(f, side, u, 1, basis))
        factored(f, side, sum, 1, basis).forEach((x, i) => {
          expect(Math.abs(x - ofA![i]! - ofB![i]!)).toBeLessThan(1e-4)
        })
      }),
    )
  })

  it('is all of a matrix of that rank after two rounds', () => {
    const f = factors(2, [[30, 20]])
    const wave = (n: number, k: number) => Array.from({ length: n }, (_, i) => Math.sin((i + 1) * (k + 1)))
    const update = new Float32Array(600)
    for (const k of [0, 1]) {
      const [u, v] = [wave(30, k), wave(20, k + 5)]
      for (let i = 0; i < 600; i++) update[i] = update[i]! + u[Math.floor(i / 20)]! * v[i % 20]!
    }
    const first = firstBasis(f, 'left', SEED)
    const left = factored(f, 'left', update, 1, first)
    const basis = nextBasis(f, 'left', left)
    const owed = new Float32Array(600)
    addUnfactored(f, 'left', left, first, { out: owed, start: update, factor: 1, sign: -1 })
    const right = factored(f, 'right', owed, 1, basis)
    addUnfactored(f, 'right', right, basis, { out: owed, start: owed, factor: 1, sign: -1 })
    expect(norm(owed)).toBeLessThan(1e-5 * norm(update))
  })
})
