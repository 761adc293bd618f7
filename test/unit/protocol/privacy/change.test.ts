/** What one patient, or one hospital, changes in a sum is no more than the accountant counts with. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Charter, protection } from '../../../../config/charter.ts'
import { applySum } from '../../../../protocol/model/apply.ts'
import { contribution } from '../../../../protocol/model/contribution.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import type { Learned, Task } from '../../../../protocol/ports.ts'
import { groupsOf } from '../../../../protocol/privacy/layout.ts'
import { quantisedInput } from '../../../../protocol/sum/kernels.ts'
import { layoutFor } from '../../../../protocol/sum/layout.ts'
import { testCharter } from '../../../support/consortium.ts'
import { hospitalsNoised, levelKeys, noised } from '../../../support/noised.ts'

const D = 5
const N = 4
const patients = testCharter({ n: N, f: 1, features: D, edit: noised() })
const hospitals = testCharter({ n: N, f: 1, features: D, edit: hospitalsNoised() })
const { bins, lossMax } = patients.evaluation

interface Row {
  readonly u: readonly number[]
  readonly bin: number
  readonly isPositive: boolean
  readonly isRight: boolean
  readonly loss: number
}
const row: fc.Arbitrary<Row> = fc.record({
  u: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: D, maxLength: D }),
  bin: fc.nat(bins - 1),
  isPositive: fc.boolean(),
  isRight: fc.boolean(),
  loss: fc.double({ min: 0, max: lossMax, noNaN: true }),
})
const rows = fc.array(row, { maxLength: 8 })

/** What a learner gives of these rows; `step`: of each row, the gradient with the learning rate, clipped. */
function learnedOf(charter: Charter, all: readonly Row[], task: Task): Learned {
  const sum = (of: (r: Row) => number) => all.reduce((s, r) => s + of(r), 0)
  const first = Float64Array.from({ length: D }, (_, j) => sum(r => r.u[j]!))
  const second = Float64Array.from({ length: D }, (_, j) => sum(r => r.u[j]! ** 2))
  if (task === 'statistics') return { samples: all.length, featureSums: { first, second } }
  const bar = (isPositive: boolean) =>
    Float64Array.from({ length: bins }, (_, b) =>
      sum(r => Number(r.bin === b && r.isPositive === isPositive)),
    )
  const evaluation = {
    positives: bar(true),
    negatives: bar(false),
    correct: sum(r => Number(r.isRight)),
    lossSum: sum(r => r.loss),
  }
  const privacy = protection(charter)!
  const most = privacy.unit === 'patient' ? privacy.clipNorm * charter.training.learningRate : 3
  const delta = Float32Array.from(
    { length: D + 1 },
    (_, j) => (most * sum(r => r.u[j % D]!)) / Math.sqrt(D + 1),
  )
  return task === 'train' ? { samples: all.length, delta, evaluation } : { samples: 0, evaluation }
}

/** By group, what is masked of all its sections. */
function given(charter: Charter, all: readonly Row[], task: Task): Float64Array[] {
  const sections = layoutFor(charter, task, N)
  const parts = contribution(charter, task, sections, learnedOf(charter, all, task))
  if (!parts.ok) throw new Error(parts.error)
  return groupsOf(charter, protection(charter)!, task).map(({ sums }) =>
    Float64Array.from(
      sums.flatMap(({ name }) => {
        const { values, factor } = parts.value.find(p => p.section.name === name)!
        return Array.from(values.subarray(0, values.length), x => x * factor)
      }),
    ),
  )
}

const norm = (xs: Float64Array) => Math.sqrt(xs.reduce((s, x) => s + x * x, 0))
/** Of 32-bit numbers. */
const ROUNDING = 1 + 1e-5

test.each(['statistics', 'train', 'evaluate'] as const)('a patient, in %s', task => {
  const groups = groupsOf(patients, protection(patients)!, task)
  fc.assert(
    fc.property(rows, row, (others, one) => {
      const [without, with_] = [given(patients, others, task), given(patients, [...others, one], task)]
      groups.forEach(({ change }, g) => {
        const moved = norm(with_[g]!.map((x, i) => x - without[g]![i]!))
        expect(moved).toBeLessThanOrEqual(change * ROUNDING + 1e-9)
      })
    }),
  )
})

test.each(['statistics', 'train', 'evaluate'] as const)('a hospital, in %s: all that it gives', task => {
  const groups = groupsOf(hospitals, protection(hospitals)!, task)
  fc.assert(
    fc.property(rows, all => {
      const parts = given(hospitals, all, task)
      for (const [g, { change }] of groups.entries())
        expect(norm(parts[g]!)).toBeLessThanOrEqual(change * ROUNDING + 1e-9)
    }),
  )
})

test('the most that a patient can change is what one in the corner does', () => {
  const corner = { u: Array(D).fill(1), bin: 0, isPositive: true, isRight: true, loss: lossMax }
  for (const task of ['statistics', 'train', 'evaluate'] as const) {
    const groups = groupsOf(patients, protection(patients)!, task)
    const [without, with_] = [given(patients, [], task), given(patients, [corner], task)]
    groups.forEach(({ change }, g) => {
      const moved = norm(with_[g]!.map((x, i) => x - without[g]![i]!))
      expect(moved / change).toBeCloseTo(1, 5)
    })
  }
})

test('noised sums of many give the means, deviations and steps that exact ones do, about', () => {
  const many = 20_000
  const half = Array.from({ length: 40 }, (_, i) => ({
    u: Array.from({ length: D }, (_, j) => ((i + j) % 2 === 0 ? 0.3 : 0.7)),
    bin: i % bins,
    isPositive: i % 2 === 0,
    isRight: true,
    loss: 1,
  }))
  for (const [edit, count] of [
    [
      noised({
        patients: N * many,
        delta: 1e-6,
        noiseMultiplier: { statistics: 1, training: 1, evaluation: 1 },
      }),
      many,
    ],
    [hospitalsNoised({ noiseMultiplier: { statistics: 0.1, training: 0.1, evaluation: 0.1 } }), 40],
  ] as const) {
    const base = testCharter({ n: N, f: 1, features: D, edit })
    const charter = { ...base, training: { ...base.training, weightMax: many } }
    const sections = layoutFor(charter, 'statistics', N)
    const total = new Uint32Array(sections.reduce((n, s) => n + s.length, 0))
    const { samples, featureSums } = learnedOf(charter, half, 'statistics')
    const times = count / samples
    const learned = {
      samples: count,
      featureSums: {
        first: featureSums!.first.map(x => x * times),
        second: featureSums!.second.map(x => x * times),
      },
    }
    for (let i = 0; i < N; i++) {
      const roundingKey = new Uint8Array(32).fill(i + 1)
      const input = quantisedInput({
        charter,
        task: 'statistics',
        sections,
        learned,
        roundingKey,
        noiseKeys: levelKeys(i),
      })
      if (!input.ok) throw new Error(input.error)
      input.value.residues.forEach((r, k) => {
        total[k] = (total[k]! + r) % 2_147_483_647
      })
    }
    const { state } = applySum(charter, 'statistics', sections, total, initialState(charter))
    const isPatient = protection(charter)!.unit === 'patient'
    // Features go from -10 to 10: .5 of it is 0, .2 of it 4.
    for (let j = 0; j < D; j++) {
      expect(Math.abs(state.mean[j]!)).toBeLessThan(isPatient ? 0.01 : 4)
      if (isPatient) expect(state.deviation[j]).toBeCloseTo(4, 1)
      else expect(state.deviation[j]).toBeGreaterThan(0)
    }
  }
})
