import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { committeesMin, drawOf, nextBeacon } from '../../../../protocol/committees/draw.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'

const beaconOf = (k: number) => sha256(Uint8Array.of(k & 255, k >> 8))
const names = (n: number) => Array.from({ length: n }, (_, i) => `hospital-${String(i).padStart(4, '0')}`)
const setting = fc
  .record({
    size: fc.integer({ min: 4, max: 24 }),
    more: fc.nat(60),
    beacon: fc.nat(60_000),
    round: fc.nat(50),
  })
  .map(s => ({ ...s, members: names(2 * s.size + s.more) }))

describe('drawOf', () => {
  it('puts each member in one committee, of nearly equal sizes, none smaller than the charter says', () => {
    fc.assert(
      fc.property(setting, ({ size, beacon, round, members }) => {
        const draw = drawOf({ size, maliciousMax: 1 }, beaconOf(beacon), round, members)
        const sizes = draw.committees.map(c => c.length)
        expect(draw.committees.flat().sort()).toEqual(members)
        expect(Math.min(...sizes)).toBeGreaterThanOrEqual(size)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
        for (const [index, committee] of draw.committees.entries()) {
          expect(committee).toEqual([...committee].sort())
          for (const m of committee) expect(draw.committeeOf.get(m)).toBe(index)
        }
        expect(draw.deciders).toHaveLength(Math.max(...sizes))
        expect(draw.deciders.every(m => members.includes(m))).toBe(true)
        expect([...draw.order].sort()).toEqual(members)
        expect(draw.order.every((m, i) => draw.positionOf.get(m) === i)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  it('is another for another beacon, round, size or membership, and the same for the same', () => {
    const members = names(60)
    const text = (beacon: number, round: number, size = 10, of: readonly string[] = members) =>
      JSON.stringify(drawOf({ size, maliciousMax: 3 }, beaconOf(beacon), round, of).committees)
    expect(text(1, 2)).toBe(text(1, 2))
    const all = [text(1, 2), text(2, 2), text(1, 3), text(1, 2, 11), text(1, 2, 10, members.slice(1))]
    expect(new Set(all).size).toBe(all.length)
  })

  it('draws the deciders apart from the committees', () => {
    const draw = drawOf({ size: 10, maliciousMax: 3 }, beaconOf(3), 1, names(60))
    expect(draw.committees.map(c => c.join())).not.toContain(draw.deciders.join())
  })

  it('favours nobody: each is drawn to decide about equally often', () => {
    const members = names(40)
    const times = new Map(members.map(m => [m, 0]))
    const draws = 2000
    for (let k = 0; k < draws; k++) {
      const { deciders } = drawOf({ size: 10, maliciousMax: 3 }, beaconOf(k), 0, members)
      for (const m of deciders) times.set(m, times.get(m)! + 1)
    }
    // Binomial with p = 1/4: mean 500, deviation 19.4; beyond five deviations in 40 draws: 2e-5.
    for (const [member, count] of times) expect(Math.abs(count - draws / 4), member).toBeLessThan(97)
  })
})

describe('nextBeacon', () => {
  it('follows from the beacon before and the seeds', () => {
    const beacons = [
      nextBeacon(beaconOf(1), [beaconOf(2)]),
      nextBeacon(beaconOf(1), [beaconOf(3)]),
      nextBeacon(beaconOf(2), [beaconOf(2)]),
      nextBeacon(beaconOf(1), [beaconOf(2), beaconOf(3)]),
    ]
    expect(new Set(beacons.map(toHex)).size).toBe(4)
  })
})

describe('committeesMin', () => {
  it('is more than half', () => {
    expect([2, 3, 4, 50].map(committeesMin)).toEqual([2, 2, 3, 26])
  })
})
