/** Training rounds that sum factors: the model follows the hospitals' mean, and all of an update comes in the end (SPEC S6, D4). */
import { describe, expect, it } from 'vitest'
import { type Charter, parameterCount } from '../../../../config/charter.ts'
import { applySum } from '../../../../protocol/model/apply.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import {
  decodeState,
  encodedBytesAfter,
  encodeState,
  stateHash,
  stateIn,
} from '../../../../protocol/model/state.ts'
import type { Learned, ModelState } from '../../../../protocol/ports.ts'
import { basisLength, factorSummed, factorsOf } from '../../../../protocol/sum/factors.ts'
import { addInto, residueBytes } from '../../../../protocol/sum/field.ts'
import { quantisedInput, runVectorWork } from '../../../../protocol/sum/kernels.ts'
import { layoutFor, vectorLength } from '../../../../protocol/sum/layout.ts'
import { Disk } from '../../../../sim/disk.ts'
import { testCharter } from '../../../support/consortium.ts'
import { trained } from '../../../support/learned.ts'

const N = 4
const SHAPES = [[9, 6], [6], [6, 5], [5]]
const ROUNDS = 12

type Compression = NonNullable<Charter['secureSum']['compression']>

function charterWith(compression: Compression): Charter {
  return testCharter({
    n: N,
    rounds: ROUNDS,
    features: 9,
    edit: c => ({
      ...c,
      model: {
        ...c.model,
        weights: SHAPES.map((shape, i) => ({ name: `w${i}`, shape, initialiser: 'glorotUniform' })),
      },
      secureSum: { ...c.secureSum, compression },
    }),
  })
}

const seedOf = (round: number) => new Uint8Array(32).fill(round)
const norm = (v: Iterable<number>) => Math.sqrt(Array.from(v, x => x * x).reduce((a, b) => a + b, 0))

/** A state that the statistics round has left. */
function normalised(charter: Charter): ModelState {
  return { ...initialState(charter), mean: new Float64Array(9), deviation: new Float64Array(9).fill(1) }
}

/** What the hospitals give in a round, and what each still owes then. */
function given(
  charter: Charter,
  round: number,
  model: ModelState,
  all: readonly Learned[],
  residuals: readonly (Float32Array | undefined)[],
) {
  const sections = layoutFor(charter, 'train', N, round)
  const inputs = all.map((learned, i) => {
    const input = quantisedInput({
      charter,
      task: 'train',
      sections,
      learned,
      publicSeed: seedOf(round),
      roundingKey: new Uint8Array(32).fill(40 + i),
      residual: residuals[i],
      basis: model.basis,
    })
    if (!input.ok) throw new Error(input.error)
    return input.value
  })
  const sum = new Uint32Array(vectorLength(sections))
  for (const { residues } of inputs) addInto(sum, residues)
  return { sections, sum, unsent: inputs.map(i => i.unsent!) }
}

const SETTINGS: readonly Compression[] = [
  { bitsPerValue: 32, rotation: false, rank: 1 },
  { bitsPerValue: 32, rotation: true, rank: 2 },
  { bitsPerValue: 16, rotation: false, rank: 4 },
]

describe('rounds that sum factors', () => {
  it.each(SETTINGS)(
    '$bitsPerValue bits, rotation $rotation, rank $rank: all of an update comes in the end',
    c => {
      const charter = charterWith(c)
      const p = parameterCount(charter)
      const deltas = Array.from({ length: N }, (_, h) =>
        Float32Array.from({ length: p }, (_, i) => Math.sin(i * (h + 1)) / 40),
      )
      const before = normalised(charter)
      let state = before
      let residuals: (Float32Array | undefined)[] = []
      const left: number[] = []
      for (let round = 1; round <= ROUNDS; round++) {
        const all = deltas.map(d => trained(charter, round === 1 ? d.slice() : new Float32Array(p)))
        const { sections, sum, unsent } = given(charter, round, state, all, residuals)
        state = applySum(charter, 'train', sections, sum, state, seedOf(round)).state
        residuals = unsent
        left.push(norm(unsent.flatMap(u => [...u])))
        const factors = factorsOf(charter)!
        expect(state.basis!.length).toBe(basisLength(factors, factorSummed(round)))
        expect(encodeState(state).length).toBe(encodedBytesAfter(charter, round))
      }
      // What is not sent of the update is owed, and becomes less in each round.
      left.slice(1).forEach((x, i) => {
        expect(x).toBeLessThanOrEqual(left[i]! * (1 + 1e-6))
      })
      const mean = deltas[0]!.map((_, i) => deltas.reduce((sum, d) => sum + d[i]!, 0) / N)
      const owed = mean.map((_, i) => residuals.reduce((sum, r) => sum + r![i]!, 0) / N)
      const off = mean.map((x, i) => before.parameters[i]! + x - owed[i]! - state.parameters[i]!)
      // Rounding is all that is lost: at 16 bits, of factors of the norm clipNorm in 5,792 steps to either side.
      expect(norm(off)).toBeLessThan(c.bitsPerValue === 32 ? 1e-5 : 0.02)
      expect(left.at(-1)!).toBeLessThan(0.35 * left[0]!)
    },
  )

  it('hand the model on with its basis, in each way that it goes', () => {
    const charter = charterWith(SETTINGS[1]!)
    const p = parameterCount(charter)
    const all = Array.from({ length: N }, () => trained(charter, new Float32Array(p).fill(0.01)))
    const { sections, sum } = given(charter, 1, normalised(charter), all, [])
    const { state } = applySum(charter, 'train', sections, sum, normalised(charter), seedOf(1))
    const encoding = encodeState(state)
    expect(decodeState(encoding.slice(), charter)).toEqual({ ok: true, value: state })
    expect(stateIn(encoding, stateHash(state))).toEqual(state)
    // A basis of neither factor, and one that is not finite.
    expect(decodeState(encoding.slice(0, -4), charter).ok).toBe(false)
    const bad = encoding.slice()
    new DataView(bad.buffer).setFloat32(bad.length - 4, Number.NaN, true)
    expect(decodeState(bad, charter)).toEqual({ ok: false, error: 'a number is not finite' })
    const plain = { ...charter, secureSum: { ...charter.secureSum, compression: undefined } }
    expect(decodeState(encoding, plain).ok).toBe(false)
    // Another basis is another model.
    const other = { ...state, basis: state.basis!.map(x => -x) }
    expect(stateHash(other)).not.toEqual(stateHash(state))
  })

  it('go on with a basis where nobody had a row', () => {
    const charter = charterWith(SETTINGS[0]!)
    const p = parameterCount(charter)
    const all = Array.from({ length: N }, () => trained(charter, new Float32Array(p), 0))
    const { sections, sum } = given(charter, 1, normalised(charter), all, [])
    const before = normalised(charter)
    const { state } = applySum(charter, 'train', sections, sum, before, seedOf(1))
    expect(state.parameters).toEqual(before.parameters)
    expect(encodeState(state).length).toBe(encodedBytesAfter(charter, 1))
  })

  it('make a worker’s model too, in memory or in the store', () => {
    const charter = charterWith(SETTINGS[0]!)
    const p = parameterCount(charter)
    const all = Array.from({ length: N }, () => trained(charter, new Float32Array(p).fill(0.01)))
    const model = normalised(charter)
    const { sections, sum } = given(charter, 1, model, all, [])
    const step = { charter, task: 'train' as const, sections, model, publicSeed: seedOf(1) }
    const work = { kind: 'apply' as const, step }
    const expected = applySum(charter, 'train', sections, sum, model, seedOf(1)).state
    const disk = new Disk()
    disk.write('sum', 0, residueBytes(sum))
    const stored = [{ record: 'sum', from: 0, to: sum.length }]
    const here = runVectorWork({ ...work, sums: [sum] })
    const there = runVectorWork({ ...work, sums: stored, into: 'next' }, disk.access)
    if (here.kind !== 'apply' || there.kind !== 'apply') throw new Error('another output')
    const { model: encoding } = here.stepped!.next!
    if (!(encoding instanceof Uint8Array)) throw new Error('an encoding expected')
    expect(stateIn(encoding, here.stepped!.next!.hash)).toEqual(expected)
    expect(disk.read('next')).toEqual(encodeState(expected))
    expect(there.stepped!.next!.hash).toEqual(stateHash(expected))
    expect(there.stepped!.next!.model).toMatchObject({ basis: expected.basis })
  })
})
