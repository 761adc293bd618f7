import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Random, randomOf } from '../../../../node/attack/random.ts'
import { groupsOf } from '../../../../protocol/contribution/groups.ts'
import { CUT, cutTo, tooLong } from '../../../../protocol/contribution/lengths.ts'
import { type AuditRecord, recordOf } from '../../../../protocol/contribution/record.ts'
import { dot } from '../../../../protocol/contribution/regress.ts'

const LENGTH = 12
const CLIP = 0.5
const LIARS = 3
const members = Array.from({ length: 18 }, (_, i) => `m${i}`)
const liars = members.slice(0, LIARS)
/** What is said of chance is not to depend on it here. */
const SAME = { seed: 1 }

type Lie = (random: Random, audit: number) => Float64Array

/** In a direction of its own or in that of all. */
function honest(member: string, isAlike: boolean, share: number): Float64Array {
  const random = randomOf(1).fork(isAlike ? 'all' : member)
  return ofLength(share * CLIP, random)
}

function ofLength(length: number, random: Random): Float64Array {
  const v = Float64Array.from({ length: LENGTH }, () => random.normal())
  return v.map(x => (x * length) / Math.sqrt(dot(v, v)))
}

/** Liars leave after `until` audits. `share`: of what they may give, of the honest; with 1 nobody honest is nearer to the limit. */
function audits(
  seed: number,
  count: number,
  lie: Lie,
  isAlike = false,
  until = count,
  share = 1,
): AuditRecord[] {
  const random = randomOf(seed)
  const weights = new Map(members.map((m, i) => [m, 0.4 + (i % 5) / 8]))
  return Array.from({ length: count }, (_, t) => {
    const there = members.filter(m => t < until || !liars.includes(m))
    const given = new Map(
      there.map(m => [m, liars.includes(m) ? lie(random.fork('lie', m, t), t) : honest(m, isAlike, share)]),
    )
    const groups = groupsOf(random.fork('lot', t).key(), there, 4).map(group => {
      const sum = new Float32Array(LENGTH)
      for (const m of group) for (let j = 0; j < LENGTH; j++) sum[j]! += given.get(m)![j]! * weights.get(m)!
      const weight = group.reduce((w, m) => w + weights.get(m)!, 0)
      return { members: group, sum: cutTo(sum, CUT * CLIP * weight) }
    })
    const rows = new Map([...weights].map(([m, w]) => [m, Math.round(100 * w)]))
    return recordOf({ groups, rows, weights, progress: new Float64Array(LENGTH).fill(1) })
  })
}

const against = ofLength(1, randomOf(2))
const steady =
  (times: number): Lie =>
  () =>
    against.map(v => v * times * CLIP)

describe('who gives more than it may', () => {
  it('is found after some audits, and nobody else', () => {
    const counts: number[] = []
    fc.assert(
      fc.property(fc.nat(1000), fc.double({ min: 6, max: 20, noNaN: true }), (seed, times) => {
        const all = audits(seed, 36, steady(times), false, 36, 0.4)
        const found = [18, 24, 30, 36].flatMap(count => [...tooLong(all.slice(0, count), members, CLIP)])
        expect(found.filter(m => !liars.includes(m))).toEqual([])
        counts.push(new Set(found).size)
      }),
      { numRuns: 12, ...SAME },
    )
    // Some are hard to tell from each other by these lots.
    const share = counts.reduce((a, b) => a + b, 0) / counts.length / LIARS
    expect(share).toBeGreaterThan(0.75)
  })

  it('stays found when it is gone, and still nobody else is', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.boolean(), (seed, isAlike) => {
        const long = audits(seed, 30, steady(8), isAlike, 14)
        for (const count of [14, 20, 25, 30]) {
          const found = tooLong(long.slice(0, count), members, CLIP)
          expect([...found].filter(m => !liars.includes(m))).toEqual([])
        }
      }),
      { numRuns: 12, ...SAME },
    )
  })

  it('is nobody who gives as much as it may, whatever others do', () => {
    const lies = fc.record({
      often: fc.double({ min: 0, max: 1, noNaN: true }),
      times: fc.double({ min: 0, max: 1000, noNaN: true }),
    })
    fc.assert(
      fc.property(fc.nat(1000), fc.boolean(), lies, (seed, isAlike, { often, times }) => {
        const lie: Lie = random =>
          random.uniform() < often ? ofLength(times * CLIP, random) : steady(1)(random, 0)
        const found = tooLong(audits(seed, 20, lie, isAlike), members, CLIP)
        expect([...found].filter(m => !liars.includes(m))).toEqual([])
      }),
      { numRuns: 30, ...SAME },
    )
  })

  it('is not told after too few audits, nor of sums that are within bounds', () => {
    expect(tooLong(audits(1, 7, steady(20)), members, CLIP).size).toBe(0)
    expect(tooLong(audits(1, 24, steady(1)), members, CLIP).size).toBe(0)
    expect(tooLong([], members, CLIP).size).toBe(0)
  })

  it('cuts what is longer, and leaves what is not', () => {
    expect([...cutTo(Float32Array.of(3, 4), 2.5)]).toEqual([1.5, 2])
    expect([...cutTo(Float32Array.of(3, 4), 5)]).toEqual([3, 4])
    expect([...cutTo(Float32Array.of(0, 0), 0)]).toEqual([0, 0])
  })
})
