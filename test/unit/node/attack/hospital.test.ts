/** What `medmesh privacy attack` computes, of public rows. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { attackHospital } from '../../../../node/attack/hospital.ts'
import { activationsOf } from '../../../../node/attack/network.ts'
import { randomOf } from '../../../../node/attack/random.ts'
import { cohortCharter, openly, tableSubject } from '../../../../node/attack/subject.ts'
import type { Dataset, Rows } from '../../../../node/training/dataset.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import { openStudy } from '../../../study/heart.ts'
import { hospitalsNoised, noised } from '../../../support/noised.ts'

const file = new URL('../../../../config/studies/heart-disease/charter-mlp.yaml', import.meta.url).pathname
const EFFORT = { trials: 8, seed: 3, steps: 3 }
const quiet = async () => {}

let charter: Charter
let va: Dataset
beforeAll(async () => {
  const study = await openStudy(file)
  charter = { ...study.charter, training: { ...study.charter.training, rounds: 1 } }
  va = study.datasets.get('va')!
})

const first = ({ x, y }: Rows, count: number, d: number): Rows => ({
  x: x.slice(0, count * d),
  y: y.slice(0, count),
})

describe('attackHospital', () => {
  it('gives the same figures for the same seed, others for another', async () => {
    const once = await attackHospital(charter, va, EFFORT, quiet)
    expect(await attackHospital(charter, va, EFFORT, quiet)).toEqual(once)
    expect(await attackHospital(charter, va, { ...EFFORT, seed: 4 }, quiet)).not.toEqual(once)
  })

  it('attacks what a charter’s noise leaves of a sum, whatever it protects', async () => {
    const hospitals = hospitalsNoised()(charter)
    const equal = { ...charter.training, weighting: 'equal' as const }
    const alone = noised({ noise: 'hospital' })({ ...charter, training: equal })
    for (const own of [noised()(charter), hospitals, alone]) {
      const { inversion, cohort } = await attackHospital(own, va, EFFORT, quiet)
      expect(cohort).toBe(4)
      const exactly = (target: string) =>
        inversion.find(r => r.target === target && r.attack === 'first layer')!
      expect(exactly('plain update').reconstructed).toBe(1)
      expect(exactly('sum of 4').reconstructed).toBeGreaterThan(0.5)
      expect(exactly("sum of 4, the charter's noise").reconstructed).toBe(0)
    }
  })

  it('has no noise to attack where the charter has none, and compression hides nothing from it', async () => {
    const compression = { bitsPerValue: 8, rotation: true } as const
    const packed = { ...charter, secureSum: { ...charter.secureSum, compression } }
    const { inversion } = await attackHospital(packed, va, EFFORT, quiet)
    expect(new Set(inversion.map(r => r.target))).toEqual(
      new Set(['plain update', 'masked input', 'sum of 4']),
    )
    expect(inversion[0]).toMatchObject({ target: 'plain update', attack: 'first layer', reconstructed: 1 })
  })

  it('tells how far it is, and stops where it is told to', async () => {
    const parts: [number, number][] = []
    const stop = async (done: number, of: number) => {
      parts.push([done, of])
      if (done === 1) throw new Error('enough')
    }
    await expect(attackHospital(charter, va, EFFORT, stop)).rejects.toThrow('enough')
    expect(parts).toEqual([
      [0, 5],
      [1, 5],
    ])
  })

  it('refuses so few rows that chance could not be told from an attack, and takes one more', async () => {
    const few = (train: number) => ({
      ...va,
      train: first(va.train, train, va.d),
      test: first(va.test, 1, va.d),
    })
    await expect(attackHospital(charter, few(30), EFFORT, quiet)).rejects.toMatchObject({
      code: 'ATTACK_ROWS',
    })
    expect((await attackHospital(charter, few(31), EFFORT, quiet)).rows).toBe(16)
  })

  it('refuses more rows than a charter that protects patients lets a hospital have', async () => {
    const own = noised()(charter)
    const small = { ...own, training: { ...own.training, weightMax: 10 } }
    await expect(attackHospital(small, va, EFFORT, quiet)).rejects.toMatchObject({ code: 'PRIVACY_ROWS' })
  })
})

describe('the model', () => {
  const dense = (activation: string, more = {}) => ({
    class_name: 'Dense',
    config: { units: 1, activation, ...more },
  })
  const modelOf = (...layers: object[]) => ({
    model: { keras: { class_name: 'Sequential', config: { layers } }, weights: [], seed: 1 } as never,
  })

  it('is one that the attacks know, or its first layer that is not is named', () => {
    const input = { class_name: 'InputLayer', config: {} }
    expect(activationsOf(modelOf(input, dense('relu'), dense('tanh'), dense('sigmoid')))).toEqual([
      'relu',
      'tanh',
      'linear',
    ])
    for (const [layers, why] of [
      [[dense('elu'), dense('sigmoid')], /layer 1 has the activation elu/],
      [[dense('constructor'), dense('sigmoid')], /layer 1 has the activation constructor/],
      [[input, dense('relu', { use_bias: false }), dense('sigmoid')], /layer 2 has no bias/],
      [
        [dense('relu'), { class_name: 'Activation', config: { activation: 'sigmoid' } }],
        /layer 2 is of class Activation/,
      ],
    ] as const) {
      expect(() => activationsOf(modelOf(...layers))).toThrow(why)
      expect(() => activationsOf(modelOf(...layers))).toThrow(
        expect.objectContaining({
          code: 'ATTACK_MODEL',
          fix: expect.stringMatching(/Dense.*linear, relu, sigmoid, tanh/),
        }),
      )
    }
  })
})

describe('the cohort', () => {
  it('is the smallest committee, where there are committees', () => {
    const drawn = { ...charter, committees: { size: 4, maliciousMax: 1 } }
    drawn.members = [...charter.members, ...charter.members]
    expect(cohortCharter(drawn)).toMatchObject({ maliciousMax: 1, committees: undefined })
    expect(openly(drawn).members).toHaveLength(4)
    expect(cohortCharter(charter)).toBe(charter)
  })

  it('has each row once as long as there are as many, then all of them again', () => {
    const rows = { x: Float32Array.of(0, 10, 1, 11, 2, 12), y: Float32Array.of(0, 1, 0) }
    const model = { ...initialState(charter), mean: new Float64Array(2), deviation: Float64Array.of(1, 1) }
    const { draw } = tableSubject('t', charter, model, rows, rows)
    for (let seed = 0; seed < 20; seed++) {
      const drawn = draw(randomOf(seed), 6).map(({ x, y }) => [...x, y])
      for (const some of [drawn.slice(0, 3), drawn.slice(3)])
        expect(some.toSorted((a, b) => a[0]! - b[0]!)).toEqual([
          [0, 10, 0],
          [1, 11, 1],
          [2, 12, 0],
        ])
    }
  })
})
