import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectedUtility, type UtilityCurve, utilityLines } from '../../../../node/cli/utility.ts'
import committed from '../../../../node/cli/utility-curve.json' with { type: 'json' }
import { medmesh } from './harness.ts'

const { studies } = committed as UtilityCurve
const NOISES = ['sum', 'hospital'] as const

/** Of one study with one kind of noise. */
const found = (study: string, noise: string, epsilon: number, patients: number) =>
  expectedUtility(epsilon, patients).find(e => e.study === study && e.noise === noise)!

/** Points of the curve that follow each other. */
const neighbours = studies.flatMap(of =>
  NOISES.flatMap(noise => {
    const points = of.noised.filter(p => p.noise === noise)
    return points.slice(1).map((above, i) => ({ of, noise, below: points[i]!, above }))
  }),
)

describe('what our studies lost', () => {
  it('is what was measured, at their own patients and epsilons', () => {
    expect(studies.length).toBeGreaterThan(1)
    for (const { study, patients, auc, noised } of studies)
      for (const point of noised) {
        const { lost, spread } = found(study, point.noise, point.epsilon, patients)
        expect(lost).toBeCloseTo(auc - point.auc, 12)
        expect(spread).toBe(point.spread)
      }
  })

  it('is the same at the same epsilon times patients, and between its neighbours', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...neighbours),
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        fc.integer({ min: 10, max: 1_000_000 }),
        ({ of, noise, below, above }, part, patients) => {
          const epsilon = below.epsilon * (above.epsilon / below.epsilon) ** part
          const { lost, spread } = found(of.study, noise, (epsilon * of.patients) / patients, patients)
          expect(lost).toBeCloseTo(of.auc - (below.auc + part * (above.auc - below.auc)), 9)
          expect(spread).toBe(Math.max(below.spread, above.spread))
        },
      ),
    )
  })

  it('is not known outside of what was measured, and it says from where to where', () => {
    for (const { study, patients, noised } of studies)
      for (const noise of NOISES)
        for (const many of [patients, 20 * patients]) {
          const points = noised.filter(p => p.noise === noise)
          const [least, most] = found(study, noise, 1, many).knownFor
          expect(least * many).toBeCloseTo(points[0]!.epsilon * patients, 6)
          expect(most * many).toBeCloseTo(points.at(-1)!.epsilon * patients, 6)
          for (const epsilon of [least * 0.999, most * 1.001])
            expect(found(study, noise, epsilon, many)).toMatchObject({ lost: null, spread: null })
          for (const epsilon of [least * 1.001, most * 0.999])
            expect(found(study, noise, epsilon, many).lost).not.toBeNull()
        }
  })

  it('is told as what was, never as what will be', () => {
    const known = utilityLines(expectedUtility(1, studies[0]!.patients)).join('\n')
    expect(known).toMatch(/in our studies at the same epsilon times patients\.\nNo promise/)
    const { lost } = found(studies[0]!.study, 'sum', 1, studies[0]!.patients)
    expect(known).toContain(lost!.toFixed(3))
    const unknown = utilityLines(expectedUtility(1, 2)).join('\n')
    expect(unknown).toMatch(/^-: not known: outside of what was measured\.$/m)
    expect(unknown).toMatch(new RegExp(`^${studies[0]!.study} +in the sum .* - +- +\\d`, 'm'))
  })
})

describe('privacy plan', () => {
  const PLAN = [
    'privacy',
    'plan',
    '--rounds',
    '40',
    '--delta',
    '1e-5',
    '--patients',
    '5000',
    '--batch',
    '250',
  ]

  it.each([
    ['--epsilon', '3'],
    ['--sigma', '1.2'],
  ])('says it of the epsilon that is spent, with %s', async (option, value) => {
    const { out } = await medmesh([...PLAN, option, value, '--json'])
    const plan = JSON.parse(out) as { epsilon: number; expected: unknown }
    expect(plan.expected).toEqual(JSON.parse(JSON.stringify(expectedUtility(plan.epsilon, 5000))))
    const { out: text } = await medmesh([...PLAN, option, value])
    expect(text).toContain(utilityLines(expectedUtility(plan.epsilon, 5000)).join('\n'))
  })
})
