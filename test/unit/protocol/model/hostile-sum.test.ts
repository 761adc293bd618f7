/**
 * A masked input may be any vector: no range proof holds a malicious member to its bounds. Whatever the sum becomes, it
 * must give a model that peers accept and numbers that an entry may hold, so that the round closes.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { BITS_PER_VALUE } from '../../../../config/lanes.ts'
import { MetricsSchema, RoundClosedSchema } from '../../../../protocol/ledger/entry.ts'
import { applySum } from '../../../../protocol/model/apply.ts'
import { contribution } from '../../../../protocol/model/contribution.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import { decodeState, encodeState } from '../../../../protocol/model/state.ts'
import type { ModelState, Section, Task } from '../../../../protocol/ports.ts'
import { HALF, P } from '../../../../protocol/sum/field.ts'
import { quantiseParts } from '../../../../protocol/sum/kernels.ts'
import { layoutFor, sectionRange, vectorLength } from '../../../../protocol/sum/layout.ts'
import { masksInto } from '../../../../protocol/sum/mask.ts'
import type { MaskWork } from '../../../../sim/checkers/inputs.ts'
import { consortium, memberName, testCharter } from '../../../support/consortium.ts'
import { Remasking } from '../../../support/remasking.ts'

const TASKS: readonly Task[] = ['statistics', 'train', 'evaluate']
const ranges = (min: number, max: number): Charter =>
  testCharter({
    n: 4,
    edit: c => ({
      ...c,
      data: {
        ...c.data,
        features: c.data.features.map(f => ({ ...f, type: 'number', unit: '1', min, max })),
      },
    }),
  })

function normalised(charter: Charter): ModelState {
  const d = charter.data.features.length
  return { ...initialState(charter), mean: new Float64Array(d), deviation: new Float64Array(d).fill(1) }
}

/** Writes integers into the named sections of an otherwise empty sum. */
function sumOf(sections: readonly Section[], parts: Record<string, number[]>): Uint32Array {
  const sum = new Uint32Array(vectorLength(sections))
  for (const [name, values] of Object.entries(parts))
    sum.set(
      values.map(v => (v < 0 ? v + P : v)),
      sectionRange(sections, name)[0],
    )
  return sum
}

describe('any sum', () => {
  const edge = fc.constantFrom(0, 1, 2, HALF - 1, HALF, HALF + 1, P - 2, P - 1)
  const residue = fc.oneof(edge, fc.integer({ min: 0, max: P - 1 }), fc.integer({ min: 0, max: 50 }))
  const compressed = ([32, ...BITS_PER_VALUE] as const).flatMap(bitsPerValue =>
    [false, true].flatMap(rotation =>
      [undefined, 2].map(oneIn => {
        const compression = { bitsPerValue, rotation, oneIn }
        return testCharter({ n: 4, edit: c => ({ ...c, secureSum: { ...c.secureSum, compression } }) })
      }),
    ),
  )
  const factored = [false, true].map(rotation => {
    const compression = { bitsPerValue: 32 as const, rotation, rank: 2 }
    const weights = [{ name: 'w', shape: [3, 5], initialiser: 'zeros' as const }]
    return testCharter({
      n: 4,
      edit: c => ({
        ...c,
        model: { ...c.model, weights },
        secureSum: { ...c.secureSum, compression },
      }),
    })
  })
  const plain = [ranges(-10, 10), ranges(-8e307, 8e307), ranges(0, 5e-324)]
  const charters = [...plain, ...compressed, ...factored]

  for (const task of TASKS) {
    it(`of a ${task} round gives what peers and entries accept`, () => {
      const length = Math.max(...charters.map(c => vectorLength(layoutFor(c, task, 4))))
      fc.assert(
        fc.property(
          fc.array(residue, { minLength: length, maxLength: length }),
          fc.constantFrom(...charters),
          (residues, charter) => {
            const sections = layoutFor(charter, task, 4)
            const sum = Uint32Array.from(residues.slice(0, vectorLength(sections)))
            const seed = new Uint8Array(32)
            const applied = applySum(charter, task, sections, sum, normalised(charter), seed)
            expect(RoundClosedSchema.shape.samples.safeParse(applied.samples).success).toBe(true)
            if (applied.metrics) expect(MetricsSchema.safeParse(applied.metrics).success).toBe(true)
            expect(decodeState(encodeState(applied.state), charter).ok).toBe(true)
          },
        ),
      )
    })
  }

  it('measures nothing where a count is negative, however the others hide it', () => {
    const charter = testCharter({ n: 4 })
    const sections = layoutFor(charter, 'evaluate', 4)
    for (const name of ['positives', 'negatives']) {
      const other = name === 'positives' ? 'negatives' : 'positives'
      const sum = sumOf(sections, { [name]: [-1, 9], [other]: [5] })
      expect(
        applySum(charter, 'evaluate', sections, sum, initialState(charter)).metrics,
        name,
      ).toBeUndefined()
    }
  })

  it('keeps accuracy within 0 and 1, and loss and samples above 0', () => {
    const charter = testCharter({ n: 4 })
    const sections = layoutFor(charter, 'train', 4)
    const apply = (correct: number, lossSum: number, samples: number) =>
      applySum(
        charter,
        'train',
        sections,
        sumOf(sections, {
          positives: [5],
          negatives: [5],
          correct: [correct],
          lossSum: [lossSum],
          samples: [samples],
        }),
        initialState(charter),
      )
    expect(apply(-1, -7, -3)).toMatchObject({ samples: 0, metrics: { accuracy: 0, loss: 0 } })
    expect(apply(11, 0, 3)).toMatchObject({ samples: 3, metrics: { accuracy: 1 } })
    expect(apply(4, 0, 3)).toMatchObject({ samples: 3, metrics: { accuracy: 0.4, testSamples: 10 } })
  })

  it('of a single row has no deviation, and one of more than values in [0, 1] can have at most that', () => {
    const charter = testCharter({ n: 4 })
    const sections = layoutFor(charter, 'statistics', 4)
    const { scale } = sections.find(s => s.name === 'second')!
    const apply = (samples: number, second: number) =>
      applySum(
        charter,
        'statistics',
        sections,
        sumOf(sections, { samples: [samples], second: [Math.round(second * scale)] }),
        initialState(charter),
      ).state.deviation[0]
    expect(apply(1, 900)).toBe(1)
    expect(apply(2, 900)).toBe(20 * Math.sqrt(1 / 2))
    expect(apply(101, -900)).toBe(1)
  })

  it('leaves the model as it is when the weight is negative or less than one row weighs', () => {
    const charter = testCharter({ n: 4 })
    const sections = layoutFor(charter, 'train', 4)
    const { scale } = sections.find(s => s.name === 'weight')!
    const apply = (weight: number) =>
      applySum(
        charter,
        'train',
        sections,
        sumOf(sections, { update: [1000], weight: [Math.round(weight * scale)] }),
        initialState(charter),
      ).state.parameters[0]
    const oneRow = 1 / charter.training.weightMax
    expect(apply(-1)).toBe(0)
    expect(apply(0)).toBe(0)
    expect(apply(0.4 * oneRow)).toBe(0)
    expect(apply(0.99 * oneRow)).toBeGreaterThan(0)
  })
})

type Lie = (values: Float64Array, section: Section) => void

describe('one member of four whose vectors are hostile', () => {
  const lies: Record<string, Lie> = {
    'counts less than nothing': (values, s) => {
      if (s.scale === 1) values.fill(-s.bound)
    },
    'gives the lowest of everything': (values, s) => void values.fill(-s.bound),
    'gives the highest of everything': (values, s) => void values.fill(s.bound),
  }
  for (const [what, lie] of Object.entries(lies)) {
    it(`${what}: every round closes at once, and no honest member is accused`, () => {
      const liar = memberName(3)
      const c = consortium({
        n: 4,
        f: 1,
        rounds: 2,
        machine: id => (id === liar ? config => new Remasking(config, work => lied(work, lie)) : undefined),
      })
      c.world.startAll()
      const honest = [0, 1, 2].map(memberName)
      const finished = () => honest.every(id => c.world.hosts.get(id)!.peer!.state.phase.kind === 'finished')
      expect(c.world.run(finished, 60_000)).toBe(true)
      for (const id of honest) expect(c.closed(id).map(e => e.attempt)).toEqual([0, 0, 0, 0])
      expect(c.faults.filter(f => honest.includes(f.peer) && f.host !== liar)).toEqual([])
    })
  }
})

/** The vector with something else in it than what was learned, section by section. */
function lied(work: MaskWork, lie: Lie): Uint32Array {
  const parts = contribution(work.charter, work.task, work.sections, work.learned)
  if (!parts.ok) throw new Error(parts.error)
  const lies = parts.value.map(({ section, values, factor }) => {
    const others = Float64Array.from(values.subarray(0, values.length), x => x * factor)
    lie(others, section)
    return { section, values: others, factor: 1 }
  })
  const masked = quantiseParts(lies, work.roundingKey)
  masksInto(masked, [{ key: work.selfKey, sign: 1 }, ...work.pairs])
  return masked
}
