/** `medmesh contribution`: who gives, by what all can compute from the ledger; and `medmesh appeal`: bringing a suspended member back. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import type { Charter } from '../../../config/charter.ts'
import { MedmeshError } from '../../../config/error.ts'
import { fromHex, toHex } from '../../../protocol/bytes.ts'
import type { Body } from '../../../protocol/ledger/entry.ts'
import { signRestoration } from '../../../protocol/ledger/restore.ts'
import type { LedgerState } from '../../../protocol/ledger/state.ts'
import { type Appeal, readAppeal } from '../../appeals.ts'
import { loadNodeConfig, type NodeConfig, readPassphrase } from '../../config.ts'
import {
  adviceFor,
  type ContributionReport,
  contributionCells,
  contributionOf,
  MEANING,
} from '../../contribution.ts'
import { loadIdentity } from '../../identity/identity.ts'
import { readTrusted } from '../charter-file.ts'
import { table } from '../format.ts'
import type { Io } from '../io.ts'
import { describeRecords, readRecords, verifyRecords, withStore } from '../ledger-file.ts'
import { replaceFile } from '../write.ts'

export function registerContribution(program: Command, io: Io): void {
  program
    .command('contribution')
    .description('who gives and who does not, by what audits tell; offline')
    .argument('<dir>', "the hospital's directory")
    .option('--json', 'print it as JSON, with the curve of each member')
    .addHelpText(
      'after',
      '\nAll of it follows from the ledger: every member can compute the same.\n\nExample:\n  medmesh contribution cleveland',
    )
    .action((dir: string, { json }: { json?: boolean }) => {
      const report = readContribution(loadNodeConfig(dir))
      io.out(json ? `${JSON.stringify(report, null, 2)}\n` : `${forPeople(report).join('\n')}\n`)
    })
  program
    .command('appeal')
    .description('sign that a suspended member may come back')
    .argument('<dir>', 'the directory of the hospital that signs')
    .argument('<member>', 'who was suspended')
    .requiredOption('--file <file>', 'the appeal: made if it is not there, else signed too')
    .addHelpText(
      'after',
      '\nHand the file to the others. With the signatures of a quorum, put it into the folder appeals of some of the\nmembers: their nodes read it at the end of each round and propose it when it is their turn.\n\nExample:\n  medmesh appeal cleveland zurich --file zurich.json',
    )
    .action(async (dir: string, member: string, { file }: { file: string }) => {
      const signed = await signAppeal(loadNodeConfig(dir), member, file, io.env)
      io.out(`${file}: ${signed} signature${signed === 1 ? '' : 's'}\n`)
    })
}

/** Throws as reading and verifying the ledger does. */
function readContribution(config: NodeConfig): ContributionReport {
  const { charter, state, bodies } = readLedger(config)
  return contributionOf(config.member, charter, state, bodies)
}

function readLedger(config: NodeConfig): {
  readonly charter: Charter
  readonly state: LedgerState
  readonly bodies: readonly Body[]
} {
  const { trust, charter } = readTrusted(config.charterFile, undefined)
  const records = withStore(config.storeFile, store => readRecords(store.load()))
  const { state } = verifyRecords(trust, records)
  return { charter, state, bodies: describeRecords(records).map(({ entry }) => entry.body) }
}

function forPeople(report: ContributionReport): string[] {
  const { study, audits } = report
  return [
    audits === undefined
      ? `${study}: the charter has no audits; only who took part is known`
      : `${study}: ${audits} audits`,
    ...table(contributionCells(report), [5, 6]),
    '',
    ...MEANING,
    ...adviceFor(report),
  ]
}

/** How many have signed then. Throws MedmeshError APPEAL_NOT_SUSPENDED, APPEAL_OTHER, and those of keys and files. */
async function signAppeal(
  config: NodeConfig,
  member: string,
  file: string,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const { state } = readLedger(config)
  const entry = state.suspensions.get(member)
  if (!entry) {
    throw new MedmeshError(
      'APPEAL_NOT_SUSPENDED',
      `${member} is not suspended, by the ledger of ${config.member}`,
      'see: medmesh contribution DIR',
    )
  }
  const name = toHex(entry)
  const before: Appeal = existsSync(file)
    ? readAppeal(file)
    : { format: 'medmesh-appeal/1', member, entry: name, signatures: [] }
  if (before.member !== member || before.entry !== name) {
    throw new MedmeshError(
      'APPEAL_OTHER',
      `${file} is an appeal for ${before.member}, or of another suspension`,
      'name another file by --file',
    )
  }
  const passphrase = () => readPassphrase(config.passphraseFile, env)
  const { seed } = await loadIdentity(config.identityFile, { passphrase })
  const of = { member, entry: fromHex(before.entry), charterHash: state.charterHash }
  const own = toHex(signRestoration(of, config.member, seed))
  const signatures = [...new Set([...before.signatures, own])]
  replaceFile(file, `${JSON.stringify({ ...before, signatures }, null, 2)}\n`)
  return signatures.length
}
