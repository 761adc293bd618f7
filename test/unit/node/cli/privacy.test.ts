import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadNodeConfig } from '../../../../node/config.ts'
import { DEFAULT_STUDY } from '../../../../node/demo/setup.ts'
import { openStore } from '../../../../node/store/store.ts'
import { epsilonOf } from '../../../../protocol/privacy/accountant.ts'
import { CHARGES_RECORD, encodeCharges } from '../../../../protocol/privacy/charges.ts'
import { makeStudy, medmesh, temporary, writeLedger } from './harness.ts'

interface Plan {
  noiseMultiplier: number
  epsilon: number
  q: number
  spent: { rounds: number; steps: number; epsilon: number }[]
}

const EPSILON = ['privacy', 'epsilon', '--q', '0.01', '--sigma', '1.1', '--steps', '1000', '--delta', '1e-5']
const PLAN = ['privacy', 'plan', '--patients', '5000', '--rounds', '40', '--delta', '1e-5']

const planOf = async (...args: string[]): Promise<Plan> => {
  const { code, out, err } = await medmesh([...PLAN, ...args, '--json'])
  expect([code, err]).toEqual([0, ''])
  return JSON.parse(out) as Plan
}

describe('privacy epsilon', () => {
  it.each(['pld', 'rdp'] as const)('gives the epsilon of the accountant %s', async accountant => {
    const { code, out } = await medmesh([...EPSILON, '--accountant', accountant, '--json'])
    expect(code).toBe(0)
    const events = [{ mechanism: 'gaussian', q: 0.01, sigma: 1.1, steps: 1000 }] as const
    expect(JSON.parse(out)).toMatchObject({ epsilon: epsilonOf(events, 1e-5, accountant), accountant })
  })

  it('says what it bounds, rounded up, and what alone would bound nothing', async () => {
    const { out } = await medmesh(EPSILON)
    expect(out).toMatch(/^epsilon 1\.516 at delta 0\.00001 for one patient, .*accountant: pld/)
    expect(out).toMatch(/Poisson/)
    expect(out).toMatch(/secure summing alone is no privacy guarantee/)
  })

  it('refuses noise that bounds nothing', async () => {
    const args = ['privacy', 'epsilon', '--q', '1', '--sigma', '0.01', '--steps', '1', '--delta', '1e-5']
    const { code, err } = await medmesh(args)
    expect([code, err]).toEqual([3, expect.stringContaining('PRIVACY_NOISE_TOO_SMALL')])
  })

  it.each([
    ['--q', '1.1'],
    ['--q', '0'],
    ['--q', 'NaN'],
    ['--sigma', '-1'],
    ['--sigma', '0x10'],
    ['--steps', '1.5'],
    ['--steps', '0'],
    ['--delta', '1'],
    ['--delta', '0'],
    ['--accountant', 'prv'],
  ])('%s %s is a usage error', async (option, value) => {
    const args = EPSILON.flatMap((arg, i) => (EPSILON[i - 1] === option ? [value] : [arg]))
    const { code, err } = await medmesh(args.includes(value) ? args : [...args, option, value])
    expect(code).toBe(2)
    expect(err).toContain(option)
  })
})

describe('privacy plan', () => {
  it('finds the noise for a budget, and what is spent by when', async () => {
    const plan = await planOf('--batch', '250', '--epsilon', '3')
    expect(plan.q).toBe(0.05)
    expect(plan.epsilon).toBeLessThanOrEqual(3)
    expect(plan.epsilon).toBeGreaterThan(2.99)
    expect(plan.spent.map(s => s.rounds)).toEqual([10, 20, 30, 40])
    const used = plan.spent.map(s => s.epsilon)
    expect(used).toEqual(used.toSorted((a, b) => a - b))
    expect(used.at(-1)).toBe(plan.epsilon)
  })

  it('is its own reverse', async () => {
    const args = ['--batch', '100', '--steps-per-round', '5']
    const there = await planOf(...args, '--epsilon', '2')
    const back = await planOf(...args, '--sigma', String(there.noiseMultiplier))
    expect(back).toEqual(there)
    expect(back.spent.at(-1)).toMatchObject({ rounds: 40, steps: 200 })
  })

  it('shows it as a table', async () => {
    const { out } = await medmesh([...PLAN, '--batch', '250', '--sigma', '1.2'])
    expect(out).toMatch(/^noise multiplier 1\.2 spends epsilon \d/)
    expect(out).toMatch(/^rounds {2}steps {2}noise multiplier {2}epsilon spent$/m)
    expect(out).toMatch(/^ {4}40 {5}40 {15}1\.2 {2}/m)
    expect(out).toMatch(/secure summing alone is no privacy guarantee/)
  })

  it('refuses a delta above 1/patients, and one that it names will do', async () => {
    const args = ['privacy', 'plan', '--patients', '5000', '--rounds', '1', '--sigma', '2', '--delta']
    const { code, err } = await medmesh([...args, '0.001', '--json'])
    expect(code).toBe(3)
    const { error } = JSON.parse(err) as { error: { code: string; fix: string } }
    expect(error.code).toBe('PRIVACY_DELTA_TOO_LARGE')
    const named = /--delta of (\S+)/.exec(error.fix)![1]!
    expect((await medmesh([...args, named])).code).toBe(0)
  })

  it('refuses a batch of more than all patients', async () => {
    const { code, err } = await medmesh([...PLAN, '--batch', '5001', '--epsilon', '3'])
    expect([code, err]).toEqual([3, expect.stringContaining('PRIVACY_BATCH_TOO_LARGE')])
    expect(err).toContain('--batch of 5000')
  })

  it('refuses a budget that lasts for no round, and one that it names will do', async () => {
    const { code, err } = await medmesh([...PLAN, '--epsilon', '0.01'])
    expect([code, err]).toEqual([3, expect.stringContaining('PRIVACY_BUDGET_TOO_SMALL')])
    const named = /--epsilon of (\S+)/.exec(err)![1]!
    expect((await planOf('--rounds', '1', '--epsilon', named)).noiseMultiplier).toBeLessThanOrEqual(100)
  })

  it('wants either a budget or the noise', async () => {
    expect((await medmesh(PLAN)).code).toBe(2)
    const both = await medmesh([...PLAN, '--epsilon', '1', '--sigma', '1'])
    expect([both.code, both.err]).toEqual([2, expect.stringMatching(/--sigma.*--epsilon/)])
  })
})

const NOISE = `privacy:
  unit: patient
  noise: sum
  patients: 486
  samplingRate: 0.5
  clipNorm: 1
  noiseMultiplier: { statistics: 5, training: 2, evaluation: 5 }
  epsilonMax: 5
  delta: 1e-3
`

/** The heart study with noise in its sums, and what `change` makes of its charter's text: a directory. */
function noisedDraft(change = (text: string) => text): string {
  const dir = temporary()
  cpSync(DEFAULT_STUDY, dir, { recursive: true })
  const file = join(dir, 'charter.yaml')
  const agreed = readFileSync(file, 'utf8')
  const noised = agreed
    .replace(/privacy:\n {2}unit: none\n/, NOISE)
    .replace(/localUpdates: \d+/, 'localUpdates: 1')
    .replace(/optimizer: \w+/, 'optimizer: sgd')
  writeFileSync(file, change(noised))
  return dir
}

describe('a charter with noise', () => {
  it('is valid where its noise gives its epsilon', async () => {
    const { code, err } = await medmesh([
      'charter',
      'validate',
      join(
        noisedDraft(t => t.replace('rounds: 15', 'rounds: 2')),
        'charter.yaml',
      ),
    ])
    expect([code, err]).toEqual([0, ''])
  })

  it('is refused where it does not, with what would do, and that does', async () => {
    const { code, err } = await medmesh([
      'charter',
      'validate',
      join(
        noisedDraft(t => t.replace('rounds: 15', 'rounds: 200')),
        'charter.yaml',
      ),
    ])
    expect([code, err]).toEqual([3, expect.stringContaining('CHARTER_PRIVACY_BUDGET')])
    expect(err).toMatch(/200 rounds cost epsilon \d.* of one patient.* privacy\.epsilonMax is 5/)
    const [, statistics, training, evaluation] = /statistics (\S+), training (\S+), evaluation ([\d.]+)/.exec(
      err,
    )!
    const enough = `{ statistics: ${statistics}, training: ${training}, evaluation: ${evaluation} }`
    const mended = noisedDraft(t =>
      t.replace('rounds: 15', 'rounds: 200').replace(/noiseMultiplier: .*/, `noiseMultiplier: ${enough}`),
    )
    expect((await medmesh(['charter', 'validate', join(mended, 'charter.yaml')])).code).toBe(0)
  })
})

describe('privacy report', () => {
  it('says what was spent on what, and what is not covered', async () => {
    const dir = await writeLedger(await makeStudy(noisedDraft()), 3)
    const store = openStore(loadNodeConfig(dir).storeFile)
    await store.commit([[CHARGES_RECORD, encodeCharges({ statistics: 1, train: 3, evaluate: 0 })]], [])
    store.close()
    const { code, out } = await medmesh(['privacy', 'report', dir])
    expect(code).toBe(0)
    expect(out).toMatch(
      /each patient's row, at any hospital, is protected by noise in every sum: at most epsilon 5 at delta 0\.001/,
    )
    expect(out).toMatch(/Spent by this hospital: epsilon \d\.\d+ of 5, at delta 0\.001/)
    expect(out).toMatch(/training +3 /)
    expect(out).toMatch(/evaluation +0 +0\.000/)
    expect(out).toMatch(/not covered: that a hospital takes part/)
    expect((await medmesh(['status', dir])).out).toMatch(/privacy +epsilon \d\.\d+ of 5 is spent/)
    const { budget } = JSON.parse((await medmesh(['privacy', 'report', dir, '--json'])).out)
    const alone = budget.spent.map((s: { epsilon: number }) => s.epsilon)
    expect(budget.epsilon).toBeGreaterThan(Math.max(...alone))
    expect(budget.epsilon).toBeLessThan(alone.reduce((a: number, b: number) => a + b))
  })

  it('never says that summing in secret is anonymity where there is no noise', async () => {
    const dir = await writeLedger(await makeStudy(), 3)
    const { out } = await medmesh(['privacy', 'report', dir])
    expect(out).toMatch(/no differential privacy: .* summing in secret alone is no anonymity/)
    expect(JSON.parse((await medmesh(['privacy', 'report', dir, '--json'])).out)).toMatchObject({
      unit: 'none',
    })
  })
})
