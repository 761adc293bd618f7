/** Connections in a simulated world: who notices what, and when. */
import { describe, expect, it } from 'vitest'
import { alike, type Scripted, scripted } from '../../../support/scripted.ts'

const network = alike({ latencyMs: 20 })

/** Kinds and times since `from`. */
function since(s: Scripted, from: number, index: number, other: number): [string, number][] {
  return s
    .contacts(index, other)
    .filter(c => c.at > from)
    .map(c => [c.kind, c.at - from])
}

describe('a connection', () => {
  it('is there some round trips after both are up', () => {
    const s = scripted({ n: 2, network })
    s.world.start(s.id(0))
    s.pass(5000)
    expect(s.contacts(0, 1)).toEqual([])
    s.world.start(s.id(1))
    s.pass(1000)
    const [c] = s.contacts(0, 1)
    expect(c!.kind).toBe('connected')
    expect(c!.at - 5000).toBeGreaterThanOrEqual(3 * 40)
    expect(c!.at - 5000).toBeLessThan(3 * 40 + 10)
    expect(s.contacts(1, 0)).toEqual([c])
  })

  it('ends at once when the process of one side is killed, after all that it has sent', () => {
    const s = scripted({ n: 2, network }).startAll()
    const at = s.at
    s.send(1, 0, 'last words')
    s.world.crash(s.id(1))
    s.pass(1000)
    expect(since(s, at, 0, 1).map(([kind, ms]) => [kind, Math.round(ms)])).toEqual([['disconnected', 20]])
    expect(s.texts(0)).toEqual(['last words'])
  })

  it('is given up after six to seven seconds when one side vanished or nothing comes through', () => {
    for (const how of ['vanished', 'cut', 'blocked', 'isolated', 'mute', 'paused'] as const) {
      const s = scripted({ n: 2, network }).startAll()
      const at = s.at
      if (how === 'vanished') s.world.crash(s.id(1), 'lost', 'vanished')
      else if (how === 'cut') s.world.cut(s.id(0), s.id(1))
      else if (how === 'blocked') s.world.block(s.id(0), s.id(1))
      else if (how === 'isolated') s.world.isolate(s.id(1))
      else if (how === 'mute') s.world.isolate(s.id(1), 'out')
      else s.world.pause(s.id(1))
      s.pass(20_000)
      const [[kind, ms], ...more] = since(s, at, 0, 1) as [[string, number]]
      expect([how, kind, more.length]).toEqual([how, 'disconnected', 0])
      expect(ms).toBeGreaterThanOrEqual(6000)
      expect(ms).toBeLessThan(7000)
    }
  })

  it('outlives a cut that is shorter, and what was sent meanwhile arrives late, in order', () => {
    const s = scripted({ n: 2, network }).startAll()
    const at = s.at
    const undo = s.world.cut(s.id(0), s.id(1))
    for (const text of ['1', '2', '3']) s.send(0, 1, text)
    s.world.at(2000, undo)
    s.world.at(2010, () => s.send(0, 1, '4'))
    s.pass(2000)
    expect(s.texts(1)).toEqual([])
    s.pass(8000)
    expect(since(s, at, 0, 1)).toEqual([])
    expect(s.texts(1)).toEqual(['1', '2', '3', '4'])
    const arrived = s.delivered.map(d => d.at - at)
    // Retransmissions after 240, 720, 1680 and 3600 ms.
    expect(arrived[0]).toBeCloseTo(3620, 6)
    expect(s.losses).toEqual([])
  })

  it('that breaks takes with it what was under way, and keeps what had not left', () => {
    const s = scripted({ n: 2, network }).startAll()
    const undo = s.world.cut(s.id(0), s.id(1))
    s.send(0, 1, 'on its way')
    s.pass(10_000)
    s.send(0, 1, 'waits')
    s.pass(1000)
    undo()
    s.pass(3000)
    expect(s.texts(1)).toEqual(['waits'])
    expect(s.losses.map(l => l.why)).toEqual(['cut'])
  })

  it('comes back within a second and some round trips when the way is open again', () => {
    for (let seed = 1; seed < 10; seed++) {
      const s = scripted({ n: 2, seed, network }).startAll()
      const undo = s.world.cut(s.id(0), s.id(1))
      s.pass(30_000)
      const at = s.at
      undo()
      s.pass(5000)
      const [[kind, ms]] = since(s, at, 0, 1) as [[string, number]]
      expect(kind).toBe('connected')
      expect(ms).toBeGreaterThanOrEqual(120)
      expect(ms).toBeLessThan(1130)
    }
  })

  it('of one who vanished and is back before it was missed ends first and begins anew', () => {
    const s = scripted({ n: 2, network }).startAll()
    s.world.crash(s.id(1), 'lost', 'vanished')
    s.pass(1000)
    s.send(0, 1, 'to nobody')
    s.pass(1000)
    expect(s.losses.map(l => l.why)).toEqual(['down'])
    s.world.start(s.id(1))
    s.pass(1000)
    expect(s.contacts(0, 1).map(c => c.kind)).toEqual(['connected', 'disconnected', 'connected'])
    expect(s.contacts(1, 0).map(c => c.kind)).toEqual(['connected'])
    s.pass(30_000)
    expect(s.contacts(0, 1)).toHaveLength(3)
  })

  it('is told in turn, whatever happens', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const s = scripted({ n: 4, seed, network }).startAll()
      const { world } = s
      const { random } = world
      const undos: (() => void)[] = []
      for (let k = 0; k < 40; k++) {
        world.at(k * 1500, () => {
          const a = s.id(random.below(4))
          const b = s.ids[(s.ids.indexOf(a) + 1 + random.below(3)) % 4]!
          const host = world.host(a)
          const what = random.below(6)
          if (what === 0) undos.push(world.cut(a, b))
          else if (what === 1) undos.push(world.block(a, b))
          else if (what === 2) undos.pop()?.()
          else if (what === 3 && host.up) world.crash(a, 'lost', random.chance(0.5) ? 'killed' : 'vanished')
          else if (what === 4 && !host.up) world.start(a)
          else if (host.up) undos.push(world.pause(a))
        })
      }
      s.pass(70_000)
      for (const undo of undos) undo()
      for (const id of s.ids) if (!world.host(id).up) world.start(id)
      s.pass(15_000)
      for (let a = 0; a < 4; a++) {
        for (let b = 0; b < 4; b++) {
          if (a === b) continue
          const kinds = s.contacts(a, b).map(c => c.kind)
          expect(kinds).toEqual(kinds.map((_, i) => (i % 2 === 0 ? 'connected' : 'disconnected')))
          expect(kinds.at(-1)).toBe('connected')
          expect(world.connected(s.id(a), s.id(b))).toBe(true)
        }
      }
    }
  })
})

describe('faults that overlap', () => {
  it('end with the last of them', () => {
    const s = scripted({ n: 2, network }).startAll()
    const one = s.world.cut(s.id(0), s.id(1))
    const two = s.world.isolate(s.id(1), 'in')
    s.pass(10_000)
    one()
    one()
    s.pass(10_000)
    expect(s.world.connected(s.id(0), s.id(1))).toBe(false)
    two()
    s.pass(3000)
    expect(s.world.connected(s.id(0), s.id(1))).toBe(true)
  })

  it('end with a healing, after which there is nothing to undo', () => {
    const s = scripted({ n: 3, network: alike({ latencyMs: 20, lossRate: 0.9 }) }).startAll()
    const undos = [
      s.world.cut(s.id(0), s.id(1)),
      s.world.isolate(s.id(2)),
      s.world.clog(s.id(0), s.id(1), 5000),
    ]
    s.pass(10_000)
    s.world.heal()
    s.pass(3000)
    const again = s.world.cut(s.id(0), s.id(1))
    for (const undo of undos) undo()
    s.pass(10_000)
    expect(s.world.connected(s.id(0), s.id(1))).toBe(false)
    again()
    s.pass(3000)
    s.delivered.length = 0
    s.injected.length = 0
    const at = s.at
    for (let k = 0; k < 20; k++) s.send(0, 1, 'x')
    s.pass(1000)
    expect(s.delivered.map(d => Math.round(d.at - at))).toEqual(
      Array.from({ length: 20 }, (_, k) => (k < 10 ? 20 : 60)),
    )
    expect(s.injected).toEqual([])
  })
})

describe('who floods a stream with what is invalid', () => {
  it('is hung up after the thirty-third, and let in again ten seconds later', () => {
    const s = scripted({ n: 3, network, verdict: id => (id.endsWith('0') ? 'reject' : 'accept') }).startAll()
    const at = s.at
    for (let k = 0; k < 40; k++) s.send(1, 0, `${k}`)
    s.pass(30_000)
    expect(s.texts(0)).toEqual(Array.from({ length: 33 }, (_, k) => `${k}`))
    const [down, up] = since(s, at, 0, 1)
    expect(down![0]).toBe('disconnected')
    expect(up![0]).toBe('connected')
    expect(up![1] - down![1]).toBeGreaterThanOrEqual(10_000)
    expect(up![1] - down![1]).toBeLessThan(11_200)
    expect(since(s, at, 1, 0).map(([kind]) => kind)).toEqual(['disconnected', 'connected'])
    expect(since(s, at, 0, 2)).toEqual([])
  })
})
