import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CHUNK_WORDS, keyStream, sideStream } from '../../../../protocol/crypto/keystream.ts'
import { aliasTable } from '../../../../protocol/privacy/alias.ts'
import { type Rational, rational } from '../../../../protocol/privacy/rational.ts'
import { skellamNoise, skellamWeights } from '../../../../protocol/privacy/skellam.ts'
import { columnMasses, thresholdOf } from '../../../support/alias-masses.ts'
import { expectDrawsOf, LAW_BITS, skellamExact, skellamLaw } from '../../../support/noise-laws.ts'

const key = (byte: number) => new Uint8Array(32).fill(byte)
const half = rational(1, 4)
const hundred = rational(10_000)
const distance = (a: bigint, b: bigint) => (a < b ? b - a : a - b)

function drawn(variance: Rational, count: number, byte = 7): Int32Array {
  const out = new Int32Array(count)
  skellamNoise(variance).drawer(key(byte))(out)
  return out
}

/** The probabilities that the table draws, as multiples of 2^-LAW_BITS, by k from -T on. */
function tabled(variance: Rational): { cut: number; masses: bigint[] } {
  const weights = skellamWeights(variance)
  const masses = columnMasses(aliasTable(weights)).map(m => m << (LAW_BITS - 160n))
  expect(masses.slice(weights.length).every(m => m === 0n)).toBe(true)
  return { cut: (weights.length - 1) / 2, masses: masses.slice(0, weights.length) }
}

describe('the table of Skellam noise', () => {
  it.each([
    ['2^-10', rational(1, 2 ** 20)],
    ['.3', rational(9, 100)],
    ['.5', half],
    ['1', rational(1)],
    ['4', rational(16)],
    ['sqrt(10^40 / 3^80)', rational(10n ** 40n, 3n ** 80n)],
    ['100', hundred],
  ])('is within 2^-112 of the law at sigma %s, and cut where it may first be', (_, variance) => {
    const exact = skellamExact(variance)
    const { cut, masses } = tabled(variance)
    let kept = 0n
    let off = 0n
    masses.forEach((m, i) => {
      const p = exact(i - cut)
      kept += p
      off += distance(m, p)
    })
    const tail = (1n << LAW_BITS) - kept
    // Half of the sum over all outcomes, of which those beyond the cut have no column.
    expect((off + tail) / 2n < 1n << (LAW_BITS - 112n)).toBe(true)
    expect(tail <= 1n << (LAW_BITS - 113n)).toBe(true)
    expect(tail + 2n * exact(cut) > 1n << (LAW_BITS - 113n)).toBe(true)
    // All but 0, which got the tail, are as close as their last bit.
    const beside = masses.filter((m, i) => i !== cut && distance(m, exact(i - cut)) >> (LAW_BITS - 157n) > 0n)
    expect(beside).toEqual([])
  })

  it.each([2000, 5000])(
    'has the law’s probabilities at sigma %i, and is cut where it may first be',
    sigma => {
      const exact = skellamExact(rational(sigma ** 2))
      const { cut, masses } = tabled(rational(sigma ** 2))
      expect(masses.reduce((a, b) => a + b, 0n)).toBe(1n << LAW_BITS)
      for (const k of [1, 2, 3, 1000, sigma, 3 * sigma, 7 * sigma, 12 * sigma, cut - 1, cut]) {
        const p = exact(k)
        expect(distance(masses[cut + k]!, p) >> (LAW_BITS - 157n)).toBe(0n)
        expect(masses[cut - k]).toBe(masses[cut + k])
      }
      // 0 got what was cut off, which tells how much that was.
      const tail = masses[cut]! - exact(0)
      expect(tail <= 1n << (LAW_BITS - 113n)).toBe(true)
      expect(tail + 2n * exact(cut) > 1n << (LAW_BITS - 113n)).toBe(true)
    },
  )

  it('is of variances that are exact fractions within bounds', () => {
    for (const v of [rational(0), rational(-1), rational(1, 2 ** 20 + 1), rational(25_000_001)])
      expect(() => skellamNoise(v)).toThrow('from 2^-20 to 25,000,000')
    expect(() => skellamNoise(rational(2n ** 512n, 2n ** 511n + 1n))).toThrow('below 2^512')
    expect(skellamNoise(rational(2, 8)).variance).toEqual(half)
  })

  it('is remembered, but not for ever', () => {
    const first = skellamNoise(rational(3))
    expect(skellamNoise(rational(6, 2))).toBe(first)
    for (let v = 4; v < 4 + 24; v++) skellamNoise(rational(v))
    expect(skellamNoise(rational(3))).not.toBe(first)
  })
})

describe('Skellam noise', () => {
  it.each([
    [0.5, half],
    [1, rational(1)],
    [4, rational(16)],
    [100, hundred],
  ])('has moments, tails and counts of its law at sigma %d', (_, variance) => {
    expectDrawsOf(drawn(variance, 1_000_000), skellamLaw(variance))
  })

  it('is the same from the same key, and other from another', () => {
    expect(drawn(hundred, 1000)).toEqual(drawn(hundred, 1000))
    expect(drawn(hundred, 1000, 8)).not.toEqual(drawn(hundred, 1000))
    // Parties that differ here would not take off what others added.
    expect([...drawn(half, 16)]).toEqual([0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, -1, 1, 0, 0, 0])
    expect([...drawn(rational(16), 12)]).toEqual([-4, 3, 6, 0, 2, 1, -3, -1, 2, 6, 2, 8])
    expect([...drawn(hundred, 8)]).toEqual([73, 70, 111, 90, 40, -116, -34, 218])
    expect([...drawn(rational(4_000_000), 6)]).toEqual([-4868, 3289, 3693, 3512, 1697, 1895])
  })

  it('is the same however a vector is cut, and wherever one begins', () => {
    const whole = drawn(hundred, 2 * CHUNK_WORDS + 100)
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(whole.length), fc.nat(whole.length), (...cuts) => {
        const [a, b, c] = cuts.sort((x, y) => x - y) as [number, number, number]
        const out = new Int32Array(c - a)
        const draw = skellamNoise(hundred).drawer(key(7), a)
        draw(out.subarray(0, b - a))
        draw(out.subarray(b - a))
        expect(out).toEqual(whole.subarray(a, c))
      }),
      { numRuns: 30 },
    )
  })

  it('is what 160 bits, drawn at once, would give', () => {
    const weights = skellamWeights(hundred)
    const table = aliasTable(weights)
    const draws = drawn(hundred, 5000)
    const words = keyStream(key(7)).take(5000)
    words.forEach((word, i) => {
      const rest = [...sideStream(key(7), i).take(4)].reduce((x, w) => (x << 32n) | BigInt(w), 0n)
      const own = word & (table.columns.length - 1)
      const bits = (BigInt(word >>> table.columnBits) << 128n) | rest
      const column = bits < thresholdOf(table, own) ? own : table.columns[own]! & (table.columns.length - 1)
      expect(draws[i]).toBe(column - (weights.length - 1) / 2)
    })
  })

  it('draws more bits of an element’s own stream where the first decide nothing', () => {
    const weights = skellamWeights(hundred)
    const table = aliasTable(weights)
    const own = table.columns.findIndex((c, i) => c >>> table.columnBits > 0 && (c & 4095) !== i)
    const tie = (((table.columns[own]! >>> table.columnBits) << table.columnBits) | own) >>> 0
    const rest = thresholdOf(table, own) & ((1n << 128n) - 1n)
    const opened: number[] = []
    const open = (more: bigint) => ({
      keyStream: () => ({ take: (count: number) => new Uint32Array(count).fill(tie) }),
      sideStream: (_: Uint8Array, index: number) => {
        opened.push(index)
        return {
          take: () => Uint32Array.from([96n, 64n, 32n, 0n], at => Number((more >> at) & 0xffff_ffffn)),
        }
      },
    })
    const drawnWith = (more: bigint) => {
      const out = new Int32Array(2)
      skellamNoise(hundred).drawer(key(1), 40, open(more))(out)
      return [...out].map(x => x + (weights.length - 1) / 2)
    }
    const alias = table.columns[own]! & (table.columns.length - 1)
    expect(drawnWith(rest - 1n)).toEqual([own, own])
    expect(drawnWith(rest)).toEqual([alias, alias])
    expect(drawnWith(rest + 1n)).toEqual([alias, alias])
    expect(opened).toEqual([40, 41, 40, 41, 40, 41])
    opened.length = 0
    const draw = skellamNoise(hundred).drawer(key(1), 40, open(rest))
    for (const length of [2, 0, CHUNK_WORDS + 3, 1]) draw(new Int32Array(length))
    expect(opened).toEqual(Array.from({ length: CHUNK_WORDS + 6 }, (_, i) => 40 + i))
  })
})
