import { describe, expect, it } from 'vitest'
import { patientPrivacy, protection } from '../../../../config/charter.ts'
import { shortfall } from '../../../../protocol/privacy/budget.ts'
import { decodeCharges, encodeCharges } from '../../../../protocol/privacy/charges.ts'
import { PURPOSE } from '../../../../protocol/privacy/layout.ts'
import {
  epsilonOfReleases,
  isWithinBudget,
  NO_RELEASES,
  openedEpsilon,
  plannedReleases,
  releasesUpTo,
} from '../../../../protocol/privacy/policy.ts'
import { epsilonFromRdp, sampledGaussianRdp } from '../../../../protocol/privacy/rdp.ts'
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
