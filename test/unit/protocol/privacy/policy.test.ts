import { describe, expect, it } from 'vitest'
import { type Charter, patientPrivacy, protection, quorum } from '../../../../config/charter.ts'
import { shortfall } from '../../../../protocol/privacy/budget.ts'
import { decodeCharges, encodeCharges } from '../../../../protocol/privacy/charges.ts'
import { groupsOf, PURPOSE } from '../../../../protocol/privacy/layout.ts'
import {
  epsilonOfReleases,
  isWithinBudget,
  NO_RELEASES,
  openedEpsilon,
  plannedReleases,
  releasesUpTo,
} from '../../../../protocol/privacy/policy.ts'
import {
  discreteGaussianRdp,
  epsilonFromRdp,
  sampledGaussianRdp,
  skellamRdp,
  sumTau,
} from '../../../../protocol/privacy/rdp.ts'
import { layoutFor } from '../../../../protocol/sum/layout.ts'
import { testCharter } from '../../../support/consortium.ts'
import { hospitalsNoised, noised } from '../../../support/noised.ts'

const charter = testCharter({ n: 4, f: 1, rounds: 100, edit: noised() })

describe('what noised sums cost', () => {
  it('is nothing without noise, and nothing before anything is given', () => {
    expect(epsilonOfReleases(testCharter({ n: 4 }), { statistics: 1, train: 9, evaluate: 1 })).toBe(0)
    expect(epsilonOfReleases(charter, NO_RELEASES)).toBe(0)
  })

  it('is for training what the sampled Gaussian costs, and a little more for rounding', () => {
    const { samplingRate, noiseMultiplier, delta } = patientPrivacy(charter)!
    for (const steps of [1, 10, 100]) {
      const whole = (order: number) =>
        Number.isInteger(order)
          ? steps * sampledGaussianRdp(order, samplingRate, noiseMultiplier.training)
          : Number.POSITIVE_INFINITY
      const ideal = epsilonFromRdp(whole, delta)
      const epsilon = epsilonOfReleases(charter, { ...NO_RELEASES, train: steps })
      expect(epsilon).toBeGreaterThan(ideal)
      expect(epsilon).toBeLessThan(ideal * 1.01)
    }
  })

  it('is for hospitals what a Gaussian of the charter’s multiplier costs, and a little more for noise in whole numbers', () => {
    const hospitals = testCharter({ n: 7, f: 2, rounds: 20, edit: hospitalsNoised() })
    const { noiseMultiplier, delta } = protection(hospitals)!
    for (const task of ['statistics', 'train', 'evaluate'] as const) {
      const z = noiseMultiplier[PURPOSE[task]]
      const ideal = epsilonFromRdp(
        order => (Number.isInteger(order) ? (8 * order) / (2 * z * z) : Number.POSITIVE_INFINITY),
        delta,
      )
      const epsilon = epsilonOfReleases(hospitals, { ...NO_RELEASES, [task]: 8 })
      expect(epsilon, task).toBeGreaterThan(ideal)
      expect(epsilon, task).toBeLessThan(ideal * 1.05)
    }
  })

  it('grows with everything that is given, whatever it is for', () => {
    const some = { statistics: 1, train: 10, evaluate: 1 }
    for (const task of ['statistics', 'train', 'evaluate'] as const)
      expect(epsilonOfReleases(charter, { ...some, [task]: some[task] + 1 })).toBeGreaterThan(
        epsilonOfReleases(charter, some),
      )
  })

  it('ends with what was planned when no round was tried again', () => {
    expect(releasesUpTo(charter, 0)).toEqual({ statistics: 1, train: 0, evaluate: 0 })
    expect(releasesUpTo(charter, 7)).toEqual({ statistics: 1, train: 7, evaluate: 0 })
    expect(releasesUpTo(charter, 101)).toEqual(plannedReleases(charter))
    const last = openedEpsilon(charter, 101)
    expect(last).toBeGreaterThanOrEqual(epsilonOfReleases(charter, plannedReleases(charter)))
    expect(last).toBeLessThan(epsilonOfReleases(charter, plannedReleases(charter)) + 2e-6)
  })

  it('is within the budget up to it, and not beyond', () => {
    const spent = { statistics: 1, train: 40, evaluate: 0 }
    const next = epsilonOfReleases(charter, { ...spent, train: 41 })
    const withMax = (epsilonMax: number) =>
      isWithinBudget({ ...charter, privacy: { ...protection(charter)!, epsilonMax } }, spent, 'train')
    expect(withMax(next)).toBe(true)
    expect(withMax(next * (1 - 1e-9))).toBe(false)
    expect(isWithinBudget(testCharter({ n: 4 }), spent, 'train')).toBe(true)
  })
})

describe('the bound of what a sum tells', () => {
  const least = (n: number, f: number) => Math.max(quorum(n, f), f + 2, 3)

  it.each([
    ['patients', 7, 1, noised({ noiseMultiplier: { statistics: 2, training: 1, evaluation: 2 } })],
    [
      'patients, with hardly any noise in counts',
      10,
      2,
      noised({ noiseMultiplier: { statistics: 0.7, training: 1, evaluation: 0.7 } }),
    ],
    ['hospitals', 10, 2, hospitalsNoised()],
    [
      'hospitals, with little noise',
      7,
      0,
      hospitalsNoised({ noiseMultiplier: { statistics: 1, training: 0.5, evaluation: 0.5 } }),
    ],
  ] as const)('holds for %s, in whatever cohort and with any number of dropouts', (_name, n, f, edit) => {
    const of = testCharter({ n, f, rounds: 5, edit })
    const privacy = protection(of)!
    for (const task of ['statistics', 'train', 'evaluate'] as const) {
      const bound = epsilonOfReleases(of, { ...NO_RELEASES, [task]: 1 })
      for (let cohort = f + 2; cohort <= n; cohort++) {
        for (let dropouts = 0; dropouts <= cohort - least(cohort, f); dropouts++) {
          const level = [0, 1, 3, 7].filter(end => end < Math.min(dropouts, cohort)).length
          const adding = cohort - dropouts - Math.max(f, 1)
          const sections = layoutFor(of, task, cohort)
          const kept = (name: string) => {
            const { levels } = sections.find(s => s.name === name)!.noise!
            return levels.slice(0, level + 1).filter(v => v > 0)
          }
          const divergence = (order: number) =>
            groupsOf(of, privacy, task).reduce((sum, { change, sums }) => {
              const { scale } = sections.find(s => s.name === sums[0]!.name)!
              const variances = kept(sums[0]!.name)
              const sigma = Math.sqrt(adding * variances.reduce((a, b) => a + b, 0))
              const l2 = change * scale
              const dimension = sums.reduce((d, s) => d + s.length, 0)
              if (privacy.unit === 'hospital')
                return (
                  sum + skellamRdp(order, { l1: Math.min(l2 * Math.sqrt(dimension), l2 * l2), l2, sigma })
                )
              if (task === 'train') {
                expect(Math.min(...variances)).toBeGreaterThanOrEqual(100)
                return sum + sampledGaussianRdp(order, privacy.samplingRate, sigma / l2)
              }
              const tau = sumTau(variances.map(variance => ({ variance, count: adding })))
              return sum + discreteGaussianRdp(order, { l2, sigma, tau, dimension })
            }, 0)
          const whole = (order: number) =>
            Number.isInteger(order) ? divergence(order) : Number.POSITIVE_INFINITY
          const epsilon = epsilonFromRdp(whole, privacy.delta)
          expect(bound, `${task} of ${cohort}, ${dropouts} gone`).toBeGreaterThanOrEqual(epsilon)
        }
      }
    }
  })
})

describe('noise of a training round in coarse steps', () => {
  /** Twenty hospitals with so many rows that a row is some 53 steps. */
  const coarse = (training: number) =>
    testCharter({
      n: 20,
      f: 1,
      edit: c => {
        const made = noised({ noiseMultiplier: { statistics: 5, training, evaluation: 5 } })(c)
        return { ...made, training: { ...made.training, weightMax: 1e6 } }
      },
    })
  const levelsOf = (of: Charter, n: number) => layoutFor(of, 'train', n)[0]!.noise!.levels

  it('has no level of which too little is known, but for one that is the sum', () => {
    const enough = coarse(1)
    // Levels for 0, 1, 3, 7 and 9 dropouts, of which those with little are part of the ones below them.
    expect(levelsOf(enough, 20).map(v => v > 0)).toEqual([true, false, false, true, false])
    for (let n = 3; n <= 20; n++) expect(levelsOf(enough, n).every(v => v === 0 || v >= 100)).toBe(true)
    expect(epsilonOfReleases(enough, { ...NO_RELEASES, train: 1 })).toBeLessThan(10)
    const little = coarse(0.3)
    expect(levelsOf(little, 20).filter(v => v > 0).length).toBe(1)
    expect(epsilonOfReleases(little, { ...NO_RELEASES, train: 1 })).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('a charter whose noise is too little', () => {
  it('is told what would do, and that does', () => {
    expect(shortfall(charter)).toBeUndefined()
    expect(shortfall(testCharter({ n: 4 }))).toBeUndefined()
    const small = { ...charter, privacy: { ...protection(charter)!, epsilonMax: 2 } }
    const { epsilon, enough } = shortfall(small)!
    expect(epsilon).toBeGreaterThan(2)
    expect(enough).toMatchObject({ statistics: 5, evaluation: 5 })
    expect(shortfall({ ...small, privacy: { ...small.privacy, noiseMultiplier: enough! } })).toBeUndefined()
    const less = { ...enough!, training: enough!.training - 0.03 }
    expect(shortfall({ ...small, privacy: { ...small.privacy, noiseMultiplier: less } })).toBeDefined()
  })

  it('is told of all its noise where more in training alone is not enough', () => {
    const small = { ...charter, privacy: { ...protection(charter)!, epsilonMax: 0.3 } }
    const { enough } = shortfall(small)!
    expect(enough!.statistics).toBeGreaterThan(5)
    expect(shortfall({ ...small, privacy: { ...small.privacy, noiseMultiplier: enough! } })).toBeUndefined()
  })
})

describe('the record of charges', () => {
  it('comes back as it was, and is nothing where there is none', () => {
    const releases = { statistics: 2, train: 31, evaluate: 0 }
    expect(decodeCharges(encodeCharges(releases))).toEqual(releases)
    expect(decodeCharges(undefined)).toEqual(NO_RELEASES)
  })

  it('that is damaged is not taken for none', () => {
    for (const bad of [new Uint8Array(0), Uint8Array.of(1), encodeCharges({ ...NO_RELEASES, train: -1 })])
      expect(() => decodeCharges(bad)).toThrow(/privacy\/charges is damaged/)
  })
})
