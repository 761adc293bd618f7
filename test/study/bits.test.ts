/** What fewer bits promise: hardly another AUC. The stroke study, which takes minutes, is the script's. */
import { expect, test } from 'vitest'
import { lossOf, measureBits, STUDIES } from './bits.ts'

test.each(STUDIES.filter(s => s.file.startsWith('heart-disease')))('$name', async of => {
  const rows = await measureBits(of, [0, 1])
  const row = (bits: number, rotation: boolean) =>
    rows.find(r => r.compression?.bitsPerValue === bits && r.compression.rotation === rotation)!
  const whole = rows[0]!
  for (const rotation of [false, true])
    expect(Math.abs(lossOf(row(16, rotation), whole).mean)).toBeLessThan(0.005)
  expect(Math.abs(lossOf(row(8, true), whole).mean)).toBeLessThan(0.01)
  // Half of the bytes, but for the last word.
  expect(row(16, false).bits).toBeLessThan(16.2)
  // Of a model with layers the rotation makes all steps finer.
  if (whole.parameters > 100)
    for (const bits of [16, 10, 8]) expect(row(bits, true).error).toBeLessThan(0.6 * row(bits, false).error)
})
