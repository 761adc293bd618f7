import { describe, expect, it } from 'vitest'
import { type Charter, protection, quorum } from '../../../../config/charter.ts'
import type { Section, Task } from '../../../../protocol/ports.ts'
import { groupsOf, noisedLayout, PURPOSE, roundingFactor } from '../../../../protocol/privacy/layout.ts'
import { varianceOf } from '../../../../protocol/privacy/shares.ts'
import { addInto, HALF } from '../../../../protocol/sum/field.ts'
import { quantiseParts } from '../../../../protocol/sum/kernels.ts'
import { layoutFor, vectorLength } from '../../../../protocol/sum/layout.ts'
import { centre } from '../../../../protocol/sum/quantise.ts'
import { testCharter } from '../../../support/consortium.ts'
import { hospitalsNoised, levelKeys, noised } from '../../../support/noised.ts'

const TASKS: readonly Task[] = ['statistics', 'train', 'evaluate']

/** All sections of a charter, with what a patient changes in each. */
function changes(
  charter: Charter,
  task: Task,
  n: number,
): { section: Section; change: number; groups: number }[] {
  const privacy = protection(charter)!
  const groups = groupsOf(charter, privacy, task)
  return layoutFor(charter, task, n).flatMap(section => {
    const group = groups.find(g => g.sums.some(s => s.name === section.name))
    return group ? [{ section, change: group.change, groups: groups.length }] : []
  })
}

describe('the layout of noised sums', () => {
  it('has as much noise as the charter says, also when the fewest survive and max(f, 1) of them add none', () => {
    for (const n of [3, 4, 7, 30, 98]) {
      for (const f of [0, Math.floor((n - 1) / 3)]) {
        for (const edit of [noised(), hospitalsNoised()]) {
          const charter = testCharter({ n, f, edit })
          const { noiseMultiplier } = protection(charter)!
          const least = Math.max(charter.secureSum.survivorsMin, quorum(n, f)) - Math.max(f, 1)
          for (const task of TASKS) {
            // A Gaussian mechanism on all groups together, each in units of what a patient changes in it.
            const inverse = changes(charter, task, n)
              .filter(({ section }) => section.name !== 'negatives' && section.noise !== undefined)
              .reduce(
                (sum, { section, change }) =>
                  sum + (change * section.scale) ** 2 / (least * varianceOf(section.noise)),
                0,
              )
            const multiplier = 1 / Math.sqrt(inverse)
            expect(multiplier).toBeGreaterThanOrEqual(noiseMultiplier[PURPOSE[task]] * (1 - 1e-12))
            const z = noiseMultiplier[PURPOSE[task]]
            // Each variance is a whole number: of counts with three groups up to 1 more than 3 z^2 / least.
            expect(multiplier).toBeLessThan(
              z * 1.05 * (task === 'evaluate' ? Math.sqrt(1 + least / (3 * z * z)) : 1),
            )
          }
        }
      }
    }
  })

  it('cannot wrap: all hospitals at their bounds, with all their noise 12 deviations off', () => {
    for (const n of [3, 7, 98, 255]) {
      for (const training of [0.1, 1, 30, 10_000]) {
        const charter = testCharter({
          n,
          edit: noised({ noiseMultiplier: { statistics: 5, training, evaluation: 5 } }),
        })
        for (const task of TASKS)
          for (const { bound, scale, noise } of layoutFor(charter, task, n))
            expect(n * Math.ceil(bound * scale) + 12 * Math.sqrt(n * varianceOf(noise))).toBeLessThanOrEqual(
              HALF,
            )
      }
    }
  })

  it('refuses noise for which there is no room', () => {
    const much = noised({ noiseMultiplier: { statistics: 1, training: 1, evaluation: 10_000 } })
    const charter = testCharter({ n: 255, edit: much })
    const most = { ...charter, evaluation: { ...charter.evaluation, rowsMax: 4_210_000 } }
    expect(() => noisedLayout(most, protection(charter)!, 'evaluate', 255)).toThrow(/noise fit/)
  })

  it('sums what hospitals give, with noise of the variance that it says and mean 0', () => {
    const n = 5
    const charters = [noised(), hospitalsNoised()].map(edit => testCharter({ n, f: 1, features: 2000, edit }))
    for (const [charter, task] of charters.flatMap(c => TASKS.map(task => [c, task] as const))) {
      const sections = layoutFor(charter, task, n)
      const parts = sections.map(section => ({
        section,
        // Whole steps, so that nothing is rounded.
        values: Float64Array.from({ length: section.length }, (_, i) => ((i % 2) * 8) / section.scale),
        factor: 1,
      }))
      const sum = new Uint32Array(vectorLength(sections))
      for (let i = 0; i < n; i++)
        addInto(sum, quantiseParts(parts, new Uint8Array(32).fill(i + 1), levelKeys(i + 1)))
      let at = 0
      for (const { name, length, noise } of sections) {
        const off = Array.from(sum.subarray(at, at + length), (x, i) => centre(x) - n * (i % 2) * 8)
        at += length
        if (length < 1000) continue
        const [mean, square] = [
          off.reduce((a, b) => a + b) / length,
          off.reduce((a, b) => a + b * b, 0) / length,
        ]
        const variance = n * varianceOf(noise)
        expect(Math.abs(mean), name).toBeLessThan(5 * Math.sqrt(variance / length))
        expect(Math.abs(square / variance - 1), name).toBeLessThan(5 * Math.sqrt(2 / length))
      }
    }
  })

  it('is not summed without a key for each level', () => {
    const charter = testCharter({ n: 7, f: 1, edit: noised() })
    const parts = layoutFor(charter, 'statistics', 7).map(section => ({
      section,
      values: new Float64Array(section.length),
      factor: 1,
    }))
    expect(parts[0]!.section.noise!.levels.length).toBe(3)
    const some = levelKeys(1).filter(k => k.level !== 2)
    expect(() => quantiseParts(parts, new Uint8Array(32), some)).toThrow(/each level/)
  })

  it('draws other noise for another key, the same for the same, and none that two elements share', () => {
    const charter = testCharter({ n: 4, features: 500, edit: noised() })
    const parts = layoutFor(charter, 'statistics', 4).map(section => ({
      section,
      values: new Float64Array(section.length),
      factor: 1,
    }))
    const [a, b, again] = [1, 2, 1].map(k =>
      quantiseParts(parts, new Uint8Array(32).fill(k), levelKeys(k)),
    ) as [Uint32Array, Uint32Array, Uint32Array]
    expect(again).toEqual(a)
    expect(a.filter((x, i) => x === b[i]).length).toBeLessThan(5)
    expect(new Set(a).size).toBeGreaterThan(a.length - 5)
  })
})

describe('rounding', () => {
  it('is not counted for whole numbers, and for little where steps are fine', () => {
    const charter = testCharter({ n: 4, features: 100, edit: noised() })
    for (const { section, change } of TASKS.flatMap(task => changes(charter, task, 4))) {
      const factor = roundingFactor(section, change, 1e-12)
      expect(factor).toBeGreaterThanOrEqual(1)
      expect(factor).toBeLessThan(section.scale === 1 ? 1 + 1e-12 : 1.001)
    }
  })

  it('is never less than what is found by trying', () => {
    let state = 1
    const unit = () => {
      state = (state * 48_271) % 2_147_483_647
      return state / 2_147_483_647
    }
    for (const steps of [0.5, 3, 20]) {
      const length = 50
      const section = {
        ...layoutFor(testCharter({ n: 4, edit: noised() }), 'train', 4)[0]!,
        scale: 2,
        length,
      }
      const most = steps * roundingFactor(section, steps / 2, 1e-9)
      for (let trial = 0; trial < 200; trial++) {
        const direction = Array.from({ length }, () => unit() - 0.5)
        const norm = Math.sqrt(direction.reduce((s, x) => s + x * x, 0))
        const squares = direction.reduce((sum, x) => {
          const [before, chance] = [100 * unit(), unit()]
          const apart = Math.floor(before + (steps * x) / norm + chance) - Math.floor(before + chance)
          return sum + apart * apart
        }, 0)
        expect(Math.sqrt(squares)).toBeLessThanOrEqual(most)
      }
    }
  })
})
