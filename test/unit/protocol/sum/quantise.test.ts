import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CHUNK_WORDS, keyStream } from '../../../../protocol/crypto/keystream.ts'
import { areResidues, HALF, P } from '../../../../protocol/sum/field.ts'
import { centre, dequantise, quantisedMax, quantiseInto } from '../../../../protocol/sum/quantise.ts'

const key = (byte: number) => new Uint8Array(32).fill(byte)
const quantise = (
  values: Float64Array | Float32Array,
  factor: number,
  scale: number,
  bound: number,
  k = key(1),
) => {
  const out = new Uint32Array(values.length)
  quantiseInto(out, values, factor, { scale, bound, lanes: 1 }, keyStream(k))
  return out
}
const residuesOf = (values: number[], scale: number, bound: number, k = key(1)) =>
  quantise(Float64Array.from(values), 1, scale, bound, k)
const integersOf = (...args: Parameters<typeof residuesOf>) => [...residuesOf(...args)].map(centre)

describe('quantise', () => {
  it('gives one of the two neighbouring steps, within the bound', () => {
    const value = fc.double({ noNaN: true, min: -40, max: 40 })
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 50 }),
        fc.constantFrom(1, 3, 1000.5, 2 ** 20),
        (values, scale) => {
          const q = integersOf(values, scale, 25)
          q.forEach((got, i) => {
            const scaled = Math.min(25, Math.max(-25, values[i]!)) * scale
            expect(got).toBeGreaterThanOrEqual(Math.floor(scaled))
            expect(got).toBeLessThanOrEqual(Math.ceil(scaled))
            expect(Math.abs(got)).toBeLessThanOrEqual(quantisedMax({ scale, bound: 25 }))
          })
        },
      ),
    )
  })

  it('keeps integers exactly, negative ones and both zeros too', () => {
    const values = [0, -0, 1, -1, 7, -7, 303, -303]
    expect(integersOf(values, 1, 303)).toEqual([0, 0, 1, -1, 7, -7, 303, -303])
    expect(integersOf([0.5, -0.25], 4, 1)).toEqual([2, -1])
  })

  it('reaches both ends of the field and no further', () => {
    const residues = residuesOf([1, -1, 5, -5, Number.MAX_VALUE, -Number.MAX_VALUE], HALF, 1)
    expect([...residues].map(centre)).toEqual([HALF, -HALF, HALF, -HALF, HALF, -HALF])
    expect(areResidues(residues)).toBe(true)
    expect(() => residuesOf([0], HALF + 1, 1)).toThrow(/fits in its lanes/)
    expect(() => residuesOf([0], 1, HALF + 0.5)).toThrow(/fits in its lanes/)
    expect(() => residuesOf([0], 0, 1)).toThrow()
    expect(() => residuesOf([0], Number.NaN, 1)).toThrow()
  })

  it('keeps tiny values from being lost or becoming large', () => {
    for (const q of integersOf([Number.MIN_VALUE, -Number.MIN_VALUE, 1e-300, -1e-300], 1000, 1)) {
      expect(Math.abs(q)).toBeLessThanOrEqual(1)
    }
  })

  it('is unbiased: the mean of many roundings is the value', () => {
    const n = 40_000
    for (const value of [0.1, 0.5, 0.9, -0.1, -0.25, 12.3, -12.7]) {
      const q = integersOf(new Array(n).fill(value), 1, 100, key(9))
      const fraction = value - Math.floor(value)
      const sigma = Math.sqrt((fraction * (1 - fraction)) / n)
      const mean = q.reduce((s, x) => s + x, 0) / n
      expect(Math.abs(mean - value)).toBeLessThan(5 * sigma)
      expect(new Set(q).size).toBe(2)
    }
  })

  it('rounds each element on its own, by the key', () => {
    const values = new Array(2000).fill(0.5)
    const a = integersOf(values, 1, 1, key(1))
    expect(integersOf(values, 1, 1, key(1))).toEqual(a)
    const agree = integersOf(values, 1, 1, key(2)).filter((x, i) => x === a[i]).length
    expect(Math.abs(agree - 1000)).toBeLessThan(5 * Math.sqrt(500))
    const runs = a.filter((x, i) => i > 0 && x === a[i - 1]).length
    expect(Math.abs(runs - 1000)).toBeLessThan(5 * Math.sqrt(500))
  })

  it('refuses NaN and infinity wherever they are', () => {
    const at = fc.integer({ min: 0, max: CHUNK_WORDS + 30 })
    fc.assert(
      fc.property(at, at, fc.constantFrom(Number.NaN, Infinity, -Infinity), (one, two, bad) => {
        const values = new Float64Array(CHUNK_WORDS + 31)
        values[one] = bad
        values[two] = bad
        expect(() => quantise(values, 1, 1, 1)).toThrow(/finite/)
      }),
      { numRuns: 30 },
    )
    expect(() => quantise(Float32Array.of(1, Number.NaN), 1, 1, 1)).toThrow(/finite/)
    // Opposite infinities must not cancel in whatever is checked.
    expect(() => quantise(Float64Array.of(Infinity, -Infinity), 1, 1, 1)).toThrow(/finite/)
    expect(() => quantise(Float64Array.of(Number.MAX_VALUE), 2, 1, 1)).toThrow(/finite/)
  })

  it('takes 32-bit values as well', () => {
    expect([...quantise(Float32Array.of(0.5, -2, 3), 1, 2, 2)].map(centre)).toEqual([1, -4, 4])
  })

  it('multiplies by the factor before it cuts', () => {
    expect([...quantise(Float32Array.of(1, -4, 6), 0.5, 2, 2)].map(centre)).toEqual([1, -4, 4])
  })
})

describe('back to real numbers', () => {
  it('centres residues', () => {
    expect([0, 1, HALF, HALF + 1, P - 1].map(centre)).toEqual([0, 1, HALF, -HALF, -1])
    expect(dequantise(P - 3, 2)).toBe(-1.5)
  })
})
