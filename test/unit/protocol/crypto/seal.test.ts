import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import * as sealing from '../../../../protocol/crypto/seal.ts'
import { seal } from '../../../../protocol/crypto/seal.ts'
import { sealSuite } from '../../../support/crypto-suites.ts'

const none = new Uint8Array(0)
const zeroKey = new Uint8Array(32)

sealSuite('AES-256-GCM', sealing)

describe('sealing (AES-256-GCM)', () => {
  it('gives test cases 13 and 14 of McGrew and Viega, whose nonce is zero too', () => {
    expect(toHex(seal(zeroKey, none, none))).toBe('530f8afbc74536b9a963b4f1c4cb738b')
    expect(toHex(seal(zeroKey, none, new Uint8Array(16)))).toBe(
      'cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919',
    )
  })
})
