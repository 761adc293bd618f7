/** Charters that protect by noise: what must fit what. */
import { describe, expect, it } from 'vitest'
import type { Charter, CharterDraft } from '../../../config/charter.ts'
import { parseCharter } from '../../../config/parse.ts'
import { ruleProblems } from '../../../config/rules.ts'
import { changed, errorOf, exampleCharter } from './study.ts'

const charter = exampleCharter()

// biome-ignore lint/suspicious/noExplicitAny: tests write what types forbid
type Change = (c: any) => void

describe('privacy', () => {
  const PRIVACY = {
    unit: 'patient',
    noise: 'sum',
    patients: 600,
    samplingRate: 0.1,
    clipNorm: 1,
    noiseMultiplier: { statistics: 5, training: 1.1, evaluation: 5 },
    epsilonMax: 8,
    delta: 1e-4,
  }
  const protecting = (privacy: Record<string, unknown> = {}, change: Change = () => {}) =>
    changed(charter, c => {
      c.privacy = { ...PRIVACY, ...privacy }
      c.training.localUpdates = 1
      c.training.optimizer = 'sgd'
      change(c)
    })

  it('of patients may have its noise in the sums or in the hospitals', () => {
    expect(parseCharter(protecting()).privacy).toEqual(PRIVACY)
    const several: Change = c => {
      c.training.localUpdates = 5
      c.training.weighting = 'equal'
      c.training.optimizer = 'adam'
    }
    expect(() => parseCharter(protecting({ noise: 'hospital' }, several))).not.toThrow()
  })

  it.each<[string, Record<string, unknown>, Change, RegExp]>([
    ['privacy.delta', { delta: 0.01 }, () => {}, /^set it to 0\.0009/],
    ['privacy.patients', { patients: 1e9, delta: 1e-10 }, () => {}, /weightMax/],
    [
      'training.localUpdates',
      {},
      c => {
        c.training.localUpdates = 2
      },
      /set it to 1/,
    ],
    [
      'training.optimizer',
      {},
      c => {
        c.training.optimizer = 'adam'
      },
      /sgd/,
    ],
    [
      'secureSum.compression',
      {},
      c => {
        c.secureSum.compression = { bitsPerValue: 16, rotation: false }
      },
      /leave it out/,
    ],
    [
      'committees',
      {},
      c => {
        c.committees = { size: 4, maliciousMax: 0 }
      },
      /leave it out/,
    ],
    [
      'training.weighting',
      { noise: 'hospital' },
      c => {
        c.training.weighting = 'samples'
      },
      /set it to equal/,
    ],
  ])('%s is refused where it does not fit, with what would', (field, privacy, change, fix) => {
    const draftOf = protecting(privacy, change) as Charter
    const problem = ruleProblems(draftOf).find(p => p.code === 'CHARTER_PRIVACY')
    expect(problem?.path.join('.')).toBe(field)
    expect(problem?.fix).toMatch(fix)
  })

  it('of hospitals is of all that one gives, where all weigh alike', () => {
    const { noiseMultiplier, epsilonMax } = PRIVACY
    const hospitals = { unit: 'hospital', noiseMultiplier, epsilonMax, delta: 0.2 }
    const alike = changed(charter, c => {
      c.privacy = hospitals
      c.training.weighting = 'equal'
    })
    expect(parseCharter(alike).privacy).toEqual(hospitals)
    for (const [field, change] of [
      ['training.weighting', (c: Charter) => ({ ...c, training: { ...c.training, weighting: 'samples' } })],
      ['privacy.delta', (c: Charter) => ({ ...c, privacy: { ...c.privacy, delta: 0.3 } })],
      [
        'secureSum.compression',
        (c: Charter) => ({
          ...c,
          secureSum: { ...c.secureSum, compression: { bitsPerValue: 16, rotation: false } },
        }),
      ],
    ] as const) {
      const problems = ruleProblems(change(alike as Charter) as CharterDraft)
      expect(problems.map(p => [p.code, p.path.join('.')])).toEqual([['CHARTER_PRIVACY', field]])
    }
  })

  it('that promises nothing is no privacy', () => {
    const none = [
      { clipNorm: 0 },
      { noiseMultiplier: { ...PRIVACY.noiseMultiplier, training: 0 } },
      { delta: 0 },
      { delta: 1 },
      { epsilonMax: 0 },
      { samplingRate: 0 },
      { samplingRate: 1.01 },
      { noise: 'none' },
    ]
    for (const privacy of none)
      expect(errorOf(() => parseCharter(protecting(privacy))).code, JSON.stringify(privacy)).toBe(
        'CHARTER_SCHEMA',
      )
    for (const field of Object.keys(PRIVACY))
      expect(errorOf(() => parseCharter(protecting({ [field]: undefined }))).code, field).toBe(
        'CHARTER_SCHEMA',
      )
  })
})
