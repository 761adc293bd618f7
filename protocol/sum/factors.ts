/**
 * An update's matrices as products of two thin factors, of which a round sums one: far fewer values than the matrices have
 * (PowerSGD: Vogels, Karimireddy and Jaggi, NeurIPS 2019, algorithm 1). PowerSGD sums both, one after the other, within a step. Here
 * they take turns, a round each: a hospital that is lost between two sums of the same update would have had the second
 * opened beside the first. The factor that is not summed is a basis that all share, made of what the last round summed.
 *
 * A matrix is a weight tensor, its last dimension the columns; of one whose sides are not both above the rank, and of what has
 * one dimension, all values are summed as they are. Only + - * / and Math.sqrt, in one fixed order: the same bits on all machines.
 */
import { isFactored, sidesOf } from '../../config/matrices.ts'
import { ascii } from '../bytes.ts'
import { hkdf } from '../crypto/kdf.ts'
import { keyStream, release } from '../crypto/keystream.ts'
import { assert } from '../result.ts'

const UNIT = 1 / 0x1_0000_0000
/** Words that are drawn at a time. */
const WORDS = 4096
/** Of a column's squared norm: what is left of one that is no more than a sum of those before it, but for rounding. */
const DEPENDENT = 1e-20
/** A squared norm below it is nothing: squares of what makes it up fall below what a double holds, and no unit comes of it. */
const NOTHING = 1e-200

/** The one that is summed has a row for each row of the matrix (left) or for each of its columns (right). */
export type Factor = 'left' | 'right'

interface Matrix {
  /** Where it begins among the parameters; row after row. */
  readonly from: number
  readonly rows: number
  readonly columns: number
}

/** What of a charter, or of a draft, says what is summed as factors. */
export interface FactoredCharter {
  readonly model: { readonly weights: readonly { readonly shape: readonly number[] }[] }
  readonly secureSum: { readonly compression?: { readonly rank?: number | undefined } | undefined }
}

/** A model's parameters, cut into matrices and what is none. */
export interface Factors {
  readonly rank: number
  readonly matrices: readonly Matrix[]
  /** Half-open ranges of the parameters in none of the matrices. */
  readonly others: readonly (readonly [from: number, to: number])[]
}

/** The factors in which a charter has updates summed; undefined: in none. Without matrices where none becomes smaller. */
export function factorsOf({ model: { weights }, secureSum }: FactoredCharter): Factors | undefined {
  const rank = secureSum.compression?.rank
  if (rank === undefined) return undefined
  const matrices: Matrix[] = []
  const others: (readonly [number, number])[] = []
  let from = 0
  for (const { shape } of weights) {
    const { rows, columns } = sidesOf(shape)
    const to = from + rows * columns
    if (isFactored(shape, rank)) matrices.push({ from, rows, columns })
    else others.push([from, to])
    from = to
  }
  return { rank, matrices, others }
}

/** What round `round` of training sums, 1 the first. */
export function factorSummed(round: number): Factor {
  return round % 2 === 1 ? 'left' : 'right'
}

/** What the round after one that sums `factor` does. */
export function otherFactor(factor: Factor): Factor {
  return factor === 'left' ? 'right' : 'left'
}

function rowsOf({ rows, columns }: Matrix, factor: Factor): number {
  return factor === 'left' ? rows : columns
}

/** Values of one factor of all matrices. */
function factorLength({ rank, matrices }: Factors, factor: Factor): number {
  return matrices.reduce((sum, m) => sum + rank * rowsOf(m, factor), 0)
}

/** Values that are summed in place of an update's: the factor of each matrix, and then what is in none. */
export function factoredLength(f: Factors, summed: Factor): number {
  return factorLength(f, summed) + f.others.reduce((sum, [from, to]) => sum + to - from, 0)
}

/** Values of the basis that a model has after a round that has summed this factor. */
export function basisLength(f: Factors, summed: Factor): number {
  return factorLength(f, summed)
}

/**
 * Where there is none yet: a basis for a round that sums `summed`, drawn by the round's public seed, 32 bytes. For each matrix
 * its rows, of `rank` values each; the columns of such a part are orthonormal, as those of all bases.
 */
export function firstBasis(f: Factors, summed: Factor, seed: Uint8Array): Float32Array {
  const length = factorLength(f, otherFactor(summed))
  const values = new Float64Array(length)
  const stream = keyStream(hkdf(seed, ascii('medmesh/1 first basis'), 32))
  for (let from = 0; from < length; from += WORDS) {
    const words = stream.take(Math.min(WORDS, length - from))
    for (let i = 0; i < words.length; i++) values[from + i] = 2 * words[i]! * UNIT - 1
    release(words)
  }
  return orthonormal(f, otherFactor(summed), values)
}

/** The basis for a round that sums `summed`: the model's, or where it has none yet the first. */
export function basisFor(
  f: Factors,
  summed: Factor,
  basis: Float32Array | undefined,
  publicSeed: Uint8Array | undefined,
): Float32Array {
  if (basis) {
    assert(
      basis.length === factorLength(f, otherFactor(summed)),
      'a basis of the factors that are not summed',
    )
    return basis
  }
  assert(publicSeed !== undefined, 'where there is no basis there is a seed')
  return firstBasis(f, summed, publicSeed)
}

/** The basis that follows from the summed factors, in the first of `values`: for a round that sums the others. */
export function nextBasis(f: Factors, summed: Factor, values: Float64Array): Float32Array {
  return orthonormal(f, summed, values)
}

/**
 * What a hospital gives of `update` times `factor`: each matrix times the basis (or its transpose times it), and what is in none.
 * `basis`: for a round that sums `summed`.
 */
export function factored(
  f: Factors,
  summed: Factor,
  update: Float32Array,
  factor: number,
  basis: Float32Array,
): Float64Array {
  const { rank } = f
  const out = new Float64Array(factoredLength(f, summed))
  const shared = Float64Array.from(basis)
  const isLeft = summed === 'left'
  let [atOut, atBasis] = [0, 0]
  for (const m of f.matrices) {
    for (let i = 0, at = m.from; i < m.rows; i++) {
      for (let j = 0; j < m.columns; j++, at++) {
        const x = update[at]! * factor
        const o = atOut + rank * (isLeft ? i : j)
        const b = atBasis + rank * (isLeft ? j : i)
        for (let k = 0; k < rank; k++) out[o + k] = out[o + k]! + x * shared[b + k]!
      }
    }
    atOut += rank * rowsOf(m, summed)
    atBasis += rank * rowsOf(m, otherFactor(summed))
  }
  for (const [from, to] of f.others) {
    for (let i = from; i < to; i++) out[atOut++] = update[i]! * factor
  }
  return out
}

export interface Sum {
  /** Where it goes; may be `start`. */
  readonly out: Float32Array
  readonly start: Float32Array
  readonly factor: number
  readonly sign: 1 | -1
}

/** `out` = `start` times `factor` plus or less (`sign`) the update that `values` stand for, rounded to 32-bit floats once. */
export function addUnfactored(
  f: Factors,
  summed: Factor,
  values: Float64Array,
  basis: Float32Array,
  { out, start, factor, sign }: Sum,
): void {
  const { rank } = f
  const shared = Float64Array.from(basis)
  const isLeft = summed === 'left'
  let [atValues, atBasis] = [0, 0]
  for (const m of f.matrices) {
    for (let i = 0, at = m.from; i < m.rows; i++) {
      for (let j = 0; j < m.columns; j++, at++) {
        const v = atValues + rank * (isLeft ? i : j)
        const b = atBasis + rank * (isLeft ? j : i)
        let x = 0
        for (let k = 0; k < rank; k++) x += values[v + k]! * shared[b + k]!
        out[at] = start[at]! * factor + sign * x
      }
    }
    atValues += rank * rowsOf(m, summed)
    atBasis += rank * rowsOf(m, otherFactor(summed))
  }
  for (const [from, to] of f.others) {
    for (let i = from; i < to; i++) out[i] = start[i]! * factor + sign * values[atValues++]!
  }
}

/** Each matrix's factor with orthonormal columns that span what its own do; whatever they are, also all 0. */
function orthonormal(f: Factors, factor: Factor, values: Float64Array): Float32Array {
  const out = new Float32Array(factorLength(f, factor))
  let at = 0
  for (const m of f.matrices) {
    const length = f.rank * rowsOf(m, factor)
    const part = values.slice(at, at + length)
    orthonormalise(part, f.rank)
    out.set(part, at)
    at += length
  }
  return out
}

/** Gram and Schmidt, modified, each column twice; `part` has rows of `rank` values, more rows than that. */
function orthonormalise(part: Float64Array, rank: number): void {
  for (let k = 0; k < rank; k++) {
    const before = squares(part, rank, k)
    const left = straightened(part, rank, k)
    const stands = left > DEPENDENT * before && left > NOTHING
    const norm = Math.sqrt(stands ? left : replaced(part, rank, k))
    for (let at = k; at < part.length; at += rank) part[at] = part[at]! / norm
  }
}

/** Makes column k of the first axis that those before it do not nearly make up; there is one. Its squared norm then. */
function replaced(part: Float64Array, rank: number, k: number): number {
  const rows = part.length / rank
  for (let axis = 0; ; axis++) {
    assert(axis < rows, 'fewer columns than rows')
    for (let i = 0; i < rows; i++) part[rank * i + k] = i === axis ? 1 : 0
    const left = straightened(part, rank, k)
    // Over all axes these add up to the dimensions that are left, one at least.
    if (left >= 1 / (2 * rows)) return left
  }
}

/** Takes from column k what lies along those before it, which are orthonormal; its squared norm then. */
function straightened(part: Float64Array, rank: number, k: number): number {
  for (let twice = 0; twice < 2; twice++) {
    for (let j = 0; j < k; j++) {
      let along = 0
      for (let at = 0; at < part.length; at += rank) along += part[at + k]! * part[at + j]!
      for (let at = 0; at < part.length; at += rank) part[at + k] = part[at + k]! - along * part[at + j]!
    }
  }
  return squares(part, rank, k)
}

function squares(part: Float64Array, rank: number, k: number): number {
  let sum = 0
  for (let at = k; at < part.length; at += rank) sum += part[at]! * part[at]!
  return sum
}
