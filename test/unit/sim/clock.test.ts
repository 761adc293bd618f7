/** Clocks that are off and drift. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Clock } from '../../../sim/clock.ts'

const EPOCH = 1_800_000_000_000

it('shows the time of the world, off by its offset, in whole milliseconds', () => {
  const clock = new Clock(EPOCH, -5000)
  expect(clock.read(EPOCH)).toBe(EPOCH - 5000)
  expect(clock.read(EPOCH + 1234.9)).toBe(EPOCH - 5000 + 1234)
  expect(clock.worldTime(EPOCH)).toBe(EPOCH + 5000)
})

it('drifts by so many parts in a million', () => {
  const clock = new Clock(EPOCH, 0, 100)
  expect(clock.read(EPOCH + 86_400_000)).toBe(EPOCH + 86_400_000 + 8640)
  expect(new Clock(EPOCH, 0, -100).read(EPOCH + 86_400_000)).toBe(EPOCH + 86_400_000 - 8640)
})

it('begins to show a time when it says, within a double of now', () => {
  const ms = fc.double({ min: 0, max: 1e10, noNaN: true })
  const off = fc.integer({ min: -86_400_000, max: 86_400_000 })
  const ppm = fc.integer({ min: -100_000, max: 100_000 })
  fc.assert(
    fc.property(ms, off, ppm, (after, offset, drift) => {
      const clock = new Clock(EPOCH, offset, drift)
      const at = EPOCH + offset + after
      const time = clock.worldTime(at)
      expect(clock.read(time + 0.01)).toBeGreaterThanOrEqual(at)
      expect(clock.read(time - 0.01)).toBeLessThan(Math.ceil(at))
    }),
  )
})

it('goes forward', () => {
  expect(() => new Clock(EPOCH, 0, -1_000_000)).toThrow(RangeError)
})
