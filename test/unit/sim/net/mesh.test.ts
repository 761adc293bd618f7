/** Neighbours in the gossip mesh: enough, not too many, and nobody who sends what is invalid. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GOSSIP, Mesh } from '../../../../sim/net/mesh.ts'
import { Random } from '../../../../sim/random.ts'

/** A mesh in which all are connected but those that are cut or down. */
class Rig {
  now = 0
  readonly down = new Set<number>()
  readonly cut = new Set<string>()
  readonly mesh: Mesh
  readonly n: number

  constructor(n: number, seed: number) {
    this.n = n
    this.mesh = new Mesh(n, new Random(seed), {
      now: () => this.now,
      up: i => !this.down.has(i),
      connected: (a, b) => this.connected(a, b),
    })
  }

  connected(a: number, b: number): boolean {
    const alive = !this.down.has(a) && !this.down.has(b)
    return alive && !this.cut.has(`${Math.min(a, b)} ${Math.max(a, b)}`)
  }

  join(pairs: readonly (readonly [number, number])[]): this {
    for (const [a, b] of pairs) if (this.connected(a, b)) this.mesh.joined(a, b)
    return this
  }

  beat(): void {
    this.now += GOSSIP.heartbeatMs
    for (let i = 0; i < this.n; i++) if (!this.down.has(i)) this.mesh.heartbeat(i)
  }

  degrees(): number[] {
    return Array.from({ length: this.n }, (_, i) => this.mesh.neighbours(i).length)
  }
}

function pairsOf(n: number, random: Random): [number, number][] {
  const pairs: [number, number][] = []
  for (let a = 0; a < n; a++) for (let b = a + 1; b < n; b++) pairs.push([a, b])
  for (let i = pairs.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const kept = pairs[i]!
    pairs[i] = pairs[j]!
    pairs[j] = kept
  }
  return pairs
}

function reached(rig: Rig, from: number): number {
  const seen = new Set([from])
  for (const i of seen) for (const j of rig.mesh.neighbours(i)) seen.add(j)
  return seen.size
}

describe('the mesh', () => {
  it('of up to seven is everybody', () => {
    for (let n = 2; n <= 7; n++) {
      const rig = new Rig(n, n).join(pairsOf(n, new Random(n)))
      expect(rig.degrees()).toEqual(Array.from({ length: n }, () => n - 1))
    }
  })

  it('of more holds its degrees, is mutual and whole, whatever is down or cut', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 70 }),
        fc.nat(),
        fc.array(fc.nat({ max: 69 }), { maxLength: 10 }),
        fc.array(fc.tuple(fc.nat({ max: 69 }), fc.nat({ max: 69 })), { maxLength: 40 }),
        (n, seed, down, cuts) => {
          const rig = new Rig(n, seed).join(pairsOf(n, new Random(seed)))
          expect(reached(rig, 0)).toBe(n)
          expect(Math.min(...rig.degrees())).toBeGreaterThanOrEqual(GOSSIP.degreeMin)
          for (const i of down) {
            if (i >= n || rig.down.size > n - 12) continue
            rig.down.add(i)
            rig.mesh.down(i)
          }
          for (const [a, b] of cuts) {
            if (a >= n || b >= n || a === b) continue
            rig.cut.add(`${Math.min(a, b)} ${Math.max(a, b)}`)
            rig.mesh.parted(a, b)
          }
          for (let k = 0; k < 5; k++) rig.beat()
          for (let i = 0; i < n; i++) {
            const mine = rig.mesh.neighbours(i)
            expect(mine.length).toBeLessThanOrEqual(GOSSIP.degreeMax)
            expect(new Set(mine).size).toBe(mine.length)
            for (const j of mine) {
              expect(rig.connected(i, j)).toBe(true)
              expect(rig.mesh.neighbours(j)).toContain(i)
            }
            const possible = Array.from({ length: n }, (_, j) => j).filter(
              j => j !== i && rig.connected(i, j),
            )
            if (!rig.down.has(i) && possible.length >= 10)
              expect(mine.length).toBeGreaterThanOrEqual(GOSSIP.degreeMin)
          }
        },
      ),
      { numRuns: 60 },
    )
  })

  it('has no room for more than its most, whoever comes first', () => {
    const n = 60
    const rig = new Rig(n, 1)
    // Host 0 is the first that all others meet.
    for (let a = 0; a < n; a++) for (let b = a + 1; b < n; b++) rig.join([[a, b]])
    expect(Math.max(...rig.degrees())).toBe(GOSSIP.degreeMax)
  })

  it('of a thousand is whole, with no long ways', () => {
    const n = 1000
    const random = new Random(5)
    const rig = new Rig(n, 5)
    // Not all pairs, in the order of chance: each host has met some forty others.
    for (let k = 0; k < 20_000; k++)
      rig.join([[random.below(n), random.below(n - 1)]].filter(([a, b]) => a !== b) as [number, number][])
    for (let k = 0; k < 3; k++) rig.beat()
    let ring = new Set([0])
    const seen = new Set(ring)
    let hops = 0
    while (ring.size > 0) {
      hops++
      const next = new Set<number>()
      for (const i of ring) for (const j of rig.mesh.neighbours(i)) if (!seen.has(j)) next.add(j)
      for (const j of next) seen.add(j)
      ring = next
    }
    expect(seen.size).toBe(n)
    expect(hops).toBeLessThan(9)
  })
})

describe('who sends what is invalid', () => {
  it('loses its place at the next heartbeat, and does not come back for a minute', () => {
    const rig = new Rig(20, 3).join(pairsOf(20, new Random(3)))
    const liar = rig.mesh.neighbours(0)[0]!
    rig.mesh.rejected(0, liar)
    expect(rig.mesh.neighbours(0)).toContain(liar)
    for (let s = 1; s <= 59; s++) {
      rig.beat()
      expect(rig.mesh.neighbours(0)).not.toContain(liar)
    }
    expect(rig.degrees()[0]).toBeGreaterThanOrEqual(GOSSIP.degreeMin)
  })

  it('is not listened to after nine of them at once, until they have faded', () => {
    const rig = new Rig(20, 3)
    for (let k = 0; k < 8; k++) rig.mesh.rejected(0, 5)
    expect(rig.mesh.score(0, 5)).toBeGreaterThan(GOSSIP.graylistThreshold)
    rig.mesh.rejected(0, 5)
    expect(rig.mesh.score(0, 5)).toBeLessThan(GOSSIP.graylistThreshold)
    expect(rig.mesh.score(1, 5)).toBe(0)
    expect(rig.mesh.score(5, 0)).toBe(0)
    rig.now += 5000
    expect(rig.mesh.score(0, 5)).toBeGreaterThan(GOSSIP.graylistThreshold)
    rig.now += 200_000
    expect(rig.mesh.score(0, 5)).toBe(0)
  })

  it('is forgotten with the life that held it against it', () => {
    const rig = new Rig(20, 3)
    rig.mesh.rejected(0, 5)
    rig.mesh.rejected(1, 5)
    rig.mesh.down(0)
    expect(rig.mesh.score(0, 5)).toBe(0)
    expect(rig.mesh.score(1, 5)).toBe(-1)
  })
})
