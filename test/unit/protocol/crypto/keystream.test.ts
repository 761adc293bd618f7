import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import * as streams from '../../../../protocol/crypto/keystream.ts'
import { CHUNK_WORDS, keyStream, release } from '../../../../protocol/crypto/keystream.ts'
import { keyStreamSuite } from '../../../support/crypto-suites.ts'

const key = new Uint8Array(32).fill(5)
const hex = (words: Uint32Array) => toHex(new Uint8Array(words.buffer, words.byteOffset, words.byteLength))

keyStreamSuite('AES-256-CTR', streams)

describe('key stream (AES-256-CTR)', () => {
  it('begins with the encryption of the zero block', () => {
    // AES-256 of zero under the zero key: H of GCM test case 13 (McGrew and Viega).
    expect(hex(keyStream(new Uint8Array(32)).take(4))).toBe('dc95c078a2408989ad48a21492842087')
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
})
