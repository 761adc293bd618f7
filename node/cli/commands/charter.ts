/** `medmesh charter`: check, sign, verify and read what the hospitals agreed. */
import { existsSync, statSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { charterHash } from '../../../config/canonical.ts'
import type { Charter } from '../../../config/charter.ts'
import { MedmeshError } from '../../../config/error.ts'
import { signCharter } from '../../../config/signed.ts'
import { protectionInWords } from '../../../config/words.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { FILES, loadNodeConfig, readPassphrase } from '../../config.ts'
import { loadIdentity } from '../../identity/identity.ts'
import { openFields, readCharterFile, readTrusted, toSign } from '../charter-file.ts'
import { describeCharter } from '../charter-words.ts'
import type { Io } from '../io.ts'
import { replaceFile } from '../write.ts'

interface Json {
  readonly json?: boolean
}

export function registerCharter(program: Command, io: Io): void {
  const charter = program
    .command('charter')
    .description('the agreement of the hospitals: validate, sign, verify, show')
    .addHelpText(
      'after',
      `
Examples:
  medmesh charter validate config/studies/heart-disease/charter.yaml
  medmesh charter sign charter.yaml --key cleveland
  medmesh charter verify charter.json`,
    )
  registerValidate(charter, io)
  registerSign(charter, io)
  registerVerify(charter, io)
  registerShow(charter, io)
}

function registerValidate(charter: Command, io: Io): void {
  charter
    .command('validate')
    .description(
      'check form and rules of a draft (YAML) or a signed charter (JSON); signatures are not looked at',
    )
    .argument('<file>')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  medmesh charter validate charter.yaml')
    .action((file: string, { json }: Json) => {
      const read = readCharterFile(file)
      const open = read.kind === 'draft' ? openFields(read.draft) : []
      const said = protectedLine(read.kind === 'draft' ? read.draft : read.charter.signed)
      if (json) io.out(`${JSON.stringify({ valid: true, kind: read.kind, open })}\n`)
      else if (open.length === 0) io.out(`${file}: valid (${read.kind}), complete\n${said}`)
      else
        io.out(
          `${file}: valid as a draft; before signing, fill in:\n${open.map(o => `  ${o}\n`).join('')}${said}`,
        )
    })
}

function registerSign(charter: Command, io: Io): void {
  charter
    .command('sign')
    .description("add this hospital's signature")
    .argument('<file>', 'complete draft (YAML), or charter that others have signed already (JSON)')
    .requiredOption('--key <path>', "identity.key, or the hospital's directory")
    .option(
      '--out <file>',
      'signed charter to write (default: FILE itself, or for a draft its name with .json)',
    )
    .option('--previous <file>', 'the version before, when a member of it signs its successor')
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Read what you sign: medmesh charter show FILE.

Examples:
  medmesh charter sign charter.yaml --key /srv/medmesh     writes charter.json
  medmesh charter sign charter.json --key /srv/medmesh     adds a signature to it`,
    )
    .action(async (file: string, options: Json & { key: string; out?: string; previous?: string }) => {
      const read = readCharterFile(file)
      const unsigned = toSign(read)
      const seed = await signingSeed(options.key, io.env)
      const previous =
        options.previous === undefined ? undefined : toSign(readCharterFile(options.previous)).signed
      const signed = signCharter(unsigned, seed, previous)
      const out = options.out ?? (read.kind === 'signed' ? file : jsonBeside(file))
      // A signed charter of others is not to be lost to a draft of the same name.
      if (read.kind === 'draft' && existsSync(out)) {
        throw new MedmeshError(
          'SIGN_EXISTS',
          `${out} exists already`,
          `sign that file, or give another name by --out`,
        )
      }
      replaceFile(out, `${JSON.stringify(signed, null, 2)}\n`)
      const count = signed.signatures.length
      const { threshold } = signed.signed
      const hash = toHex(charterHash(signed.signed))
      if (options.json) io.out(`${JSON.stringify({ file: out, hash, signatures: count, threshold })}\n`)
      else
        io.out(
          `${out}: ${count} signature${count === 1 ? '' : 's'}, ${threshold} needed (charter ${hash})\n${protectedLine(signed.signed)}`,
        )
    })
}

function registerVerify(charter: Command, io: Io): void {
  charter
    .command('verify')
    .description('check signatures, threshold, validity and rules of a signed charter')
    .argument('<file>', 'signed charter (JSON)')
    .option('--previous <files...>', 'the versions before it, the first one first')
    .option('--any-time', 'accept one that is expired or not yet valid')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  medmesh charter verify charter.json')
    .action((file: string, options: Json & { previous?: string[]; anyTime?: boolean }) => {
      const now = options.anyTime ? undefined : Date.now()
      const { charter: verified, hash, signers, trust } = readTrusted(file, now, options.previous)
      const network = toHex(trust.network)
      if (options.json) {
        const { version, threshold, study } = verified
        io.out(
          `${JSON.stringify({ verified: true, study: study.id, version, hash, network, signers, threshold })}\n`,
        )
      } else {
        io.out(
          `${file}: verified. ${verified.study.id}, version ${verified.version}\n  charter  ${hash}\n  network  ${network}\n  signed by ${signers.join(', ')} (${verified.threshold} of ${verified.members.length} needed)\n${protectedLine(verified)}`,
        )
      }
    })
}

function registerShow(charter: Command, io: Io): void {
  charter
    .command('show')
    .description('print a charter readably; signatures are not checked')
    .argument('<file>', 'draft (YAML) or signed charter (JSON)')
    .option('--json', 'print its content as JSON')
    .addHelpText('after', '\nExample:\n  medmesh charter show charter.json')
    .action((file: string, { json }: Json) => {
      const read = readCharterFile(file)
      const content = read.kind === 'draft' ? read.draft : read.charter.signed
      if (json) {
        io.out(`${JSON.stringify(content, null, 2)}\n`)
        return
      }
      const keys = read.kind === 'draft' ? [] : read.charter.signatures.map(s => s.keyid)
      io.out(`${describeCharter(content, keys).join('\n')}\n`)
    })
}

const protectedLine = (charter: Pick<Charter, 'privacy'>) => `  protected: ${protectionInWords(charter)}\n`

/** The key of `path`: a key file, or a hospital's directory, whose node.yaml may name a passphrase file. */
async function signingSeed(path: string, env: NodeJS.ProcessEnv): Promise<Uint8Array> {
  const isDir = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  const file = isDir ? join(path, FILES.identity) : path
  const passphraseFile =
    isDir && existsSync(join(path, FILES.config)) ? loadNodeConfig(path).passphraseFile : undefined
  return (await loadIdentity(file, { passphrase: () => readPassphrase(passphraseFile, env) })).seed
}

function jsonBeside(file: string): string {
  return resolve(dirname(file), `${basename(file, extname(file))}.json`)
}
