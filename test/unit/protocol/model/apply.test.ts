/** From what hospitals learned to the next model: contribution and apply together, with the secure sum's arithmetic between. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { BITS_PER_VALUE, LANE_MAX, lanesOf } from '../../../../config/lanes.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { applySum } from '../../../../protocol/model/apply.ts'
import { clipFactor, normOf } from '../../../../protocol/model/contribution.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import { blankState, encodeState, stateHash, stateIn, storedModel } from '../../../../protocol/model/state.ts'
import type { Learned, ModelState, Section, Task } from '../../../../protocol/ports.ts'
import { addInto, P, residueBytes } from '../../../../protocol/sum/field.ts'
import { quantisedInput, runVectorWork } from '../../../../protocol/sum/kernels.ts'
import { errorDeviation, layoutFor, sectionRange, vectorLength } from '../../../../protocol/sum/layout.ts'
import { Disk } from '../../../../sim/disk.ts'
import { testCharter } from '../../../support/consortium.ts'
import { charterFor } from '../../../support/learned.ts'

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

function quantised(
  charter: Charter,
  task: Task,
  sections: readonly Section[],
  learned: Learned,
  key: number,
) {
  const roundingKey = new Uint8Array(32).fill(key)
  const input = quantisedInput({ charter, task, sections, learned, roundingKey })
  if (!input.ok) throw new Error(input.error)
  return input.value.residues
}

/** The secure sum's arithmetic without the secrecy. */
function summed(c: Charter, task: Task, all: readonly Learned[]): Uint32Array {
  const sections = layoutFor(c, task, all.length)
  const sum = new Uint32Array(vectorLength(sections))
  all.forEach((learned, i) => {
    addInto(sum, quantised(c, task, sections, learned, i + 1))
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
  it('is a job: from the opened sum to the next model', () => {
    const all = [trained(100, [1, 0, 0, 0]), trained(300, [0, 1, 0, 0])]
    const sections = layoutFor(charter, 'train', 2)
    const sum = summed(charter, 'train', all)
    const publicSeed = new Uint8Array(32)
    const step = { charter, task: 'train', sections, model: initialState(charter), publicSeed } as const
    const sums = [sum.slice(0, 3), sum.slice(3)]
    const opened = runVectorWork({ kind: 'apply', sums, step })
    const { state, metrics, samples } = train(charter, all)
    expect(opened).toMatchObject({ stepped: { next: { hash: stateHash(state) }, metrics, samples } })
    const model = opened.kind === 'apply' ? opened.stepped!.next!.model : undefined
    if (!(model instanceof Uint8Array)) throw new Error('an encoding expected')
    expect(stateIn(model, stateHash(state))).toEqual(state)
  })

  it.each<Charter['secureSum']['compression']>([
    undefined,
    { bitsPerValue: 16, rotation: false },
    { bitsPerValue: 10, rotation: false },
    { bitsPerValue: 8, rotation: true },
    { bitsPerValue: 16, rotation: true, oneIn: 2 },
  ])('gives the same model from and into the store (compression %j)', compression => {
    // Below, at and beyond what is read at a time.
    for (const parameters of [9_000, 12_287, 12_288, 12_289, 140_001]) {
      const c = charterFor(4, parameters, x => ({
        ...x,
        secureSum: { ...x.secureSum, compression },
      }))
      const sections = layoutFor(c, 'train', 4)
      const sum = Uint32Array.from({ length: vectorLength(sections) }, (_, i) => (i * 1_000_003) % P)
      sum[sectionRange(sections, 'weight')[0]] = 2 ** 28
      const model = blankState(parameters, {
        mean: Float64Array.of(1, 2, 3),
        deviation: Float64Array.of(4, 5, 6),
      })
      model.parameters.forEach((_, i) => {
        model.parameters[i] = Math.sin(i)
      })
      const step = { charter: c, task: 'train', sections, model, publicSeed: new Uint8Array(32) } as const
      const here = runVectorWork({ kind: 'apply', sums: [sum], step })
      const disk = new Disk()
      disk.write('sum', 0, residueBytes(sum))
      disk.write('model', 0, encodeState(model))
      const third = Math.floor(sum.length / 3)
      const cuts = [0, third, third, 2 * third + 1, sum.length]
      const sums = cuts.slice(1).map((to, i) => ({ record: 'sum', from: cuts[i]!, to }))
      const stored = { ...step, model: storedModel(parameters, model, 'model') }
      const there = runVectorWork({ kind: 'apply', sums, step: stored, into: 'next' }, disk.access)
      if (here.kind !== 'apply' || there.kind !== 'apply') throw new Error('another output')
      const { next, ...found } = there.stepped!
      expect(toHex(next!.hash)).toBe(toHex(here.stepped!.next!.hash))
      expect(toHex(sha256(disk.read('next')!))).toBe(toHex(next!.hash))
      expect(next!.model).toEqual({ mean: model.mean, deviation: model.deviation })
      expect(found).toEqual({ metrics: here.stepped!.metrics, samples: here.stepped!.samples })
    }
  })

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

  it.each(BITS_PER_VALUE)('the same in %i bits, within the steps that they leave', bitsPerValue => {
    const compression = { bitsPerValue, rotation: false }
    const c = testCharter({ n: 4, edit: x => ({ ...x, secureSum: { ...x.secureSum, compression } }) })
    const all = [
      trained(1000, [0.5, 0.7, -0.2, 0]),
      trained(500, [0, 1, -1, 0]),
      trained(1000, [-2, 0, 0, 0]),
    ]
    const step = 2 / Math.floor(LANE_MAX[lanesOf({ compression })] / 3)
    const { state } = train(c, all)
    const exact = [(0.5 - 2) / 2.5, (0.7 + 0.5) / 2.5, (-0.2 - 0.5) / 2.5, 0]
    exact.forEach((x, i) => {
      expect(Math.abs(state.parameters[i]! - x)).toBeLessThan((3 * step) / 2.5)
    })
    // Zeros stay zeros: nothing is rounded where there is nothing.
    expect(state.parameters[3]).toBe(0)
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
          const factor = clipFactor(normOf(d), 2)
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
    const vectors = all.map((l, i) => quantised(charter, 'train', sections, l, i))
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
      const noise = errorDeviation(sections[1]!)
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

  it('takes a category’s values but the first, and a boolean, as numbers between 0 and 1', () => {
    const c = testCharter({
      n: 4,
      edit: x => ({
        ...x,
        data: {
          ...x.data,
          features: [
            { name: 'k', type: 'category', values: ['a', 'b', 'c'], codeSystem: 'none', description: 'k' },
            { name: 'b', type: 'boolean', description: 'b' },
            { name: 'x', type: 'number', unit: '1', min: 100, max: 300, description: 'x' },
          ],
        },
      }),
    })
    const four: Learned = {
      samples: 4,
      featureSums: { first: Float64Array.of(1, 2, 3, 2), second: Float64Array.of(1, 2, 3, 2) },
    }
    const { state } = applySum(
      c,
      'statistics',
      layoutFor(c, 'statistics', 1),
      summed(c, 'statistics', [four]),
      initialState(c),
    )
    expect(Array.from(state.mean)).toEqual([0.25, 0.5, 0.75, 200].map(x => expect.closeTo(x, 3)))
    expect(Array.from(state.deviation)).toEqual(
      [0.5, Math.sqrt(1 / 3), 0.5, 200 * Math.sqrt(1 / 3)].map(x => expect.closeTo(x, 3)),
    )
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
