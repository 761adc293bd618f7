import { describe, expect, it } from 'vitest'
import { LANE_MAX, lanesOf } from '../../../../config/lanes.ts'
import type { Task } from '../../../../protocol/ports.ts'
import { addInto, HALF, P } from '../../../../protocol/sum/field.ts'
import { quantiseParts } from '../../../../protocol/sum/kernels.ts'
import { errorDeviation, layoutFor, sectionRange, vectorLength } from '../../../../protocol/sum/layout.ts'
import { centre, dequantise, quantisedMax, unpackInto } from '../../../../protocol/sum/quantise.ts'
import { rotatedLength } from '../../../../protocol/sum/rotation.ts'
import { testCharter } from '../../../support/consortium.ts'

const TASKS: readonly Task[] = ['statistics', 'train', 'evaluate']

describe('layout of a round', () => {
  it('cannot wrap: all hospitals at their bounds, in both directions, stay within half of the field', () => {
    for (const n of [1, 3, 4, 7, 10, 30, 100, 255]) {
      const charter = testCharter({ n: Math.max(n, 3) })
      for (const task of TASKS) {
        for (const s of layoutFor(charter, task, n)) {
          expect(n * quantisedMax(s), `${task} ${s.name} n=${n}`).toBeLessThanOrEqual(HALF)
        }
      }
    }
  })

  it('sums the largest and the smallest contributions of all hospitals to what they are', () => {
    for (const n of [3, 4, 7, 10, 30, 255]) {
      const charter = testCharter({ n })
      for (const task of TASKS) {
        const sections = layoutFor(charter, task, n)
        for (const sign of [1, -1]) {
          const parts = sections.map(section => {
            return { section, values: new Float64Array(section.length).fill(section.bound), factor: sign }
          })
          const sum = new Uint32Array(vectorLength(sections))
          for (let i = 0; i < n; i++) addInto(sum, quantiseParts(parts, new Uint8Array(32).fill(i + 1)))
          for (const s of sections) {
            const [from, to] = sectionRange(sections, s.name)
            for (let k = from; k < to; k++) {
              const got = dequantise(sum[k]!, s.scale)
              expect(Math.abs(got - sign * n * s.bound)).toBeLessThanOrEqual(n / s.scale)
              expect(Math.sign(centre(sum[k]!))).toBe(sign)
            }
          }
        }
      }
    }
  })

  it('cannot run over, however few values are summed in however few bits', () => {
    for (const bitsPerValue of [32, 16, 10, 8] as const)
      for (const rotation of [false, true])
        for (const oneIn of [2, 3, 1024]) {
          const lanes = lanesOf({ compression: { bitsPerValue } })
          for (const n of [3, 7, Math.min(255, LANE_MAX[lanes])]) {
            const compression = { bitsPerValue, rotation, oneIn }
            const charter = testCharter({
              n,
              features: 40,
              edit: c => ({ ...c, secureSum: { ...c.secureSum, compression } }),
            })
            const section = layoutFor(charter, 'train', n).find(s => s.name === 'update')!
            const values = rotation ? rotatedLength(41) : 41
            expect(section.length).toBe(Math.ceil(values / oneIn))
            expect(n * quantisedMax(section)).toBeLessThanOrEqual(LANE_MAX[lanes])
            for (const sign of [1, -1]) {
              const beyond = new Float32Array(section.length).fill(2 * section.bound)
              const part = { section, values: beyond, factor: sign }
              const sum = new Uint32Array(Math.ceil(section.length / lanes))
              for (let i = 0; i < n; i++) addInto(sum, quantiseParts([part], new Uint8Array(32).fill(i + 1)))
              const integers = new Int32Array(section.length)
              unpackInto(integers, sum, lanes)
              const most = n * Math.floor(LANE_MAX[lanes] / n)
              for (const x of integers) {
                expect(sign * x).toBeLessThanOrEqual(most)
                expect(sign * x).toBeGreaterThanOrEqual(most - n)
              }
            }
          }
        }
  })

  it('uses the field: twice the scale would not fit', () => {
    for (const n of [3, 4, 255]) {
      for (const s of layoutFor(testCharter({ n }), 'train', n)) {
        if (s.scale !== 1) expect(n * quantisedMax(s)).toBeGreaterThan(HALF - 2 * n)
      }
    }
  })

  it('leaves each hospital its weights and sums at a useful precision, at the edge of what a charter may say', () => {
    const n = 255
    const charter = testCharter({
      n,
      edit: c => ({
        ...c,
        training: { ...c.training, weightMax: Math.floor(2 ** 20 / n), clipNorm: 1e6 },
        evaluation: { bins: 16, rowsMax: Math.floor(2 ** 29 / n / 20), lossMax: 20 },
      }),
    })
    for (const task of TASKS) {
      for (const s of layoutFor(charter, task, n)) {
        expect(n * quantisedMax(s), s.name).toBeLessThanOrEqual(HALF)
        if (s.scale !== 1) expect(s.bound * s.scale, s.name).toBeGreaterThan(2 ** 20)
      }
    }
    // Nobody with one training row is lost in the roundings of all the others.
    const weight = layoutFor(charter, 'train', n).find(s => s.name === 'weight')!
    expect(n / weight.scale).toBeLessThan(1 / charter.training.weightMax / 2)
  })

  it('says how far rounding may take a sum', () => {
    for (const n of [1, 4, 255]) {
      const s = layoutFor(testCharter({ n: 4 }), 'statistics', n)[1]!
      expect(errorDeviation(s) * s.scale).toBeCloseTo(Math.sqrt(n) / 2, 6)
    }
  })

  it('refuses a cohort that is none, or leaves too few steps', () => {
    const charter = testCharter({ n: 4, edit: c => ({ ...c, evaluation: { ...c.evaluation, rowsMax: 1 } }) })
    for (const n of [0, -1, 2.5, Number.NaN, Math.ceil(HALF / 1024)])
      expect(() => layoutFor(charter, 'evaluate', n)).toThrow(/enough steps/)
    expect(() => layoutFor(charter, 'evaluate', Math.floor(HALF / 1025))).not.toThrow()
  })

  it('holds the worst that a hospital can measure or learn', () => {
    const { training, evaluation } = testCharter({ n: 4 })
    const bounds = TASKS.flatMap(task => layoutFor(testCharter({ n: 4 }), task, 4)).map(s => [
      s.name,
      s.bound,
    ])
    expect(Object.fromEntries(bounds)).toEqual({
      first: training.weightMax,
      second: training.weightMax,
      samples: training.weightMax,
      update: training.clipNorm,
      weight: 1,
      positives: evaluation.rowsMax,
      negatives: evaluation.rowsMax,
      correct: evaluation.rowsMax,
      lossSum: evaluation.rowsMax * evaluation.lossMax,
    })
  })

  it('counts are exact', () => {
    for (const task of TASKS) {
      for (const s of layoutFor(testCharter({ n: 4 }), task, 4)) {
        if (['samples', 'positives', 'negatives', 'correct'].includes(s.name)) expect(s.scale).toBe(1)
      }
    }
  })

  it('refuses counts that could wrap', () => {
    const many = testCharter({
      n: 4,
      edit: c => ({ ...c, evaluation: { ...c.evaluation, rowsMax: 500_000, lossMax: 0.001 } }),
    })
    expect(() => layoutFor(many, 'evaluate', Math.ceil(P / 1_000_000) + 1)).toThrow(/fit/)
  })

  it('has each section once, and says where', () => {
    const charter = testCharter({ n: 4, features: 5 })
    const sections = layoutFor(charter, 'train', 4)
    expect(sectionRange(sections, 'update')).toEqual([0, 6])
    expect(sectionRange(sections, 'weight')).toEqual([6, 7])
    expect(vectorLength(sections)).toBe(6 + 1 + 1 + 2 * charter.evaluation.bins + 2)
    expect(new Set(sections.map(s => s.name)).size).toBe(sections.length)
    expect(() => sectionRange(sections, 'first')).toThrow(RangeError)
  })
})
