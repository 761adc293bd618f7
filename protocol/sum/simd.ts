/**
 * The steps of masks and tags that plain numbers are slow at, four elements at a time: in WebAssembly, which alone reaches the
 * processor's vector instructions. `simd.wat` is the source and says where what lies; a thread has one memory for all of it.
 */
import { fromHex } from '../bytes.ts'
import { CHUNK_WORDS } from '../crypto/keystream.ts'
import { assert } from '../result.ts'
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
      readonly dot: (x: number, end: number) => void
    }
  }
}

/** Rows of coefficients, and the most elements of one product. */
export const BLOCK = 2048
export const COLUMNS = 4
const ELEMENTS_BYTES = 1 << 18
const MATRIX_BYTES = 4 * BLOCK * COLUMNS

const { memory, add, sub, dot } = new WebAssembly.Instance(new WebAssembly.Module(fromHex(MODULE))).exports

/** Where `blend` finds residues and words and leaves residues: CHUNK_WORDS each. */
export const sums = new Uint32Array(memory.buffer, 0, CHUNK_WORDS)
export const words = new Uint32Array(memory.buffer, 4 * CHUNK_WORDS, CHUNK_WORDS)

/** Where `multiply` finds residues, in the same place, and BLOCK rows of COLUMNS coefficients. */
export const elements = new Uint32Array(memory.buffer, 0, ELEMENTS_BYTES / 4)
export const coefficients = new Uint32Array(memory.buffer, ELEMENTS_BYTES, BLOCK * COLUMNS)
/** What it found, of each column: congruent to the inner product and a whole number below 2^43. */
export const products = new Float64Array(memory.buffer, ELEMENTS_BYTES + MATRIX_BYTES, COLUMNS)

/**
 * The first `count` of `sums` (residues) plus (`sign` 1) or less (-1) the upper 31 bits of the same `words`, modulo p, in
 * place. Returns whether these bits may have been p itself, somewhere: there nothing was added.
 */
export function blend(count: number, sign: 1 | -1): boolean {
  assert(count >= 1 && count <= CHUNK_WORDS, 'a chunk')
  return (sign === 1 ? add : sub)(4 * count) !== 0
}

/** `elements` from `from` (a multiple of BLOCK) up to `to`, BLOCK of them at most, times the rows from the first on, into `products`. */
export function multiply(from: number, to: number): void {
  // It takes four at a time.
  const end = (to + 3) & ~3
  elements.fill(0, to, end)
  dot(4 * from, 4 * end)
}
