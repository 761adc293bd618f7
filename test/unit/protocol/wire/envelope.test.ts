/** A signature holds for one network, type, author and body, and for no other. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ascii } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { publicKeyOf } from '../../../../protocol/crypto/sign.ts'
import { encode } from '../../../../protocol/wire/codec.ts'
import {
  openEnvelope,
  plainEnvelope,
  type RawEnvelope,
  sealEnvelope,
  signingBytes,
  verifyEnvelope,
} from '../../../../protocol/wire/envelope.ts'

const network = sha256(ascii('study'))
const seed = sha256(ascii('seed'))
const key = publicKeyOf(seed)
const body = encode({ round: 3 })
const sealed = sealEnvelope({ network, type: 'keys', from: 'ward-1', seed }, body)

function opened(bytes: Uint8Array): RawEnvelope {
  const raw = openEnvelope(bytes)
  if (!raw.ok) throw new Error(raw.error.detail)
  return raw.value
}

describe('sealed', () => {
  test('opens to what was sealed, verifies, and is the same bytes each time', () => {
    const raw = opened(sealed)
    expect(raw).toMatchObject({ type: 'keys', from: 'ward-1', body, bytes: sealed })
    expect(verifyEnvelope(raw, network, key)).toBe(true)
    expect(sealEnvelope({ network, type: 'keys', from: 'ward-1', seed }, body)).toEqual(sealed)
  })

  test('does not verify as anything else', () => {
    const raw = opened(sealed)
    const other = sha256(ascii('other'))
    expect(verifyEnvelope(raw, network, key), 'and is remembered as that').toBe(true)
    expect(verifyEnvelope(raw, other, key)).toBe(false)
    expect(verifyEnvelope(raw, network, publicKeyOf(other))).toBe(false)
    expect(verifyEnvelope({ ...raw, type: 'offer' }, network, key)).toBe(false)
    expect(verifyEnvelope({ ...raw, from: 'ward-2' }, network, key)).toBe(false)
    expect(verifyEnvelope({ ...raw, body: encode({ round: 4 }) }, network, key)).toBe(false)
    const sig = raw.sig.slice()
    sig[7]! ^= 1
    expect(verifyEnvelope({ ...raw, sig }, network, key)).toBe(false)
  })

  test('any change of a byte breaks it', () => {
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const hostile = sealed.slice()
        hostile[at]! ^= flip
        const raw = openEnvelope(hostile)
        expect(raw.ok && verifyEnvelope(raw.value, network, key)).toBe(false)
      }),
    )
  })

  test('what is signed tells apart fields that run into each other', () => {
    const parts = fc.tuple(
      fc.stringMatching(/^[a-z]{1,4}$/),
      fc.stringMatching(/^[a-z]{1,4}$/),
      fc.uint8Array(),
    )
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        fc.pre(JSON.stringify(a) !== JSON.stringify(b))
        expect(signingBytes(network, ...a)).not.toEqual(signingBytes(network, ...b))
      }),
    )
  })
})

test('an unsigned message opens and never verifies', () => {
  const raw = opened(plainEnvelope('status', 'ward-1', body))
  expect(raw.sig).toHaveLength(0)
  expect(verifyEnvelope(raw, network, key)).toBe(false)
})

test.each([
  ['another version', [2, 'keys', 'ward-1', body, new Uint8Array(64)]],
  ['a signature of another length', [1, 'keys', 'ward-1', body, new Uint8Array(63)]],
  ['a type that is no name', [1, 'k/', 'ward-1', body, new Uint8Array(64)]],
  ['a type too long', [1, 'k'.repeat(33), 'ward-1', body, new Uint8Array(64)]],
  ['an author that is no member identifier', [1, 'keys', 'Ward', body, new Uint8Array(64)]],
  ['a body that is no bytes', [1, 'keys', 'ward-1', 'body', new Uint8Array(64)]],
  ['a field more', [1, 'keys', 'ward-1', body, new Uint8Array(64), 1]],
  ['a field less', [1, 'keys', 'ward-1', body]],
])('refused: %s', (_, fields) => {
  expect(openEnvelope(encode(fields))).toMatchObject({ ok: false, error: { code: 'malformed' } })
})

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), input => {
      expect(openEnvelope(input).ok).toBe(false)
    }),
  )
})
