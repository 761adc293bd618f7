import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import { hkdf } from '../../../../protocol/crypto/kdf.ts'

const range = (from: number, to: number) => Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('hkdf (RFC 5869, appendix A)', () => {
  it('gives A.1: basic', () => {
    const okm = hkdf(new Uint8Array(22).fill(0x0b), range(0xf0, 0xf9), 42, range(0, 0x0c))
    expect(toHex(okm)).toBe(
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    )
  })

  it('gives A.2: longer inputs', () => {
    const okm = hkdf(range(0, 0x4f), range(0xb0, 0xff), 82, range(0x60, 0xaf))
    expect(toHex(okm)).toBe(
      'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
    )
  })

  it('gives A.3: no salt, no info', () => {
    const okm = hkdf(new Uint8Array(22).fill(0x0b), new Uint8Array(0), 42)
    expect(toHex(okm)).toBe(
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    )
  })

  it('separates by info, and a longer output continues a shorter one', () => {
    const key = fromHex('11'.repeat(32))
    expect(hkdf(key, range(0, 3), 32)).not.toEqual(hkdf(key, range(0, 4), 32))
    expect(hkdf(key, range(0, 3), 64).slice(0, 32)).toEqual(hkdf(key, range(0, 3), 32))
  })

  it('throws beyond its bounds', () => {
    const key = new Uint8Array(32)
    expect(hkdf(key, key, 8160)).toHaveLength(8160)
    expect(() => hkdf(key, key, 8161)).toThrow(RangeError)
    expect(() => hkdf(key, key, 0)).toThrow(RangeError)
    expect(() => hkdf(key, key, 1.5)).toThrow(RangeError)
    expect(() => hkdf(key, new Uint8Array(1025), 32)).toThrow(RangeError)
  })
})
