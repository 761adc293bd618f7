import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import { SEAL_TAG_BYTES, seal, unseal } from '../../../../protocol/crypto/seal.ts'

const none = new Uint8Array(0)
const zeroKey = new Uint8Array(32)
const bytes = (max: number) => fc.uint8Array({ maxLength: max })
const key = fc.uint8Array({ minLength: 32, maxLength: 32 })

describe('sealing (AES-256-GCM)', () => {
  it('gives test cases 13 and 14 of McGrew and Viega, whose nonce is zero too', () => {
    expect(toHex(seal(zeroKey, none, none))).toBe('530f8afbc74536b9a963b4f1c4cb738b')
    expect(toHex(seal(zeroKey, none, new Uint8Array(16)))).toBe(
      'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
    )
  })

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

  it('opens nothing once any bit of box, associated data or key is another', () => {
    const k = fromHex('42'.repeat(32))
    const aad = fromHex('0102030405')
    const box = seal(k, aad, fromHex('ab'.repeat(64)))
    const flip = (b: Uint8Array, bit: number) => {
      const out = b.slice()
      out[bit >> 3]! ^= 1 << (bit & 7)
      return out
    }
    for (let bit = 0; bit < 8 * box.length; bit++) expect(unseal(k, aad, flip(box, bit))).toBeUndefined()
    for (let bit = 0; bit < 8 * aad.length; bit++) expect(unseal(k, flip(aad, bit), box)).toBeUndefined()
    for (let bit = 0; bit < 256; bit++) expect(unseal(flip(k, bit), aad, box)).toBeUndefined()
    expect(unseal(k, aad, box)).toBeDefined()
  })

  it('opens nothing that is cut, longer, or any bytes', () => {
    const box = seal(zeroKey, none, fromHex('ab'.repeat(64)))
    for (let n = 0; n < box.length; n++) expect(unseal(zeroKey, none, box.subarray(0, n))).toBeUndefined()
    expect(unseal(zeroKey, none, new Uint8Array([...box, 0]))).toBeUndefined()
    fc.assert(fc.property(key, bytes(200), (k, any) => unseal(k, none, any) === undefined))
  })

  it('throws for a key of another length', () => {
    expect(() => seal(new Uint8Array(16), none, none)).toThrow(RangeError)
    expect(() => unseal(new Uint8Array(16), none, new Uint8Array(16))).toThrow(RangeError)
  })
})
