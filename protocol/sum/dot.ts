/**
 * Inner products of residues with four columns of coefficients: the checks' one pass of multiply-adds. In WebAssembly, whose
 * SIMD has products of 64 bits; plain numbers have to cut each in two and take six times as long.
 *
 * `dot.wat` is the source and says where what lies.
 */
import { fromHex } from '../bytes.ts'
import { MODULE } from './dot.module.ts'

/** Rows of coefficients, and the most elements of one product. */
export const BLOCK = 2048
export const COLUMNS = 4
const PIECE_BYTES = 1 << 18
const MATRIX_BYTES = 4 * BLOCK * COLUMNS

/** Of the engine's WebAssembly what is used here: the library that declares it is the browser's. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (
    module: object,
  ) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer }
      readonly dot: (x: number, end: number) => void
    }
  }
}

const { memory, dot: multiply } = new WebAssembly.Instance(new WebAssembly.Module(fromHex(MODULE))).exports

/** Residues go in here. A thread works on one vector at a time. */
export const elements = new Uint32Array(memory.buffer, 0, PIECE_BYTES / 4)
/** BLOCK rows of COLUMNS residues. */
export const coefficients = new Uint32Array(memory.buffer, PIECE_BYTES, BLOCK * COLUMNS)
/** What `dot` found, of each column: congruent to the inner product and a whole number below 2^43. */
export const products = new Float64Array(memory.buffer, PIECE_BYTES + MATRIX_BYTES, COLUMNS)

/** `elements` from `from` (a multiple of BLOCK) up to `to`, BLOCK of them at most, times the rows from the first on, into `products`. */
export function dot(from: number, to: number): void {
  // It takes four at a time.
  const end = (to + 3) & ~3
  elements.fill(0, to, end)
  multiply(4 * from, 4 * end)
}
