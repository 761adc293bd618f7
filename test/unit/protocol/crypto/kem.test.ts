import { diffieHellman } from 'node:crypto'
import { x25519 } from '@noble/curves/ed25519.js'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ascii, concatBytes, fromHex, toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { hkdf } from '../../../../protocol/crypto/kdf.ts'
import {
  decapsulate,
  encapsulate,
  HYBRID_PUBLIC_KEY_BYTES,
  hybridKeyPair,
  isHybridPublicKey,
  KEM_CIPHERTEXT_BYTES,
} from '../../../../protocol/crypto/kem.ts'
import { privateKey, publicKey, rawPublicKey } from '../../../../protocol/crypto/keys.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const seed = (byte: number) => new Uint8Array(32).fill(byte)
const context = ascii('round 3, attempt 1')
const a = hybridKeyPair(seed(1))
const b = hybridKeyPair(seed(2))
const stranger = hybridKeyPair(seed(3))

describe('hybrid key pairs', () => {
  it('take X25519 keys as RFC 7748 section 6.1 gives them', () => {
    const bob = privateKey(
      'x25519',
      fromHex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'),
    )
    expect(toHex(rawPublicKey(bob))).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
    const alice = publicKey(
      'x25519',
      fromHex('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a'),
    )!
    expect(toHex(diffieHellman({ privateKey: bob, publicKey: alice }))).toBe(
      '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742',
    )
  })

  it('are those of two independent implementations', () => {
    fc.assert(
      fc.property(bytes32, s => {
        const expanded = hkdf(s, ascii('medmesh/1 hybrid key pair'), 96)
        const { publicKey } = hybridKeyPair(s)
        expect(publicKey).toHaveLength(HYBRID_PUBLIC_KEY_BYTES)
        expect(publicKey.slice(0, 32)).toEqual(x25519.getPublicKey(expanded.slice(64)))
        expect(publicKey.slice(32)).toEqual(ml_kem768.keygen(expanded.slice(0, 64)).publicKey)
      }),
      { numRuns: 10 },
    )
  })

  it('show no secret when they are printed', () => {
    expect(Object.keys(a)).toEqual(['publicKey'])
  })

  it('are made of 32 bytes only', () => {
    expect(() => hybridKeyPair(new Uint8Array(31))).toThrow(RangeError)
  })
})

describe('encapsulation', () => {
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

  it('is ML-KEM-768 inside: another implementation makes the same ciphertext', () => {
    const sent = encapsulate(a, b.publicKey, seed(9), context)!
    const reference = ml_kem768.encapsulate(b.publicKey.slice(32), seed(9))
    expect(toHex(sent.ciphertext)).toBe(toHex(reference.cipherText))
  })

  it('needs both halves: the secret is neither of them, nor does one alone give it', () => {
    const sent = encapsulate(a, b.publicKey, seed(9), context)!
    const { sharedSecret } = ml_kem768.encapsulate(b.publicKey.slice(32), seed(9))
    expect(sent.secret).not.toEqual(sharedSecret)
    // Same ML-KEM key and randomness, another X25519 key.
    const mixed = b.publicKey.slice()
    mixed.set(stranger.publicKey.subarray(0, 32))
    const other = encapsulate(a, mixed, seed(9), context)!
    expect(other.ciphertext).toEqual(sent.ciphertext)
    expect(other.secret).not.toEqual(sent.secret)
    // Same X25519 keys, other randomness.
    expect(encapsulate(a, b.publicKey, seed(8), context)!.secret).not.toEqual(sent.secret)
  })

  it('combines as stated: HKDF over both secrets, bound to both keys, ciphertext and context', () => {
    const { ciphertext, secret } = encapsulate(a, b.publicKey, seed(9), context)!
    const x25519Secret = hkdf(seed(1), ascii('medmesh/1 hybrid key pair'), 96).slice(64)
    const agreed = x25519.getSharedSecret(x25519Secret, b.publicKey.slice(0, 32))
    const { sharedSecret } = ml_kem768.encapsulate(b.publicKey.slice(32), seed(9))
    const transcript = sha256(a.publicKey, b.publicKey, ciphertext, context)
    const info = concatBytes(ascii('medmesh/1 hybrid secret'), transcript)
    expect(toHex(secret)).toBe(toHex(hkdf(concatBytes(sharedSecret, agreed), info, 32)))
  })

  it('binds context, sender and direction', () => {
    const sent = encapsulate(a, b.publicKey, seed(9), context)!
    expect(decapsulate(b, a.publicKey, sent.ciphertext, ascii('round 3, attempt 2'))).not.toEqual(sent.secret)
    expect(decapsulate(b, stranger.publicKey, sent.ciphertext, context)).not.toEqual(sent.secret)
    expect(decapsulate(stranger, a.publicKey, sent.ciphertext, context)).not.toEqual(sent.secret)
    expect(encapsulate(b, a.publicKey, seed(9), context)!.secret).not.toEqual(sent.secret)
  })

  it('gives an unrelated secret for a changed ciphertext, by implicit rejection', () => {
    const sent = encapsulate(a, b.publicKey, seed(9), context)!
    for (const at of [0, 500, 1087]) {
      const changed = sent.ciphertext.slice()
      changed[at]! ^= 1
      const secret = decapsulate(b, a.publicKey, changed, context)
      expect(secret).toHaveLength(32)
      expect(secret).not.toEqual(sent.secret)
    }
  })

  it('refuses a ciphertext or key of another length', () => {
    const { ciphertext } = encapsulate(a, b.publicKey, seed(9), context)!
    expect(decapsulate(b, a.publicKey, ciphertext.slice(1), context)).toBeUndefined()
    expect(decapsulate(b, a.publicKey, new Uint8Array(0), context)).toBeUndefined()
    expect(decapsulate(b, a.publicKey.slice(1), ciphertext, context)).toBeUndefined()
    for (const length of [0, 32, HYBRID_PUBLIC_KEY_BYTES - 1, HYBRID_PUBLIC_KEY_BYTES + 1]) {
      expect(encapsulate(a, new Uint8Array(length), seed(9), context)).toBeUndefined()
      expect(isHybridPublicKey(new Uint8Array(length))).toBe(false)
    }
  })

  it('refuses ML-KEM keys with coefficients that are not reduced (FIPS 203 section 7.2)', () => {
    expect(isHybridPublicKey(b.publicKey)).toBe(true)
    for (const at of [32, 32 + 1149]) {
      const bad = b.publicKey.slice()
      bad.set([0xff, 0xff, 0xff], at)
      expect(isHybridPublicKey(bad)).toBe(false)
      expect(encapsulate(a, bad, seed(9), context)).toBeUndefined()
    }
  })

  it('refuses X25519 keys of low order, whose secret everybody knows', () => {
    const low = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ]
    const { ciphertext } = encapsulate(a, b.publicKey, seed(9), context)!
    for (const point of low) {
      const bad = b.publicKey.slice()
      bad.set(fromHex(point))
      expect(isHybridPublicKey(bad)).toBe(false)
      expect(encapsulate(a, bad, seed(9), context)).toBeUndefined()
      expect(decapsulate(a, bad, ciphertext, context)).toBeUndefined()
    }
  })

  it('throws for randomness of another length and for pairs that it did not make: our own mistakes', () => {
    expect(() => encapsulate(a, b.publicKey, new Uint8Array(31), context)).toThrow(RangeError)
    const forged = { publicKey: a.publicKey }
    expect(() => encapsulate(forged, b.publicKey, seed(1), context)).toThrow(TypeError)
  })
})
