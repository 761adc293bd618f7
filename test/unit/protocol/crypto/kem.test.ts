import { diffieHellman } from 'node:crypto'
import { x25519 } from '@noble/curves/ed25519.js'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ascii, concatBytes, fromHex, toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { hkdf } from '../../../../protocol/crypto/kdf.ts'
import * as kem from '../../../../protocol/crypto/kem.ts'
import {
  decapsulate,
  encapsulate,
  HYBRID_PUBLIC_KEY_BYTES,
  hybridKeyPair,
  isHybridPublicKey,
} from '../../../../protocol/crypto/kem.ts'
import { privateKey, publicKey, rawPublicKey } from '../../../../protocol/crypto/keys.ts'
import { kemSuite } from '../../../support/crypto-suites.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })
const seed = (byte: number) => new Uint8Array(32).fill(byte)
const context = ascii('round 3, attempt 1')
const a = hybridKeyPair(seed(1))
const b = hybridKeyPair(seed(2))
const stranger = hybridKeyPair(seed(3))

kemSuite('X25519 with ML-KEM-768', kem)

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
})

describe('encapsulation', () => {
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
})
