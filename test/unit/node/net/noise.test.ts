import { pureJsCrypto } from '@chainsafe/libp2p-noise'
import fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import { expect, test } from 'vitest'
import { nodeNoiseCrypto as ours } from '../../../../node/net/noise.ts'

// Noise's own pure JavaScript primitives are the reference.
const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
const data = fc.uint8Array({ maxLength: 300 })
const plain = (bytes: { subarray(): Uint8Array }) => Uint8Array.from(bytes.subarray())

test('sealing and opening agree with the reference, under a key that is used again', () => {
  fc.assert(
    fc.property(key, nonce, data, fc.array(data, { minLength: 1, maxLength: 3 }), (k, n, ad, texts) => {
      for (const text of texts) {
        const sealed = plain(ours.chaCha20Poly1305Encrypt(text, n, ad, k))
        expect(sealed).toEqual(plain(pureJsCrypto.chaCha20Poly1305Encrypt(text, n, ad, k)))
        expect(plain(ours.chaCha20Poly1305Decrypt(sealed, n, ad, k))).toEqual(text)
      }
    }),
  )
})

test('what comes in pieces is sealed and opened as if it were whole', () => {
  const cut = (bytes: Uint8Array, at: number) => new Uint8ArrayList(bytes.subarray(0, at), bytes.subarray(at))
  fc.assert(
    fc.property(key, nonce, data, fc.nat(300), (k, n, text, at) => {
      const whole = plain(ours.chaCha20Poly1305Encrypt(text, n, k, k))
      // The cipher's interface is typed by another version of the list.
      const pieces = cut(text, at) as unknown as Uint8Array
      expect(plain(ours.chaCha20Poly1305Encrypt(pieces, n, k, k))).toEqual(whole)
      const sealed = cut(whole, at) as unknown as Uint8Array
      expect(plain(ours.chaCha20Poly1305Decrypt(sealed, n, k, k))).toEqual(text)
    }),
  )
})

test('two keys with equal bytes are one key, two with other bytes are two', () => {
  const a = new Uint8Array(32).fill(1)
  const sealed = ours.chaCha20Poly1305Encrypt(Uint8Array.of(1), new Uint8Array(12), a, a)
  expect(plain(ours.chaCha20Poly1305Decrypt(sealed, new Uint8Array(12), a, a.slice()))).toEqual(
    Uint8Array.of(1),
  )
  expect(() => ours.chaCha20Poly1305Decrypt(sealed, new Uint8Array(12), a, new Uint8Array(32))).toThrow()
})

test('one flipped bit anywhere, or a packet shorter than its tag, is refused', () => {
  const k = new Uint8Array(32).fill(7)
  const n = new Uint8Array(12)
  const sealed = plain(ours.chaCha20Poly1305Encrypt(Uint8Array.of(1, 2, 3), n, k, k))
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const bad = sealed.slice()
    bad[bit >> 3]! ^= 1 << (bit & 7)
    expect(() => ours.chaCha20Poly1305Decrypt(bad, n, k, k)).toThrow()
  }
  expect(() => ours.chaCha20Poly1305Decrypt(sealed.slice(0, 15), n, k, k)).toThrow(RangeError)
})

test('key agreement and hash agree with the reference', () => {
  const a = ours.generateX25519KeyPair()
  const b = ours.generateX25519KeyPairFromSeed(new Uint8Array(32).fill(9))
  expect(plain(b.publicKey)).toEqual(
    plain(pureJsCrypto.generateX25519KeyPairFromSeed(b.privateKey).publicKey),
  )
  const shared = plain(ours.generateX25519SharedKey(a.privateKey, b.publicKey))
  expect(shared).toEqual(plain(ours.generateX25519SharedKey(b.privateKey, a.publicKey)))
  expect(shared).toEqual(plain(pureJsCrypto.generateX25519SharedKey(a.privateKey, b.publicKey)))
  expect(plain(ours.hashSHA256(shared))).toEqual(plain(pureJsCrypto.hashSHA256(shared)))
  expect(plain(ours.generateX25519KeyPair().privateKey)).not.toEqual(plain(a.privateKey))
})
