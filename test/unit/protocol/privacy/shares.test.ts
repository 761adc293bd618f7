import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { rational } from '../../../../protocol/privacy/rational.ts'
import {
  addingMin,
  idleMax,
  levelEnds,
  levelKept,
  levelsAbove,
  type NoisyCohort,
  noiseLevels,
  varianceOf,
} from '../../../../protocol/privacy/shares.ts'
import { skellamNoise } from '../../../../protocol/privacy/skellam.ts'
import { layoutFor } from '../../../../protocol/sum/layout.ts'
import { NOISE_LEVELS_MAX } from '../../../../protocol/wire/limits.ts'
import { testCharter } from '../../../support/consortium.ts'
import { expectDrawsOf, skellamLaw } from '../../../support/noise-laws.ts'
import { hospitalsNoised, noised } from '../../../support/noised.ts'

const DRAWS = 400_000

const cohorts: fc.Arbitrary<NoisyCohort> = fc
  .record({ maliciousMax: fc.nat(20), above: fc.nat(60), dropouts: fc.nat(127) })
  .map(({ maliciousMax, above, dropouts }) => {
    const survivorsMin = Math.max(maliciousMax, 1) + 1 + above
    return { maliciousMax, survivorsMin, cohort: survivorsMin + dropouts }
  })
const totals = fc.double({ min: 1e-3, max: 1e9, noNaN: true })

/** Ten hospitals, two of them malicious; five or more survive. */
const ten: NoisyCohort = { cohort: 10, survivorsMin: 5, maliciousMax: 2 }

/** Of levels 0 .. j together. */
const upTo = (levels: readonly number[], j: number) => varianceOf({ law: 'skellam', levels }, j)

/** The sum of what `hospitals` draw of each of `levels`, all from keys of their own. */
function summed(hospitals: number, levels: readonly number[]): Int32Array {
  const sum = new Int32Array(DRAWS)
  const noise = new Int32Array(DRAWS)
  for (let h = 0; h < hospitals; h++) {
    levels.forEach((variance, level) => {
      if (variance === 0) return
      skellamNoise(rational(variance)).drawer(Uint8Array.of(...new Uint8Array(30), h, level))(noise)
      for (let i = 0; i < DRAWS; i++) sum[i]! += noise[i]!
    })
  }
  return sum
}

describe('levels of noise', () => {
  it('are for 0 dropouts, for 1, up to 3, 7, ... and as many as there may be', () => {
    expect(levelEnds(ten)).toEqual([0, 1, 3, 5])
    expect(levelEnds({ ...ten, survivorsMin: 9 })).toEqual([0, 1])
    expect(levelEnds({ ...ten, survivorsMin: 10 })).toEqual([0])
    expect(levelEnds({ cohort: 64, survivorsMin: 33, maliciousMax: 1 })).toEqual([0, 1, 3, 7, 15, 31])
  })

  it('are fewer where an offer has no room for more: those for many dropouts stay', () => {
    expect(levelEnds({ cohort: 100, survivorsMin: 60, maliciousMax: 19 })).toEqual([0, 15, 31, 40])
    expect(levelEnds({ cohort: 170, survivorsMin: 90, maliciousMax: 1 })).toEqual([0, 80])
    expect(levelEnds({ cohort: 171, survivorsMin: 90, maliciousMax: 1 })).toEqual([81])
    for (let cohort = 3; cohort <= 255; cohort++) {
      const survivorsMin = Math.max(3, Math.floor(cohort / 2) + 1)
      const above = levelEnds({ cohort, survivorsMin, maliciousMax: 0 }).length - 1
      expect(above).toBeLessThanOrEqual(NOISE_LEVELS_MAX)
      expect((2 + above) * cohort).toBeLessThanOrEqual(510)
    }
  })

  it('have together what the hospitals that surely add must each add: C(d)', () => {
    // 400 among 8, 7, 5 and 3.
    expect(noiseLevels(400, ten)).toEqual([50, 8, 22, 54])
  })

  it('leave in the sum of any survivors what is promised, if idleMax of them add none, and no more than their level needs', () => {
    fc.assert(
      fc.property(cohorts, totals, (of, total) => {
        const levels = noiseLevels(total, of)
        const ends = levelEnds(of)
        expect(levels.length).toBe(ends.length)
        expect(levels.every(v => Number.isInteger(v) && v >= 0)).toBe(true)
        for (let d = 0; d <= of.cohort - of.survivorsMin; d++) {
          const j = levelKept(of, of.cohort - d)
          expect(ends[j]).toBeGreaterThanOrEqual(d)
          if (j > 0) expect(ends[j - 1]).toBeLessThan(d)
          const adding = of.cohort - d - idleMax(of)
          expect(adding * upTo(levels, j)).toBeGreaterThanOrEqual(total * (1 - 1e-12))
          expect(upTo(levels, j)).toBe(Math.ceil(total / addingMin(of, ends[j]!)))
          // One level less would not do, unless whole numbers make up for it.
          if (j > 0 && d === ends[j]! && upTo(levels, j - 1) < upTo(levels, j))
            expect(adding * upTo(levels, j - 1)).toBeLessThan(total)
        }
      }),
    )
  })

  it('below a least variance are part of the one below them: none is left that has less, and none has too little', () => {
    fc.assert(
      fc.property(cohorts, totals, fc.integer({ min: 1, max: 1e4 }), (of, total, least) => {
        const [levels, fine] = [noiseLevels(total, of, least), noiseLevels(total, of)]
        expect(upTo(levels, levels.length)).toBe(upTo(fine, fine.length))
        levels.forEach((_, j) => {
          expect(upTo(levels, j)).toBeGreaterThanOrEqual(upTo(fine, j))
        })
        if (upTo(fine, fine.length) >= least) expect(levels.every(v => v === 0 || v >= least)).toBe(true)
        else expect(levels.slice(1).every(v => v === 0)).toBe(true)
      }),
    )
  })

  it('are none of a cohort that cannot be, or for survivors of which no sum is opened', () => {
    for (const wrong of [
      { survivorsMin: 2 },
      { survivorsMin: 11 },
      { maliciousMax: -1 },
      { maliciousMax: 7 },
      { cohort: 9.5 },
      { cohort: 256 },
    ])
      expect(() => noiseLevels(400, { ...ten, ...wrong })).toThrow(RangeError)
    for (const total of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => noiseLevels(total, ten)).toThrow(RangeError)
    for (const survivors of [4, 11, 7.5]) expect(() => levelKept(ten, survivors)).toThrow(RangeError)
  })

  it('may come off only where the sum has noise', () => {
    const above = (edit: Parameters<typeof testCharter>[0]['edit'], task: 'statistics' | 'train') =>
      levelsAbove(layoutFor(testCharter({ n: 10, f: 2, ...(edit && { edit }) }), task, 10))
    expect(above(undefined, 'train')).toBe(0)
    expect(above(noised(), 'train')).toBe(2)
    expect(above(hospitalsNoised(), 'train')).toBe(2)
    expect(above(noised({ noise: 'hospital' }), 'train')).toBe(0)
    expect(above(noised({ noise: 'hospital' }), 'statistics')).toBe(2)
  })
})

describe('the noise of a sum', () => {
  const levels = noiseLevels(400, ten)

  it.each([
    [10, 8, 400],
    [9, 7, 7 * 58],
    [7, 5, 400],
    [6, 4, 4 * 134],
    [5, 3, 3 * 134],
  ])(
    'of %i survivors, of which %i add theirs, has the promised law or hardly more',
    (survivors, adding, variance) => {
      const kept = levels.slice(0, levelKept(ten, survivors) + 1)
      expectDrawsOf(summed(adding, kept), skellamLaw(rational(variance)))
    },
  )

  it('is not taken for the promised one if a level is missing', () => {
    const kept = levels.slice(0, levelKept(ten, 7))
    expect(() => expectDrawsOf(summed(5, kept), skellamLaw(rational(400)))).toThrow()
  })
})
