/** One value has one encoding, and no bytes whatever make the decoder throw. */
import { encode as cbor } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { concatBytes, fromHex } from '../../../../protocol/bytes.ts'
import { bytes, bytesMax, decode, encode, list, memberId, uint } from '../../../../protocol/wire/codec.ts'
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX } from '../../../../protocol/wire/limits.ts'

const anything = z.unknown()
const refused = (hex: string) => {
  const read = decode(fromHex(hex), anything)
  return read.ok ? `accepted ${JSON.stringify(read.value)}` : read.error
}

const plain = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter(x => !Object.is(x, -0)),
    fc.string({ unit: fc.constantFrom('a', 'B', '7', 'é', '漢', '🙂') }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.constantFrom('a', 'b', 'aa', 'B', 'kind', '0', 'constructor', '__proto__'),
      tie('value'),
    ),
  ),
})).value

describe('round trip', () => {
  test('every plain value comes back, from the same bytes whatever the order of its keys', () => {
    fc.assert(
      fc.property(plain, value => {
        const written = encode(value)
        const read = decode(written, anything)
        expect(read.ok).toBe(true)
        if (read.ok) expect(encode(read.value)).toEqual(written)
      }),
    )
    expect(encode({ b: 1, aa: 2, a: 3 })).toEqual(encode({ a: 3, aa: 2, b: 1 }))
  })

  test('long byte strings stay where they are in a message, short ones do not keep it', () => {
    const [long, short] = [new Uint8Array(20_000).fill(7), new Uint8Array(100).fill(8)]
    for (const at of [0, 3]) {
      const message = new Uint8Array(25_000).subarray(at)
      const written = encode({ long, short, text: 'x' })
      message.set(written)
      const read = decode(message.subarray(0, written.length), anything)
      const value = (read.ok ? read.value : undefined) as {
        long: Uint8Array
        short: Uint8Array
        text: string
      }
      expect(value).toEqual({ long, short, text: 'x' })
      expect(value.long.buffer).toBe(message.buffer)
      expect(value.short.buffer).not.toBe(message.buffer)
      // What is read is no other kind of bytes.
      for (const bytes of [value.long, value.short]) expect(bytes.constructor).toBe(Uint8Array)
      expect(value.long.slice(0, 5).buffer.byteLength).toBe(5)
    }
  })

  test('the form is RFC 8949 4.2.1 with floats of 64 bits', () => {
    // Keys bytewise by their encoding: 61 before 62 before 63 6161.. by length head; shortest integers.
    expect(encode({ aa: 24, b: [0, -1, 23, 65_536], a: new Uint8Array([1]) })).toEqual(
      fromHex('a3616141016162840020171a00010000626161' + '1818'),
    )
    expect(encode(0.5)).toEqual(fromHex('fb3fe0000000000000'))
    expect(encode(2 ** 53)).toEqual(fromHex('fb4340000000000000'))
    expect(encode(-0)).toEqual(encode(0))
  })

  test('what is written are plain bytes in memory of their own: changing a copy changes nothing else', () => {
    for (const length of [0, 50, 130, 200, 250, 300, 70_000]) {
      for (const value of [new Uint8Array(length), 'x'.repeat(length), new Array(length % 1000).fill(0)]) {
        const written = encode(value)
        expect(Object.getPrototypeOf(written)).toBe(Uint8Array.prototype)
        expect(written.byteOffset).toBe(0)
        expect(written.buffer.byteLength - written.length).toBeLessThanOrEqual(length < 16_384 ? 0 : 1024)
      }
    }
  })

  test('what would come back as something else is not written', () => {
    const wrong = [undefined, { a: undefined }, 1n, Number.NaN, Number.POSITIVE_INFINITY]
    const typed = [new Map(), new Float32Array(1), new Uint32Array(1), new ArrayBuffer(1)]
    for (const value of [...wrong, ...typed]) expect(() => encode(value)).toThrow(TypeError)
  })
})

describe('refused', () => {
  test.each([
    ['nothing', ''],
    ['two items', '0101'],
    ['integer in more bytes than needed', '1801'],
    ['length in more bytes than needed', '580100'],
    ['indefinite array', '9f01ff'],
    ['indefinite bytes', '5f4101ff'],
    ['break', 'ff'],
    ['tag', 'c001'],
    ['undefined', 'f7'],
    ['other simple value', 'f0'],
    ['keys out of order', 'a2616201616101'],
    ['repeated key', 'a2616101616102'],
    ['key that is no string', 'a10101'],
    ['float of 16 bits', 'f93800'],
    ['float of 32 bits', 'fa3f000000'],
    ['float that is an integer', 'fb3ff0000000000000'],
    ['negative zero', 'fb8000000000000000'],
    ['NaN', 'fb7ff8000000000000'],
    ['infinity', 'fb7ff0000000000000'],
    ['integer beyond 2^53', '1b0020000000000001'],
    ['negative beyond 2^53', '3b0020000000000001'],
    ['string that is not UTF-8', '62c328'],
    ['string that begins with a byte order mark', '63efbbbf'],
    ['bytes that end early', '42ff'],
    ['array of more items than bytes', '9affffffff'],
    ['bytes of 2^63', '5b8000000000000000'],
  ])('%s', (_, hex) => {
    expect(refused(hex)).not.toMatch(/^accepted/)
  })

  test('deeper, longer or in more items than the bounds', () => {
    const nested = (depth: number) => concatBytes(new Uint8Array(depth).fill(0x81), fromHex('00'))
    expect(decode(nested(CBOR_DEPTH_MAX), anything).ok).toBe(true)
    expect(decode(nested(CBOR_DEPTH_MAX + 1), anything).ok).toBe(false)
    expect(decode(nested(1_000_000), anything).ok).toBe(false)
    expect(decode(encode(new Array(CBOR_ITEMS_MAX).fill(0)), anything).ok).toBe(false)
    expect(decode(encode(new Array(CBOR_ITEMS_MAX - 1).fill(0)), anything).ok).toBe(true)
    expect(decode(encode([1, 2]), anything, 2).ok).toBe(false)
    expect(decode(encode([1, 2]), anything, 3).ok).toBe(true)
  })

  test('the reason says where, never what', () => {
    const schema = z.strictObject({ list: list(z.strictObject({ age: uint(120) }), 3) })
    const read = decode(encode({ list: [{ age: 3 }, { age: 4711 }] }), schema)
    expect(read).toEqual({ ok: false, error: 'list.1.age: too_big' })
    const extra = decode(encode({ list: [], secret: 1 }), schema)
    expect(extra.ok || extra.error).not.toMatch(/secret/)
  })
})

describe('hostile bytes', () => {
  const schema = z.strictObject({ a: bytes(4), b: list(memberId, 3), c: uint(), d: bytesMax(9).nullable() })
  const good = encode({ a: new Uint8Array(4), b: ['ward-1', 'ward-2'], c: 70_000, d: new Uint8Array(9) })

  test('random bytes never throw, and what is accepted is in the one form', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), input => {
        const read = decode(input, anything)
        if (read.ok) expect(encode(read.value)).toEqual(input)
        expect(decode(input, schema).ok).toBe(false)
      }),
      { numRuns: 3000 },
    )
  })

  test('a changed, cut or prolonged message never throws, and is never taken for the original', () => {
    const original = decode(good, schema)
    expect(original.ok).toBe(true)
    const change = fc.record({ at: fc.nat(good.length - 1), to: fc.nat(255), cut: fc.nat(good.length) })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), fc.boolean(), (changes, cutting) => {
        let hostile = good.slice()
        for (const { at, to } of changes) hostile[at] = to
        if (cutting) hostile = hostile.subarray(0, changes[0]!.cut)
        const read = decode(hostile, schema)
        if (read.ok) expect(encode(read.value)).toEqual(hostile)
      }),
      { numRuns: 3000 },
    )
    expect(decode(concatBytes(good, fromHex('00')), schema).ok).toBe(false)
  })

  test('a value of any type in the place of any other is refused, and never throws', () => {
    const shapes: z.ZodType[] = [
      list(uint(), 3),
      bytes(3),
      memberId,
      uint(),
      z.strictObject({ a: uint() }),
      z.tuple([uint(), uint(), uint()]),
      z.boolean(),
    ]
    const values = [[1, 2, 3], new Uint8Array(3), 'ward-1', 1, { a: 1 }, true, null, -1, 0.5]
    const accepted = shapes.map(shape => values.filter(value => decode(encode(value), shape).ok))
    expect(accepted).toEqual([
      [[1, 2, 3]],
      [new Uint8Array(3)],
      ['ward-1'],
      [1],
      [{ a: 1 }],
      [[1, 2, 3]],
      [true],
    ])
  })

  test('keys of Object’s own are data, and strict shapes refuse them', () => {
    for (const key of ['__proto__', 'constructor', 'toString']) {
      const hostile = cbor({ [key]: 1, a: 1 })
      expect(decode(hostile, z.strictObject({ a: uint() })).ok).toBe(false)
    }
    const proto = decode(fromHex('a1695f5f70726f746f5f5fa0'), anything)
    expect(proto.ok && Object.getPrototypeOf(proto.value)).toBe(Object.prototype)
  })
})

test('member identifiers are the charter’s', () => {
  for (const id of ['ab', 'cleveland', 'a-1', 'a'.repeat(32)])
    expect(memberId.safeParse(id).success).toBe(true)
  for (const id of ['', 'a', 'A1', '1a', 'a-', 'a b', 'a'.repeat(33), 3]) {
    expect(memberId.safeParse(id).success).toBe(false)
  }
})
