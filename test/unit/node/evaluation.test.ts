import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { joinRows, rankAuc, scoresOf } from '../../../node/evaluation.ts'

/** By its definition: over all pairs of a positive and a negative. */
function auc(scores: readonly number[], labels: readonly number[]): number | undefined {
  let sum = 0
  let pairs = 0
  scores.forEach((p, i) => {
    scores.forEach((n, j) => {
      if (labels[i] !== 1 || labels[j] !== 0) return
      pairs++
      sum += p > n ? 1 : p === n ? 0.5 : 0
    })
  })
  return pairs === 0 ? undefined : sum / pairs
}

describe('rankAuc', () => {
  it('is the share of pairs in the right order, ties half', () => {
    const rows = fc.array(fc.tuple(fc.integer({ min: -4, max: 4 }), fc.integer({ min: 0, max: 1 })), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(rows, list => {
        const scores = list.map(r => r[0])
        const labels = list.map(r => r[1])
        const exact = auc(scores, labels)
        const found = rankAuc(Float32Array.from(scores), Float32Array.from(labels))
        if (exact === undefined) expect(found).toBeUndefined()
        else expect(found).toBeCloseTo(exact, 12)
      }),
    )
  })

  it('cannot be told with one class', () => {
    expect(rankAuc(Float32Array.of(1, 2), Float32Array.of(1, 1))).toBeUndefined()
    expect(rankAuc(Float32Array.of(1, 2), Float32Array.of(0, 0))).toBeUndefined()
    expect(rankAuc(new Float32Array(0), new Float32Array(0))).toBeUndefined()
  })
})

describe('scoresOf', () => {
  it('counts a logit of 0 as positive, as the protocol does', () => {
    expect(scoresOf(Float32Array.of(0, -1, 2, 3), Float32Array.of(1, 0, 1, 0)).accuracy).toBe(0.75)
    expect(scoresOf(new Float32Array(0), new Float32Array(0)).accuracy).toBeUndefined()
  })
})

it('joins rows in their order', () => {
  const a = { x: Float32Array.of(1, 2), y: Float32Array.of(0) }
  const b = { x: Float32Array.of(3, 4), y: Float32Array.of(1) }
  expect(joinRows([a, b])).toEqual({ x: Float32Array.of(1, 2, 3, 4), y: Float32Array.of(0, 1) })
})
