import { describe, expect, it } from 'vitest'
import { strokeStudy } from './stroke.ts'

describe('the stroke study', () => {
  // All 98 hospitals and 20 rounds are the benchmark's.
  it('learns together nearly what all rows in one place would teach', async () => {
    const { result, federatedAuc, pooledAuc } = await strokeStudy({
      seed: 1,
      hospitals: 12,
      rounds: 6,
      checkers: true,
    })
    expect(result.violations).toEqual([])
    expect(result.finished).toBe(true)
    expect(result.rounds.map(r => r.survivors.length)).toEqual(new Array(8).fill(12))
    expect(federatedAuc).toBeGreaterThan(0.7)
    expect(Math.abs(federatedAuc - pooledAuc)).toBeLessThan(0.02)
  }, 600_000)
})
