import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compared, type Rational, rational, scaled } from '../../../../protocol/privacy/rational.ts'
import {
  hospitalVariance,
  idleMax,
  levelsKept,
  type NoisePlan,
  noiseLevels,
  sumVariance,
} from '../../../../protocol/privacy/shares.ts'
import { skellamNoise } from '../../../../protocol/privacy/skellam.ts'
import { expectDrawsOf, skellamLaw } from '../../../support/noise-laws.ts'

const DRAWS = 400_000

const plans: fc.Arbitrary<NoisePlan> = fc
  .record({
    variance: fc.tuple(fc.bigInt(1n, 2n ** 80n), fc.bigInt(1n, 2n ** 80n)).map(([n, d]) => rational(n, d)),
    maliciousMax: fc.nat(20),
    above: fc.nat(20),
    dropouts: fc.nat(30),
  })
  .map(({ variance, maliciousMax, above, dropouts }) => {
    const survivorsMin = Math.max(maliciousMax, 1) + 1 + above
    return { variance, maliciousMax, survivorsMin, cohort: survivorsMin + dropouts }
  })

/** Ten hospitals, two of them malicious; seven or more survive. */
const ten: NoisePlan = { variance: rational(400), cohort: 10, survivorsMin: 7, maliciousMax: 2 }

/** The sum of what `hospitals` draw of each of `variances`, all from keys of their own. */
function summed(hospitals: number, variances: readonly Rational[]): Int32Array {
  const sum = new Int32Array(DRAWS)
  const noise = new Int32Array(DRAWS)
  for (let h = 0; h < hospitals; h++) {
    variances.forEach((variance, level) => {
      skellamNoise(variance).drawer(Uint8Array.of(...new Uint8Array(30), h, level))(noise)
      for (let i = 0; i < DRAWS; i++) sum[i]! += noise[i]!
    })
  }
  return sum
}

describe('the noise of a hospital', () => {
  it('is the charter’s over the fewest survivors less those that may add none', () => {
    expect(hospitalVariance(ten)).toEqual(rational(400, 5))
    expect(hospitalVariance({ ...ten, maliciousMax: 0 })).toEqual(rational(400, 6))
    expect(hospitalVariance({ ...ten, maliciousMax: 1 })).toEqual(rational(400, 6))
  })

  it('is exactly what the sum needs at the worst, and more if more survive or fewer add none', () => {
    fc.assert(
      fc.property(plans, plan => {
        const fewest = plan.survivorsMin - idleMax(plan)
        expect(scaled(hospitalVariance(plan), fewest)).toEqual(plan.variance)
        expect(sumVariance(plan, fewest)).toEqual(plan.variance)
        expect(compared(sumVariance(plan, fewest + 1), plan.variance)).toBe(1)
        expect(compared(sumVariance(plan, fewest - 1), plan.variance)).toBe(-1)
      }),
    )
  })

  it('has no level of nothing, and no plan that cannot be kept', () => {
    for (const wrong of [
      { survivorsMin: 2 },
      { survivorsMin: 11 },
      { maliciousMax: -1 },
      { maliciousMax: 7 },
      { cohort: 9.5 },
      { variance: rational(0) },
    ]) {
      expect(() => hospitalVariance({ ...ten, ...wrong })).toThrow(RangeError)
      expect(() => noiseLevels({ ...ten, ...wrong })).toThrow(RangeError)
    }
    for (const survivors of [6, 11, 7.5]) expect(() => levelsKept(ten, survivors)).toThrow(RangeError)
  })
})

describe('levels of noise', () => {
  it('are XNoise’s for the hospitals that add noise', () => {
    // n = 8: v / 8, v / (7 * 8), v / (6 * 7), v / (5 * 6).
    expect(noiseLevels(ten)).toEqual([8, 56, 42, 30].map(d => rational(400, d)))
  })

  it('follow from what is asked of them: each number of dropouts leaves exactly the promised noise', () => {
    fc.assert(
      fc.property(plans, plan => {
        // Derived one after the other: level d brings what d dropouts take away.
        const derived: Rational[] = []
        let before = rational(0)
        for (let d = 0; d <= plan.cohort - plan.survivorsMin; d++) {
          const each = scaled(plan.variance, 1, plan.cohort - d - idleMax(plan))
          derived.push(
            rational(
              each.numerator * before.denominator - before.numerator * each.denominator,
              each.denominator * before.denominator,
            ),
          )
          before = each
        }
        expect(noiseLevels(plan)).toEqual(derived)
        expect(derived.every(level => level.numerator > 0n)).toBe(true)
      }),
    )
  })

  it('add up to the promised noise, whoever survives and with most adding none; and all to the whole', () => {
    fc.assert(
      fc.property(plans, plan => {
        for (let survivors = plan.survivorsMin; survivors <= plan.cohort; survivors++) {
          const adding = survivors - idleMax(plan)
          const levels = levelsKept(plan, survivors)
          expect(sumVariance(plan, adding, levels)).toEqual(plan.variance)
          expect(compared(sumVariance(plan, adding, levels - 1), plan.variance)).toBe(-1)
          expect(compared(sumVariance(plan, survivors, levels), plan.variance)).toBe(1)
        }
        expect(sumVariance(plan, 1)).toEqual(hospitalVariance(plan))
      }),
    )
  })
})

describe('the noise of a sum', () => {
  const law = skellamLaw(ten.variance)

  it('has the promised law with most dropped out and most adding none', () => {
    expectDrawsOf(summed(7 - 2, [hospitalVariance(ten)]), law)
  })

  it('has twice the promised variance if all survive and add theirs', () => {
    expectDrawsOf(summed(10, [hospitalVariance(ten)]), skellamLaw(rational(800)))
  })

  it.each([10, 9, 7])(
    'has the promised law of %i survivors with most adding none, the surplus taken off',
    survivors => {
      const levels = noiseLevels(ten).slice(0, levelsKept(ten, survivors))
      expectDrawsOf(summed(survivors - 2, levels), law)
    },
  )

  it('is not taken for the promised one if one more adds none', () => {
    expect(() => expectDrawsOf(summed(4, [hospitalVariance(ten)]), law)).toThrow()
  })

  it('is the noise of what stays when a hospital’s surplus is drawn again and subtracted', () => {
    const noise = new Int32Array(1000)
    const [sum, kept] = [new Int32Array(1000), new Int32Array(1000)]
    const draw = (level: number, from = 0, to = 1000) =>
      skellamNoise(noiseLevels(ten)[level]!).drawer(
        new Uint8Array(32).fill(level),
        from,
      )(noise.subarray(from, to))
    for (let level = 0; level < 4; level++) {
      draw(level)
      noise.forEach((x, i) => {
        sum[i]! += x
        if (level < levelsKept(ten, 9)) kept[i]! += x
      })
    }
    for (let level = levelsKept(ten, 9); level < 4; level++) {
      for (const [from, to] of [
        [600, 1000],
        [0, 600],
      ] as const) {
        draw(level, from, to)
        for (let i = from; i < to; i++) sum[i]! -= noise[i]!
      }
    }
    expect(sum).toEqual(kept)
  })
})
