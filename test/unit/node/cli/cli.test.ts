import { cpSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { describeCharter } from '../../../../node/cli/charter-words.ts'
import { loadNodeConfig } from '../../../../node/config.ts'
import { DEFAULT_STUDY } from '../../../../node/demo/setup.ts'
import { openStore } from '../../../../node/store/store.ts'
import { hospitalsNoised, noised } from '../../../support/noised.ts'
import { exampleCharter } from '../../config/study.ts'
import { makeStudy, medmesh, read, temporary, writeLedger } from './harness.ts'

const COMMANDS = [
  [],
  ['demo'],
  ['init'],
  ['node'],
  ['status'],
  ['charter'],
  ['ledger'],
  ['model'],
  ['charter', 'validate'],
  ['charter', 'sign'],
  ['charter', 'verify'],
  ['charter', 'show'],
  ['ledger', 'show'],
  ['ledger', 'verify'],
  ['model', 'evaluate'],
  ['model', 'export'],
  ['privacy'],
  ['privacy', 'epsilon'],
  ['privacy', 'plan'],
  ['privacy', 'report'],
  ['privacy', 'attack'],
]

describe('usage', () => {
  it.each(COMMANDS)('--help of "%s %s" explains itself with an example', async (...command) => {
    const { code, out, err } = await medmesh([...command.filter(Boolean), '--help'])
    expect(code).toBe(0)
    expect(err).toBe('')
    expect(out).toMatch(/^Usage: medmesh/)
    expect(out).toMatch(command.length === 0 ? /Exit codes:/ : /Examples?:\n {2}medmesh /)
  })

  it.each([
    ['an unknown command', ['fly']],
    ['an unknown option', ['status', 'x', '--fast']],
    ['a missing argument', ['status']],
    ['a missing option', ['init', 'x']],
    ['too many arguments', ['status', 'x', 'y']],
    ['no command', []],
    ['no subcommand', ['charter']],
    ['rounds that are no number', ['demo', '--rounds', '1e3']],
    ['no round at all', ['demo', '--rounds', '0']],
    ['an unknown format', ['model', 'export', 'x', '--to', 'y', '--format', 'onnx']],
  ])('%s is a usage error', async (_, args) => {
    const { code, err } = await medmesh(args)
    expect(code).toBe(2)
    expect(err).not.toBe('')
  })
})

describe('errors', () => {
  it('name a code and a way out, on stderr', async () => {
    const { code, out, err } = await medmesh(['status', join(temporary(), 'none')])
    expect(code).toBe(3)
    expect(out).toBe('')
    expect(err).toMatch(/^error NODE_DIR_MISSING: .*\n {2}fix: .*medmesh init/)
  })

  it('are one line of JSON with --json', async () => {
    const { code, err } = await medmesh(['status', join(temporary(), 'none'), '--json'])
    expect(code).toBe(3)
    expect(JSON.parse(err)).toEqual({
      error: { code: 'NODE_DIR_MISSING', message: expect.any(String), fix: expect.any(String) },
    })
  })
})

describe('init', () => {
  it('makes a private key and a node.yaml that the node can read', async () => {
    const dir = join(temporary(), 'va')
    const { code, out } = await medmesh(['init', dir, '--member', 'va', '--listen', '/ip4/10.1.2.3/tcp/4001'])
    expect(code).toBe(0)
    expect(statSync(join(dir, 'identity.key')).mode & 0o777).toBe(0o600)
    expect(loadNodeConfig(dir)).toMatchObject({
      member: 'va',
      listen: ['/ip4/10.1.2.3/tcp/4001'],
      backend: 'auto',
      dataFile: join(dir, 'data.csv'),
    })
    const { publicKey } = JSON.parse(read(join(dir, 'identity.key'))) as { publicKey: string }
    expect(out).toContain(`publicKey: "${publicKey}"`)
    expect(out).toContain('addresses: ["/ip4/10.1.2.3/tcp/4001"]')
    expect(out).not.toContain(
      (JSON.parse(read(join(dir, 'identity.key'))) as { key: { privateKey: string } }).key.privateKey,
    )
  })

  it('overwrites nothing, neither key nor configuration', async () => {
    const dir = join(temporary(), 'va')
    await medmesh(['init', dir, '--member', 'va'])
    const before = [read(join(dir, 'identity.key')), read(join(dir, 'node.yaml'))]
    const { code, err } = await medmesh(['init', dir, '--member', 'other'])
    expect([code, err]).toEqual([3, expect.stringContaining('INIT_EXISTS')])
    expect([read(join(dir, 'identity.key')), read(join(dir, 'node.yaml'))]).toEqual(before)
  })

  it('writes nothing at all for a wrong id or address', async () => {
    for (const args of [
      ['--member', 'Not An Id'],
      ['--member', 'va', '--listen', 'localhost:4001'],
    ]) {
      const dir = join(temporary(), 'x')
      expect((await medmesh(['init', dir, ...args])).err).toContain('NODE_CONFIG_INVALID')
      expect(existsSync(dir)).toBe(false)
    }
  })

  it('encrypts the key by a passphrase file, and node.yaml names that file', async () => {
    const folder = temporary()
    writeFileSync(join(folder, 'pass'), 'a long passphrase\n')
    const dir = join(folder, 'va')
    await medmesh(['init', dir, '--member', 'va', '--passphrase-file', join(folder, 'pass')])
    expect(JSON.parse(read(join(dir, 'identity.key')))).toMatchObject({ key: { kind: 'encrypted' } })
    expect(loadNodeConfig(dir).passphraseFile).toBe(join(folder, 'pass'))
  })
})

describe('charter', () => {
  it('lists what is open in a draft, and does not sign it', async () => {
    const draft = join(DEFAULT_STUDY, 'charter.yaml')
    const valid = await medmesh(['charter', 'validate', draft, '--json'])
    expect(JSON.parse(valid.out)).toMatchObject({ valid: true, kind: 'draft' })
    expect((JSON.parse(valid.out) as { open: string[] }).open).toContain('members[3].addresses (va)')
    const dir = join(temporary(), 'va')
    await medmesh(['init', dir, '--member', 'va'])
    const signed = await medmesh(['charter', 'sign', draft, '--key', dir, '--out', join(dir, 'charter.json')])
    expect([signed.code, signed.err]).toEqual([3, expect.stringContaining('CHARTER_MEMBER_INCOMPLETE')])
    expect(existsSync(join(dir, 'charter.json'))).toBe(false)
  })

  it('is in force from the third signature of four, and says who is missing before', async () => {
    const study = await makeStudy()
    const file = join(temporary(), 'charter.json')
    const { signed } = JSON.parse(read(study.charterFile)) as { signed: unknown }
    writeFileSync(file, JSON.stringify({ signed, signatures: [] }))
    for (const [i, { dir }] of study.hospitals.slice(0, 3).entries()) {
      const before = await medmesh(['charter', 'verify', file])
      expect([before.code, before.err]).toEqual([3, expect.stringContaining('CHARTER_SIGNATURES_MISSING')])
      expect(before.err).toContain('va')
      const made = await medmesh(['charter', 'sign', file, '--key', dir, '--json'])
      expect(JSON.parse(made.out)).toMatchObject({ signatures: i + 1, threshold: 3 })
    }
    const after = await medmesh(['charter', 'verify', file, '--json'])
    expect(JSON.parse(after.out)).toMatchObject({
      verified: true,
      signers: ['cleveland', 'hungarian', 'switzerland'],
    })
    // The signature of a key counts once, however often it is given.
    await medmesh(['charter', 'sign', file, '--key', study.hospitals[0]!.dir])
    expect((JSON.parse(read(file)) as { signatures: unknown[] }).signatures).toHaveLength(3)
  })

  it('shows members, purpose, and that there is no differential privacy', async () => {
    const { out } = await medmesh(['charter', 'show', join(DEFAULT_STUDY, 'charter.yaml')])
    expect(out).toContain('no differential privacy')
    expect(out).toContain('Cleveland Clinic Foundation')
    const json = await medmesh(['charter', 'show', join(DEFAULT_STUDY, 'charter.yaml'), '--json'])
    expect(JSON.parse(json.out)).toMatchObject({ study: { id: 'heart-disease' } })
  })

  it('shows who is protected by noise, for how much, and what is not', () => {
    const out = describeCharter(noised()(exampleCharter()), []).join('\n')
    expect(out).not.toContain('no differential privacy')
    expect(out).toMatch(/Privacy: each patient's row, at any hospital, .* at most epsilon 8 at delta 0.0001/)
    expect(out).toMatch(/the planned rounds cost epsilon \d/)
    expect(out).toMatch(/clipped to norm 1; noise is 1 times/)
    expect(out).toMatch(/not covered: that a hospital takes part/)
    const hospitals = describeCharter(hospitalsNoised()(exampleCharter()), []).join('\n')
    expect(hospitals).toMatch(
      /Privacy: all that one hospital gives is protected by noise in every sum: at most epsilon 100/,
    )
    expect(hospitals).toMatch(/an update is clipped to norm 1; noise is 3 times that/)
  })

  it('shows how coarse updates are where they are', () => {
    const charter = exampleCharter()
    const says = (secureSum: object) =>
      describeCharter({ ...charter, secureSum: { ...charter.secureSum, ...secureSum } }, []).join()
    expect(says({})).not.toContain('bits')
    // Four members: 107 / 4 = 26 steps to either side.
    expect(says({ compression: { bitsPerValue: 8, rotation: false } })).toContain(
      '8 bits for each value of an update: rounded by chance to one of 53 steps',
    )
    expect(says({ compression: { bitsPerValue: 16, rotation: true } })).toContain(
      'of an update: rotated, then rounded',
    )
    expect(says({ compression: { bitsPerValue: 8, rotation: false, oneIn: 4 } })).toContain(
      'one of 53 steps; one in 4 is summed each round, the rest is kept for later ones',
    )
    expect(says({ compression: { bitsPerValue: 8, rotation: false, rank: 2 } })).toContain(
      'one of 53 steps; of each matrix a factor of rank 2 is summed each round, the rest is kept for later ones',
    )
  })
})

describe('ledger and status, offline', () => {
  it('show and verify a ledger with nothing but store and charter', async () => {
    const dir = await writeLedger(await makeStudy(), 3)
    expect((await medmesh(['ledger', 'show', dir])).out).toMatch(
      /1 .*RoundOpened .*3 votes .*round 0\.0 statistics/,
    )
    const { entries } = JSON.parse((await medmesh(['ledger', 'show', dir, '--json'])).out) as {
      entries: unknown[]
    }
    expect(entries).toMatchObject([{ height: 1, signers: ['cleveland', 'hungarian', 'switzerland'] }])
    const verified = await medmesh(['ledger', 'verify', dir, '--json'])
    expect(JSON.parse(verified.out)).toMatchObject({
      verified: true,
      entries: 1,
      signatures: 3,
      finished: false,
    })
  })

  it('refuse an entry with too few votes, and name it', async () => {
    const dir = await writeLedger(await makeStudy(), 2)
    const { code, err } = await medmesh(['ledger', 'verify', dir])
    expect([code, err]).toEqual([3, expect.stringMatching(/LEDGER_INVALID: entry 1 .*2 votes of 3/)])
  })

  it('refuse a ledger under a charter that was changed after signing', async () => {
    const dir = await writeLedger(await makeStudy(), 3)
    const file = join(dir, 'charter.json')
    writeFileSync(file, read(file).replace('"learningRate": 0.1', '"learningRate": 0.2'))
    const { code, err } = await medmesh(['ledger', 'verify', dir])
    expect([code, err]).toEqual([3, expect.stringContaining('CHARTER_SIGNATURE_INVALID')])
  })

  it('say that the node is down, and where the study stands', async () => {
    const dir = await writeLedger(await makeStudy(), 3)
    const { out } = await medmesh(['status', dir])
    expect(out).toMatch(/node +down/)
    expect(out).toMatch(/round 0 of 2, attempt 0: collecting masked inputs/)
    expect(JSON.parse((await medmesh(['status', dir, '--json'])).out)).toMatchObject({
      running: false,
      height: 1,
      quorum: { needed: 3 },
    })
  })

  it('say who is missing below a quorum while a process holds the store', async () => {
    const dir = await writeLedger(await makeStudy(), 3)
    const store = openStore(loadNodeConfig(dir).storeFile)
    store.setStatus({
      at: Date.now(),
      pid: 1,
      backend: 'wasm',
      connected: ['va'],
      waiting: { reason: 'masked inputs', for: ['hungarian'] },
    })
    try {
      const { out } = await medmesh(['status', dir])
      expect(out).toMatch(/node +running/)
      expect(out).toMatch(/quorum +3 of 4 needed, 2 here: waits for hungarian, switzerland/)
      expect(out).toMatch(/waits for +masked inputs: hungarian/)
    } finally {
      store.close()
    }
  })

  it('tell that a node has never run', async () => {
    const { hospitals } = await makeStudy()
    const { code, err } = await medmesh(['status', hospitals[0]!.dir])
    expect([code, err]).toEqual([3, expect.stringContaining('STORE_MISSING')])
  })
})

describe('model', () => {
  it('is not exported where the charter says nobody', async () => {
    const study = join(temporary(), 'study')
    cpSync(DEFAULT_STUDY, study, { recursive: true })
    const draft = join(study, 'charter.yaml')
    writeFileSync(draft, readFileSync(draft, 'utf8').replace(/(export:\s+model: )members/, '$1nobody'))
    const dir = await writeLedger(await makeStudy(study), 3)
    const to = join(temporary(), 'model')
    const { code, err } = await medmesh(['model', 'export', dir, '--to', to])
    expect([code, err]).toEqual([3, expect.stringContaining('EXPORT_FORBIDDEN')])
    expect(existsSync(to)).toBe(false)
  })

  it('is not there before a round of training', async () => {
    const dir = await writeLedger(await makeStudy(), 3)
    const { code, err } = await medmesh(['model', 'evaluate', dir])
    expect([code, err]).toEqual([3, expect.stringContaining('MODEL_UNTRAINED')])
  })
})
