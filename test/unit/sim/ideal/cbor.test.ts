/**
 * Two implementations of one form, each a check of the other: the protocol's CBOR and the simulator's write the same bytes of the
 * same values, and of hostile bytes read and refuse the same.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as real from '../../../../protocol/wire/cbor.ts'
import * as ideal from '../../../../sim/ideal/cbor.ts'

const plain = fc.letrec(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, 0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32, -(2 ** 53) + 1),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'aa', 'é', 'constructor', '__proto__'), tie('value')),
  ),
})).value

/** One or two bytes of a value's encoding are others. */
const changed = fc
  .tuple(plain, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }))
  .map(([value, at]) => {
    const written = real.encodeCbor(value)
    for (const [index, byte] of at) written[index % written.length] = byte
    return written
  })

const read = (decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array) => {
  try {
    return { value: decode(bytes) }
  } catch {
    return 'refused'
  }
}

describe("the simulator's CBOR", () => {
  it('writes what the protocol writes, and reads it back', () => {
    fc.assert(
      fc.property(plain, value => {
        const bytes = ideal.encodeCbor(value)
        expect(bytes).toEqual(real.encodeCbor(value))
        expect(ideal.decodeCbor(bytes)).toEqual(real.decodeCbor(bytes))
      }),
      { numRuns: 500 },
    )
    for (const n of [23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      for (const value of [n, -n, -1 - n]) expect(ideal.encodeCbor(value)).toEqual(real.encodeCbor(value))
    }
  })

  it('refuses what the protocol refuses', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 20 }), changed), bytes => {
        expect(read(ideal.decodeCbor, bytes)).toEqual(read(real.decodeCbor, bytes))
      }),
      { numRuns: 5000 },
    )
    // Near misses: one byte of a value's encoding is another, or missing, or one more.
    fc.assert(
      fc.property(plain, fc.nat(), fc.nat(255), fc.integer({ min: 0, max: 2 }), (value, at, byte, how) => {
        const bytes = [...real.encodeCbor(value)]
        bytes.splice(at % (bytes.length + 1), how === 2 ? 0 : 1, ...(how === 1 ? [] : [byte]))
        const wrong = Uint8Array.from(bytes)
        expect(read(ideal.decodeCbor, wrong)).toEqual(read(real.decodeCbor, wrong))
      }),
      { numRuns: 3000 },
    )
  })
})
