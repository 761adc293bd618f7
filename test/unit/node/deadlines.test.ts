import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Charter } from '../../../config/charter.ts'
import { bandwidthWarnings } from '../../../node/deadlines.ts'
import { testCharter } from '../../support/consortium.ts'

const plain = testCharter({ n: 10, f: 1 })

/** Ten members, and 25 million weights: of 100 MB each gives and gets 90 for a deadline. */
const wide = (inputDeadlineMs: number, openDeadlineMs: number): Charter => ({
  ...plain,
  model: { ...plain.model, weights: [{ name: 'wide', shape: [25_000_000], initialiser: 'zeros' }] },
  secureSum: { ...plain.secureSum, inputDeadlineMs, openDeadlineMs },
})

it('says nothing of what suffices, and nothing without a bound', () => {
  expect(bandwidthWarnings(wide(200_000, 200_000), { uploadMbps: 8, downloadMbps: 8 })).toEqual([])
  expect(bandwidthWarnings(wide(1, 1), {})).toEqual([])
})

it('nothing of a model that is gossiped whole', () => {
  const small: Charter = { ...wide(1, 1), model: { ...plain.model, weights: [] } }
  expect(bandwidthWarnings(small, { uploadMbps: 0.1 })).toEqual([])
})

it('names bound, bytes, time and deadline of what is too little', () => {
  expect(bandwidthWarnings(wide(60_000, 200_000), { uploadMbps: 8 })).toEqual([
    expect.stringMatching(/uploadMbps of 8: 90\.0 MB .* 91 s, .*inputDeadlineMs of 60 s/),
  ])
  expect(bandwidthWarnings(wide(200_000, 60_000), { uploadMbps: 80, downloadMbps: 8 })).toEqual([
    expect.stringMatching(/downloadMbps of 8: .*openDeadlineMs of 60 s/),
  ])
})

it('warns of parts that take longer than the others wait for them', () => {
  // Of each of nine 1 MiB: 9.4 s. With f = 1 an owner of a sum counts as silent after a sixth of 100 s, with f = 5 a 14th.
  expect(bandwidthWarnings(wide(100_000, 100_000), { uploadMbps: 8 })).toEqual([])
  const few: Charter = { ...wide(110_000, 110_000), maliciousMax: 5 }
  expect(bandwidthWarnings(few, { uploadMbps: 8 })).toEqual([
    expect.stringMatching(/at once take 10 s; after 8 s/),
  ])
  // Not beside what is worse.
  const worse: Charter = { ...wide(60_000, 60_000), maliciousMax: 5 }
  expect(bandwidthWarnings(worse, { uploadMbps: 8 }).join()).not.toMatch(/at once/)
})

it('refuses what cannot be met in any attempt', () => {
  const of = (mbps: number) => () => bandwidthWarnings(wide(60_000, 60_000), { downloadMbps: mbps })
  expect(of(1)).toThrow(
    expect.objectContaining({
      code: 'NODE_BANDWIDTH',
      message: expect.stringMatching(/downloadMbps of 1: .*12 min/),
    }),
  )
  expect(of(2)).not.toThrow()
})

it('warns of the less the more there is', () => {
  const bound = fc.double({ min: 2, max: 200, noNaN: true })
  fc.assert(
    fc.property(bound, bound, fc.integer({ min: 60_000, max: 600_000 }), (a, b, ms) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)].map(
        uploadMbps => bandwidthWarnings(wide(ms, ms), { uploadMbps }).length,
      )
      expect(low).toBeGreaterThanOrEqual(high!)
    }),
  )
})
