import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compared, integerRoot, plus, rational, scaled } from '../../../../protocol/privacy/rational.ts'

describe('fractions', () => {
  it('are in lowest terms, with a positive denominator', () => {
    expect(rational(6, -4)).toEqual({ numerator: -3n, denominator: 2n })
    expect(rational(0, 7)).toEqual({ numerator: 0n, denominator: 1n })
    expect(rational(10n ** 40n, 10n ** 39n)).toEqual(rational(10))
    expect(() => rational(1, 0)).toThrow(RangeError)
    expect(() => rational(0.5)).toThrow(RangeError)
  })

  it('add up, are scaled and compared', () => {
    expect(plus(rational(1, 6), rational(1, 3))).toEqual(rational(1, 2))
    expect(scaled(rational(2, 3), 9, 4)).toEqual(rational(3, 2))
    expect(() => scaled(rational(2, 3), 1, 0)).toThrow(RangeError)
    expect(compared(rational(1, 3), rational(1, 2))).toBeLessThan(0)
    expect(compared(rational(1, 3), rational(1, 3))).toBe(0)
    expect(compared(rational(-1, 3), rational(-1, 2))).toBeGreaterThan(0)
  })

  it('have integer roots', () => {
    const isRoot = (x: bigint) => {
      const root = integerRoot(x)
      expect(root * root <= x && (root + 1n) * (root + 1n) > x).toBe(true)
    }
    for (let x = 0n; x < 200n; x++) isRoot(x)
    fc.assert(fc.property(fc.bigInt(0n, 2n ** 300n), isRoot))
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 150n), r => {
        expect([integerRoot(r * r - 1n), integerRoot(r * r)]).toEqual([r - 1n, r])
      }),
    )
    expect(() => integerRoot(-1n)).toThrow(RangeError)
  })
})
