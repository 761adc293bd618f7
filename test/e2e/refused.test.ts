/** Nodes that must not join: each ends at once with a code and a way out, before its port is open or a byte is sent. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canonicalBytes } from '../../config/canonical.ts'
import type { Charter } from '../../config/charter.ts'
import { type SignedCharter, signCharter, unsignedCharter } from '../../config/signed.ts'
import { loadNodeConfig } from '../../node/config.ts'
import { HospitalProcess, nodeLaunch } from '../../node/demo/child.ts'
import { createIdentity, type Identity, loadIdentity } from '../../node/identity/identity.ts'
import { toHex } from '../../protocol/bytes.ts'
import { sign } from '../../protocol/crypto/sign.ts'
import { until } from './net-helpers.ts'
import { dirOf, LIMIT_MS, makeStudy, medmesh, type Outcome, portsOf, type Study } from './study.ts'

let study: Study
let signed: SignedCharter
let listeners: Server[]
/** Connections that anybody made to any hospital's port. */
let knocks = 0

beforeAll(async () => {
  study = await makeStudy(1)
  signed = JSON.parse(readFileSync(study.charterFile, 'utf8'))
  // We hold all ports: a node that listens fails with NET_LISTEN, and one that dials is noticed.
  listeners = await Promise.all(
    portsOf(study).map(
      port =>
        new Promise<Server>(done => {
          const listener = createServer(socket => {
            knocks++
            socket.on('error', () => {}).destroy()
          })
          listener.listen(port, '127.0.0.1', () => done(listener))
        }),
    ),
  )
})
afterAll(async () => {
  await Promise.all(listeners.map(l => new Promise(done => l.close(done))))
  study.remove()
})

let copies = 0

/** The node of cleveland after `spoil` had its hand in a copy of its directory. */
async function nodeWith(spoil: (dir: string) => unknown): Promise<Outcome> {
  const dir = join(study.root, `copy-${copies++}`)
  cpSync(dirOf(study, 'cleveland'), dir, { recursive: true })
  await spoil(dir)
  return medmesh('node', dir)
}

function expectRefused(outcome: Outcome, code: string, ...says: readonly string[]): void {
  expect(outcome.stderr).toContain(`error ${code}: `)
  for (const text of says) expect(outcome.stderr).toContain(text)
  expect(outcome.stderr).toMatch(/\n {2}fix: .{10}/)
  expect(outcome.code).toBe(3)
  expect(knocks, 'nothing was sent').toBe(0)
}

const writeCharter = (charter: unknown) => (dir: string) =>
  writeFileSync(join(dir, 'charter.json'), JSON.stringify(charter))

function identityOf(member: string): Promise<Identity> {
  const { identityFile } = loadNodeConfig(dirOf(study, member))
  return loadIdentity(identityFile, { passphrase: () => undefined })
}

async function signedByAll(charter: Charter): Promise<SignedCharter> {
  let made = unsignedCharter(charter)
  for (const { member } of study.hospitals) made = signCharter(made, (await identityOf(member)).seed)
  return made
}

describe.concurrent('not admitted', () => {
  test('a key that is not in the charter', async () => {
    const outcome = await nodeWith(async dir => {
      const { identityFile } = loadNodeConfig(dir)
      const stranger = join(dir, 'stranger.key')
      await createIdentity(stranger, { passphrase: () => undefined })
      cpSync(stranger, identityFile)
    })
    expectRefused(outcome, 'NODE_NOT_MEMBER', 'another key for cleveland', 'identity.key')
  })

  test("another member's key says whose it is", async () => {
    const outcome = await nodeWith(dir =>
      cpSync(loadNodeConfig(dirOf(study, 'va')).identityFile, loadNodeConfig(dir).identityFile),
    )
    expectRefused(outcome, 'NODE_NOT_MEMBER', 'member: va')
  })

  test('a charter with one byte changed', async () => {
    const outcome = await nodeWith(dir => {
      const text = JSON.stringify(signed)
      const changed = text.replace('"rounds":1,', '"rounds":2,')
      expect(changed).not.toBe(text)
      writeFileSync(join(dir, 'charter.json'), changed)
    })
    expectRefused(outcome, 'CHARTER_SIGNATURE_INVALID', 'cleveland', 'hungarian', 'changed after signing')
  })

  test('a charter with one byte of one signature changed', async () => {
    const { keyid, sig } = signed.signatures[0]!
    const other = { keyid, sig: `${sig[0] === '0' ? '1' : '0'}${sig.slice(1)}` }
    const owner = signed.signed.members.find(m => m.publicKey === keyid)!.id
    const outcome = await nodeWith(
      writeCharter({ ...signed, signatures: [other, ...signed.signatures.slice(1)] }),
    )
    expectRefused(outcome, 'CHARTER_SIGNATURE_INVALID', `the signature of ${owner} `)
  })

  test('too few signatures', async () => {
    const few = signed.signatures.slice(0, signed.signed.threshold - 1)
    const outcome = await nodeWith(writeCharter({ ...signed, signatures: few }))
    const missing = signed.signed.members.filter(m => !few.some(s => s.keyid === m.publicKey)).map(m => m.id)
    expectRefused(outcome, 'CHARTER_SIGNATURES_MISSING', missing.join(', '))
  })

  test("a stranger's signature", async () => {
    const outcome = await nodeWith(async dir => {
      const stranger = await createIdentity(join(dir, 'stranger.key'), { passphrase: () => undefined })
      const sig = toHex(sign(stranger.seed, canonicalBytes(signed.signed)))
      const signatures = [...signed.signatures, { keyid: stranger.publicKeyHex, sig }]
      writeCharter({ ...signed, signatures })(dir)
    })
    expectRefused(outcome, 'CHARTER_SIGNATURE_STRANGER', "is no member's")
  })

  test('an expired charter', async () => {
    const { signed: charter } = signed
    const old = { ...charter, study: { ...charter.study, validFrom: '2020-01-01', validUntil: '2020-12-31' } }
    const outcome = await nodeWith(writeCharter(await signedByAll(old)))
    expectRefused(outcome, 'CHARTER_EXPIRED', '2020-12-31')
  })

  test('a later version without the versions before it', async () => {
    const second = { ...signed.signed, version: 2, previous: '00'.repeat(32) }
    const outcome = await nodeWith(writeCharter(await signedByAll(second)))
    expectRefused(outcome, 'CHARTER_VERSION', 'version is 2')
  })
})

describe.concurrent('bad data', () => {
  /** Changes the column `name` of the row on line `line` of the file; line 1 is the header. */
  const withCell = (name: string, line: number, value: string) => (dir: string) =>
    editData(dir, lines => {
      const at = lines[0]!.indexOf(name)
      lines[line - 1] = lines[line - 1]!.with(at, value)
      return lines
    })

  function editData(dir: string, edit: (lines: string[][]) => string[][]): void {
    const file = join(dir, 'data.csv')
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    const edited = edit(lines.map(line => line.split(',')))
    writeFileSync(file, edited.map(fields => `${fields.join(',')}\n`).join(''))
  }

  test('a missing column', async () => {
    const outcome = await nodeWith(dir =>
      editData(dir, lines => lines.map(fields => fields.toSpliced(lines[0]!.indexOf('chol'), 1))),
    )
    expectRefused(outcome, 'DATA_COLUMN_MISSING', 'data.csv: line 1, column chol')
  })

  test('a value out of range: the range is named, the value is not', async () => {
    const outcome = await nodeWith(withCell('age', 7, '987654'))
    expectRefused(outcome, 'DATA_OUT_OF_RANGE', 'data.csv: line 7, column age', '18', '110')
    expect(outcome.stderr + outcome.stdout).not.toContain('987654')
  })

  test('an unknown category', async () => {
    const outcome = await nodeWith(withCell('cp', 3, '9'))
    expectRefused(outcome, 'DATA_UNKNOWN_CATEGORY', 'data.csv: line 3, column cp', '"1" or "2" or "3" or "4"')
  })

  test('NaN', async () => {
    const outcome = await nodeWith(withCell('oldpeak', 12, 'NaN'))
    expectRefused(outcome, 'DATA_NOT_A_NUMBER', 'data.csv: line 12, column oldpeak')
  })

  test('an empty field', async () => {
    const outcome = await nodeWith(withCell('trestbps', 5, ''))
    expectRefused(outcome, 'DATA_VALUE_MISSING', 'data.csv: line 5, column trestbps')
  })

  test('an empty file, and one with a header only', async () => {
    expectRefused(await nodeWith(dir => writeFileSync(join(dir, 'data.csv'), '')), 'DATA_EMPTY', 'data.csv')
    expectRefused(await nodeWith(dir => editData(dir, lines => lines.slice(0, 1))), 'DATA_EMPTY', 'no row')
  })
})

test('the trap works: a good node finds its port taken, and on another port it dials the others', async () => {
  expectRefused(await nodeWith(() => {}), 'NET_LISTEN', '/tcp/')
  const dir = join(study.root, 'elsewhere')
  cpSync(dirOf(study, 'cleveland'), dir, { recursive: true })
  const file = join(dir, 'node.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/tcp\/\d+/, 'tcp/0'))
  const node = new HospitalProcess('cleveland', nodeLaunch(dir), () => {})
  try {
    await until('it dials', () => knocks > 0, LIMIT_MS)
  } finally {
    await node.stop(5000)
  }
})
