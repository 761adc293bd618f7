/**
 * Least squares with a ridge on rows that come in blocks, and what they would give without each block. Doubles, + - * / and
 * Math.sqrt only: all peers get the same bits. Blocks are audits, rows their groups, columns of `x` members.
 */
import { assert } from '../result.ts'

/** Rows of one length. */
export type Matrix = readonly Float64Array[]

/** One audit's rows: `x` has a column for each member, `y` as many values as are regressed. */
export interface Block {
  readonly x: Matrix
  readonly y: Matrix
}

export interface Fit {
  /** For each column of `x` the vector that explains the rows best. */
  readonly beta: Matrix
  /** The same from all blocks but one, for each of them. */
  readonly without: readonly Matrix[]
  /** For each column how far its vector is determined by the rows and not by the ridge: from 0, not at all, to 1. */
  readonly known: Float64Array
}

/** Minimises |y - x beta|^2 + ridge |beta|^2. `ridge` is above 0; at least one block, each with `columns` columns. */
export function leastSquares(blocks: readonly Block[], columns: number, ridge: number): Fit {
  const normal = zeros(columns, columns)
  for (let i = 0; i < columns; i++) normal[i]![i] = ridge
  for (const { x } of blocks) for (const row of x) addOuter(normal, row, row)
  const inverse = inverted(normal)
  const rightSide = zeros(columns, blocks[0]!.y[0]?.length ?? 0)
  for (const { x, y } of blocks) for (let r = 0; r < x.length; r++) addOuter(rightSide, x[r]!, y[r]!)
  const beta = product(inverse, rightSide)
  const known = Float64Array.from(inverse, (row, i) => 1 - ridge * row[i]!)
  return { beta, without: blocks.map(block => without(block, inverse, beta)), known }
}

/** beta - S^-1 x^T (1 - x S^-1 x^T)^-1 (y - x beta) for the rows of a block: by Woodbury's identity the fit without them. */
function without({ x, y }: Block, inverse: Matrix, beta: Matrix): Matrix {
  const spread = product(x, inverse)
  const rest = x.map((row, r) => spread.map((s, c) => (r === c ? 1 : 0) - dot(row, s)))
  const explained = product(x, beta)
  const residual = y.map((row, r) => row.map((v, k) => v - explained[r]![k]!))
  const moved = product(inverted(rest.map(row => Float64Array.from(row))), residual)
  return beta.map((b, i) => {
    const less = Float64Array.from(b)
    for (let r = 0; r < x.length; r++) addScaled(less, moved[r]!, -spread[r]![i]!)
    return less
  })
}

/** Of a symmetric positive definite matrix, by its Cholesky factor. */
export function inverted(matrix: Matrix): Matrix {
  const n = matrix.length
  const lower = zeros(n, n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let s = matrix[i]![j]!
      for (let k = 0; k < j; k++) s -= lower[i]![k]! * lower[j]![k]!
      assert(i !== j || s > 0, 'a positive definite matrix')
      lower[i]![j] = i === j ? Math.sqrt(s) : s / lower[j]![j]!
    }
  }
  return matrix.map((_, c) => {
    const column = new Float64Array(n)
    for (let i = c; i < n; i++) {
      let s = i === c ? 1 : 0
      for (let k = c; k < i; k++) s -= lower[i]![k]! * column[k]!
      column[i] = s / lower[i]![i]!
    }
    for (let i = n - 1; i >= 0; i--) {
      let s = column[i]!
      for (let k = i + 1; k < n; k++) s -= lower[k]![i]! * column[k]!
      column[i] = s / lower[i]![i]!
    }
    return column
  })
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** target += factor times values. */
export function addScaled(target: Float64Array, values: Float64Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! += factor * values[i]!
}

function zeros(rows: number, columns: number): Matrix {
  return Array.from({ length: rows }, () => new Float64Array(columns))
}

function addOuter(target: Matrix, a: Float64Array, b: Float64Array): void {
  for (let i = 0; i < a.length; i++) if (a[i] !== 0) addScaled(target[i]!, b, a[i]!)
}

function product(a: Matrix, b: Matrix): Matrix {
  const columns = b[0]?.length ?? 0
  return a.map(row => {
    const sum = new Float64Array(columns)
    for (let k = 0; k < row.length; k++) if (row[k] !== 0) addScaled(sum, b[k]!, row[k]!)
    return sum
  })
}
