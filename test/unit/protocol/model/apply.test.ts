/** From what hospitals learned to the next model: contribution and apply together, with the secure sum's arithmetic between. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { applySum } from '../../../../protocol/model/apply.ts'
import { clipFactor, contribution } from '../../../../protocol/model/contribution.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import { stateHash } from '../../../../protocol/model/state.ts'
import type { Learned, ModelState, Task } from '../../../../protocol/ports.ts'
import { addInto } from '../../../../protocol/sum/field.ts'
import { quantiseSections } from '../../../../protocol/sum/kernels.ts'
import { layoutFor, roundingDeviation, sectionRange, vectorLength } from '../../../../protocol/sum/layout.ts'
import { testCharter } from '../../../support/consortium.ts'

const charter = testCharter({ n: 4, features: 3 })
const bins = charter.evaluation.bins

function evaluation(positive = 1, negative = 2) {
  return {
    positives: new Float64Array(bins).fill(positive),
    negatives: new Float64Array(bins).fill(negative),
    correct: 3,
    lossSum: 4.5,
  }
}

/** The secure sum's arithmetic without the secrecy. */
function summed(c: Charter, task: Task, all: readonly Learned[]): Uint32Array {
  const sections = layoutFor(c, task, all.length)
  const sum = new Uint32Array(sections.reduce((n, s) => n + s.length, 0))
  all.forEach((learned, i) => {
    const values = contribution(c, task, sections, learned)
    if (!values.ok) throw new Error(values.error)
    addInto(sum, quantiseSections(values.value, sections, new Uint8Array(32).fill(i + 1)))
  })
  return sum
}

function train(c: Charter, all: readonly Learned[], state = initialState(c)) {
  return applySum(c, 'train', layoutFor(c, 'train', all.length), summed(c, 'train', all), state)
}

const trained = (samples: number, delta: number[]): Learned => ({
  samples,
  delta: Float32Array.from(delta),
  evaluation: evaluation(),
})

describe('training round', () => {
  it('adds the sample-weighted mean of the clipped updates', () => {
    const all = [trained(100, [1, 0, 0, 0]), trained(300, [0, 1, 0, 0]), trained(0, [0, 0, 1, 0])]
    const { state, samples } = train(charter, all)
    expect(samples).toBe(400)
    expect(Array.from(state.parameters)).toEqual(
      [expect.closeTo(0.25, 6), expect.closeTo(0.75, 6), 0, 0].map((x, i) =>
        i < 2 ? x : expect.closeTo(0, 6),
      ),
    )
  })

  it('one hospital, one vote, where the charter says so', () => {
    const equal = testCharter({
      n: 4,
      edit: c => ({ ...c, training: { ...c.training, weighting: 'equal' } }),
    })
    const { state } = train(equal, [trained(10, [1, 0, 0, 0]), trained(900, [0, 1, 0, 0])])
    expect(state.parameters[0]).toBeCloseTo(0.5, 6)
    expect(state.parameters[1]).toBeCloseTo(0.5, 6)
  })

  it('a weight grows no further than weightMax', () => {
    const { state } = train(charter, [trained(1000, [1, 0, 0, 0]), trained(1_000_000, [0, 1, 0, 0])])
    expect(state.parameters[0]).toBeCloseTo(0.5, 6)
  })

  it('an update beyond clipNorm is shortened, its direction kept; one within is as it was', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 4, maxLength: 4 }),
        delta => {
          const d = Float32Array.from(delta)
          const factor = clipFactor(d, 2)
          const norm = Math.hypot(...d)
          expect(factor * norm).toBeLessThanOrEqual(2 * (1 + 1e-12))
          expect(factor).toBe(norm > 2 ? factor : 1)
        },
      ),
    )
    const { state } = train(charter, [trained(10, [30, 40, 0, 0])])
    expect(state.parameters[0]).toBeCloseTo(1.2, 5)
    expect(state.parameters[1]).toBeCloseTo(1.6, 5)
  })

  it('nobody with a row: the model stays as it is, bit for bit', () => {
    const start: ModelState = { ...initialState(charter), parameters: Float32Array.of(1, 2, 3, 4) }
    const { state } = train(charter, [trained(0, [1, 1, 1, 1]), trained(0, [9, 9, 9, 9])], start)
    expect(toHex(stateHash(state))).toBe(toHex(stateHash(start)))
  })

  it('gives the same bits in whatever order the hospitals are added', () => {
    const all = [
      trained(11, [0.1, -0.3, 0.7, 0.2]),
      trained(29, [0.5, 0.4, -0.2, 0.9]),
      trained(97, [-1, 0.25, 0.5, 0.125]),
    ]
    const sections = layoutFor(charter, 'train', 3)
    const vectors = all.map((l, i) => {
      const values = contribution(charter, 'train', sections, l)
      if (!values.ok) throw new Error(values.error)
      return quantiseSections(values.value, sections, new Uint8Array(32).fill(i))
    })
    const hashes = [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ].map(order => {
      const sum = new Uint32Array(vectors[0]!.length)
      for (const i of order) addInto(sum, vectors[i]!)
      return toHex(stateHash(applySum(charter, 'train', sections, sum, initialState(charter)).state))
    })
    expect(new Set(hashes).size).toBe(1)
  })

  it('metrics are pooled: counts exact, AUC from the histograms', () => {
    const { metrics } = train(charter, [trained(1, [0, 0, 0, 0]), trained(2, [0, 0, 0, 0])])
    expect(metrics?.testSamples).toBe(2 * 3 * bins)
    expect(metrics?.auc).toBeCloseTo(0.5, 12)
    expect(metrics?.accuracy).toBeCloseTo(6 / (6 * bins), 12)
    expect(metrics?.loss).toBeCloseTo(9 / (6 * bins), 4)
  })
})

describe('a contribution that may not be', () => {
  const sections = layoutFor(charter, 'train', 4)
  const good = trained(5, [0, 0, 0, 0])
  const cases: [string, Learned][] = [
    ['NaN in the update', { ...good, delta: Float32Array.of(0, Number.NaN, 0, 0) }],
    ['infinity in the update', { ...good, delta: Float32Array.of(Infinity, 0, 0, 0) }],
    ['an update of another length', { ...good, delta: new Float32Array(5) }],
    ['no update', { samples: 5, evaluation: evaluation() }],
    ['no evaluation', { samples: 5, delta: new Float32Array(4) }],
    ['a negative number of samples', { ...good, samples: -1 }],
    ['half a row', { ...good, samples: 1.5 }],
    ['a count that is none', { ...good, evaluation: { ...evaluation(), correct: 0.5 } }],
    ['a negative count', { ...good, evaluation: evaluation(-1) }],
    ['more rows than may be counted', { ...good, evaluation: { ...evaluation(), correct: 1001 } }],
    ['more test rows than may be counted', { ...good, evaluation: { ...evaluation(50, 50), correct: 0 } }],
    ['more rows right than tested', { ...good, evaluation: { ...evaluation(), correct: 16 * 3 + 1 } }],
    ['a negative loss', { ...good, evaluation: { ...evaluation(), lossSum: -0.5 } }],
    ['more loss than its rows can have', { ...good, evaluation: { ...evaluation(), lossSum: 48 * 20 + 1 } }],
    [
      'a histogram of other bins',
      { ...good, evaluation: { ...evaluation(), positives: new Float64Array(15) } },
    ],
    ['a loss that is not finite', { ...good, evaluation: { ...evaluation(), lossSum: Number.NaN } }],
  ]
  for (const [what, learned] of cases) {
    it(`is refused: ${what}`, () => {
      const result = contribution(charter, 'train', sections, learned)
      expect(result.ok).toBe(false)
      // Where, but never a value of it.
      if (!result.ok) expect(result.error).not.toMatch(/NaN|Infinity|1001|1\.5/)
    })
  }
})

describe('feature sums that may not be', () => {
  const sections = layoutFor(charter, 'statistics', 4)
  const give = (samples: number, first: number[], second: number[]) =>
    contribution(charter, 'statistics', sections, {
      samples,
      featureSums: { first: Float64Array.from(first), second: Float64Array.from(second) },
    }).ok

  it('are refused: nothing in [0, 1] adds up to them', () => {
    expect(give(10, [10, 5, 0], [10, 2, 0])).toBe(true)
    expect(give(0, [0, 0, 0], [0, 0, 0])).toBe(true)
    expect(give(10, [10.01, 5, 0], [10, 2, 0])).toBe(false)
    expect(give(10, [10, 5, 0], [10, 5.01, 0])).toBe(false)
    expect(give(10, [10, 5, 0], [10, 2, -0.01])).toBe(false)
    expect(give(10, [10, 5, Number.NaN], [10, 2, 0])).toBe(false)
    expect(give(10, [10, 5, 0], [10, 2, Number.NaN])).toBe(false)
    expect(give(0, [1, 0, 0], [0, 0, 0])).toBe(false)
    expect(give(10, [10, 5], [10, 2])).toBe(false)
    expect(contribution(charter, 'statistics', sections, { samples: 10 }).ok).toBe(false)
  })
})

describe('a hospital without training rows', () => {
  it('adds zeros with weight 0, but its test rows count', () => {
    for (const weighting of ['samples', 'equal'] as const) {
      const c = testCharter({ n: 4, edit: x => ({ ...x, training: { ...x.training, weighting } }) })
      const sections = layoutFor(c, 'train', 4)
      const values = contribution(c, 'train', sections, trained(0, [1, -2, 3, 4]))
      if (!values.ok) throw new Error(values.error)
      const part = (name: string) =>
        Array.from(values.value.subarray(...sectionRange(sections, name)), x => x + 0)
      expect(part('update')).toEqual([0, 0, 0, 0])
      expect(part('weight')).toEqual([0])
      expect(part('samples')).toEqual([0])
      expect(part('negatives')).toEqual(Array<number>(bins).fill(2))
    }
  })
})

describe('statistics round', () => {
  it('gives pooled mean and deviation in the features’ own units', () => {
    const rows = [
      [-4, 0, 9],
      [-2, 5, 9],
      [0, -5, 9],
      [6, 1, 9],
      [10, -1, 9],
    ]
    const half = (from: number, to: number): Learned => {
      const u = rows.slice(from, to).map(r => r.map(x => (x + 10) / 20))
      const sum = (g: (x: number) => number) =>
        Float64Array.from([0, 1, 2], j => u.reduce((s, r) => s + g(r[j]!), 0))
      return { samples: to - from, featureSums: { first: sum(x => x), second: sum(x => x * x) } }
    }
    const all = [half(0, 2), half(2, 5)]
    const { state, samples } = applySum(
      charter,
      'statistics',
      layoutFor(charter, 'statistics', 2),
      summed(charter, 'statistics', all),
      initialState(charter),
    )
    expect(samples).toBe(5)
    const column = (j: number) => rows.map(r => r[j]!)
    const mean = (xs: number[]) => xs.reduce((a, b) => a + b, 0) / xs.length
    const deviation = (xs: number[]) =>
      Math.sqrt(xs.reduce((a, x) => a + (x - mean(xs)) ** 2, 0) / (xs.length - 1))
    for (const j of [0, 1]) {
      expect(state.mean[j]).toBeCloseTo(mean(column(j)), 2)
      expect(state.deviation[j]).toBeCloseTo(deviation(column(j)), 2)
    }
    // A feature that never varies is not blown up by rounding.
    expect(state.mean[2]).toBeCloseTo(9, 2)
    expect(state.deviation[2]).toBe(1)
  })

  it('tells a small deviation from the noise of rounding, which it takes for none', () => {
    for (const n of [2, 4, 30, 255]) {
      const sections = layoutFor(charter, 'statistics', n)
      const noise = roundingDeviation(sections[1]!)
      const apply = (squares: number) => {
        // 1,000 values of mean 1/2.
        const sum = new Uint32Array(vectorLength(sections))
        sum[0] = 1000
        sum[1] = Math.round(500 * sections[1]!.scale)
        sum[4] = Math.round((250 + squares) * sections[2]!.scale)
        return applySum(charter, 'statistics', sections, sum, initialState(charter)).state.deviation[0]
      }
      // At n = 2 and 4 nothing that n roundings, each of less than a step, can add up to is taken for a deviation.
      if (n < 5) expect(6 * Math.sqrt(5) * noise * sections[1]!.scale).toBeGreaterThan(2 * n)
      expect(apply(12 * noise)).toBe(1)
      expect(apply(16 * noise)).toBeCloseTo(20 * Math.sqrt((16 * noise) / 999), 1)
    }
  })

  it('rows beyond weightMax count as weightMax rows with the same mean and deviation', () => {
    const many: Learned = {
      samples: 4000,
      featureSums: { first: Float64Array.of(1000, 2000, 0), second: Float64Array.of(500, 2000, 0) },
    }
    const sections = layoutFor(charter, 'statistics', 3)
    const { state, samples } = applySum(
      charter,
      'statistics',
      sections,
      summed(charter, 'statistics', [many, many, many]),
      initialState(charter),
    )
    expect(samples).toBe(3000)
    expect(state.mean[0]).toBeCloseTo(-5, 3)
    expect(state.deviation[0]).toBeCloseTo(20 * Math.sqrt((3000 * (1 / 8 - 1 / 16)) / 2999), 3)
    expect(state.mean[1]).toBeCloseTo(0, 3)
    expect(state.deviation[1]).toBeCloseTo(20 * Math.sqrt((3000 * (1 / 2 - 1 / 4)) / 2999), 3)
  })

  it('no rows at all: nothing is divided by zero', () => {
    const none: Learned = {
      samples: 0,
      featureSums: { first: new Float64Array(3), second: new Float64Array(3) },
    }
    const { state } = applySum(
      charter,
      'statistics',
      layoutFor(charter, 'statistics', 3),
      summed(charter, 'statistics', [none, none, none]),
      initialState(charter),
    )
    expect(Array.from(state.deviation)).toEqual([1, 1, 1])
    expect(state.mean.every(Number.isFinite)).toBe(true)
  })
})
