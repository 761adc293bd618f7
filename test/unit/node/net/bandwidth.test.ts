import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Bandwidth, type Clock } from '../../../../node/net/bandwidth.ts'

/** Time that passes only when it is told to; timers that never fire early. */
class FakeClock implements Clock {
  ms = 0
  readonly timers = new Set<{ readonly at: number; readonly call: () => void }>()
  now = () => this.ms
  after = (ms: number, call: () => void) => {
    const timer = { at: this.ms + ms, call }
    this.timers.add(timer)
    return () => void this.timers.delete(timer)
  }
  /** What has been resolved on the way goes on at its time. */
  async to(at: number): Promise<void> {
    for (;;) {
      const next = [...this.timers].sort((a, b) => a.at - b.at)[0]
      if (!next || next.at > at) break
      this.ms = next.at
      this.timers.delete(next)
      next.call()
      await settled()
    }
    this.ms = at
  }
}

const settled = () => new Promise<void>(resolve => setImmediate(resolve))

const RATE = 1000
/** A quarter of a second at once. */
const BURST = 250

interface Step {
  readonly afterMs: number
  readonly large?: number
  readonly other?: number
}

interface Gone {
  readonly at: number
  readonly bytes: number
  readonly waited: number
  /** Everything that had gone before it. */
  readonly before: number
}

/** Plays what is asked for and what goes by itself; of what was taken when it went. */
async function play(steps: readonly Step[], untilMs: number) {
  const clock = new FakeClock()
  let carried = 0
  const bandwidth = new Bandwidth({ bytesPerSecond: RATE, carried: () => carried, clock })
  const gone: Gone[] = []
  let firstSince = 0
  let asked = 0
  const take = (bytes: number) => {
    if (asked++ === gone.length) firstSince = clock.ms
    void bandwidth.take(bytes).then(() => {
      gone.push({ at: clock.ms, bytes, waited: clock.ms - firstSince, before: carried })
      firstSince = clock.ms
      carried += bytes
    })
  }
  let timersMax = 0
  for (const { afterMs, large, other } of steps) {
    await clock.to(clock.ms + afterMs)
    if (other) carried += other
    if (large) take(large)
    await settled()
    timersMax = Math.max(timersMax, clock.timers.size)
  }
  await clock.to(Math.max(clock.ms, untilMs))
  return { clock, gone, asked, timersMax, bandwidth }
}

const size = fc.integer({ min: 1, max: 400 })
const ms = fc.nat(300)
const larges = fc.array(fc.record({ afterMs: ms, large: size }), { minLength: 1, maxLength: 30 })
const mixed = fc.array(
  fc.oneof(fc.record({ afterMs: ms, large: size }), fc.record({ afterMs: ms, other: size })),
  { maxLength: 40 },
)

describe('what large messages take', () => {
  it('is in no time more than the rate, a burst and one message, and no less when they wait', async () => {
    await fc.assert(
      fc.asyncProperty(larges, async steps => {
        const { gone, asked } = await play(steps, 60_000)
        expect(gone).toHaveLength(asked)
        expect(gone.map(g => g.bytes)).toEqual(steps.map(s => s.large))
        for (const [i, from] of gone.entries()) {
          let sum = 0
          for (const to of gone.slice(i)) {
            // One ms: timers are whole.
            expect(sum).toBeLessThanOrEqual(((to.at - from.at) * RATE) / 1000 + BURST)
            sum += to.bytes
          }
        }
        // Nothing waits longer than what went before it takes.
        for (const g of gone) expect(g.waited).toBeLessThanOrEqual(400 + 1)
      }),
      { numRuns: 60 },
    )
  })

  it('leaves room for all else that goes, but for an eighth that is always theirs', async () => {
    await fc.assert(
      fc.asyncProperty(mixed, async steps => {
        const { gone, asked } = await play(steps, 1_000_000)
        expect(gone).toHaveLength(asked)
        for (const { at, bytes, waited, before } of gone) {
          const isRoom = before <= (at * RATE) / 1000 + BURST + 1e-6
          expect(isRoom || waited >= (8 * bytes * 1000) / RATE).toBe(true)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('never starves, however much else goes', async () => {
    const steps = Array.from({ length: 200 }, (_, i) => ({
      afterMs: 100,
      other: 500,
      large: i < 20 ? 100 : 0,
    }))
    const { gone } = await play(steps, 0)
    // 20 s at an eighth, and what went before the rest was known.
    const bytes = gone.reduce((n, g) => n + g.bytes, 0)
    expect(bytes).toBeGreaterThanOrEqual(2000)
    expect(bytes).toBeLessThanOrEqual((20 * RATE) / 8 + BURST + 100)
  })

  it('goes at once what is asked for after a time of rest', async () => {
    const { gone } = await play(
      [
        { afterMs: 5000, large: BURST },
        { afterMs: 0, large: 1 },
      ],
      5000,
    )
    expect(gone.map(g => g.at)).toEqual([5000, 5000])
  })
})

it('waits with one timer, and with none when nobody waits or it is closed', async () => {
  const { clock, timersMax, bandwidth, gone } = await play(
    [1, 2, 3, 4].map(() => ({ afterMs: 0, large: 300 })),
    10_000,
  )
  expect(gone).toHaveLength(4)
  expect(timersMax).toBe(1)
  expect(clock.timers.size).toBe(0)
  for (let i = 0; i < 3; i++) void bandwidth.take(1000)
  expect(clock.timers.size).toBe(1)
  bandwidth.close()
  expect(clock.timers.size).toBe(0)
})

it('what is carried before it is taken does not count twice, and beyond what may wait counts at once', async () => {
  const clock = new FakeClock()
  let carried = 0
  const bandwidth = new Bandwidth({ bytesPerSecond: RATE, carried: () => carried, ahead: 500, clock })
  const at: number[] = []
  const take = (bytes: number) => bandwidth.take(bytes).then(() => void at.push(clock.ms))
  carried = 500
  void take(500)
  void take(1)
  await settled()
  await clock.to(10_000)
  // The first at once, the second when 500 less the burst are paid.
  expect(at).toEqual([0, 250])
  carried = 2501
  void take(1000)
  void take(500)
  await settled()
  await clock.to(20_000)
  // 2000 more than what was taken so far, of which 500 may wait: 1500 are owed less the burst, and 1000 when the first is taken.
  expect(at.slice(2)).toEqual([11_250, 12_250])
})
