import { ed25519 } from '@noble/curves/ed25519.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import * as signing from '../../../../protocol/crypto/sign.ts'
import { publicKeyOf, sign, verify } from '../../../../protocol/crypto/sign.ts'
import { signSuite } from '../../../support/crypto-suites.ts'

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 })

/** RFC 8032 section 7.1: seed, public key, message, signature. */
const VECTORS = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
].map(row => row.map(fromHex)) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array][]

signSuite('Ed25519', signing)

describe('Ed25519 (RFC 8032)', () => {
  it.each(VECTORS.map((v, i) => [i + 1, v] as const))(
    'gives test vector %i',
    (_, [seed, key, message, sig]) => {
      expect(toHex(publicKeyOf(seed))).toBe(toHex(key))
      expect(toHex(sign(seed, message))).toBe(toHex(sig))
      expect(verify(key, message, sig)).toBe(true)
      expect(verify(key, message, sig), 'also when it is remembered').toBe(true)
    },
  )

  it('agrees with another implementation', () => {
    fc.assert(
      fc.property(bytes32, fc.uint8Array({ maxLength: 300 }), (seed, message) => {
        expect(publicKeyOf(seed)).toEqual(ed25519.getPublicKey(seed))
        expect(sign(seed, message)).toEqual(ed25519.sign(message, seed))
      }),
      { numRuns: 25 },
    )
  })

  it('refuses a signature whose scalar is not reduced (RFC 8032 section 5.1.7)', () => {
    const [seed, key] = VECTORS[1]!
    const message = fromHex('beef')
    const sig = sign(seed, message)
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    let scalar = order
    for (let i = 0; i < 32; i++) scalar += BigInt(sig[32 + i]!) << BigInt(8 * i)
    const other = sig.slice()
    for (let i = 0; i < 32; i++) other[32 + i] = Number((scalar >> BigInt(8 * i)) & 255n)
    expect(verify(key, message, other)).toBe(false)
  })

  it('refuses keys of small order, under which anything would verify', () => {
    const subgroup = ed25519.Point.fromHex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05')
    const half = 123_456_789
    const forged = new Uint8Array(64)
    forged.set(ed25519.Point.BASE.multiply(BigInt(half)).toBytes())
    new DataView(forged.buffer).setUint32(32, half, true)
    let point = ed25519.Point.ZERO
    for (let i = 0; i < 8; i++) {
      const key = point.toBytes()
      const message = fromHex('00')
      expect(ed25519.verify(forged, message, key, { zip215: true }), 'the laxest rule takes it').toBe(true)
      for (let m = 0; m < 32; m++) expect(verify(key, Uint8Array.of(m), forged)).toBe(false)
      point = point.add(subgroup)
    }
    expect(point.is0()).toBe(true)
  })
})
