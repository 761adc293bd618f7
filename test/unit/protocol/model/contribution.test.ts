/** What a hospital may add to the sum: results that are impossible are refused before anything is sent. */
import { describe, expect, it } from 'vitest'
import { contribution } from '../../../../protocol/model/contribution.ts'
import type { Learned } from '../../../../protocol/ports.ts'
import { layoutFor } from '../../../../protocol/sum/layout.ts'
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

const trained = (samples: number, delta: number[]): Learned => ({
  samples,
  delta: Float32Array.from(delta),
  evaluation: evaluation(),
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

describe('a contribution beyond what its sections hold', () => {
  it('is refused, not cut in silence', () => {
    for (const name of ['update', 'weight', 'samples', 'positives', 'lossSum']) {
      const narrow = layoutFor(charter, 'train', 4).map(s =>
        s.name === name ? { ...s, bound: s.bound / 1e4 } : s,
      )
      const result = contribution(charter, 'train', narrow, trained(500, [1, 1, 1, 1]))
      expect(result, name).toEqual({ ok: false, error: `${name} is beyond its bound at 0` })
    }
  })

  it('an evaluation by nobody’s rows is none', () => {
    for (const samples of [-1, 0.5, Number.NaN]) {
      const learned = { samples, evaluation: evaluation() }
      expect(contribution(charter, 'evaluate', layoutFor(charter, 'evaluate', 4), learned).ok).toBe(false)
    }
  })
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
      const parts = contribution(c, 'train', sections, trained(0, [1, -2, 3, 4]))
      if (!parts.ok) throw new Error(parts.error)
      expect(parts.value.map(p => p.section)).toEqual(sections)
      const part = (name: string) => {
        const { values, factor } = parts.value.find(p => p.section.name === name)!
        return Array.from(values.subarray(0, values.length), x => x * factor + 0)
      }
      expect(part('update')).toEqual([0, 0, 0, 0])
      expect(part('weight')).toEqual([0])
      expect(part('samples')).toEqual([0])
      expect(part('negatives')).toEqual(Array<number>(bins).fill(2))
    }
  })
})
