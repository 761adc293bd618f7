/** Compressed and rotated updates through the whole protocol: sums stay exact, and all members turn them back alike (SPEC S6, D2). */
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../config/charter.ts'
import { BITS_PER_VALUE } from '../../config/lanes.ts'
import { audited } from '../support/audit.ts'
import { consortium, memberName } from '../support/consortium.ts'

const compressed = (charter: Charter, compression: Charter['secureSum']['compression']): Charter => ({
  ...charter,
  secureSum: { ...charter.secureSum, compression },
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
