/**
 * An update of which a part is summed: what is sent and what is left make up the clipped whole, so that nothing is lost or sent
 * twice (SPEC D4); and the part that is sent is that of the whole sum.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { applySum } from '../../../../protocol/model/apply.ts'
import { contribution } from '../../../../protocol/model/contribution.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import type { Learned, ModelState } from '../../../../protocol/ports.ts'
import { addInto } from '../../../../protocol/sum/field.ts'
import { quantisedInput, runVectorWork } from '../../../../protocol/sum/kernels.ts'
import { layoutFor, vectorLength } from '../../../../protocol/sum/layout.ts'
import { drawn } from '../../../../protocol/sum/selection.ts'
import { testCharter } from '../../../support/consortium.ts'

const PARAMETERS = 41
const SEED = new Uint8Array(32).fill(6)

type Compression = NonNullable<Charter['secureSum']['compression']>

function charterWith(compression: Compression): Charter {
  return testCharter({
    n: 4,
    features: PARAMETERS - 1,
    edit: c => ({ ...c, secureSum: { ...c.secureSum, compression } }),
  })
}

const norm = (v: ArrayLike<number>) => Math.sqrt(Array.from(v).reduce((s, x) => s + x * x, 0))

const compressions: fc.Arbitrary<Compression> = fc.record({
  bitsPerValue: fc.constant(32 as const),
  rotation: fc.boolean(),
  oneIn: fc.integer({ min: 2, max: 50 }),
})
const vectors = fc
  .array(fc.float({ noNaN: true, min: -3, max: 3 }), { minLength: PARAMETERS, maxLength: PARAMETERS })
  .map(v => Float32Array.from(v))

function learnedOf(charter: Charter, delta: Float32Array, samples = 500): Learned {
  const { bins } = charter.evaluation
  const none = {
    positives: new Float64Array(bins),
    negatives: new Float64Array(bins),
    correct: 0,
    lossSum: 0,
  }
  return { samples, delta, evaluation: none }
}

/** The update's part of what a hospital gives. */
function partOf(charter: Charter, learned: Learned, residual?: Float32Array) {
  const parts = contribution(charter, 'train', layoutFor(charter, 'train', 4), learned, {
    publicSeed: SEED,
    residual,
  })
  if (!parts.ok) throw new Error(parts.error)
  return parts.value.find(p => p.section.name === 'update')!
}

/** The model after a round in which these are summed. */
function stepped(
  charter: Charter,
  all: readonly { readonly learned: Learned; readonly residual?: Float32Array | undefined }[],
  state: ModelState,
): ModelState {
  const sections = layoutFor(charter, 'train', all.length)
  const sum = new Uint32Array(vectorLength(sections))
  all.forEach(({ learned, residual }, i) => {
    const roundingKey = new Uint8Array(32).fill(i + 1)
    const work = {
      charter,
      task: 'train' as const,
      sections,
      learned,
      publicSeed: SEED,
      roundingKey,
      residual,
    }
    const input = quantisedInput(work)
    if (!input.ok) throw new Error(input.error)
    addInto(sum, input.value.residues)
  })
  return applySum(charter, 'train', sections, sum, state, SEED).state
}

/** An update and what was owed, clipped as a whole. */
function clipped(
  { training: { clipNorm } }: Charter,
  delta: Float32Array,
  residual?: Float32Array,
): number[] {
  const whole = Array.from(delta, (x, i) => Math.fround(x + (residual?.[i] ?? 0)))
  const factor = Math.min(1, clipNorm / (norm(whole) || 1))
  return whole.map(x => x * factor)
}

describe('what is sent and what is left', () => {
  it('are the clipped update and residual, whoever is clipped, rotated or not', () => {
    fc.assert(
      fc.property(
        compressions,
        vectors,
        fc.option(vectors, { nil: undefined }),
        (compression, delta, residual) => {
          const charter = charterWith(compression)
          const [before, owed] = [delta.slice(), residual?.slice()]
          const { unsent } = partOf(charter, learnedOf(charter, delta), residual)
          // Neither is the job's to change: the machine keeps its residual until the input is summed.
          expect([delta, residual]).toEqual([before, owed])
          const whole = clipped(charter, delta, residual)
          expect(unsent!.length).toBe(PARAMETERS)
          expect(norm(unsent!)).toBeLessThanOrEqual(charter.training.clipNorm * (1 + 1e-5))
          // Four alike: the mean is what each sent.
          const one = { learned: learnedOf(charter, delta), residual }
          const state = initialState(charter)
          const { parameters } = stepped(charter, [one, one, one, one], state)
          whole.forEach((x, i) => {
            expect(Math.abs(parameters[i]! - state.parameters[i]! + unsent![i]! - x)).toBeLessThan(1e-5)
          })
        },
      ),
    )
  })

  it('have no value in common where nothing is rotated, and it goes on as it was', () => {
    fc.assert(
      fc.property(vectors, fc.integer({ min: 2, max: 50 }), (delta, oneIn) => {
        const charter = charterWith({ bitsPerValue: 32, rotation: false, oneIn })
        const { unsent } = partOf(charter, learnedOf(charter, delta))
        const places = new Set(drawn(PARAMETERS, oneIn, SEED))
        const whole = clipped(charter, delta)
        unsent!.forEach((x, i) => {
          expect(x + 0).toBe(places.has(i) ? 0 : Math.fround(whole[i]!) + 0)
        })
        const state = { ...initialState(charter), parameters: Float32Array.from(delta, x => -x / 7) }
        const one = { learned: learnedOf(charter, delta) }
        const { parameters } = stepped(charter, [one, one, one], state)
        parameters.forEach((x, i) => {
          if (!places.has(i)) expect(Object.is(x, state.parameters[i])).toBe(true)
        })
      }),
    )
  })

  it('come to all of it in the end', () => {
    const charter = charterWith({ bitsPerValue: 32, rotation: false, oneIn: 4 })
    const delta = Float32Array.from({ length: PARAMETERS }, (_, i) => Math.sin(i) / 10)
    let residual: Float32Array | undefined
    const sent = new Float64Array(PARAMETERS)
    for (let round = 0; round < 60; round++) {
      const seed = new Uint8Array(32).fill(round)
      const learned = learnedOf(charter, round === 0 ? delta : new Float32Array(PARAMETERS))
      const sections = layoutFor(charter, 'train', 4)
      const parts = contribution(charter, 'train', sections, learned, { publicSeed: seed, residual })
      const part = parts.ok ? parts.value[0]! : expect.fail()
      const values = part.values.subarray(0, part.values.length)
      drawn(PARAMETERS, 4, seed).forEach((at, i) => {
        sent[at]! += values[i]!
      })
      residual = part.unsent
    }
    expect([...sent]).toEqual([...delta])
    expect(residual!.every(x => x === 0)).toBe(true)
  })
})

describe('the sum', () => {
  it('is the same values of the whole sum, of hospitals that weigh more or less', () => {
    for (const rotation of [false, true]) {
      const sparse = charterWith({ bitsPerValue: 32, rotation, oneIn: 3 })
      const state = initialState(sparse)
      const all = [100, 250, 1000].map((samples, k) => {
        const delta = Float32Array.from({ length: PARAMETERS }, (_, i) => Math.sin(i * (k + 1)) / 9)
        return { learned: learnedOf(sparse, delta, samples), weight: samples / 1000 }
      })
      const { parameters } = stepped(sparse, all, state)
      const weights = all.reduce((w, one) => w + one.weight, 0)
      for (let i = 0; i < PARAMETERS; i++) {
        const mean = all.reduce((sum, { learned, weight }) => {
          const { unsent } = partOf(sparse, learned)
          return sum + weight * (clipped(sparse, learned.delta!)[i]! - unsent![i]!)
        }, 0)
        expect(Math.abs(parameters[i]! - state.parameters[i]! - mean / weights)).toBeLessThan(1e-5)
      }
    }
  })

  it('takes fewer bytes, and a job says what it leaves', () => {
    const charter = charterWith({ bitsPerValue: 16, rotation: true, oneIn: 8 })
    const sections = layoutFor(charter, 'train', 4)
    expect(sections[0]).toMatchObject({ name: 'update', length: 6, lanes: 2, oneIn: 8 })
    const delta = new Float32Array(PARAMETERS).fill(0.1)
    const residual = new Float32Array(PARAMETERS).fill(-0.1)
    const keys = { publicSeed: SEED, roundingKey: SEED, selfKey: SEED, pairs: [], shards: 2 }
    const learned = learnedOf(charter, delta)
    const job = { kind: 'mask', charter, task: 'train', sections, learned, ...keys } as const
    const left = (owed: Float32Array | undefined) => {
      const output = runVectorWork({ ...job, residual: owed })
      return output.kind === 'mask' ? output.unsent! : expect.fail()
    }
    expect(norm(left(undefined))).toBeGreaterThan(0.1)
    // Nothing is owed beyond what this update takes back.
    expect(norm(left(residual))).toBe(0)
  })

  it('is refused with a residual that is not finite, without a value of it', () => {
    const charter = charterWith({ bitsPerValue: 32, rotation: true, oneIn: 2 })
    const residual = new Float32Array(PARAMETERS)
    residual[3] = Number.POSITIVE_INFINITY
    const learned = learnedOf(charter, new Float32Array(PARAMETERS))
    const sections = layoutFor(charter, 'train', 4)
    const refused = contribution(charter, 'train', sections, learned, { publicSeed: SEED, residual })
    expect(refused).toEqual({ ok: false, error: 'update is not finite at 3' })
  })
})
