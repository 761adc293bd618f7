/** Against BigInt, with the values at which carries and reductions go wrong. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import { innerProduct, polynomial } from '../../../../protocol/sum/limbs.ts'

const q = 2n ** 256n - 189n
const toBytes = (x: bigint) => fromHex(x.toString(16).padStart(64, '0'))
const big = (b: Uint8Array) => BigInt(`0x${toHex(b)}`)

const edges = [0n, 1n, 188n, 189n, 2n ** 22n - 1n, 2n ** 242n - 1n, 2n ** 242n, 2n ** 255n]
const element = fc.oneof(
  fc.bigInt({ min: 0n, max: q - 1n }),
  fc.constantFrom(...edges, ...edges.map(x => q - 1n - x)),
  // Long runs of ones, over which carries travel.
  fc.tuple(fc.nat(255), fc.nat(255)).map(([a, b]) => (2n ** BigInt(a) - 1n + ((2n ** BigInt(b)) << 1n)) % q),
)

describe('arithmetic in limbs', () => {
  it('evaluates polynomials at small places', () => {
    const place = fc.oneof(fc.integer({ min: 1, max: 255 }), fc.constantFrom(1, 2, 254, 255))
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 20 }), place, (coefficients, x) => {
        const expected = coefficients.reduceRight((y, c) => (y * BigInt(x) + c) % q, 0n)
        expect(big(polynomial(coefficients.map(toBytes))(x))).toBe(expected)
      }),
      { numRuns: 2000 },
    )
    expect(() => polynomial([toBytes(1n)])(256)).toThrow()
    expect(() => polynomial([toBytes(1n)])(0)).toThrow()
  })

  it('evaluates the longest and largest polynomial', () => {
    const coefficients = Array.from({ length: 171 }, () => q - 1n)
    const expected = coefficients.reduceRight((y, c) => (y * 255n + c) % q, 0n)
    expect(big(polynomial(coefficients.map(toBytes))(255))).toBe(expected)
  })

  it('adds up products', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(element, element), { minLength: 1, maxLength: 30 }), pairs => {
        const expected = pairs.reduce((sum, [a, b]) => (sum + a * b) % q, 0n)
        const [factors, vector] = [pairs.map(p => toBytes(p[0])), pairs.map(p => toBytes(p[1]))]
        expect(big(innerProduct(factors)(vector))).toBe(expected)
      }),
      { numRuns: 2000 },
    )
    expect(() => innerProduct([toBytes(1n)])([])).toThrow()
  })

  it('adds up the most and largest products', () => {
    const all = Array.from({ length: 255 }, () => toBytes(q - 1n))
    expect(big(innerProduct(all)(all))).toBe((255n * (q - 1n) * (q - 1n)) % q)
  })

  it('gives the one form of an element, where the result is the prime or a little more', () => {
    for (let more = 0n; more < 400n; more++) {
      // (q - 1) + (more + 1), as a polynomial at 1 and as a sum of products with 1.
      const parts = [toBytes(q - 1n), toBytes(more + 1n)]
      expect(big(polynomial(parts)(1))).toBe(more)
      expect(big(innerProduct([toBytes(1n), toBytes(1n)])(parts))).toBe(more)
    }
  })
})
