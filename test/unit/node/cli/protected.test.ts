/** Every text that people see of sums or models says whom noise protects, and none that summing in secret would. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Charter, protection } from '../../../../config/charter.ts'
import { protectionInWords } from '../../../../config/words.ts'
import { evaluatedInWords, exportedInWords } from '../../../../node/cli/commands/model.ts'
import { describeEvent } from '../../../../node/cli/commands/node.ts'
import { DEFAULT_STUDY } from '../../../../node/demo/setup.ts'
import { summary } from '../../../../node/demo/summary.ts'
import { reportHtml } from '../../../../node/report/report.ts'
import { simReportHtml } from '../../../../sim/report/html.ts'
import { summary as simSummary } from '../../../../sim/report/summary.ts'
import { played } from '../../sim/report/script.ts'
import { recordOf, Script } from '../demo/script.ts'
import { makeStudy, medmesh, temporary, writeLedger } from './harness.ts'

type Privacy = Charter['privacy']

const noise = { noiseMultiplier: { statistics: 5, training: 3, evaluation: 5 }, epsilonMax: 100 }
const ofPatients = { ...noise, patients: 486, samplingRate: 0.5, clipNorm: 1, delta: 1e-3 }
const SETTINGS: readonly (readonly [string, Privacy])[] = [
  ['nothing protected', { unit: 'none' }],
  ['patients, in the sums', { unit: 'patient', noise: 'sum', ...ofPatients }],
  ['patients, in each hospital', { unit: 'patient', noise: 'hospital', ...ofPatients }],
  ['hospitals', { unit: 'hospital', ...noise, delta: 0.1 }],
]

/** The heart study with that policy: its directory. */
function studyWith(privacy: Privacy): string {
  const dir = temporary()
  cpSync(DEFAULT_STUDY, dir, { recursive: true })
  const file = join(dir, 'charter.yaml')
  const agreed = readFileSync(file, 'utf8')
  const steps = agreed
    .replace(/localUpdates: \d+/, 'localUpdates: 1')
    .replace(/optimizer: \w+/, 'optimizer: sgd')
    .replace(/weighting: \w+/, 'weighting: equal')
  const policy = `privacy: ${JSON.stringify(privacy)}\n`
  writeFileSync(
    file,
    (privacy.unit === 'none' ? agreed : steps).replace(/privacy:\n {2}unit: none\n/, policy),
  )
  return dir
}

/** All texts by name, of one policy. */
async function textsOf(privacy: Privacy): Promise<Map<string, string>> {
  const draft = studyWith(privacy)
  const study = await makeStudy(draft)
  const dir = await writeLedger(study, 3)
  const file = join(draft, 'charter.yaml')
  const said = async (...args: string[]) => {
    const { code, out, err } = await medmesh(args)
    expect([args[0], code, err]).toEqual([args[0], 0, ''])
    return out
  }
  const texts = new Map<string, string>()
  for (const args of [
    ['charter', 'validate', file],
    ['charter', 'show', file],
    ['charter', 'sign', join(dir, 'charter.json'), '--key', dir],
    ['charter', 'verify', join(dir, 'charter.json'), '--any-time'],
    ['status', dir],
    ['ledger', 'verify', dir],
    ['privacy', 'report', dir],
  ])
    texts.set(args.slice(0, 2).join(' '), await said(...args))
  // It says so before it looks for its rows, which are not there.
  rmSync(join(dir, 'data.csv'))
  texts.set('node', (await medmesh(['node', dir])).err)
  const noised = protection({ privacy })
  if (noised) {
    const event = { kind: 'budgetSpent', unit: noised.unit, epsilon: 4, epsilonMax: 5 } as const
    const spent = describeEvent({ at: 0, member: 'va', bytesSent: 0, event })
    expect(spent).toMatch(`epsilon 4.000 of one ${noised.unit} is spent`)
  }
  const words = { protected: protectionInWords({ privacy }), modelHash: 'ab', round: 1 }
  const scores = { member: 'va', rounds: 2, testRows: 9, auc: 0.8, accuracy: 0.7 }
  texts.set('model evaluate', evaluatedInWords({ ...words, ...scores }))
  texts.set('model export', exportedInWords({ ...words, files: ['m'], format: 'tfjs' }))
  const record = { ...recordOf(new Script(2).run()), privacy }
  texts.set('demo', summary(record).join('\n'))
  texts.set('demo, report.html', reportHtml(record))
  const run = played({ n: 4, rounds: 1, scenario: { privacy } })
  texts.set('sim run', simSummary(run))
  texts.set('sim run, report.html', simReportHtml(run))
  return texts
}

/** As a reader sees it: no escapes, lines or capitals. */
const plain = (text: string) =>
  text.replaceAll('&#39;', "'").replaceAll('&quot;', '"').replaceAll(/\s+/g, ' ').toLowerCase()

/** What it calls anonymous, and does not say it is not. */
const anonymous = (text: string) => plain(text).match(/(?<!\b(no|not) )\banonym\w*/g) ?? []

const UNIT: Readonly<Record<Privacy['unit'], RegExp>> = {
  none: /nothing protects a patient in the sums/,
  patient: /each patient's row, at any hospital, is protected by noise in every sum/,
  hospital: /all that one hospital gives is protected by noise in every sum/,
}

describe.each(SETTINGS)('with %s, every text', (_, privacy) => {
  it('says the unit, how well, and nothing else of who is protected', async () => {
    for (const [name, text] of await textsOf(privacy)) {
      for (const [unit, words] of Object.entries(UNIT))
        if (unit === privacy.unit) expect(plain(text), name).toMatch(words)
        else expect(plain(text), name).not.toMatch(words)
      const isBounded = /at most epsilon 100 at delta 0\.\d/.test(plain(text))
      expect([name, isBounded]).toEqual([name, protection({ privacy }) !== undefined])
      if (privacy.unit === 'none') expect(plain(text), name).toMatch(/alone is no anonymity/)
      expect([name, anonymous(text)]).toEqual([name, []])
    }
  })
})

describe('what is there before there is a charter', () => {
  it.each(['README.md', 'node/OPERATING.md'])('%s names the units, and calls no sum anonymous', file => {
    const text = readFileSync(new URL(`../../../../${file}`, import.meta.url), 'utf8')
    expect(plain(text)).toMatch(/unit: patient/)
    expect(plain(text)).toMatch(/unit: hospital/)
    expect(plain(text)).toMatch(/`unit: none`.{0,40} nothing protects a patient in the sums/)
    expect(plain(text)).toMatch(/alone is no(t)? (anonymity|privacy guarantee)/)
    expect(anonymous(text)).toEqual([])
  })

  it.each([
    ['epsilon', '--q', '0.1', '--sigma', '2', '--steps', '10'],
    ['plan', '--patients', '500', '--rounds', '10', '--sigma', '2'],
  ])('privacy %s says that it is of one patient', async (...args) => {
    const { code, out } = await medmesh(['privacy', ...args, '--delta', '1e-3'])
    expect([code, plain(out)]).toEqual([0, expect.stringMatching(/one patient.*, added or removed/)])
    expect(plain(out)).toContain('secure summing alone is no privacy guarantee')
    expect(anonymous(out)).toEqual([])
  })

  it('no help of a command calls sums anonymous', async () => {
    const words = [
      [],
      ['charter'],
      ['privacy'],
      ['model'],
      ['ledger'],
      ['demo'],
      ['node'],
      ['status'],
      ['init'],
    ]
    for (const args of words) expect(anonymous((await medmesh([...args, '--help'])).out)).toEqual([])
  })

  it('is tried by a rule that finds what it must not find', () => {
    expect(anonymous('Summing is no anonymity, not anonymous')).toEqual([])
    expect(anonymous('The sums are anonymous; anonymity for all')).toEqual(['anonymous', 'anonymity'])
  })
})
