/** Gossip in a simulated world: it reaches everybody, once, by way of those who accept it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Verdict } from '../../../../protocol/ports.ts'
import { GOSSIP } from '../../../../sim/net/mesh.ts'
import { alike, bytesOf, type Scripted, scripted, textOf } from '../../../support/scripted.ts'

function reachedBy(s: Scripted, text: string): number[] {
  return s.ids.map((_, i) => i).filter(i => s.texts(i).includes(text))
}

/** Copies of a message on the wire. */
function copies(s: Scripted, text: string): number {
  return s.hops.filter(h => textOf(h.bytes) === text).length
}

describe('a published message', () => {
  it('is given to each machine once, whatever the number of copies', () => {
    for (const n of [2, 4, 9, 30]) {
      const s = scripted({ n }).startAll()
      s.publish(n - 1, 'hello')
      s.pass(2000)
      for (let i = 0; i < n - 1; i++) expect(s.texts(i)).toEqual(['hello'])
      expect(s.texts(n - 1)).toEqual([])
      expect(copies(s, 'hello')).toBeGreaterThanOrEqual(n - 1)
      expect(copies(s, 'hello')).toBeLessThanOrEqual(n * GOSSIP.degreeMax)
    }
  })

  it('costs as many copies as there are neighbours to pass it on to', () => {
    // All are neighbours, all hear it at once: each passes it on to all but its source.
    const s = scripted({ n: 5, network: alike({ latencyMs: 20 }) }).startAll()
    s.publish(0, 'x')
    s.pass(1000)
    expect(copies(s, 'x')).toBe(4 + 4 * 3)
  })

  it('spares copies of what is large to those who have said that they have it', () => {
    // On slow lines one is told by the first that has it while the copies to others still wait for their turn.
    const s = scripted({ n: 4, network: alike({ latencyMs: 5 }), site: () => ({ uplinkMbps: 8 }) }).startAll()
    for (const [bytes, least, most] of [
      [GOSSIP.idontwantBytesMin - 1, 9, 9],
      [20_000, 3, 6],
    ] as const) {
      const text = 'x'.repeat(bytes)
      s.publish(0, text)
      s.pass(3000)
      expect(copies(s, text)).toBeGreaterThanOrEqual(least)
      expect(copies(s, text)).toBeLessThanOrEqual(most)
      for (const i of [1, 2, 3]) expect(s.texts(i).at(-1)).toBe(text)
    }
  })

  it('says whose connection it came by, and reaches those that its author cannot reach', () => {
    const s = scripted({ n: 3, network: alike({ latencyMs: 20 }) }).startAll()
    s.world.cut(s.id(0), s.id(2))
    s.pass(8000)
    s.publish(0, 'x')
    s.pass(500)
    expect(s.delivered.map(h => `${h.from} ${h.to} ${h.via}`)).toEqual([
      `${s.id(0)} ${s.id(1)} gossip`,
      `${s.id(1)} ${s.id(2)} gossip`,
    ])
    expect(Math.round(s.delivered[1]!.at - s.delivered[0]!.at)).toBe(20)
  })

  it('reaches all who are up and not cut off, with a third of the links gone and many hosts down', () => {
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 24 }), fc.nat({ max: 1000 }), (n, seed) => {
        const s = scripted({ n, seed }).startAll()
        const { random } = s.world
        const cut = new Set<string>()
        for (let a = 0; a < n; a++) {
          for (let b = a + 1; b < n; b++) {
            if (!random.chance(1 / 3)) continue
            cut.add(`${a} ${b}`)
            s.world.cut(s.id(a), s.id(b))
          }
        }
        const down = new Set<number>()
        for (let i = 1; i < n; i++) if (random.chance(0.2)) down.add(i)
        for (const i of down) s.world.crash(s.id(i))
        s.pass(10_000)
        const linked = (a: number, b: number) =>
          !down.has(a) && !down.has(b) && !cut.has(`${Math.min(a, b)} ${Math.max(a, b)}`)
        const whole = new Set([0])
        for (const a of whole) for (let b = 0; b < n; b++) if (b !== a && linked(a, b)) whole.add(b)
        s.publish(0, 'x')
        s.pass(5000)
        whole.delete(0)
        expect(reachedBy(s, 'x')).toEqual([...whole].sort((a, b) => a - b))
      }),
      { numRuns: 25 },
    )
  })

  it('goes no further than to whom its author sends it when they do not accept it', () => {
    for (const verdict of ['ignore', 'reject'] as Verdict[]) {
      const s = scripted({ n: 20, verdict: () => verdict }).startAll()
      const neighbours = s.world.neighbours(s.id(0))
      s.publish(0, 'x')
      // Before the next heartbeat, at which the author tells others of it.
      s.pass(500)
      const reached = reachedBy(s, 'x').map(i => s.id(i))
      expect(reached).toEqual(expect.arrayContaining(neighbours))
      // An author with few neighbours sends to some others as well.
      expect(reached).toHaveLength(Math.max(neighbours.length, GOSSIP.degree))
      s.pass(5000)
      // Who sends what is invalid is no longer the neighbour of those whom it sent it to.
      const now = s.world.neighbours(s.id(0))
      expect(now.some(id => neighbours.includes(id))).toBe(verdict === 'ignore')
    }
  })

  it('is heard of at heartbeats by those whom no copy reached, as long as it is remembered', () => {
    const run = (backMs: number) => {
      const s = scripted({ n: 16 }).startAll()
      s.world.crash(s.id(9))
      s.pass(100)
      s.publish(0, 'x')
      s.world.at(backMs, () => s.world.start(s.id(9)))
      s.pass(20_000)
      return s.texts(9)
    }
    expect(run(1000)).toEqual(['x'])
    expect(run(9000)).toEqual([])
  })

  it('published again is another message', () => {
    const s = scripted({ n: 4 }).startAll()
    s.publish(0, 'x')
    s.pass(500)
    s.publish(0, 'x')
    s.pass(500)
    expect(s.texts(1)).toEqual(['x', 'x'])
  })

  it('is given twice where a link doubles it, and is passed on once', () => {
    const s = scripted({ n: 2, network: alike({ latencyMs: 20, duplicateRate: 1 }) }).startAll()
    s.publish(0, 'x')
    s.pass(500)
    expect(s.texts(1)).toEqual(['x', 'x'])
    expect(s.injected.filter(i => i.kind === 'duplicate').length).toBe(copies(s, 'x') / 2)
  })

  it('whose first copy is lost with its connection arrives by the next one', () => {
    const plain = { lossRate: 0, duplicateRate: 0, reorderRate: 0 }
    const far = (a: string, b: string) => (`${a} ${b}`.includes('1') && `${a} ${b}`.includes('2') ? 300 : 100)
    const s = scripted({
      n: 3,
      network: { links: (a, b) => ({ ...plain, latencyMs: far(a, b) }) },
    }).startAll()
    s.publish(0, 'x')
    // The copies from 0 are on their way; that to 2 goes down with 0, whose system says so at once: 1 has it already.
    s.pass(150)
    expect(s.texts(1)).toEqual(['x'])
    const t = scripted({
      n: 3,
      network: {
        links: (a, b) => ({ ...plain, latencyMs: far(a, b) }),
        loses: (_r, from, to, bytes) => bytes.length === 1 && from.endsWith('0') && to.endsWith('2'),
      },
    }).startAll()
    t.publish(0, 'x')
    t.pass(1000)
    expect(t.texts(2)).toEqual(['x'])
    expect(t.delivered.at(-1)!.from).toBe(t.id(1))
    expect(t.losses.map(l => l.why)).toEqual(['lost'])
  })

  it('whispered to one is passed on by it', () => {
    const s = scripted({
      n: 4,
      site: i => (i === 0 ? { whispers: bytes => textOf(bytes) === 'psst' } : {}),
    }).startAll()
    s.act(0, { kind: 'send', to: s.id(2), bytes: bytesOf('psst') })
    s.act(0, { kind: 'send', to: s.id(2), bytes: bytesOf('plain') })
    s.pass(500)
    expect(s.texts(2).sort()).toEqual(['plain', 'psst'])
    expect(s.texts(1, 'gossip')).toEqual(['psst'])
    expect(s.texts(3, 'gossip')).toEqual(['psst'])
    expect(s.delivered.filter(h => h.via === 'gossip' && h.from === s.id(0)).map(h => h.to)).toEqual([
      s.id(2),
    ])
  })

  it('leaves a world that has nothing more to do at rest', () => {
    const s = scripted({ n: 20 }).startAll()
    s.publish(0, 'x')
    s.pass(10_000)
    const { events } = s.world
    s.pass(3_600_000)
    expect(s.world.events).toBe(events)
  })
})
