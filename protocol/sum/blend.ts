/**
 * Adds a stretch of one mask to residues, four elements at a time. In JavaScript that takes twice as long as the cipher that
 * the mask comes from; the processor's vector instructions are reached through WebAssembly alone. The module is written
 * out here, instruction by instruction, so that what runs can be read and nothing has to be built.
 */
import { CHUNK_WORDS } from '../crypto/keystream.ts'
import { assert } from '../result.ts'

/** As much of the engine's interface as is used; the compiler knows nothing of it here. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (
    module: object,
  ) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer }
      readonly add: (end: number) => number
      readonly sub: (end: number) => number
    }
  }
}

const CHUNK_BYTES = 4 * CHUNK_WORDS
/** WebAssembly's pages have 64 KiB: the sums, then the words. */
const PAGES = Math.ceil((2 * CHUNK_BYTES) / 0x1_0000)

/** An unsigned integer as WebAssembly writes it, seven bits a byte. */
const leb = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...leb(n >>> 7)])
const list = (bytes: readonly number[]) => [...leb(bytes.length), ...bytes]

// Opcodes of the WebAssembly 2.0 core specification, section 5.4. Every element has a lane of 32 bits.
const get = (local: number) => [0x20, local]
const set = (local: number) => [0x21, local]
const tee = (local: number) => [0x22, local]
const constant = (...leb: number[]) => [0x41, ...leb]
const splat = [0xfd, 0x11]
const shiftRight = [0xfd, 0xad, 0x01]
const plus = [0xfd, 0xae, 0x01]
const minus = [0xfd, 0xb1, 0x01]
const min = [0xfd, 0xb7, 0x01]
const max = [0xfd, 0xb9, 0x01]
const notBelow = [0xfd, 0x40]
const anyTrue = [0xfd, 0x53]
const [END, AT, PS, MOST, WORDS, SUMS] = [0, 1, 2, 3, 4, 5] as const

/**
 * (end) -> sums[0 .. end) = sums +- (words >>> 1) mod p; whether a word >>> 1 is p. `end` in bytes, from 1 on, `there`: the
 * operation and `back`: its opposite.
 */
const code = (there: readonly number[], back: readonly number[]) => [
  ...[2, 1, 0x7f, 4, 0x7b], // Locals: one integer, four vectors, all 0.
  ...[...constant(0xff, 0xff, 0xff, 0xff, 0x07), ...splat, ...set(PS)],
  ...[0x03, 0x40], // loop
  ...[...get(AT), 0xfd, 0x00, 4, ...leb(CHUNK_BYTES), ...tee(WORDS)],
  ...[...get(MOST), ...max, ...set(MOST)],
  ...[...get(AT), ...get(AT), 0xfd, 0x00, 4, 0],
  ...[...get(WORDS), ...constant(1), ...shiftRight, ...there, ...tee(SUMS)],
  // Of both, the one that is outside of 0 .. p is the larger, as it wraps around where it is negative.
  ...[...get(SUMS), ...get(PS), ...back, ...min, 0xfd, 0x0b, 4, 0],
  ...[...get(AT), ...constant(16), 0x6a, ...tee(AT), ...get(END), 0x49, 0x0d, 0, 0x0b], // While at + 16 < end.
  ...[...get(MOST), ...constant(0x7e), ...splat, ...notBelow, ...anyTrue, 0x0b], // 2 p = -2
]

const MODULE = [
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[1, ...list([1, 0x60, 1, 0x7f, 1, 0x7f])], // One type: of an integer to another.
  ...[3, ...list([2, 0, 0])],
  ...[5, ...list([1, 0, PAGES])],
  ...[7, ...list([3, ...name('memory'), 2, 0, ...name('add'), 0, 0, ...name('sub'), 0, 1])],
  ...[10, ...list([2, ...list(code(plus, minus)), ...list(code(minus, plus))])],
]

function name(text: string): number[] {
  return list(Array.from(text, c => c.charCodeAt(0)))
}

const { memory, add, sub } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(MODULE))).exports

/** Where `blendWords` finds residues and words and leaves residues: CHUNK_WORDS each, one of each for a thread. */
export const sums = new Uint32Array(memory.buffer, 0, CHUNK_WORDS)
export const words = new Uint32Array(memory.buffer, CHUNK_BYTES, CHUNK_WORDS)

/**
 * The first `count` of `sums` (residues) plus (`sign` 1) or less (-1) the upper 31 bits of the same `words`, modulo p, in
 * place. Returns whether these bits may have been p itself, somewhere: there nothing was added.
 */
export function blendWords(count: number, sign: 1 | -1): boolean {
  assert(count >= 1 && count <= CHUNK_WORDS, 'a chunk')
  // The last vector may have stale elements: they harm nobody.
  return (sign === 1 ? add : sub)(4 * count) !== 0
}
