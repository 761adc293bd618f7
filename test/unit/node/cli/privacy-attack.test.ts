import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runCli } from '../../../../node/cli/program.ts'
import { nodeConfigText } from '../../../../node/config.ts'
import { DEFAULT_STUDY } from '../../../../node/demo/setup.ts'
import { makeStudy, medmesh, read, temporary } from './harness.ts'

/** A hospital's directory as before the charter is signed: the draft itself, and rows of Long Beach. */
function draftDir(change: (charter: string) => string = text => text): string {
  const dir = join(temporary(), 'va')
  mkdirSync(dir)
  cpSync(join(DEFAULT_STUDY, 'models'), join(dir, 'models'), { recursive: true })
  cpSync(join(DEFAULT_STUDY, 'data', 'va.csv'), join(dir, 'data.csv'))
  writeFileSync(
    join(dir, 'charter.yaml'),
    change(readFileSync(join(DEFAULT_STUDY, 'charter-mlp.yaml'), 'utf8')),
  )
  const config = nodeConfigText({ member: 'va', listen: '/ip4/127.0.0.1/tcp/4001', data: 'data.csv' })
  writeFileSync(join(dir, 'node.yaml'), config.replace('charter: charter.json', 'charter: charter.yaml'))
  return dir
}

const withNoise = (text: string) =>
  text
    .replace(
      /privacy:\n {2}unit: none\n/,
      'privacy: { unit: patient, noise: sum, patients: 486, samplingRate: 0.5, clipNorm: 1, noiseMultiplier: { statistics: 5, training: 2, evaluation: 5 }, epsilonMax: 5, delta: 1e-3 }\n',
    )
    .replace(/localUpdates: \d+/, 'localUpdates: 1')
    .replace('rounds: 15', 'rounds: 2')

/** All that is in it, as `path: value`. */
function leavesOf(value: unknown, at = ''): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return [[at, value]]
  return Object.entries(value).flatMap(([name, part]) =>
    leavesOf(part, `${at}/${name.replace(/^\d+$/, 'n')}`),
  )
}

describe('privacy attack', () => {
  it('prints shares and means as JSON, and leaves no file', async () => {
    const { hospitals } = await makeStudy()
    const { dir } = hospitals[3]!
    const before = readdirSync(dir, { recursive: true })
    const { code, out, err } = await medmesh(['privacy', 'attack', dir, '--trials', '8', '--json'])
    expect(code).toBe(0)
    expect(readdirSync(dir, { recursive: true })).toEqual(before)
    expect(err).toBe([1, 2, 3, 4, 5].map(part => `part ${part} of 5\n`).join(''))
    const report = JSON.parse(out)
    expect(report).toMatchObject({ member: 'va', unit: 'none', trials: 8, seed: 1, cohort: 4 })
    // A list of anything but the rows of its two tables would be of single persons.
    const places = new Set(leavesOf(report).map(([at]) => at.split('/').filter(part => part === 'n').length))
    expect([...places].toSorted()).toEqual([0, 1])
    expect(report.inversion).toHaveLength(12)
    expect(report.inversion[0]).toMatchObject({ attack: 'first layer', found: 'persons' })
    expect(report.membership).toHaveLength(2)
  })

  it('says in plain words what an attacker could do, of a draft with noise too', async () => {
    const { code, out } = await medmesh([
      'privacy',
      'attack',
      draftDir(withNoise),
      '--trials',
      '8',
      '--seed',
      '2',
    ])
    expect(code).toBe(0)
    expect(out).toMatch(/^Attacks on va in heart-disease-mlp: 8 trials, seed 2$/m)
    expect(out).toMatch(/^plain update +first layer +100 ± 0 % .* gives rows away$/m)
    expect(out).toMatch(/^sum of 4 +first layer .* gives rows away$/m)
    expect(out).toMatch(
      /^sum of 4, the charter's noise +first layer .* 0 % \(0 %\) +(nothing found|leaves a trace)$/m,
    )
    expect(out).not.toMatch(/^masked input .* gives rows away$/m)
    expect(out).toMatch(/Nobody has it: it is the control/)
    expect(out).toMatch(/secure summing alone is no anonymity/)
    expect(out).toMatch(/It protects one patient's row; how well, its epsilon says/)
    expect(out).toMatch(/at most epsilon 5 at delta 0\.001/)
  })

  it('refuses a model that the attacks do not know before it reads a row', async () => {
    const dir = draftDir()
    const model = join(dir, 'models', 'mlp.json')
    writeFileSync(model, read(model).replace('"relu"', '"elu"'))
    writeFileSync(join(dir, 'data.csv'), 'no row')
    const { code, out, err } = await medmesh(['privacy', 'attack', dir])
    expect([code, out]).toEqual([3, ''])
    expect(err).toMatch(
      /^error ATTACK_MODEL: .*layer 1 has the activation elu\n {2}fix: .*linear, relu, sigmoid, tanh/,
    )
  })

  it('stops where it is interrupted, and prints no half of a report', async () => {
    let out = ''
    const io = {
      out: (text: string) => {
        out += text
      },
      err: () => {},
      terminal: false,
      columns: () => 80,
      env: {},
      signal: AbortSignal.abort(),
    }
    expect([await runCli(['privacy', 'attack', draftDir()], io), out]).toEqual([130, ''])
  })

  it('says nothing of a row that is wrong but where it is', async () => {
    const dir = draftDir()
    const data = join(dir, 'data.csv')
    writeFileSync(data, `${read(data).trimEnd()}\n9999,train,4711,1,140,260,0,112,1,3,4,1,1\n`)
    const { code, err } = await medmesh(['privacy', 'attack', dir])
    expect(code).toBe(3)
    expect(err).toMatch(/DATA_[\s\S]*age/)
    expect(err).not.toMatch(/4711|9999/)
  })

  it.each([
    ['--trials', '7'],
    ['--trials', '1e3'],
    ['--seed', '-1'],
    ['--seed', '4294967296'],
  ])('%s %s is a usage error', async (option, value) => {
    expect((await medmesh(['privacy', 'attack', 'x', option, value])).code).toBe(2)
  })
})
