import { describe, expect, it } from 'vitest'
import { BEHAVIOURS } from '../../../../config/scenario.ts'
import { studyWith, wrongIn } from './reading.ts'

describe('two that collude, of seven: the honest members end their study all the same', {
  timeout: 120_000,
}, () => {
  for (const [i, name] of BEHAVIOURS.entries()) {
    it(`${name} (${i % 2 === 0 ? 'shards' : 'gossip'})`, () => {
      const r = studyWith(name, { n: 7, shards: i % 2 === 0, rounds: 1, seed: 4 })
      expect(wrongIn(r)).toEqual([])
      expect(r.done).toBe(true)
    })
  }
})
