/** Four hospitals on one machine: directories, identities, free ports, and a charter that all of them sign. */
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MedmeshError } from '../../config/error.ts'
import { completeDraft, type MemberDetails } from '../../config/parse.ts'
import { type SignedCharter, signCharter, unsignedCharter } from '../../config/signed.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { readDraft, readTrusted, type TrustedCharter } from '../cli/charter-file.ts'
import { initHospital } from '../cli/commands/init.ts'
import { replaceFile } from '../cli/write.ts'
import { loadNodeConfig } from '../config.ts'
import { loadIdentity } from '../identity/identity.ts'

/** The study that the demo runs when none is named. */
export const DEFAULT_STUDY = fileURLToPath(new URL('../../config/studies/heart-disease/', import.meta.url))

export interface DemoHospital {
  readonly member: MemberId
  readonly name: string
  readonly dir: string
  readonly dataFile: string
}

export interface DemoStudy {
  readonly hospitals: readonly DemoHospital[]
  readonly charterFile: string
  readonly trusted: TrustedCharter
}

export interface SetupOptions {
  /** Directory with charter.yaml and data/MEMBER.csv. */
  readonly study: string
  /** Directory for the hospitals' directories; made if need be. */
  readonly dir: string
  /** Training rounds, instead of the draft's. */
  readonly rounds: number | undefined
}

/**
 * Makes a hospital for each member of the draft, completes the draft and signs it with every key.
 *
 * Throws MedmeshError DEMO_STUDY when the study's files are not there, DEMO_DIR when the directory is in use, and what
 * charters, identities and node.yaml throw.
 */
export async function setUp({ study, dir, rounds }: SetupOptions): Promise<DemoStudy> {
  const draftFile = join(study, 'charter.yaml')
  if (!existsSync(draftFile)) {
    throw new MedmeshError(
      'DEMO_STUDY',
      `${resolve(study)} has no charter.yaml`,
      'name a directory with charter.yaml and data/MEMBER.csv for each member, as in config/studies/heart-disease',
    )
  }
  const draft = readDraft(draftFile)
  const ports = await freePorts(draft.members.length)
  mkdirSync(dir, { recursive: true })
  if (readdirSync(dir).length > 0) {
    throw new MedmeshError('DEMO_DIR', `${resolve(dir)} is not empty`, 'give --dir a new directory')
  }
  const details: MemberDetails[] = []
  const hospitals: DemoHospital[] = []
  for (const [i, { id, name }] of draft.members.entries()) {
    const home = join(resolve(dir), id)
    const listen = `/ip4/127.0.0.1/tcp/${ports[i]}`
    // A passphrase of the caller's environment is for the caller's own keys.
    const made = await initHospital(home, { member: id, listen, data: 'data.csv' }, {})
    copyFileSync(dataOf(study, id), join(home, 'data.csv'))
    details.push({ id, publicKey: made.publicKey, addresses: [listen] })
    hospitals.push({ member: id, name, dir: home, dataFile: join(home, 'data.csv') })
  }
  const training = rounds === undefined ? draft.training : { ...draft.training, rounds }
  let charter: SignedCharter = unsignedCharter(completeDraft({ ...draft, training }, details))
  for (const { dir: home } of hospitals) {
    const { seed } = await loadIdentity(loadNodeConfig(home).identityFile, { passphrase: () => undefined })
    charter = signCharter(charter, seed)
  }
  const charterFile = join(resolve(dir), 'charter.json')
  replaceFile(charterFile, `${JSON.stringify(charter, null, 2)}\n`)
  for (const { dir: home } of hospitals) copyFileSync(charterFile, join(home, 'charter.json'))
  return { hospitals, charterFile, trusted: readTrusted(charterFile, Date.now()) }
}

function dataOf(study: string, member: MemberId): string {
  const file = join(study, 'data', `${member}.csv`)
  if (existsSync(file)) return file
  throw new MedmeshError(
    'DEMO_STUDY',
    `${file} is not there`,
    'put the rows of each member into data/MEMBER.csv',
  )
}

/** Ports of the loopback interface that nobody uses now; all are held until the last is found. */
export async function freePorts(count: number): Promise<number[]> {
  const listeners = await Promise.all(
    Array.from({ length: count }, async () => {
      const listener = createServer()
      await new Promise<void>((done, failed) => {
        listener.once('error', failed)
        listener.listen(0, '127.0.0.1', done)
      })
      return listener
    }),
  )
  const ports = listeners.map(listener => (listener.address() as { port: number }).port)
  await Promise.all(listeners.map(listener => new Promise(done => listener.close(done))))
  return ports
}
