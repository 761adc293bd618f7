import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AccountantKind,
  epsilonOf,
  noiseMultiplierFor,
  type PrivacyEvent,
  rdpOf,
} from '../../../../protocol/privacy/accountant.ts'
import { library } from './references.ts'

const KINDS: AccountantKind[] = ['rdp', 'pld']

const gaussian = (q: number, sigma: number, steps: number): PrivacyEvent => ({
  mechanism: 'gaussian',
  q,
  sigma,
  steps,
})

describe('epsilonOf', () => {
  it.each(library.rows)('of composition $# is that of dp-accounting', ({ parts, delta, rdp, pld }) => {
    const events = parts.map(({ q, sigma, steps }) => gaussian(q, sigma, steps))
    const ours = epsilonOf(events, delta, 'rdp')
    expect(ours).toBeLessThan(rdp * (1 + 1e-9))
    // dp-accounting is above the exact divergence at fractional orders, where the epsilon is large.
    expect(ours).toBeGreaterThan(rdp * 0.97)
    expect(Math.abs(epsilonOf(events, delta, 'pld') - pld)).toBeLessThan(5e-4 * pld)
  })

  it('is 0 without events', () => {
    for (const kind of KINDS) expect(epsilonOf([], 1e-5, kind)).toBe(0)
  })

  it('takes rounds charged one by one as what they are together', () => {
    for (const kind of KINDS) {
      const rounds = Array.from({ length: 30 }, () => gaussian(0.1, 2, 5))
      expect(epsilonOf(rounds, 1e-6, kind)).toBe(epsilonOf([gaussian(0.1, 2, 150)], 1e-6, kind))
    }
  })

  it('adds integer noise to the same account, by RDP', () => {
    const training: PrivacyEvent = { mechanism: 'skellam', q: 0.1, l1: 900, l2: 30, sigma: 60, steps: 50 }
    const counts: PrivacyEvent = {
      mechanism: 'discreteGaussian',
      q: 1,
      l2: 1,
      sigma: 8,
      tau: 0.01,
      dimension: 64,
      steps: 1,
    }
    const [one, other] = [epsilonOf([training], 1e-6, 'rdp'), epsilonOf([counts], 1e-6, 'rdp')]
    const both = epsilonOf([training, counts], 1e-6, 'rdp')
    expect(both).toBeGreaterThan(Math.max(one, other))
    expect(both).toBeLessThan(one + other)
    expect(() => epsilonOf([training], 1e-6, 'pld')).toThrow(/Gaussian noise only, not skellam/)
  })
})

const q = fc.double({ min: 0.005, max: 1, noNaN: true })
const sigma = fc.double({ min: 0.6, max: 8, noNaN: true })
const steps = fc.integer({ min: 1, max: 200 })
const delta = fc.double({ min: 1e-9, max: 1e-3, noNaN: true })
const more = fc.double({ min: 1.05, max: 3, noNaN: true })

describe('rdpOf', () => {
  it('takes the next whole order for integer noise, whose divergence is known at those', () => {
    for (const q of [1, 0.2]) {
      const event: PrivacyEvent = { mechanism: 'skellam', q, l1: 3, l2: 2, sigma: 5, steps: 1 }
      expect(rdpOf(event, 2.1)).toBe(rdpOf(event, 3))
      expect(rdpOf(event, 2)).toBeLessThan(rdpOf(event, 3))
    }
  })
})

describe.each(KINDS)('by %s, epsilon', kind => {
  const runs = { numRuns: kind === 'rdp' ? 25 : 10 }
  // What truncation and grid leave: an order of magnitude above what was seen.
  const at = (q: number, sigma: number, steps: number, delta: number) =>
    epsilonOf([gaussian(q, sigma, steps)], delta, kind)
  const atMost = (a: number, b: number) => expect(a).toBeLessThanOrEqual(b * (1 + 1e-3))

  it('grows with the sampling rate and the steps', () => {
    fc.assert(
      fc.property(q, sigma, steps, delta, more, (q, sigma, steps, delta, more) => {
        const epsilon = at(q, sigma, steps, delta)
        atMost(epsilon, at(Math.min(1, q * more), sigma, steps, delta))
        atMost(epsilon, at(q, sigma, Math.ceil(steps * more), delta))
      }),
      runs,
    )
  })

  it('falls with the noise and with delta', () => {
    fc.assert(
      fc.property(q, sigma, steps, delta, more, (q, sigma, steps, delta, more) => {
        const epsilon = at(q, sigma, steps, delta)
        atMost(at(q, sigma * more, steps, delta), epsilon)
        atMost(at(q, sigma, steps, delta * more), epsilon)
      }),
      runs,
    )
  })

  it('is the same in whatever order events come, and no more than the sum of their parts', () => {
    const event = fc.tuple(q, sigma, steps).map(([q, sigma, steps]) => gaussian(q, sigma, steps))
    fc.assert(
      fc.property(fc.array(event, { minLength: 2, maxLength: 3 }), delta, (events, delta) => {
        const epsilon = epsilonOf(events, delta, kind)
        expect(epsilonOf(events.toReversed(), delta, kind)).toBe(epsilon)
        const parts = events.map(e => epsilonOf([e], delta / events.length, kind))
        atMost(
          epsilon,
          parts.reduce((a, b) => a + b, 0),
        )
      }),
      runs,
    )
  })
})

it('PLD is below RDP', () => {
  fc.assert(
    fc.property(q, sigma, steps, delta, (q, sigma, steps, delta) => {
      const event = gaussian(q, sigma, steps)
      const rdp = epsilonOf([event], delta, 'rdp')
      expect(epsilonOf([event], delta, 'pld')).toBeLessThanOrEqual(rdp * (1 + 1e-3))
    }),
    { numRuns: 20 },
  )
})

describe('noiseMultiplierFor', () => {
  it.each([
    [0.01, 1000, 1, 1e-5],
    [1, 100, 3, 1e-5],
    [0.05, 200, 8, 1e-6],
    [1, 1, 0.01, 1e-6],
    [0.4, 7, 50, 1e-6],
  ])('q=%d steps=%d epsilon=%d is enough, and no more than that', (q, steps, epsilon, delta) => {
    for (const accountant of KINDS) {
      const sigma = noiseMultiplierFor({ q, steps, epsilon, delta, accountant })
      expect(epsilonOf([gaussian(q, sigma, steps)], delta, accountant)).toBeLessThanOrEqual(epsilon)
      const unit = 10 ** -Math.min(4, 4 - Math.floor(Math.log10(sigma)))
      expect(epsilonOf([gaussian(q, sigma - unit, steps)], delta, accountant)).toBeGreaterThan(epsilon)
    }
  })

  it('is not below .1, where there is hardly any noise', () => {
    expect(noiseMultiplierFor({ q: 1e-6, steps: 1, epsilon: 90, delta: 1e-4, accountant: 'rdp' })).toBe(0.1)
  })

  it('says when no noise is enough', () => {
    const goal = { q: 1, steps: 1e9, epsilon: 1e-9, delta: 1e-12, accountant: 'rdp' } as const
    expect(() => noiseMultiplierFor(goal)).toThrow(/no noise multiplier/)
  })
})

describe('refuses', () => {
  const good = gaussian(0.1, 1, 10)
  const skellam: PrivacyEvent = { mechanism: 'skellam', q: 1, l1: 1, l2: 1, sigma: 1, steps: 1 }
  const discrete: PrivacyEvent = {
    mechanism: 'discreteGaussian',
    q: 1,
    l2: 1,
    sigma: 1,
    tau: 0.01,
    dimension: 1,
    steps: 1,
  }

  it.each([
    ['q', [0, -0.1, 1.1, Number.NaN]],
    ['sigma', [0, -1, Number.NaN, Number.POSITIVE_INFINITY]],
    ['steps', [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]],
  ] as const)('a wrong %s', (name, values) => {
    for (const kind of KINDS) {
      for (const value of values) {
        const wrong = { ...good, [name]: value } as PrivacyEvent
        expect(() => epsilonOf([good, wrong], 1e-5, kind)).toThrow(RangeError)
        expect(() => epsilonOf([good, wrong], 1e-5, kind)).toThrow(`${name} ${value} is not`)
      }
    }
  })

  it.each([0, 1, -1e-5, Number.NaN])('delta %d', delta => {
    for (const kind of KINDS) {
      expect(() => epsilonOf([good], delta, kind)).toThrow(/delta .* is not between 0 and 1/)
    }
  })

  it.each([
    [{ ...skellam, l1: 0 }, 'l1 0'],
    [{ ...skellam, l2: Number.NaN }, 'l2 NaN'],
    [{ ...discrete, tau: -1 }, 'tau -1'],
    [{ ...discrete, dimension: 1.5 }, 'dimension 1.5'],
  ])('integer noise of %o', (event, says) => {
    expect(() => epsilonOf([event], 1e-5, 'rdp')).toThrow(says)
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('epsilon %d as a goal', epsilon => {
    const goal = { q: 0.1, steps: 1, epsilon, delta: 1e-5, accountant: 'rdp' } as const
    expect(() => noiseMultiplierFor(goal)).toThrow(/epsilon .* is not above 0/)
  })
})
