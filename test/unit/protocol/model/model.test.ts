import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { applySum } from '../../../../protocol/model/apply.ts'
import { clipFactor, contribution } from '../../../../protocol/model/contribution.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import { histogramAuc } from '../../../../protocol/model/metrics.ts'
import { decodeState, encodeState, stateHash } from '../../../../protocol/model/state.ts'
import type { Learned, ModelState, Task } from '../../../../protocol/ports.ts'
import { addInto } from '../../../../protocol/sum/field.ts'
import { quantiseSections } from '../../../../protocol/sum/kernels.ts'
import { layoutFor, sectionRange } from '../../../../protocol/sum/layout.ts'
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
    expect(state.deviation[2]).toBeGreaterThan(0)
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

describe('histogram AUC', () => {
  it('is the rank AUC to within half of the pairs that share a bin', () => {
    const score = fc.double({ min: 0, max: 0.999, noNaN: true })
    fc.assert(
      fc.property(
        fc.array(score, { minLength: 1, maxLength: 40 }),
        fc.array(score, { minLength: 1, maxLength: 40 }),
        (p, n) => {
          const count = (xs: number[]) => {
            const h = new Float64Array(16)
            for (const x of xs) h[Math.floor(16 * x)]!++
            return h
          }
          const [hp, hn] = [count(p), count(n)]
          let exact = 0
          for (const a of p) for (const b of n) exact += a > b ? 1 : a === b ? 0.5 : 0
          const shared = hp.reduce((s, x, i) => s + x * hn[i]!, 0)
          expect(Math.abs(histogramAuc(hp, hn) - exact / (p.length * n.length))).toBeLessThanOrEqual(
            shared / 2 / (p.length * n.length) + 1e-12,
          )
        },
      ),
    )
  })

  it('ranks: positives above, below, and one class only', () => {
    expect(histogramAuc([0, 0, 5], [5, 0, 0])).toBe(1)
    expect(histogramAuc([5, 0, 0], [0, 0, 5])).toBe(0)
    expect(histogramAuc([1, 2, 3], [0, 0, 0])).toBe(0.5)
  })
})

describe('model state', () => {
  const state: ModelState = {
    parameters: Float32Array.of(1.5, -2, 3e-8, 4),
    mean: Float64Array.of(1, 2, 3),
    deviation: Float64Array.of(0.1, 0.2, 0.3),
  }

  it('survives the way to bytes and back, and its hash tells every bit', () => {
    const bytes = encodeState(state)
    const back = decodeState(bytes, charter)
    expect(back).toEqual({ ok: true, value: state })
    const other = { ...state, deviation: Float64Array.of(0.1, 0.2, 0.30000000000000004) }
    expect(toHex(stateHash(other))).not.toBe(toHex(stateHash(state)))
  })

  it('takes nothing that is not the charter’s model', () => {
    const bytes = encodeState(state)
    const changed = (at: number, value: number) => Uint8Array.from(bytes, (b, i) => (i === at ? value : b))
    const nan = bytes.slice()
    new DataView(nan.buffer).setFloat32(16, Number.NaN, true)
    const flat = bytes.slice()
    new DataView(flat.buffer).setFloat64(16 + 16 + 24, 0, true)
    for (const bad of [
      bytes.slice(1),
      bytes.slice(0, -1),
      changed(0, 0),
      changed(4, 9),
      changed(8, 5),
      changed(12, 2),
      nan,
      flat,
      new Uint8Array(0),
    ]) {
      expect(decodeState(bad, charter).ok).toBe(false)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => !decodeState(bytes, charter).ok))
  })

  it('decodes from a view that does not start at a word', () => {
    const shifted = new Uint8Array(encodeState(state).length + 3)
    shifted.set(encodeState(state), 3)
    expect(decodeState(shifted.subarray(3), charter).ok).toBe(true)
  })
})

describe('initial model', () => {
  const glorot = (seed: number) =>
    testCharter({
      n: 4,
      edit: c => ({
        ...c,
        model: {
          ...c.model,
          seed,
          weights: [
            { name: 'a', shape: [300, 100], initialiser: 'glorotUniform' },
            { name: 'b', shape: [100], initialiser: 'zeros' },
            { name: 'c', shape: [7], initialiser: 'ones' },
          ],
        },
      }),
    })

  it('is the same everywhere: this hash is part of the protocol', () => {
    expect(toHex(stateHash(initialState(glorot(1))))).toBe(toHex(stateHash(initialState(glorot(1)))))
    expect(toHex(stateHash(initialState(glorot(1))))).not.toBe(toHex(stateHash(initialState(glorot(2)))))
  })

  it('follows its initialisers', () => {
    const { parameters } = initialState(glorot(1))
    const limit = Math.sqrt(6 / 400)
    const a = parameters.subarray(0, 30_000)
    expect(Math.max(...a.subarray(0, 30_000).map(Math.abs))).toBeLessThanOrEqual(Math.fround(limit))
    expect(Math.max(...a.map(Math.abs))).toBeGreaterThan(0.99 * limit)
    expect(a.reduce((s, x) => s + x, 0) / a.length).toBeCloseTo(0, 2)
    expect(a.reduce((s, x) => s + x * x, 0) / a.length).toBeCloseTo((limit * limit) / 3, 3)
    // No stretch of the stream is used twice.
    expect(new Set(a.subarray(0, 100)).size).toBe(100)
    expect(Array.from(a.subarray(0, 50))).not.toEqual(Array.from(a.subarray(16_640, 16_690)))
    expect(parameters.subarray(30_000, 30_100).every(x => x === 0)).toBe(true)
    expect(parameters.subarray(30_100).every(x => x === 1)).toBe(true)
  })

  it('sections of the layout have the charter’s lengths', () => {
    const c = glorot(1)
    expect(sectionRange(layoutFor(c, 'train', 4), 'update')).toEqual([0, 30_107])
  })
})
