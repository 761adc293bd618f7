import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Block, dot, inverted, leastSquares } from '../../../../protocol/contribution/regress.ts'

const value = fc.double({ min: -1, max: 1, noNaN: true })
const matrix = (rows: number, columns: number) =>
  fc.array(
    fc.array(value, { minLength: columns, maxLength: columns }).map(r => Float64Array.from(r)),
    {
      minLength: rows,
      maxLength: rows,
    },
  )
const block = (columns: number, values: number): fc.Arbitrary<Block> =>
  fc
    .integer({ min: 1, max: 4 })
    .chain(rows => fc.record({ x: matrix(rows, columns), y: matrix(rows, values) }))

const near = (a: readonly Float64Array[], b: readonly Float64Array[]) => {
  for (const [i, row] of a.entries())
    for (const [j, v] of row.entries()) expect(Math.abs(v - b[i]![j]!)).toBeLessThan(1e-7)
}

describe('inverted', () => {
  it('gives the identity with its matrix', () => {
    fc.assert(
      fc.property(matrix(5, 5), rows => {
        const positive = rows.map((a, i) =>
          Float64Array.from(rows, (b, j) => dot(a, b) + (i === j ? 0.1 : 0)),
        )
        const inverse = inverted(positive)
        const identity = positive.map(row => Float64Array.from(inverse, column => dot(row, column)))
        near(
          identity,
          identity.map((_, i) => Float64Array.from(identity, (_, j) => (i === j ? 1 : 0))),
        )
      }),
    )
  })

  it('refuses what has no inverse', () => {
    expect(() => inverted([Float64Array.of(1, 1), Float64Array.of(1, 1)])).toThrow('positive definite')
  })
})

describe('leastSquares', () => {
  it('leaves a residual that no step makes smaller', () => {
    fc.assert(
      fc.property(fc.array(block(4, 3), { minLength: 1, maxLength: 5 }), blocks => {
        const ridge = 0.05
        const { beta } = leastSquares(blocks, 4, ridge)
        // The gradient x^T (y - x beta) - ridge beta is 0.
        for (let i = 0; i < 4; i++) {
          for (let k = 0; k < 3; k++) {
            let gradient = -ridge * beta[i]![k]!
            for (const { x, y } of blocks) {
              for (const [r, row] of x.entries()) {
                const explained = row.reduce((sum, v, j) => sum + v * beta[j]![k]!, 0)
                gradient += row[i]! * (y[r]![k]! - explained)
              }
            }
            expect(Math.abs(gradient)).toBeLessThan(1e-9)
          }
        }
      }),
    )
  })

  it('gives without a block what the others alone give', () => {
    fc.assert(
      fc.property(fc.array(block(4, 3), { minLength: 2, maxLength: 5 }), blocks => {
        const all = leastSquares(blocks, 4, 0.05)
        for (const [k, without] of all.without.entries()) {
          near(
            without,
            leastSquares(
              blocks.filter((_, j) => j !== k),
              4,
              0.05,
            ).beta,
          )
        }
      }),
    )
  })

  it('says how well each column is determined', () => {
    const rows = (...x: number[][]): Block => ({
      x: x.map(r => Float64Array.from(r)),
      y: x.map(() => Float64Array.of(1)),
    })
    const { known } = leastSquares([rows([1, 0, 0]), rows([1, 0, 0], [0, 0.1, 0])], 3, 0.05)
    expect(known[0]).toBeCloseTo(2 / 2.05, 12)
    expect(known[1]).toBeCloseTo(0.01 / 0.06, 12)
    expect(known[2]).toBe(0)
  })
})
