import { describe, expect, it } from 'vitest'
import { quorum } from '../../../config/charter.ts'
import { parseCharter } from '../../../config/parse.ts'
import { peerConfigs, seedOf, simCharter } from '../../../sim/charter.ts'

const members = (n: number) => Array.from({ length: n }, (_, i) => `site-${i + 1}`)

describe('the charter of simulated hospitals', () => {
  it('keeps every rule of charters, for 3 to 255 members and all f', () => {
    for (const n of [3, 4, 7, 10, 31, 64, 100, 255]) {
      for (const f of new Set([0, 1, Math.floor((n - 1) / 3)])) {
        if (n <= 3 * f) continue
        const charter = simCharter({ members: members(n), maliciousMax: f })
        expect(parseCharter(charter)).toEqual(charter)
        expect(charter.maliciousMax).toBe(f)
      }
    }
  })

  it('tolerates as many liars as agreement allows, where nothing is said', () => {
    expect([3, 4, 6, 7, 10].map(n => simCharter({ members: members(n) }).maliciousMax)).toEqual([
      0, 1, 1, 2, 3,
    ])
  })

  it('takes what is asked for', () => {
    const charter = simCharter({
      members: ['berlin', 'aachen', 'dresden', 'ulm'],
      rounds: 9,
      features: 2,
      training: { localUpdates: 11 },
      secureSum: { gossipBytesMax: 0, viewTimeoutMs: 700 },
      edit: c => ({ ...c, study: { ...c.study, title: 'Other' } }),
    })
    expect(charter.members.map(m => m.id)).toEqual(['berlin', 'aachen', 'dresden', 'ulm'])
    expect(charter.training).toMatchObject({ rounds: 9, localUpdates: 11, batchSize: 16 })
    expect(charter.model.weights.map(w => w.shape)).toEqual([[2, 1], [1]])
    expect(charter.secureSum).toMatchObject({ gossipBytesMax: 0, viewTimeoutMs: 700, inputDeadlineMs: 8000 })
    expect(charter.study.title).toBe('Other')
    expect(quorum(4, charter.maliciousMax)).toBe(3)
  })

  it('gives each member its own key', () => {
    const configs = peerConfigs(simCharter({ members: members(5) }))
    expect(configs.map(c => c.self)).toEqual(members(5))
    expect(configs.map(c => c.seed)).toEqual([0, 1, 2, 3, 4].map(seedOf))
    expect(new Set(configs[0]!.charter.members.map(m => m.publicKey)).size).toBe(5)
  })
})
