/** One direction of a connection: a message is late, never lost, and in its order. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LARGE_BYTES } from '../../../../protocol/wire/limits.ts'
import { afterCut, anyOf, Pipe, segmentsOf, TRANSPORT, wireBytes } from '../../../../sim/net/link.ts'
import type { Via } from '../../../../sim/observer.ts'
import { Random } from '../../../../sim/random.ts'

const PLAIN = { latencyMs: 50, lossRate: 0, duplicateRate: 0, reorderRate: 0 }

const link = fc.record({
  latencyMs: fc.oneof(
    fc.integer({ min: 0, max: 300 }),
    fc
      .tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 0, max: 200 }))
      .map(([from, more]) => ({ from, to: from + more })),
    fc.record({ base: fc.integer({ min: 0, max: 200 }), jitter: fc.integer({ min: 0, max: 50 }) }),
  ),
  lossRate: fc.constantFrom(0, 0.01, 0.2, 0.6),
  duplicateRate: fc.constant(0),
  reorderRate: fc.constantFrom(0, 0.3),
})
const sends = fc.array(
  fc.record({
    gapMs: fc.constantFrom(0, 1, 40, 2000),
    bytes: fc.constantFrom(60, 1500, 40_000, 300_000),
    via: fc.constantFrom<Via>('gossip', 'stream'),
  }),
  { minLength: 1, maxLength: 60 },
)

function least(latencyMs: number | { from: number; to: number } | { base: number; jitter: number }): number {
  if (typeof latencyMs === 'number') return latencyMs
  return 'from' in latencyMs ? latencyMs.from : latencyMs.base
}

describe('messages through a pipe', () => {
  it('arrive, not before the latency, and in the order of their channel', () => {
    fc.assert(
      fc.property(link, sends, fc.nat(), (l, list, seed) => {
        const pipe = new Pipe(l, l)
        const random = new Random(seed)
        const last = { gossip: 0, stream: 0, large: 0 }
        let now = 1000
        for (const { gapMs, bytes, via } of list) {
          now += gapMs
          const at = pipe.send(now, bytes, via, random)
          expect(at).toBeGreaterThanOrEqual(now + least(l.latencyMs))
          const channel = via === 'stream' && bytes > LARGE_BYTES ? 'large' : via
          expect(at).toBeGreaterThanOrEqual(last[channel])
          expect(Number.isFinite(at)).toBe(true)
          last[channel] = at
          expect(pipe.drainedAt).toBeGreaterThanOrEqual(at)
        }
      }),
    )
  })

  it.each([
    ['gossip', 400],
    ['stream', LARGE_BYTES + 1],
  ] as const)('overtake those of another channel (%s of %i B) only where the link reorders', (via, even) => {
    for (const reorderRate of [0, 0.3]) {
      const pipe = new Pipe(
        { ...PLAIN, latencyMs: { base: 20, jitter: 20 }, lossRate: 0.05, reorderRate },
        PLAIN,
      )
      const random = new Random(4)
      let latest = 0
      let overtaken = 0
      for (let i = 0; i < 500; i++) {
        const at = pipe.send(1000 + 5 * i, i % 2 === 0 ? even : 400, i % 2 === 0 ? via : 'stream', random)
        if (at < latest) overtaken++
        latest = Math.max(latest, at)
      }
      if (reorderRate === 0) expect(overtaken).toBe(0)
      else expect(overtaken).toBeGreaterThan(20)
    }
  })

  it('take the time of the link alone when nothing is lost and they are small', () => {
    const pipe = new Pipe(PLAIN, PLAIN)
    expect(pipe.send(1000, 300, 'stream', new Random(1))).toBe(1050)
    expect(pipe.losses).toBe(0)
  })
})

describe('loss', () => {
  const late = (bytes: number, lossRate: number, n: number): number[] => {
    const random = new Random(11)
    return Array.from({ length: n }, () => {
      // A connection each, so that nothing waits for what was sent before.
      const pipe = new Pipe({ ...PLAIN, lossRate }, PLAIN)
      return pipe.send(1000, bytes, 'stream', random) - 1050
    })
  }

  it('strikes a message as often as one of its packets is lost', () => {
    for (const [bytes, segments] of [
      [800, 1],
      [10_000, 7],
    ] as const) {
      const struck = late(bytes, 0.02, 20_000).filter(ms => ms > 0).length / 20_000
      expect(segmentsOf(bytes)).toBe(segments)
      expect(Math.abs(struck - (1 - 0.98 ** segments))).toBeLessThan(0.005)
    }
  })

  it('costs a lonely packet the timeout, which doubles, and one with others behind it a round trip', () => {
    const lonely = late(800, 0.3, 3000)
    const rto = 100 + TRANSPORT.rtoMinMs
    const seen = [...new Set(lonely)].sort((a, b) => a - b)
    expect(seen.slice(0, 4)).toEqual([0, rto, 2 * rto, 4 * rto])
    const many = late(13_000, 0.02, 3000).filter(ms => ms > 0)
    expect(Math.min(...many)).toBe(100)
    expect(many.filter(ms => ms === 100).length).toBeGreaterThan(many.length / 2)
    expect(many.some(ms => ms === (1 + TRANSPORT.reorderRtts) * 100)).toBe(true)
    expect(many.some(ms => ms === TRANSPORT.tailProbeRtts * 100)).toBe(true)
  })

  it.each<[string, (pipe: Pipe, at: number, random: Random) => void]>([
    ['messages', (pipe, at, random) => void pipe.send(at, 800, 'stream', random)],
    ['answers to the other side', (pipe, at) => pipe.used(at)],
  ])('of a small message shows by the next of the %s that follow each other quickly', (_, use) => {
    const gapMs = 20
    const latesAfter = (n: number): Set<number> => {
      const random = new Random(3)
      const found = new Set<number>()
      for (let i = 0; i < 400; i++) {
        const pipe = new Pipe({ ...PLAIN, lossRate: 0.3 }, PLAIN)
        for (let k = 0; k < n; k++) use(pipe, 1000 + k * gapMs, random)
        // After all of them have arrived: only its own loss counts.
        const at = 100_000
        const late = pipe.send(at, 800, 'stream', random) - at - 50
        if (pipe.losses === 1) found.add(late)
      }
      return found
    }
    expect(latesAfter(0)).toEqual(new Set([100 + TRANSPORT.rtoMinMs]))
    expect(latesAfter(10)).toEqual(new Set([gapMs + (1 + TRANSPORT.reorderRtts) * 100]))
  })

  it('of a small message waits for the timer where things come seldom', () => {
    const random = new Random(3)
    const pipe = new Pipe({ ...PLAIN, lossRate: 0.3 }, PLAIN)
    for (let i = 1; i < 400; i++) {
      const late = pipe.send(10_000 * i, 800, 'stream', random) - 10_000 * i - 50
      if (pipe.losses === 1) expect(late).toBe(100 + TRANSPORT.rtoMinMs)
    }
  })

  it('forgets with its connection how quickly things came', () => {
    const random = new Random(3)
    const lates = new Set<number>()
    for (let i = 0; i < 100; i++) {
      const pipe = new Pipe({ ...PLAIN, lossRate: 0.3 }, PLAIN)
      for (let k = 0; k < 20; k++) pipe.used(k)
      pipe.reset(20)
      const at = pipe.send(20, 800, 'stream', random)
      if (pipe.losses === 1) lates.add(at - 70)
    }
    expect(lates).toEqual(new Set([100 + TRANSPORT.rtoMinMs]))
  })

  it('delays everything behind it on the connection', () => {
    const pipe = new Pipe({ ...PLAIN, lossRate: 0.5 }, PLAIN)
    const random = new Random(1)
    let first = pipe.send(1000, 500, 'gossip', random)
    while (pipe.losses === 0) first = pipe.send(first, 500, 'gossip', random)
    expect(pipe.send(first - 200, 60, 'stream', random)).toBeGreaterThanOrEqual(first)
  })

  it('is computed alike everywhere: 1 - (1 - p)^n', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 6000 }), (p, n) => {
        expect(anyOf(p, n)).toBeCloseTo(1 - (1 - p) ** n, 9)
      }),
    )
  })
})

describe('the window', () => {
  const SEGMENT = TRANSPORT.segmentBytes

  it('doubles with each round trip from ten segments on, and closes in a pause', () => {
    const pipe = new Pipe(PLAIN, PLAIN)
    const random = new Random(1)
    const trips = (segments: number, at: number) =>
      (pipe.send(at, segments * SEGMENT, 'stream', random) - at - 50) / 100
    expect(trips(10, 0)).toBe(0)
    expect(trips(45, 10_000)).toBe(2)
    // Open still.
    expect(trips(30, 10_400)).toBe(0)
    expect(trips(30, 20_000)).toBe(1)
  })

  it('is shared by what is sent at the same time', () => {
    const pipe = new Pipe(PLAIN, PLAIN)
    const random = new Random(1)
    const arrivals = Array.from({ length: 25 }, () => pipe.send(0, SEGMENT, 'gossip', random))
    expect(arrivals.slice(0, 10).every(at => at === 50)).toBe(true)
    expect(arrivals.slice(10).every(at => at === 150)).toBe(true)
  })
})

describe('clogs, cuts, bytes', () => {
  it('a clog adds its delay until it is taken back', () => {
    const pipe = new Pipe(PLAIN, PLAIN)
    const random = new Random(1)
    const delay = { from: 100, to: 200 }
    pipe.clog(300)
    pipe.clog(delay)
    const ms = pipe.latency(random)
    expect(ms).toBeGreaterThanOrEqual(450)
    expect(ms).toBeLessThan(550)
    expect(pipe.rttMs).toBe(550)
    pipe.unclog(delay)
    expect(pipe.latency(random)).toBe(350)
    pipe.unclog(300)
    pipe.unclog(300)
    expect(pipe.latency(random)).toBe(50)
    expect(pipe.rttMs).toBe(100)
  })

  it('after a cut the transport tries again when its doubled waits say so', () => {
    // A round trip of 100 ms: it tries after 300, 900, 2100 and 4500 ms.
    expect(afterCut(0, 100)).toBe(300)
    expect(afterCut(250, 100)).toBe(50)
    expect(afterCut(301, 100)).toBe(599)
    expect(afterCut(1000, 100)).toBe(1100)
    expect(afterCut(2200, 100)).toBe(2300)
  })

  it('headers count: of each segment, of the frame, and of what gossip puts around a message', () => {
    const { segmentHeaderBytes, frameBytes, gossipBytes, segmentBytes } = TRANSPORT
    expect(wireBytes(1, 'stream')).toBe(1 + frameBytes + segmentHeaderBytes)
    expect(wireBytes(1, 'gossip')).toBe(1 + frameBytes + gossipBytes + segmentHeaderBytes)
    expect(wireBytes(3 * segmentBytes, 'stream')).toBe(3 * segmentBytes + frameBytes + 4 * segmentHeaderBytes)
  })
})
