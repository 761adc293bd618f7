/** Several values in one element: no lane of an honest sum runs over into the next, and no element wraps (SPEC S6). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BITS_PER_VALUE, LANE_MAX, type Lanes, lanesOf } from '../../../../config/lanes.ts'
import { CHUNK_WORDS, keyStream } from '../../../../protocol/crypto/keystream.ts'
import { addInto, areResidues, HALF, P } from '../../../../protocol/sum/field.ts'
import { elementsOf, layoutFor, sectionRange, vectorLength } from '../../../../protocol/sum/layout.ts'
import { centre, quantisedMax, quantiseInto, unpackInto } from '../../../../protocol/sum/quantise.ts'
import { charterFor } from '../../../support/learned.ts'

const LANES: readonly Lanes[] = [1, 2, 3, 4]

const charterOf = (n: number, bitsPerValue: (typeof BITS_PER_VALUE)[number], parameters = 10) =>
  charterFor(Math.max(3, n), parameters, c => ({
    ...c,
    secureSum: { ...c.secureSum, compression: { bitsPerValue, rotation: false } },
  }))

/** Integers, in lanes. */
function packed(integers: readonly number[], lanes: Lanes, key = 1): Uint32Array {
  const out = new Uint32Array(Math.ceil(integers.length / lanes))
  const steps = { scale: 1, bound: LANE_MAX[lanes], lanes }
  quantiseInto(out, Float64Array.from(integers), 1, steps, keyStream(new Uint8Array(32).fill(key)))
  return out
}

function unpacked(elements: Uint32Array, lanes: Lanes, length = elements.length * lanes): number[] {
  const out = new Int32Array(length)
  unpackInto(out, elements, lanes)
  return [...out]
}

describe('lanes', () => {
  it('are as wide as the field lets them be', () => {
    for (const lanes of LANES) {
      const most = BigInt(LANE_MAX[lanes])
      expect((2n * most + 1n) ** BigInt(lanes)).toBeLessThanOrEqual(BigInt(P))
      expect((2n * most + 3n) ** BigInt(lanes)).toBeGreaterThan(BigInt(P))
    }
    expect(BITS_PER_VALUE.map(b => lanesOf({ compression: { bitsPerValue: b } }))).toEqual([2, 3, 4])
    expect(lanesOf({})).toBe(1)
  })

  it('give integers back, of however many hospitals they are the sum', () => {
    const sums = fc.constantFrom(...LANES).chain(lanes =>
      fc.integer({ min: 1, max: Math.min(107, LANE_MAX[lanes]) }).chain(n => {
        const most = Math.floor(LANE_MAX[lanes] / n)
        const integer = fc.oneof(fc.constantFrom(most, -most, 0), fc.integer({ min: -most, max: most }))
        const length = fc.integer({ min: 1, max: 9 })
        return length.chain(l =>
          fc.record({
            lanes: fc.constant(lanes),
            all: fc.array(fc.array(integer, { minLength: l, maxLength: l }), { minLength: n, maxLength: n }),
          }),
        )
      }),
    )
    fc.assert(
      fc.property(sums, ({ lanes, all }) => {
        const sum = packed(all[0]!, lanes)
        for (const one of all.slice(1)) addInto(sum, packed(one, lanes))
        const exact = all[0]!.map((_, i) => all.reduce((x, one) => x + one[i]!, 0))
        // Linear: the packed sum is what the sum packs to.
        expect([...sum]).toEqual([...packed(exact, lanes)])
        expect(unpacked(sum, lanes, exact.length)).toEqual(exact)
      }),
    )
  })

  it('hold no step more: one beyond the largest sum shows in the next lane, or wraps', () => {
    for (const lanes of LANES) {
      const most = LANE_MAX[lanes]
      const full = new Array<number>(lanes).fill(most)
      const sum = packed(full, lanes)
      expect(unpacked(sum, lanes)).toEqual(full)
      addInto(sum, packed([1, ...full.slice(1).fill(0)], lanes))
      expect(unpacked(sum, lanes)).not.toEqual([most + 1, ...full.slice(1)])
    }
    expect(packed(new Array(4).fill(-LANE_MAX[4]), 4)).toEqual(Uint32Array.of(P - (215 ** 4 - 1) / 2))
  })

  it('take any residue, whoever made it up', () => {
    const residue = fc.oneof(fc.constantFrom(0, 1, HALF, HALF + 1, P - 1), fc.integer({ min: 0, max: P - 1 }))
    fc.assert(
      fc.property(fc.constantFrom(...LANES), residue, (lanes, x) => {
        const integers = unpacked(Uint32Array.of(x), lanes)
        const radix = 2 * LANE_MAX[lanes] + 1
        expect(integers.reduceRight((sum, integer) => sum * radix + integer, 0)).toBe(centre(x))
        for (const integer of integers.slice(0, -1))
          expect(Math.abs(integer)).toBeLessThanOrEqual(LANE_MAX[lanes])
        expect(Math.abs(integers.at(-1)!)).toBeLessThanOrEqual(LANE_MAX[lanes] + 2)
      }),
    )
  })

  it('refuse a step that is too many for them', () => {
    for (const lanes of LANES) {
      const quantise = (bound: number) =>
        quantiseInto(
          new Uint32Array(1),
          new Float64Array(1),
          1,
          { scale: 1, bound, lanes },
          keyStream(new Uint8Array(32)),
        )
      expect(() => quantise(LANE_MAX[lanes])).not.toThrow()
      expect(() => quantise(LANE_MAX[lanes] + 0.5)).toThrow(/fits in its lanes/)
    }
  })

  it('round by the same stream in whatever number they are, over chunks of it', () => {
    const values = Float32Array.from({ length: 2 * CHUNK_WORDS + 7 }, (_, i) => Math.sin(i))
    const integersOf = (lanes: Lanes) => {
      const out = new Uint32Array(Math.ceil(values.length / lanes))
      quantiseInto(out, values, 0.5, { scale: 100, bound: 1, lanes }, keyStream(new Uint8Array(32).fill(5)))
      expect(areResidues(out)).toBe(true)
      return unpacked(out, lanes, values.length)
    }
    for (const lanes of [2, 3, 4] as const) expect(integersOf(lanes)).toEqual(integersOf(1))
  })
})

describe('a compressed update', () => {
  it('cannot run over: all hospitals at their bounds, for every number of them, and rounded up at that', () => {
    for (const bits of BITS_PER_VALUE) {
      const lanes = lanesOf({ compression: { bitsPerValue: bits } })
      for (let n = 1; n <= LANE_MAX[lanes]; n += n < 110 ? 1 : 97) {
        for (const clipNorm of [1, 3, 0.1, 1e-5, 999_999.7]) {
          const charter = charterOf(3, bits)
          const section = layoutFor(
            { ...charter, training: { ...charter.training, clipNorm } },
            'train',
            n,
          )[0]!
          expect(section).toMatchObject({ name: 'update', lanes, length: 10, bound: clipNorm })
          expect(n * quantisedMax(section)).toBeLessThanOrEqual(LANE_MAX[lanes])
          // One step more for each would run over.
          expect(n * (quantisedMax(section) + 1)).toBeGreaterThan(LANE_MAX[lanes])
        }
      }
      expect(() => layoutFor(charterOf(3, bits), 'train', LANE_MAX[lanes] + 1)).toThrow(/steps in a lane/)
    }
  })

  it('of all hospitals at the largest and the smallest there is sums to just that', () => {
    for (const bits of BITS_PER_VALUE) {
      for (const n of [1, 3, 10, 53, 54, 107]) {
        const section = layoutFor(charterOf(n, bits), 'train', n)[0]!
        for (const sign of [1, -1]) {
          const sum = new Uint32Array(elementsOf(section))
          const values = new Float64Array(section.length).fill(sign * 1e9)
          for (let i = 0; i < n; i++) {
            const one = new Uint32Array(sum.length)
            quantiseInto(one, values, 1, section, keyStream(new Uint8Array(32).fill(i)))
            addInto(sum, one)
          }
          const most = n * quantisedMax(section)
          for (const integer of unpacked(sum, section.lanes, section.length))
            expect(integer).toBe(sign * most)
        }
      }
    }
  })

  it('is cut nearer to 0 where it is rotated, the nearer the fewer steps there are, and never beyond the norm', () => {
    const rotatedIn = (n: number, bits: (typeof BITS_PER_VALUE)[number], parameters = 10_000) => {
      const c = charterOf(3, bits, parameters)
      const compression = { bitsPerValue: bits, rotation: true }
      const { clipNorm } = c.training
      const s = layoutFor({ ...c, secureSum: { ...c.secureSum, compression } }, 'train', n)[0]!
      expect(n * quantisedMax(s)).toBeLessThanOrEqual(LANE_MAX[s.lanes])
      return { deviations: (s.bound / clipNorm) * Math.sqrt(s.length), ...s, clipNorm }
    }
    expect(rotatedIn(3, 16).length).toBe(10_240)
    expect([rotatedIn(107, 8), rotatedIn(4, 8), rotatedIn(4, 16)].map(s => s.deviations)).toEqual([
      expect.closeTo(2, 9),
      expect.closeTo(3, 9),
      expect.closeTo(4, 9),
    ])
    const tiny = rotatedIn(4, 16, 3)
    expect(tiny.bound).toBe(tiny.clipNorm)
  })

  it('takes its share of the vector, and the other sections all that they took', () => {
    const whole = layoutFor(charterFor(4, 10), 'train', 4)
    const rest = vectorLength(whole) - 10
    for (const [bits, elements] of [
      [16, 5],
      [10, 4],
      [8, 3],
    ] as const) {
      const sections = layoutFor(charterOf(4, bits), 'train', 4)
      expect(sectionRange(sections, 'update')).toEqual([0, elements])
      expect(vectorLength(sections)).toBe(elements + rest)
      expect(sections.slice(1)).toEqual(whole.slice(1))
    }
  })
})
