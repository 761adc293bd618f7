import { describe, expect, it } from 'vitest'
import { BEHAVIOURS } from '../../../../config/scenario.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { catalogue } from '../../../../sim/adversary/catalogue.ts'
import { studyWith, wrongIn } from './reading.ts'

describe('the catalogue of adversaries', { timeout: 120_000 }, () => {
  it('has each behaviour of a scenario, in words and in deeds', () => {
    expect(Object.keys(catalogue).sort()).toEqual([...BEHAVIOURS].sort())
    for (const name of BEHAVIOURS) {
      const { does, stoppedBy, machine, learner } = catalogue[name]
      expect(does, name).toMatch(/^[A-Z].{20,160}\.$/)
      expect(stoppedBy, name).toMatch(/^[A-Z].{10,200}\.$/)
      expect(machine ?? learner, name).toBeDefined()
    }
  })

  it('does the same again for the same seed, and something else for another', () => {
    const digest = (seed: number) => {
      const { said } = studyWith('everything', { seed, rounds: 1 })
      return toHex(sha256(...said.map(s => s.bytes)))
    }
    expect(digest(3)).toBe(digest(3))
    expect(digest(4)).not.toBe(digest(3))
  })
})

describe('honest members end their study all the same', { timeout: 120_000 }, () => {
  for (const name of BEHAVIOURS) {
    for (const shards of [false, true]) {
      it(`one of four: ${name} (${shards ? 'shards' : 'gossip'})`, () => {
        const r = studyWith(name, { shards })
        expect(wrongIn(r)).toEqual([])
        expect(r.done).toBe(true)
      })
    }
  }
})
