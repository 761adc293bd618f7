import { describe, expect, it } from 'vitest'
import * as realKem from '../../../../protocol/crypto/kem.ts'
import * as realKeyStream from '../../../../protocol/crypto/keystream.ts'
import * as realSeal from '../../../../protocol/crypto/seal.ts'
import * as realSign from '../../../../protocol/crypto/sign.ts'
import { hkdf } from '../../../../sim/ideal/kdf.ts'
import * as kem from '../../../../sim/ideal/kem.ts'
import * as keyStream from '../../../../sim/ideal/keystream.ts'
import * as seal from '../../../../sim/ideal/seal.ts'
import * as sign from '../../../../sim/ideal/sign.ts'
import { kemSuite, keyStreamSuite, sealSuite, signSuite } from '../../../support/crypto-suites.ts'

kemSuite('ideal', kem)
signSuite('ideal', sign)
sealSuite('ideal', seal)
keyStreamSuite('ideal', keyStream)

describe('ideal key derivation', () => {
  const key = new Uint8Array(32).fill(3)

  it('separates by key, info and salt', () => {
    const all = [
      hkdf(key, Uint8Array.of(1), 32),
      hkdf(key, Uint8Array.of(2), 32),
      hkdf(key, new Uint8Array(0), 32),
      hkdf(key, new Uint8Array(0), 32, Uint8Array.of(1)),
      hkdf(new Uint8Array(32), Uint8Array.of(1), 32),
    ]
    expect(new Set(all.map(String)).size).toBe(all.length)
    expect(hkdf(key, Uint8Array.of(1), 32)).toEqual(all[0])
  })

  it('gives any length up to 8160, a longer one continuing a shorter one', () => {
    const long = hkdf(key, Uint8Array.of(1), 8160)
    for (const length of [1, 31, 32, 33, 64, 96, 8159]) {
      expect(hkdf(key, Uint8Array.of(1), length)).toEqual(long.slice(0, length))
    }
    expect(new Set(Array.from({ length: 255 }, (_, i) => String(long.slice(32 * i, 32 * i + 32)))).size).toBe(
      255,
    )
  })

  it('throws beyond its bounds', () => {
    expect(() => hkdf(key, key, 8161)).toThrow(RangeError)
    expect(() => hkdf(key, key, 0)).toThrow(RangeError)
    expect(() => hkdf(key, key, 1.5)).toThrow(RangeError)
    expect(() => hkdf(key, new Uint8Array(1025), 32)).toThrow(RangeError)
  })
})

describe('ideal primitives', () => {
  it('have the names and sizes of the real ones', () => {
    const pairs = [
      [kem, realKem],
      [sign, realSign],
      [seal, realSeal],
      [keyStream, realKeyStream],
    ] as const
    for (const [ideal, real] of pairs) {
      expect(Object.keys(ideal).sort()).toEqual(Object.keys(real).sort())
      for (const [name, value] of Object.entries(real)) {
        if (typeof value === 'number') expect([name, ideal[name as never]]).toEqual([name, value])
      }
    }
  })
})
