/** What fewer bits promise: hardly another AUC. The stroke study, which takes minutes, is the script's. */
import { expect, test } from 'vitest'
import { type BitsRow, judged, measureBits, STUDIES } from './bits.ts'

test.each(STUDIES.filter(s => s.file.startsWith('heart-disease')))('$name', async of => {
  const rows = await measureBits(of, [0, 1])
  const row = (bits: number, rotation: boolean) =>
    rows.find(r => r.compression?.bitsPerValue === bits && r.compression.rotation === rotation)!
  const whole = rows[0]!
  const limits = judged(rows)
  expect(limits.length).toBe(3)
  expect(limits.filter(l => !l.isKept)).toEqual([])
  // Half of the bytes, but for the last word.
  expect(row(16, false).bits).toBeLessThan(16.2)
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
