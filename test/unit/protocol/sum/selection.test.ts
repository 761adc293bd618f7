/** Which values are summed: one of each so many neighbours, by lot, the same for all who have the seed (SPEC S6). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { keyStream } from '../../../../protocol/crypto/keystream.ts'
import { drawn, drawnLength } from '../../../../protocol/sum/selection.ts'

const seed = (byte: number) => new Uint8Array(32).fill(byte)
const lengths = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(4096, 9000, 50_001))

describe('the values that are drawn', () => {
  it('are one of each so many, and one of those that are left over', () => {
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 1, max: 1024 }),
        fc.integer({ min: 0, max: 255 }),
        (length, oneIn, byte) => {
          const places = drawn(length, oneIn, seed(byte))
          expect(places.length).toBe(Math.ceil(length / oneIn))
          expect(places.length).toBe(drawnLength(length, oneIn))
          places.forEach((at, i) => {
            expect(Math.floor(at / oneIn)).toBe(i)
            expect(at).toBeLessThan(length)
          })
        },
      ),
    )
  })

  it('are all where one in one is', () => {
    expect([...drawn(5, 1, seed(3))]).toEqual([0, 1, 2, 3, 4])
  })

  it('follow from the seed alone, and are others with another', () => {
    const one = drawn(9000, 4, seed(1))
    expect(drawn(9000, 4, seed(1))).toEqual(one)
    const other = drawn(9000, 4, seed(2))
    const same = one.filter((at, i) => at === other[i]).length / one.length
    // A quarter by chance; four deviations of it.
    expect(Math.abs(same - 1 / 4)).toBeLessThan(4 * Math.sqrt(3 / 16 / one.length))
    // On every machine; made by another program, from HKDF, AES-256-CTR and integers alone.
    const places = drawn(50_001, 7, seed(9))
    expect([...places.subarray(0, 8)]).toEqual([2, 10, 16, 23, 34, 37, 42, 53])
    expect(toHex(sha256(new Uint8Array(places.buffer)))).toBe(
      '51b60f1d51aca9ed2e5b42c186e3329605e8322cf36d58c3a6fcf2f46bfac832',
    )
  })

  it('have each the same chance, the ones that are left over a greater one', () => {
    const length = 10
    const times = 4000
    const counts = new Array<number>(length).fill(0)
    for (let i = 0; i < times; i++) {
      const by = new Uint8Array(32)
      new DataView(by.buffer).setUint32(0, i)
      for (const at of drawn(length, 4, by)) counts[at]!++
    }
    counts.forEach((count, at) => {
      const chance = at < 8 ? 1 / 4 : 1 / 2
      expect(Math.abs(count / times - chance)).toBeLessThan(4.5 * Math.sqrt((chance * (1 - chance)) / times))
    })
  })

  it('owe nothing to the signs of the rotation, which follow from the same seed', () => {
    const [length, oneIn] = [40_000, 2]
    const signs = keyStream(seed(5)).take(length / oneIn / 32)
    const places = drawn(length, oneIn, seed(5))
    let same = 0
    places.forEach((at, i) => {
      if ((at & 1) === ((signs[i >>> 5]! >>> (i & 31)) & 1)) same++
    })
    expect(Math.abs(same / places.length - 1 / 2)).toBeLessThan(2 / Math.sqrt(places.length))
    // Nor to its words as they are.
    const words = keyStream(seed(5)).take(4096)
    const alike = places.subarray(0, 4096).filter((at, i) => (at & 1) === words[i]! >>> 31).length
    expect(Math.abs(alike / 4096 - 1 / 2)).toBeLessThan(2 / 64)
  })
})
