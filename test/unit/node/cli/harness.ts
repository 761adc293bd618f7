/** Runs commands in this process and keeps what they say; makes a small consortium on disk with a ledger to read. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Io } from '../../../../node/cli/io.ts'
import { runCli } from '../../../../node/cli/program.ts'
import { loadNodeConfig } from '../../../../node/config.ts'
import { DEFAULT_STUDY, type DemoStudy, setUp } from '../../../../node/demo/setup.ts'
import { loadIdentity } from '../../../../node/identity/identity.ts'
import { openStore } from '../../../../node/store/store.ts'
import { precommitBody } from '../../../../protocol/consensus/message.ts'
import { sign } from '../../../../protocol/crypto/sign.ts'
import { encodeRecord, recordKey } from '../../../../protocol/ledger/certificate.ts'
import { type Entry, encodeEntry, entryHash } from '../../../../protocol/ledger/entry.ts'
import { signingBytes } from '../../../../protocol/wire/envelope.ts'

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

export async function medmesh(args: readonly string[], env: Io['env'] = {}): Promise<Said> {
  let out = ''
  let err = ''
  const io: Io = {
    out: text => {
      out += text
    },
    err: text => {
      err += text
    },
    terminal: false,
    columns: () => 80,
    env,
    signal: new AbortController().signal,
  }
  const code = await runCli(args, io)
  return { code, out, err }
}

export function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'medmesh-cli-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

export async function makeStudy(study = DEFAULT_STUDY): Promise<DemoStudy> {
  return await setUp({ study, dir: join(temporary(), 'hospitals'), rounds: 2 })
}

/** A ledger of one entry, the opening of round 0, signed by `signers`, in the store of the first hospital. */
export async function writeLedger(study: DemoStudy, signers: number): Promise<string> {
  const { trust } = study.trusted
  const members = study.hospitals.map(h => h.member)
  const entry: Entry = {
    height: 1,
    prev: trust.charterHash,
    at: Date.UTC(2026, 5, 1),
    body: {
      kind: 'RoundOpened',
      round: 0,
      attempt: 0,
      task: 'statistics',
      charter: trust.charterHash,
      model: trust.initialModelHash,
      cohort: members.map(member => ({ member, keys: new Uint8Array(32) })),
      absent: [],
    },
  }
  const bytes = encodeEntry(entry)
  const body = precommitBody(1, 0, entryHash(bytes))
  const votes = []
  for (const { member, dir } of study.hospitals.slice(0, signers)) {
    const { seed } = await loadIdentity(loadNodeConfig(dir).identityFile, { passphrase: () => undefined })
    votes.push({ member, sig: sign(seed, signingBytes(trust.network, 'precommit', member, body)) })
  }
  const { dir } = study.hospitals[0]!
  const store = openStore(loadNodeConfig(dir).storeFile)
  store.commit([[recordKey(1), encodeRecord({ entry: bytes, certificate: { view: 0, votes } })]], [])
  store.close()
  return dir
}

export function read(file: string): string {
  return readFileSync(file, 'utf8')
}
