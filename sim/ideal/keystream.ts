/**
 * Key streams for simulations: word i is a mixing of the key and i (multiply and shift, as MurmurHash3 ends). Even enough
 * for rounding and masks, and for short vectors much faster than setting up a cipher for each of them.
 */

export const CHUNK_WORDS = 16_640
const KEY_BYTES = 32

export interface KeyStream {
  take(count: number): Uint32Array
}

export function keyStream(key: Uint8Array, position = 0): KeyStream {
  if (!Number.isSafeInteger(position) || position < 0) throw new RangeError('no such key stream position')
  return open(key, position, 0)
}

export function sideStream(key: Uint8Array, index: number): KeyStream {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError('no such key stream position')
  return open(key, 0, 1 + index)
}

/** Nothing is to be given back: vectors are short here. */
export function release(_words: Uint32Array): void {}

/** `side`: 0 for the stream itself. */
function open(key: Uint8Array, position: number, side: number): KeyStream {
  if (key.length !== KEY_BYTES) throw new RangeError('a key stream takes a key of 32 bytes')
  const a = word(key, 0) ^ word(key, 12) ^ mixed(side | 0)
  const b = word(key, 4) ^ word(key, 16) ^ word(key, 24)
  const c = word(key, 8) ^ word(key, 20) ^ word(key, 28) ^ mixed(Math.floor(side / 0x1_0000_0000) + 7)
  let at = position
  return {
    take(count) {
      if (!Number.isInteger(count) || count < 1 || count > CHUNK_WORDS) {
        throw new RangeError(`a key stream gives 1 to ${CHUNK_WORDS} words at a time`)
      }
      const out = new Uint32Array(count)
      for (let i = 0; i < count; i++, at++) {
        const upper = Math.floor(at / 0x1_0000_0000)
        let x = Math.imul((at | 0) ^ a, 0x85ebca6b)
        x = Math.imul((x ^ (x >>> 15)) + b + Math.imul(upper, 0x9e3779b1), 0xc2b2ae35)
        out[i] = mixed((x ^ (x >>> 13)) + c)
      }
      return out
    },
  }
}

function word(key: Uint8Array, at: number): number {
  return key[at]! | (key[at + 1]! << 8) | (key[at + 2]! << 16) | (key[at + 3]! << 24)
}

function mixed(value: number): number {
  let x = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}
