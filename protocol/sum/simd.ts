/**
 * The steps of vector work that plain numbers are slow at, four elements at a time: in WebAssembly, which alone reaches the
 * processor's vector instructions. `simd.wat` is the source and says where what lies; a thread has one memory for all of it,
 * with room for two pieces, and everything that is asked for here begins at the first element of them.
 */
import { fromHex } from '../bytes.ts'
import { assert } from '../result.ts'
import { PIECE } from './pieces.ts'
import { MODULE } from './simd.module.ts'

/** Of the engine's WebAssembly what is used here: the library that declares it is the browser's. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
  ) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer }
      readonly add: (end: number) => number
      readonly sub: (end: number) => number
      readonly sum: (end: number) => number
      readonly exceed: (end: number) => number
      readonly round: (end: number, factor: number, bound: number, scale: number, modulus: number) => number
      readonly centre: (end: number) => void
      readonly step: (end: number, scale: number, weight: number) => void
      readonly dot: (x: number, end: number) => void
    }
  }
}

/** Rows of coefficients, and the most elements of one product. */
export const BLOCK = 2048
export const COLUMNS = 4
const SECOND_BYTES = 263_168
const MATRIX_BYTES = 525_312
const PRODUCTS_BYTES = 558_080

const { memory, ...kernels } = new WebAssembly.Instance(new WebAssembly.Module(fromHex(MODULE))).exports

/** The first area, as what the functions here take it for. */
export const elements = new Uint32Array(memory.buffer, 0, PIECE)
export const integers = new Int32Array(memory.buffer, 0, PIECE)
export const doubles = new Float64Array(memory.buffer, 0, PIECE / 2)
/** The second one. */
export const words = new Uint32Array(memory.buffer, SECOND_BYTES, PIECE)
export const floats = new Float32Array(memory.buffer, SECOND_BYTES, PIECE)
/** BLOCK rows of COLUMNS. */
export const coefficients = new Uint32Array(memory.buffer, MATRIX_BYTES, BLOCK * COLUMNS)
/** What `multiply` found, of each column: congruent to the inner product and a whole number below 2^43. */
export const products = new Float64Array(memory.buffer, PRODUCTS_BYTES, COLUMNS)

/** Where the first `count` elements of an area end. Kernels take four at a time; where that counts, those behind are made 0. */
function endOf(count: number, area: Uint32Array | Float64Array = elements, isRead = false): number {
  assert(count >= 1 && count <= area.length, 'elements of a piece')
  if (isRead) area.fill(0, count, (count + 3) & ~3)
  return 4 * count
}

/**
 * The first `count` of `elements` (residues) plus (`sign` 1) or less (-1) the upper 31 bits of the same `words`, modulo p, in
 * place. Returns whether these bits may have been p itself, somewhere: there nothing was added.
 */
export function blend(count: number, sign: 1 | -1): boolean {
  return (sign === 1 ? kernels.add : kernels.sub)(endOf(count)) !== 0
}

/** The first `count` of `elements` (residues) plus the same `words`, modulo p, in place. Returns whether these are residues too. */
export function addWords(count: number): boolean {
  return kernels.sum(endOf(count, words, true)) === 0
}

/** Whether the first `count` of `elements` are residues. */
export function elementsAreResidues(count: number): boolean {
  return kernels.exceed(endOf(count, elements, true)) === 0
}

/**
 * The first `count` of `doubles` (PIECE / 2 at most) times `factor`, cut at `bound` and times `scale`, rounded to one of the two
 * integers beside it, as the same `words` have it, and in their place: in two's complement, those below 0 plus `modulus`.
 * Returns whether all products with `factor` were finite; those that were not are nothing.
 */
export function roundDoubles(
  count: number,
  factor: number,
  { bound, scale }: { readonly bound: number; readonly scale: number },
  modulus: number,
): boolean {
  return kernels.round(endOf(count, doubles, true), factor, bound, scale, modulus) !== 0
}

/** The first `count` of `elements` (residues) as `integers` from -(p - 1) / 2 to (p - 1) / 2, in place. */
export function centreElements(count: number): void {
  kernels.centre(endOf(count))
}

/** The first `count` of `floats` plus the same `integers` / `scale` / `weight`, in place. */
export function stepFloats(count: number, scale: number, weight: number): void {
  kernels.step(endOf(count), scale, weight)
}

/** `elements` from `from` (a multiple of BLOCK) up to `to`, BLOCK of them at most, times the rows from the first on, into `products`. */
export function multiply(from: number, to: number): void {
  // It takes four at a time.
  const end = (to + 3) & ~3
  elements.fill(0, to, end)
  kernels.dot(4 * from, 4 * end)
}
