/** What fewer bits promise: hardly another AUC. The stroke study, which takes minutes, is the script's. */
import { expect, test } from 'vitest'
import { type BitsRow, judged, lossOf, measureBits, SETTINGS, STUDIES } from './bits.ts'

const HEART = STUDIES.filter(s => s.file.startsWith('heart-disease') && !('clipNorm' in s))

test.each(HEART)('$name', async of => {
  // Of the settings with a part of the values one, in which both meet, and one of those with factors.
  const some = SETTINGS.filter(c => {
    if (c?.oneIn !== undefined) return c.rotation && c.oneIn === 2
    return c?.rank === undefined || (!c.rotation && c.rank === 2)
  })
  const rows = await measureBits(of, [0, 1], some)
  const row = (bits: number, rotation: boolean) =>
    rows.find(
      ({ compression: c }) => c?.bitsPerValue === bits && c.rotation === rotation && !c.oneIn && !c.rank,
    )!
  const whole = rows[0]!
  const limits = judged(rows)
  expect(limits.length).toBe(3)
  expect(limits.filter(l => !l.isKept)).toEqual([])
  // Half of the bytes, but for the last word.
  expect(row(16, false).bits).toBeLessThan(16.2)
  // Half of the values of each update, and in the end hardly less of them all.
  const sparse = rows.find(r => r.compression?.oneIn === 2)!
  expect(sparse.bits).toBeLessThanOrEqual(row(16, true).bits / 2 + 32 / whole.parameters)
  expect(Math.abs(lossOf(sparse, whole).mean)).toBeLessThan(0.005)
  // Of a model with layers a factor in turn, a quarter of the values.
  const factored = rows.find(r => r.compression?.rank === 2)
  expect(factored !== undefined).toBe(whole.parameters > 100)
  if (factored) {
    expect(factored.bits).toBeLessThan(row(16, false).bits / 3.5)
    expect(Math.abs(lossOf(factored, whole).mean)).toBeLessThan(0.005)
  }
  // Of a model with layers the rotation makes all steps finer.
  if (whole.parameters > 100)
    for (const bits of [16, 10, 8]) expect(row(bits, true).error).toBeLessThan(0.6 * row(bits, false).error)
})

test('a limit that is missed, to either side, is', () => {
  const row = (bitsPerValue: 16 | 8 | undefined, auc: number): BitsRow => ({
    study: 'made up',
    hospitals: 4,
    parameters: 14,
    compression: bitsPerValue && { bitsPerValue, rotation: true },
    bits: 16,
    steps: 1,
    error: 0,
    aucs: [auc, auc],
    course: [auc],
  })
  const kept = (bits: 16 | 8, auc: number) => judged([row(undefined, 0.8), row(bits, auc)]).map(l => l.isKept)
  for (const [bits, limit] of [
    [16, 0.005],
    [8, 0.01],
  ] as const)
    for (const sign of [-1, 1]) {
      expect(kept(bits, 0.8 + sign * 0.9 * limit)).toEqual([true])
      expect(kept(bits, 0.8 + sign * 1.1 * limit)).toEqual([false])
    }
  expect(judged([row(undefined, 0.8)])).toEqual([])
})
