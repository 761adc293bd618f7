/** Access lines, translation of addresses, and what waits for those who are away. */
import { describe, expect, it } from 'vitest'
import { TRANSPORT, wireBytes } from '../../../../sim/net/link.ts'
import { Reach } from '../../../../sim/net/reach.ts'
import { alike, bytesOf, scripted, textOf } from '../../../support/scripted.ts'

const network = alike({ latencyMs: 20 })
const answer = TRANSPORT.answerBytes

describe('an access line', () => {
  it('takes the time of all bytes that go through it, and keeps their order', () => {
    // 0 has 8 megabits a second: 1000 bytes take a millisecond.
    const s = scripted({ n: 4, network, site: i => (i === 0 ? { uplinkMbps: 8 } : {}) }).startAll()
    const at = s.at
    const before = s.world.traffic(s.id(0)).bytesSent
    const text = (k: number) => String(k).padEnd(60_000, '.')
    for (let k = 0; k < 12; k++) s.send(0, 1 + (k % 3), text(k))
    s.pass(10_000)
    const sent = s.world.traffic(s.id(0)).bytesSent - before
    expect(sent).toBe(12 * wireBytes(60_000, 'stream'))
    const arrivals = s.delivered.map(d => d.at - at)
    expect(arrivals).toHaveLength(12)
    expect(Math.max(...arrivals)).toBeGreaterThan(sent / 1000 + 20)
    expect(Math.max(...arrivals)).toBeLessThan(sent / 1000 + 20 + 200)
    for (const to of [1, 2, 3]) {
      expect(s.texts(to)).toEqual([0, 3, 6, 9].map(k => text(k + to - 1)))
    }
  })

  it('is as narrow for what comes in, from all together', () => {
    const s = scripted({ n: 5, network, site: i => (i === 0 ? { downlinkMbps: 8 } : {}) }).startAll()
    const at = s.at
    for (let from = 1; from < 5; from++) {
      s.send(from, 0, 'x'.repeat(50_000))
      s.send(from, 0, 'y')
    }
    s.pass(10_000)
    const arrivals = s.delivered.map(d => d.at - at)
    expect(Math.max(...arrivals)).toBeGreaterThan((4 * wireBytes(50_000, 'stream')) / 1000)
    expect([...arrivals].sort((a, b) => a - b)).toEqual(arrivals)
    for (let from = 1; from < 5; from++) {
      expect(s.delivered.filter(d => d.from === s.id(from)).map(d => d.bytes.length)).toEqual([50_000, 1])
    }
  })

  it('carries again what was lost, a segment at a time', () => {
    const s = scripted({ n: 2, network: alike({ latencyMs: 20, lossRate: 0.3 }) }).startAll()
    const before = s.world.traffic(s.id(0)).bytesSent
    for (let k = 0; k < 20; k++) s.send(0, 1, 'x')
    s.pass(100_000)
    const lost = s.injected.filter(i => i.kind === 'loss' && i.hospitals[0] === s.id(0)).length
    const one = wireBytes(1, 'stream')
    const sent = (s.world.traffic(s.id(0)).bytesSent - before) / one
    expect(s.texts(1)).toHaveLength(20)
    expect(lost).toBeGreaterThan(2)
    // A message may be lost more than once, and is told as one that was.
    expect(sent).toBeGreaterThanOrEqual(20 + lost)
    expect(sent).toBeLessThan(20 + 3 * lost)
    expect(Number.isInteger(sent)).toBe(true)
  })

  it('takes nothing in before what came first, however short the wait', () => {
    const line = { uplinkMbps: 100, downlinkMbps: 100 }
    const s = scripted({ n: 2, network, site: () => line }).startAll()
    s.send(0, 1, 'large'.padEnd(9000, '.'))
    // It comes while the large one has less than half a millisecond to go on the downlink.
    s.world.at(1.1, () => s.send(0, 1, 'small'))
    s.pass(100)
    expect(s.texts(1).map(t => t.slice(0, 5))).toEqual(['large', 'small'])
  })

  it('carries copies that nobody needs as well', () => {
    const s = scripted({ n: 5, network }).startAll()
    const before = s.world.traffic(s.id(3))
    s.publish(0, 'x')
    s.pass(1000)
    const after = s.world.traffic(s.id(3))
    const one = wireBytes(1, 'gossip')
    // From the author and each of the three others; and to those three. Each copy is answered.
    expect(after.bytesReceived - before.bytesReceived).toBe(4 * one + 3 * answer)
    expect(after.bytesSent - before.bytesSent).toBe(3 * one + 4 * answer)
    expect(after.messagesSent - before.messagesSent).toBe(0)
    expect(s.world.traffic(s.id(0)).messagesSent).toBe(1)
  })
})

describe('hosts behind translation of addresses', () => {
  const nat = (...who: readonly number[]) => ({
    network,
    site: (i: number) => ({ nat: who.includes(i) }),
  })

  it('have a connection to those that can be dialled, and to each other through one of them', () => {
    const s = scripted({ n: 3, ...nat(0, 1) }).startAll()
    expect(s.world.connected(s.id(0), s.id(2))).toBe(true)
    expect(s.world.connected(s.id(0), s.id(1))).toBe(true)
    expect(s.world.neighbours(s.id(0))).toEqual([s.id(2)])
    const at = s.at
    const before = s.world.traffic(s.id(2))
    s.send(0, 1, 'sealed')
    s.pass(1000)
    expect(s.texts(1)).toEqual(['sealed'])
    expect(s.texts(2)).toEqual([])
    expect(s.delivered.map(d => [d.from, d.to, Math.round(d.at - at)])).toEqual([[s.id(0), s.id(1), 40]])
    expect(s.hops.map(h => [h.from, h.to])).toEqual([
      [s.id(0), s.id(2)],
      [s.id(2), s.id(1)],
    ])
    const one = wireBytes(6, 'stream')
    expect(s.world.traffic(s.id(2)).bytesSent - before.bytesSent).toBe(one + answer)
    expect(s.world.traffic(s.id(2)).bytesReceived - before.bytesReceived).toBe(one + answer)
  })

  it('hear gossip through others', () => {
    const s = scripted({ n: 3, ...nat(0, 1) }).startAll()
    s.publish(0, 'x')
    s.pass(500)
    expect(s.texts(1)).toEqual(['x'])
    expect(s.delivered.at(-1)!.from).toBe(s.id(2))
  })

  it('whisper to each other through the relay, as nobody passes on what it cannot read', () => {
    const { site } = nat(0, 1)
    const s = scripted({ n: 3, network, site: i => ({ ...site(i), whispers: () => i === 0 }) }).startAll()
    s.send(0, 1, 'psst')
    s.pass(500)
    expect(s.texts(1, 'stream')).toEqual(['psst'])
    expect(s.texts(2)).toEqual([])
  })

  it('go over to another relay when theirs is gone, and have none when none is left', () => {
    const s = scripted({ n: 4, ...nat(0, 1) }).startAll()
    s.send(0, 1, 'one')
    s.pass(500)
    const relay = s.hops[0]!.to
    const other = s.ids.slice(2).find(id => id !== relay)!
    s.world.crash(relay)
    s.pass(3000)
    expect(s.contacts(0, 1).map(c => c.kind)).toEqual(['connected', 'disconnected', 'connected'])
    s.hops.length = 0
    s.send(0, 1, 'two')
    s.pass(500)
    expect(s.hops[0]!.to).toBe(other)
    expect(s.texts(1)).toEqual(['one', 'two'])
    s.world.isolate(other)
    s.pass(10_000)
    expect(s.world.connected(s.id(0), s.id(1))).toBe(false)
    s.world.start(relay)
    s.pass(3000)
    expect(s.world.connected(s.id(0), s.id(1))).toBe(true)
    expect(s.contacts(1, 0).map(c => c.kind)).toEqual([
      'connected',
      'disconnected',
      'connected',
      'disconnected',
      'connected',
    ])
  })

  it('notice that a cut came between one of them and the relay', () => {
    const s = scripted({ n: 3, ...nat(0, 1) }).startAll()
    const undo = s.world.cut(s.id(0), s.id(2))
    s.pass(10_000)
    expect(s.world.connected(s.id(0), s.id(1))).toBe(false)
    undo()
    s.pass(3000)
    expect(s.world.connected(s.id(0), s.id(1))).toBe(true)
  })

  it('are alone when nobody can be dialled', () => {
    const s = scripted({ n: 3, ...nat(0, 1, 2) }).startAll()
    s.pass(60_000)
    for (const i of [0, 1, 2]) expect(s.heard(i).map(h => h.input.kind)).toEqual(['start'])
  })

  it('have their relay by rule: the same for a pair in both directions, not the same for all', () => {
    const reach = new Reach(Array.from({ length: 30 }, (_, i) => i < 20))
    const relays = new Set<number>()
    for (let a = 0; a < 20; a++) {
      for (let b = a + 1; b < 20; b++) {
        const r = reach.relayFor(a, b, () => true)!
        expect(reach.relayFor(b, a, () => true)).toBe(r)
        expect(reach.isNat(r)).toBe(false)
        relays.add(r)
        expect(reach.relayFor(a, b, i => i !== r)).not.toBe(r)
      }
    }
    expect(relays.size).toBe(10)
    expect(reach.relayFor(0, 1, () => false)).toBeUndefined()
  })
})

describe('what is sent to one who is away', () => {
  it('waits, in its order, and goes first when it is back', () => {
    const s = scripted({
      n: 2,
      network,
      answer: (_id, input) =>
        input.kind === 'connected' ? [{ kind: 'send', to: input.peer, bytes: bytesOf('news') }] : [],
    })
    s.world.start(s.id(0))
    for (const text of ['1', '2', '3']) s.send(0, 1, text)
    s.world.start(s.id(1))
    s.pass(2000)
    expect(s.texts(1)).toEqual(['1', '2', '3', 'news'])
  })

  it('is bounded: the oldest go first', () => {
    const s = scripted({ n: 2, network })
    s.world.start(s.id(0))
    for (let k = 0; k < 1030; k++) s.send(0, 1, `${k}`)
    expect(s.losses.map(l => [textOf(l.hop.bytes), l.why])).toEqual(
      Array.from({ length: 6 }, (_, k) => [`${k}`, 'full']),
    )
    s.world.start(s.id(1))
    s.pass(5000)
    expect(s.texts(1)).toHaveLength(1024)
    s.send(0, 1, 'no room is taken any more')
    expect(s.losses.length).toBe(6)
  })

  it('is lost with the life of its sender', () => {
    const s = scripted({ n: 2, network })
    s.world.start(s.id(0))
    s.send(0, 1, 'x')
    s.world.crash(s.id(0))
    s.world.start(s.id(0))
    s.world.start(s.id(1))
    s.pass(2000)
    expect(s.texts(1)).toEqual([])
  })

  it('as much as 32 MiB', () => {
    const s = scripted({ n: 2, network })
    s.world.start(s.id(0))
    for (let k = 0; k < 9; k++) s.send(0, 1, 'x'.repeat(4 << 20))
    expect(s.losses).toHaveLength(1)
  })
})

describe('a clogged link', () => {
  it('is slow in its direction alone', () => {
    const s = scripted({ n: 2, network }).startAll()
    const undo = s.world.clog(s.id(0), s.id(1), { from: 1000, to: 1001 })
    const at = s.at
    s.send(0, 1, 'slow')
    s.send(1, 0, 'quick')
    s.pass(3000)
    undo()
    const later = s.at
    s.send(0, 1, 'quick again')
    s.pass(100)
    expect(s.delivered.map(d => textOf(d.bytes))).toEqual(['quick', 'slow', 'quick again'])
    expect(s.delivered[0]!.at - at).toBeCloseTo(20, 1)
    expect(s.delivered[1]!.at - at).toBeGreaterThanOrEqual(1020)
    expect(s.delivered[2]!.at - later).toBeCloseTo(20, 1)
  })
})
