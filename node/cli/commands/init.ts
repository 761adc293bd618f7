/** `medmesh init`: one hospital's directory, with a key that no other run can overwrite. */
import { closeSync, existsSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { MedmeshError } from '../../../config/error.ts'
import { FILES, nodeConfigText, parseNodeConfig, readPassphrase } from '../../config.ts'
import { createIdentity } from '../../identity/identity.ts'
import type { Io } from '../io.ts'

interface Options {
  readonly member: string
  readonly listen: string
  readonly data: string
  readonly passphraseFile?: string
  readonly json?: boolean
}

export function registerInit(program: Command, io: Io): void {
  program
    .command('init')
    .description('make the directory of one hospital: identity.key and node.yaml')
    .argument('<dir>', 'directory to make; nothing in it is overwritten')
    .requiredOption('--member <id>', "this hospital's id in the charter, such as cleveland")
    .option('--listen <multiaddr>', 'where the node listens', '/ip4/0.0.0.0/tcp/4001')
    .option('--data <file>', 'CSV file with the rows, relative to the directory', 'data.csv')
    .option('--passphrase-file <file>', 'encrypt identity.key with the first line of this file')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
The key is encrypted when --passphrase-file is given or MEDMESH_PASSPHRASE is set.

Examples:
  medmesh init cleveland --member cleveland
  medmesh init /srv/medmesh --member va --listen /ip4/10.1.2.3/tcp/4001 --passphrase-file /run/secrets/medmesh`,
    )
    .action(async (dir: string, options: Options) => {
      const made = await initHospital(dir, options, io.env)
      if (options.json) io.out(`${JSON.stringify(made, null, 2)}\n`)
      else io.out(forPeople(made))
    })
}

export interface MadeHospital {
  readonly dir: string
  readonly member: string
  readonly publicKey: string
  readonly peerId: string
  readonly listen: string
}

/** Throws MedmeshError INIT_EXISTS, NODE_CONFIG_INVALID or those of `createIdentity`; then nothing was written. */
export async function initHospital(
  dir: string,
  options: Omit<Options, 'json'>,
  env: NodeJS.ProcessEnv,
): Promise<MadeHospital> {
  const root = resolve(dir)
  const { member, listen, data } = options
  const passphraseFile = options.passphraseFile === undefined ? undefined : resolve(options.passphraseFile)
  const text = nodeConfigText({ member, listen, data, ...(passphraseFile && { passphraseFile }) })
  // Before anything is written: a wrong id or address is found here.
  const config = parseNodeConfig(text, root)
  const passphrase = readPassphrase(passphraseFile, env)
  for (const name of Object.values(FILES)) refuseExisting(join(root, name))
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const identity = await createIdentity(config.identityFile, { passphrase: () => passphrase })
  const file = openSync(join(root, FILES.config), 'wx', 0o644)
  try {
    writeSync(file, text)
  } finally {
    closeSync(file)
  }
  return { dir: root, member, publicKey: identity.publicKeyHex, peerId: identity.peerId, listen }
}

function refuseExisting(file: string): void {
  if (!existsSync(file)) return
  throw new MedmeshError(
    'INIT_EXISTS',
    `${file} exists already`,
    'choose another directory; init overwrites nothing',
  )
}

function forPeople({ dir, member, publicKey, peerId, listen }: MadeHospital): string {
  const open = /^\/ip[46]\/(0\.0\.0\.0|::)\//
  const address = listen.replace(open, '/dns4/YOUR-HOST-NAME/')
  const hint = open.test(listen) ? ' # the address under which the other hospitals reach this node' : ''
  return `${dir}: identity.key and node.yaml are made. Keep a backup of identity.key in a safe place.

public key  ${publicKey}
peer id     ${peerId}

Hand these lines to whoever writes the charter (they hold nothing secret):

  - id: ${member}
    publicKey: "${publicKey}"
    addresses: ["${address}"]${hint}

Next: check node.yaml, put the signed charter into the directory as charter.json, then
  medmesh node ${dir}
`
}
