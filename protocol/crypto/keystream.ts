/**
 * AES-256 in counter mode (NIST SP 800-38A, section 6.5) as a stream of 32-bit words that can be entered at any
 * position: masks, rounding and coefficients come from here, so that one cipher carries all of the sum's security.
 *
 * Speed decides two details. Chunks of 66,560 bytes: with multiples of 4,096 the cipher's output lands on the same
 * cache sets as its input and falls to a third of its speed. And `release` gives a chunk's memory back at once,
 * since buffers left to the collector pile up faster than it runs.
 */
import { createCipheriv } from 'node:crypto'

/** Most words that one `take` returns; callers work through long vectors in chunks of this size. */
export const CHUNK_WORDS = 16_640

const ZEROS = new Uint8Array(4 * CHUNK_WORDS)
const WORDS_PER_BLOCK = 4
const KEY_BYTES = 32

// Words are read in the machine's byte order; every platform that Node 24 supports but s390x is little-endian.
if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) throw new Error('medmesh needs a little-endian CPU')

export interface KeyStream {
  /**
   * The next `count` words (1 .. CHUNK_WORDS), in memory of their own.
   * Hand them to `release` when they are used up.
   */
  take(count: number): Uint32Array
}

/**
 * The words of `key` (32 bytes) from `position` on, counted in words (0 .. 2^53 - 1). The same key and position always
 * give the same words; so a key is for one purpose, one pair and one attempt, and never for two vectors.
 */
export function keyStream(key: Uint8Array, position = 0): KeyStream {
  if (!Number.isSafeInteger(position) || position < 0) throw new RangeError('no such key stream position')
  const counter = new Uint8Array(16)
  new DataView(counter.buffer).setBigUint64(8, BigInt(Math.floor(position / WORDS_PER_BLOCK)))
  const stream = open(key, counter)
  const skip = position % WORDS_PER_BLOCK
  if (skip > 0) stream.take(skip)
  return stream
}

/**
 * A second, unlimited stream that belongs to element `index` of `key`'s stream: for the rare word that has to be drawn
 * again. Its counters have the top bit set and the index above 32 bits of counter, so no block is ever used twice.
 */
export function sideStream(key: Uint8Array, index: number): KeyStream {
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError('no such key stream position')
  const counter = new Uint8Array(16)
  counter[0] = 0x80
  new DataView(counter.buffer).setBigUint64(4, BigInt(index))
  return open(key, counter)
}

/** Gives the memory of a chunk back; its words must not be used afterwards. */
export function release(words: Uint32Array): void {
  if (words.buffer instanceof ArrayBuffer) words.buffer.transfer(0)
}

function open(key: Uint8Array, counter: Uint8Array): KeyStream {
  if (key.length !== KEY_BYTES) throw new RangeError('a key stream takes a key of 32 bytes')
  const cipher = createCipheriv('aes-256-ctr', key, counter)
  return {
    take(count) {
      if (!Number.isInteger(count) || count < 1 || count > CHUNK_WORDS) {
        throw new RangeError(`a key stream gives 1 to ${CHUNK_WORDS} words at a time`)
      }
      const bytes = cipher.update(ZEROS.subarray(0, 4 * count))
      const own = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength
      // A buffer out of Node's shared pool is copied: `release` would take the pool from under others.
      return own ? new Uint32Array(bytes.buffer) : new Uint32Array(new Uint8Array(bytes).buffer)
    },
  }
}
