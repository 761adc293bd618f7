/** What cryptography has to be for the protocol, whichever it is: the real one, and the ideal one of large simulations. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ascii, fromHex, toHex } from '../../protocol/bytes.ts'
import type * as Kem from '../../protocol/crypto/kem.ts'
import type * as KeyStream from '../../protocol/crypto/keystream.ts'
import type * as Seal from '../../protocol/crypto/seal.ts'
import type * as Sign from '../../protocol/crypto/sign.ts'

const none = new Uint8Array(0)
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const filled = (byte: number) => new Uint8Array(32).fill(byte)

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice()
  out[bit >> 3]! ^= 1 << (bit & 7)
  return out
}

export function kemSuite(name: string, kem: typeof Kem): void {
  const { hybridKeyPair, encapsulate, decapsulate, isHybridPublicKey } = kem
  const { HYBRID_PUBLIC_KEY_BYTES, KEM_CIPHERTEXT_BYTES } = kem
  const context = ascii('round 3, attempt 1')
  const a = hybridKeyPair(filled(1))
  const b = hybridKeyPair(filled(2))
  const stranger = hybridKeyPair(filled(3))

  describe(`${name}: key agreement`, () => {
    it('makes the same pair of the same 32 bytes, and shows no secret when it is printed', () => {
      expect(hybridKeyPair(filled(1))).toEqual(a)
      expect(a.publicKey).toHaveLength(HYBRID_PUBLIC_KEY_BYTES)
      expect(b.publicKey).not.toEqual(a.publicKey)
      expect(Object.keys(a)).toEqual(['publicKey'])
      expect(() => hybridKeyPair(new Uint8Array(31))).toThrow(RangeError)
    })

    it('gives both the same secret, and the same bytes for the same randomness', () => {
      fc.assert(
        fc.property(bytes32, fc.uint8Array({ maxLength: 2000 }), (randomness, ctx) => {
          const sent = encapsulate(a, b.publicKey, randomness, ctx)!
          expect(sent.ciphertext).toHaveLength(KEM_CIPHERTEXT_BYTES)
          expect(sent.secret).toHaveLength(32)
          expect(decapsulate(b, a.publicKey, sent.ciphertext, ctx)).toEqual(sent.secret)
          expect(encapsulate(a, b.publicKey, randomness, ctx)).toEqual(sent)
        }),
        { numRuns: 15 },
      )
    })

    it('binds randomness, context, sender and direction', () => {
      const sent = encapsulate(a, b.publicKey, filled(9), context)!
      const elsewhere = ascii('round 3, attempt 2')
      expect(encapsulate(a, b.publicKey, filled(8), context)!.secret).not.toEqual(sent.secret)
      expect(encapsulate(a, b.publicKey, filled(8), context)!.ciphertext).not.toEqual(sent.ciphertext)
      expect(decapsulate(b, a.publicKey, sent.ciphertext, elsewhere)).not.toEqual(sent.secret)
      expect(decapsulate(b, stranger.publicKey, sent.ciphertext, context)).not.toEqual(sent.secret)
      expect(decapsulate(stranger, a.publicKey, sent.ciphertext, context)).not.toEqual(sent.secret)
      expect(encapsulate(b, a.publicKey, filled(9), context)!.secret).not.toEqual(sent.secret)
    })

    it('gives an unrelated secret for a changed ciphertext, by implicit rejection', () => {
      const sent = encapsulate(a, b.publicKey, filled(9), context)!
      for (const at of [0, 500, 1087]) {
        const changed = sent.ciphertext.slice()
        changed[at]! ^= 1
        const secret = decapsulate(b, a.publicKey, changed, context)
        expect(secret).toHaveLength(32)
        expect(secret).not.toEqual(sent.secret)
      }
    })

    it('refuses a ciphertext or key of another length, and bytes that are no key', () => {
      const { ciphertext } = encapsulate(a, b.publicKey, filled(9), context)!
      expect(decapsulate(b, a.publicKey, ciphertext.slice(1), context)).toBeUndefined()
      expect(decapsulate(b, a.publicKey, none, context)).toBeUndefined()
      expect(decapsulate(b, a.publicKey.slice(1), ciphertext, context)).toBeUndefined()
      for (const length of [0, 32, HYBRID_PUBLIC_KEY_BYTES - 1, HYBRID_PUBLIC_KEY_BYTES + 1]) {
        expect(encapsulate(a, new Uint8Array(length), filled(9), context)).toBeUndefined()
        expect(isHybridPublicKey(new Uint8Array(length))).toBe(false)
      }
      expect(isHybridPublicKey(new Uint8Array(HYBRID_PUBLIC_KEY_BYTES).fill(255))).toBe(false)
      expect(isHybridPublicKey(new Uint8Array(HYBRID_PUBLIC_KEY_BYTES))).toBe(false)
      expect(isHybridPublicKey(b.publicKey)).toBe(true)
    })

    it('throws for randomness of another length and for pairs that it did not make: our own mistakes', () => {
      expect(() => encapsulate(a, b.publicKey, new Uint8Array(31), context)).toThrow(RangeError)
      const forged = { publicKey: a.publicKey }
      expect(() => encapsulate(forged, b.publicKey, filled(1), context)).toThrow(TypeError)
    })
  })
}

export function signSuite(name: string, { publicKeyOf, sign, verify }: typeof Sign): void {
  const seed = filled(4)
  const key = publicKeyOf(seed)

  describe(`${name}: signatures`, () => {
    it('hold for what was signed with that key, also when it is remembered', () => {
      fc.assert(
        fc.property(bytes32, fc.uint8Array({ maxLength: 300 }), (s, message) => {
          const sig = sign(s, message)
          expect(sig).toHaveLength(64)
          expect(sign(s, message)).toEqual(sig)
          for (let i = 0; i < 2; i++) expect(verify(publicKeyOf(s), message, sig)).toBe(true)
        }),
        { numRuns: 25 },
      )
    })

    it('fail for any flipped bit of key, message or signature, also right after the good one', () => {
      const message = fromHex('00112233445566778899')
      const good = sign(seed, message)
      expect(verify(key, message, good)).toBe(true)
      for (let bit = 0; bit < 256; bit++) expect(verify(flip(key, bit), message, good)).toBe(false)
      for (let bit = 0; bit < 80; bit++) expect(verify(key, flip(message, bit), good)).toBe(false)
      for (let bit = 0; bit < 512; bit++) expect(verify(key, message, flip(good, bit))).toBe(false)
      expect(verify(key, message, good)).toBe(true)
    })

    it('do not confuse where message and signature meet', () => {
      const message = new Uint8Array(64).fill(7)
      const sig = sign(seed, message)
      expect(verify(key, message, sig)).toBe(true)
      expect(verify(key, sig, message)).toBe(false)
    })

    it('are not remembered where they failed', () => {
      const wrong = flip(sign(seed, none), 320)
      for (let i = 0; i < 3; i++) expect(verify(key, none, wrong)).toBe(false)
    })

    it('answer false to any bytes, and never throw', () => {
      const any = fc.uint8Array({ maxLength: 80 })
      fc.assert(fc.property(any, any, any, (k, message, sig) => !verify(k, message, sig)))
      fc.assert(
        fc.property(bytes32, any, fc.uint8Array({ minLength: 64, maxLength: 64 }), (k, message, sig) => {
          return !verify(k, message, sig)
        }),
      )
    })

    it('throw for a seed of another length, which is our own mistake', () => {
      expect(() => sign(new Uint8Array(31), new Uint8Array(1))).toThrow(RangeError)
      expect(() => publicKeyOf(new Uint8Array(33))).toThrow(RangeError)
    })

    it('come with copies of the key: a caller cannot change the remembered one', () => {
      publicKeyOf(seed).fill(0)
      expect(publicKeyOf(seed)).toEqual(key)
    })
  })
}

export function sealSuite(name: string, { seal, unseal, SEAL_TAG_BYTES }: typeof Seal): void {
  const key = bytes32
  const bytes = (max: number) => fc.uint8Array({ maxLength: max })

  describe(`${name}: sealing`, () => {
    it('opens what it sealed, the same bytes every time', () => {
      fc.assert(
        fc.property(key, bytes(100), bytes(300), (k, aad, plain) => {
          const box = seal(k, aad, plain)
          expect(box).toHaveLength(plain.length + SEAL_TAG_BYTES)
          expect(seal(k, aad, plain)).toEqual(box)
          expect(unseal(k, aad, box)).toEqual(plain)
        }),
      )
    })

    it('hides what it sealed', () => {
      const plain = fromHex('ab'.repeat(64))
      const box = seal(filled(3), none, plain)
      for (let i = 0; i + 8 <= 64; i++) expect(toHex(box.slice(i, i + 8))).not.toBe('ab'.repeat(8))
      expect(toHex(box.slice(0, 32))).not.toBe(toHex(box.slice(32, 64)))
    })

    it('opens nothing once any bit of box, associated data or key is another', () => {
      const k = fromHex('42'.repeat(32))
      const aad = fromHex('0102030405')
      const box = seal(k, aad, fromHex('ab'.repeat(64)))
      for (let bit = 0; bit < 8 * box.length; bit++) expect(unseal(k, aad, flip(box, bit))).toBeUndefined()
      for (let bit = 0; bit < 8 * aad.length; bit++) expect(unseal(k, flip(aad, bit), box)).toBeUndefined()
      for (let bit = 0; bit < 256; bit++) expect(unseal(flip(k, bit), aad, box)).toBeUndefined()
      expect(unseal(k, aad, box)).toBeDefined()
    })

    it('opens nothing that is cut, longer, or any bytes', () => {
      const k = filled(0)
      const box = seal(k, none, fromHex('ab'.repeat(64)))
      for (let n = 0; n < box.length; n++) expect(unseal(k, none, box.subarray(0, n))).toBeUndefined()
      expect(unseal(k, none, new Uint8Array([...box, 0]))).toBeUndefined()
      fc.assert(fc.property(key, bytes(200), (some, any) => unseal(some, none, any) === undefined))
    })

    it('throws for a key of another length', () => {
      expect(() => seal(new Uint8Array(16), none, none)).toThrow(RangeError)
      expect(() => unseal(new Uint8Array(16), none, new Uint8Array(16))).toThrow(RangeError)
    })
  })
}

export function keyStreamSuite(name: string, streams: typeof KeyStream): void {
  const { keyStream, sideStream, release, CHUNK_WORDS } = streams
  const key = filled(5)
  const hex = (words: Uint32Array) => toHex(new Uint8Array(words.buffer, words.byteOffset, words.byteLength))

  describe(`${name}: key streams`, () => {
    it('give the same words from any position on, whatever the steps', () => {
      const whole = keyStream(key).take(4000)
      fc.assert(
        fc.property(
          fc.nat(3000),
          fc.array(fc.integer({ min: 1, max: 90 }), { maxLength: 10 }),
          (at, steps) => {
            const stream = keyStream(key, at)
            for (const step of steps) {
              expect(hex(stream.take(step))).toBe(hex(whole.subarray(at, at + step)))
              at += step
            }
          },
        ),
      )
    })

    it('carry their counter over 32 bits', () => {
      const at = 4 * 2 ** 32
      const before = keyStream(key, at - 8)
      before.take(8)
      expect(hex(before.take(8))).toBe(hex(keyStream(key, at).take(8)))
      expect(hex(keyStream(key, at).take(8))).not.toBe(hex(keyStream(key).take(8)))
    })

    it('keep side streams apart from each other and from the stream', () => {
      const seen = new Set<string>()
      for (let i = 0; i < 50; i++) {
        seen.add(hex(sideStream(key, i).take(4)))
        seen.add(hex(keyStream(key, 4 * i).take(4)))
        seen.add(hex(sideStream(key, 2 ** 40 + i).take(4)))
      }
      expect(seen.size).toBe(150)
    })

    it('have every bit of every word in about half of the words', () => {
      const counts = new Uint32Array(32)
      const words = keyStream(key).take(CHUNK_WORDS)
      for (const word of words) for (let bit = 0; bit < 32; bit++) counts[bit]! += (word >>> bit) & 1
      // Six deviations of a fair coin.
      for (const count of counts)
        expect(Math.abs(count - CHUNK_WORDS / 2)).toBeLessThan(3 * Math.sqrt(CHUNK_WORDS))
    })

    it('give memory of its own, which is given back without harm to later words', () => {
      const stream = keyStream(key)
      release(stream.take(CHUNK_WORDS))
      const small = stream.take(3)
      expect(hex(small)).toBe(hex(keyStream(key, CHUNK_WORDS).take(3)))
      release(small)
      expect(hex(keyStream(key).take(1))).toBe(hex(keyStream(key).take(1)))
    })

    it('throw outside their ranges', () => {
      expect(() => keyStream(new Uint8Array(16))).toThrow(RangeError)
      expect(() => keyStream(key, -1)).toThrow(RangeError)
      expect(() => keyStream(key, 0.5)).toThrow(RangeError)
      expect(() => sideStream(key, -1)).toThrow(RangeError)
      expect(() => keyStream(key).take(0)).toThrow(RangeError)
      expect(() => keyStream(key).take(CHUNK_WORDS + 1)).toThrow(RangeError)
    })
  })
}
