/** Charters whose hospitals see who contributes: what must fit what. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CharterDraft } from '../../../config/charter.ts'
import { parseCharter } from '../../../config/parse.ts'
import { ruleProblems } from '../../../config/rules.ts'
import { drawnTail, exposure } from '../../../config/tail.ts'
import { simCharter } from '../../../sim/charter.ts'
import { errorOf } from './study.ts'

const members = (n: number) => Array.from({ length: n }, (_, i) => `hospital${i + 1}`)

// biome-ignore lint/suspicious/noExplicitAny: tests write what types forbid
type Change = (c: any) => void

function auditing(n: number, f: number, groupSize: number, survivorsMin: number, change: Change = () => {}) {
  const charter = simCharter({ members: members(n), maliciousMax: f })
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const changed: any = structuredClone(charter)
  changed.contribution = { audit: { oneIn: 4, groupSize } }
  changed.secureSum.survivorsMin = survivorsMin
  change(changed)
  return changed as CharterDraft
}

const found = (charter: CharterDraft) =>
  ruleProblems(charter)
    .filter(p => p.code === 'CHARTER_CONTRIBUTION')
    .map(p => [p.path.join('.'), `${p.says}; ${p.fix}`] as const)

describe('contribution', () => {
  it('is looked at in groups that the fewest survivors make two of', () => {
    expect(found(auditing(8, 2, 4, 8))).toEqual([])
    expect(found(auditing(8, 2, 4, 7))).toEqual([
      ['contribution.audit.groupSize', expect.stringMatching(/at most 3.*set it to 3/)],
    ])
  })

  it.each<[string, Change, RegExp]>([
    ['secureSum.gossipBytesMax', c => (c.secureSum.gossipBytesMax = 0), /at least \d+.*raise it/],
    [
      'secureSum.compression',
      c => (c.secureSum.compression = { bitsPerValue: 16, rotation: false }),
      /leave one of the two out/,
    ],
    ['committees', c => (c.committees = { size: 4, maliciousMax: 1 }), /leave one of the two out/],
  ])('does not go with %s as it is here', (path, change, says) => {
    expect(found(auditing(8, 2, 4, 8, change))).toEqual([[path, expect.stringMatching(says)]])
  })

  it('takes no groups that may well hold fewer than two honest hospitals', () => {
    const [problem] = found(auditing(20, 6, 4, 14))
    expect(problem).toEqual([
      'contribution.audit.groupSize',
      expect.stringMatching(/fewer than two honest.*set it to 8, .*survivorsMin to 16/),
    ])
    expect(found(auditing(20, 6, 8, 16))).toEqual([])
  })

  it('is refused as a whole before anything is done', () => {
    const small = auditing(8, 2, 4, 7)
    expect(errorOf(() => parseCharter(small)).code).toMatch(/CHARTER/)
  })
})

describe('exposure', () => {
  const sizes = fc
    .record({ n: fc.integer({ min: 6, max: 64 }), m: fc.integer({ min: 3, max: 16 }) })
    .filter(({ n, m }) => n >= 2 * m)

  it('is nothing where a group has more members than all malicious ones and one', () => {
    fc.assert(
      fc.property(sizes, fc.nat(62), ({ n, m }, f) => {
        fc.pre(f <= n)
        expect(exposure(n, f, m) === 0).toBe(f < m - 1)
      }),
    )
  })

  it('bounds what counting all ways to draw one group gives', () => {
    fc.assert(
      fc.property(sizes, fc.nat(20), ({ n, m }, f) => {
        fc.pre(f <= n)
        expect(exposure(n, f, m)).toBeGreaterThanOrEqual(drawnTail(n, f, m, m - 2))
      }),
    )
  })
})
