import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { CHUNK_WORDS, keyStream, release, sideStream } from '../../../../protocol/crypto/keystream.ts'

const key = new Uint8Array(32).fill(5)
const hex = (words: Uint32Array) => toHex(new Uint8Array(words.buffer, words.byteOffset, words.byteLength))

describe('key stream (AES-256-CTR)', () => {
  it('begins with the encryption of the zero block', () => {
    // AES-256 of zero under the zero key: H of GCM test case 13 (McGrew and Viega).
    expect(hex(keyStream(new Uint8Array(32)).take(4))).toBe('dc95c078a2408989ad48a21492842087')
  })

  it('gives the same words from any position on, whatever the steps', () => {
    const whole = keyStream(key).take(4000)
    fc.assert(
      fc.property(fc.nat(3000), fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 10 }), (at, steps) => {
        const stream = keyStream(key, at)
        for (const step of steps) {
          expect(hex(stream.take(step))).toBe(hex(whole.subarray(at, at + step)))
          at += step
        }
      }),
    )
  })

  it('carries its counter over 32 bits', () => {
    const at = 4 * 2 ** 32
    const before = keyStream(key, at - 8)
    before.take(8)
    expect(hex(before.take(8))).toBe(hex(keyStream(key, at).take(8)))
    expect(hex(keyStream(key, at).take(8))).not.toBe(hex(keyStream(key).take(8)))
  })

  it('keeps side streams apart from each other and from the stream', () => {
    const seen = new Set<string>()
    for (let i = 0; i < 50; i++) {
      seen.add(hex(sideStream(key, i).take(4)))
      seen.add(hex(keyStream(key, 4 * i).take(4)))
      seen.add(hex(sideStream(key, 2 ** 40 + i).take(4)))
    }
    expect(seen.size).toBe(150)
  })

  it('gives memory of its own, and release takes it back without harm to later words', () => {
    const stream = keyStream(key)
    const first = stream.take(CHUNK_WORDS)
    release(first)
    expect(first.length).toBe(0)
    const small = stream.take(3)
    expect(hex(small)).toBe(hex(keyStream(key, CHUNK_WORDS).take(3)))
    release(small)
    expect(hex(keyStream(key).take(1))).toBe(hex(keyStream(key).take(1)))
  })

  it('throws outside its ranges', () => {
    expect(() => keyStream(new Uint8Array(16))).toThrow(RangeError)
    expect(() => keyStream(key, -1)).toThrow(RangeError)
    expect(() => keyStream(key, 0.5)).toThrow(RangeError)
    expect(() => sideStream(key, -1)).toThrow(RangeError)
    expect(() => keyStream(key).take(0)).toThrow(RangeError)
    expect(() => keyStream(key).take(CHUNK_WORDS + 1)).toThrow(RangeError)
  })
})
