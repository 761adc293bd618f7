/** Noised sums through the whole protocol (SPEC P): exact but for the noise, charged for before they leave, and never over the budget. */
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../config/charter.ts'
import { CHARGES_RECORD, decodeCharges } from '../../protocol/privacy/charges.ts'
import {
  epsilonOfReleases,
  NO_RELEASES,
  openedEpsilon,
  type Releases,
} from '../../protocol/privacy/policy.ts'
import { audited, ledgerOf } from '../support/audit.ts'
import { memberName } from '../support/consortium.ts'
import { crashRun } from '../support/crashes.ts'
import { hospitalsNoised, noised } from '../support/noised.ts'

const ROUNDS = 4

const inEachHospital = (charter: Charter): Charter => {
  const made = noised({ noise: 'hospital' })(charter)
  return { ...made, training: { ...made.training, weighting: 'equal' } }
}

const chargesOf = (disk: ReadonlyMap<string, Uint8Array>): Releases => decodeCharges(disk.get(CHARGES_RECORD))

describe('a study with noised sums', () => {
  it.each([
    ['patients, in the sum', noised(), 32_768],
    ['patients, in the sum, in shards', noised(), 0],
    ['patients, in each hospital', inEachHospital, 0],
    ['hospitals', hospitalsNoised(), 32_768],
    ['hospitals, in shards', hospitalsNoised(), 0],
  ] as const)('of %s ends with one model at all members', (_name, edit, gossipBytesMax) => {
    const { c, audit } = audited({ n: 4, f: 1, features: 6, rounds: ROUNDS, gossipBytesMax, edit })
    c.world.startAll()
    expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
    expect(audit.problems).toEqual([])
    expect(audit.checked.sums).toBe(ROUNDS + 2)
    const closed = ledgerOf(c.world.host(memberName(0))).flatMap(({ entry }) =>
      entry.body.kind === 'RoundClosed' ? [entry.body] : [],
    )
    expect(closed.map(b => b.epsilon)).toEqual(closed.map(b => openedEpsilon(c.charter, b.round)))
    expect(closed[0]!.epsilon).toBeGreaterThan(0)
    // Training rounds measure nothing; the evaluation at the end does, if there is not more noise in it than four hospitals.
    const isMeasured = closed.map(b => b.metrics !== null)
    expect(isMeasured.slice(0, -1)).toEqual(isMeasured.slice(0, -1).fill(false))
    if (c.charter.privacy.unit === 'patient') expect(isMeasured.at(-1)).toBe(true)
    const planned = { statistics: 1, train: ROUNDS, evaluate: 1 }
    for (const { disk } of c.world.hosts.values()) expect(chargesOf(disk)).toEqual(planned)
  })

  it('has no charges where sums are exact', () => {
    const { c } = audited({ n: 4, f: 1, rounds: 2 })
    c.world.startAll()
    expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
    for (const { disk } of c.world.hosts.values()) expect(disk.has(CHARGES_RECORD)).toBe(false)
  })

  it('stops at the budget, and every hospital says so', () => {
    const spent = { ...NO_RELEASES, statistics: 1, train: 2 }
    const charter = audited({ n: 4, f: 1, rounds: ROUNDS, edit: noised() }).c.charter
    const epsilonMax = epsilonOfReleases(charter, spent)
    const { c, audit } = audited({ n: 4, f: 1, rounds: ROUNDS, edit: noised({ epsilonMax }) })
    c.world.startAll()
    const told = () => c.events.filter(e => e.event.kind === 'budgetSpent')
    expect(c.world.run(() => told().length === 4, 120_000)).toBe(true)
    c.world.run(() => false, 30_000)
    expect(told().map(e => e.event)).toEqual(
      Array.from({ length: 4 }, () => ({
        kind: 'budgetSpent',
        unit: 'patient',
        epsilon: epsilonMax,
        epsilonMax,
      })),
    )
    expect(audit.problems.filter(p => !p.startsWith('liveness'))).toEqual([])
    for (const { disk } of c.world.hosts.values()) expect(chargesOf(disk)).toEqual(spent)
    for (const m of [0, 1, 2, 3]) expect(c.closed(memberName(m)).length).toBe(3)
  })

  it('has charged for all that left, wherever a hospital was killed', { timeout: 300_000 }, () => {
    const p = {
      seed: 5,
      shards: false,
      victim: 1,
      awayMs: 300,
      slowMs: 2000,
      edit: noised({ epsilonMax: 1000 }),
    }
    const { steps } = crashRun({ ...p, at: [] })
    const input = steps.findIndex(s => s.startsWith('before commit') && s.includes('attempt/input'))
    expect(input).toBeGreaterThan(0)
    expect(steps[input]).toContain(CHARGES_RECORD)
    for (let k = input - 4; k < input + 12; k++) {
      const { c, audit, crashes, done } = crashRun({ ...p, at: [k] })
      const what = `crash at ${k}: ${crashes.join()}`
      expect(done, what).toBe(true)
      // The checker of what is stored before it leaves counts inputs against charges.
      expect(audit.problems, what).toEqual([])
      const { statistics, train } = chargesOf(c.world.host(memberName(1)).disk)
      expect(statistics, what).toBe(1)
      expect(train, what).toBeGreaterThanOrEqual(1)
    }
  })
})
