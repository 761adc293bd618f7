/** Compressed and rotated updates through the whole protocol: sums stay exact, and all members turn them back alike (SPEC S6, D2). */
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../config/charter.ts'
import { BITS_PER_VALUE } from '../../config/lanes.ts'
import { audited } from '../support/audit.ts'
import { type ConsortiumOptions, consortium, memberName } from '../support/consortium.ts'

const compressed = (charter: Charter, compression: Charter['secureSum']['compression']): Charter => ({
  ...charter,
  secureSum: { ...charter.secureSum, compression },
})

const SPARSE = [
  { bitsPerValue: 32, rotation: false, oneIn: 3 },
  { bitsPerValue: 8, rotation: false, oneIn: 2 },
  { bitsPerValue: 16, rotation: true, oneIn: 4 },
] as const

/** The learner's own numbers, but for an update that is the same everywhere: `given` in the first training round, then nothing. */
const once =
  (given: Float32Array): ConsortiumOptions['learner'] =>
  (_id, honest) =>
  job => {
    const learned = honest(job)
    const delta = job.round === 1 ? given : new Float32Array(given.length)
    return learned.delta ? { ...learned, samples: 1000, delta } : learned
  }

const wave = (length: number) => Float32Array.from({ length }, (_, i) => (Math.sin(i + 1) + 2) / 40)

describe('updates of which a part is summed each round', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it.each(SPARSE)(
      `$bitsPerValue bits, rotation $rotation, one in $oneIn (${gossipBytesMax})`,
      compression => {
        const { c, audit } = audited({
          n: 4,
          f: 1,
          features: 40,
          rounds: 4,
          gossipBytesMax,
          edit: charter => compressed(charter, compression),
        })
        c.world.startAll()
        expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
        expect(audit.checked.sums).toBe(6)
        expect(audit.checked.residuals).toBe(16)
        expect(audit.problems).toEqual([])
      },
    )
  }

  it.each<[string, Partial<ConsortiumOptions>]>([
    ['all together', { n: 4, f: 1 }],
    ['in committees, which are others each round', { n: 8, f: 0 }],
  ])('send what is left in later rounds: %s', (_name, { n, f }) => {
    const given = wave(24)
    const c = consortium({
      n: n!,
      f: f!,
      rounds: 12,
      features: given.length - 1,
      edit: charter => ({
        ...compressed(charter, { bitsPerValue: 32, rotation: false, oneIn: 2 }),
        ...(n === 8 && { committees: { size: 4, maliciousMax: 0 } }),
      }),
      learner: once(given)!,
    })
    c.world.startAll()
    const modelOf = (i: number) => c.world.host(memberName(i)).peer?.model?.parameters
    // After the first training round half of the values are there, and none of the others.
    const closed = () => c.world.hosts.get(memberName(0))!.peer!
    const roundOf = () => {
      const { phase } = closed().state
      return phase.kind === 'between' ? phase.round : 0
    }
    expect(c.world.run(() => roundOf() === 2 && modelOf(0) !== undefined, 600_000)).toBe(true)
    const first = Array.from(modelOf(0)!)
    expect(first.filter(x => x !== 0).length).toBe(12)
    expect(c.world.run(() => c.finished(), 600_000)).toBe(true)
    for (let i = 0; i < n!; i++) {
      modelOf(i)!.forEach((x, k) => {
        expect(Math.abs(x - given[k]!)).toBeLessThan(1e-5)
      })
    }
  })
})

describe('rotated updates', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it.each(BITS_PER_VALUE)(
      `in %i bits make the model that learners gave (${gossipBytesMax})`,
      bitsPerValue => {
        const { c, audit } = audited({
          n: 4,
          f: 1,
          features: 40,
          rounds: 3,
          gossipBytesMax,
          edit: charter => compressed(charter, { bitsPerValue, rotation: true }),
        })
        c.world.startAll()
        expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
        expect(audit.checked.sums).toBe(5)
        expect(audit.problems).toEqual([])
      },
    )
  }

  it('of committees add up: all committees of a round rotate alike', () => {
    const parameters = 64
    const given = Float32Array.from({ length: parameters }, (_, i) => Math.sin(i) / 8)
    const c = consortium({
      n: 8,
      f: 0,
      rounds: 1,
      features: parameters - 1,
      edit: charter => ({
        ...compressed(charter, { bitsPerValue: 16, rotation: true }),
        committees: { size: 4, maliciousMax: 0 },
      }),
      learner: (_id, honest) => job => {
        const learned = honest(job)
        return learned.delta ? { ...learned, samples: 1000, delta: given } : learned
      },
    })
    c.world.startAll()
    expect(c.world.run(() => c.finished(), 600_000)).toBe(true)
    for (let i = 0; i < 8; i++) {
      const { parameters: made } = c.world.host(memberName(i)).peer!.model!
      // The model starts from zeros, and everybody gives the same.
      made.forEach((x, k) => {
        expect(Math.abs(x - given[k]!)).toBeLessThan(0.002)
      })
    }
  })
})
