/** `medmesh ledger`: what was decided, and whether it holds; needs the store and the charter, no network. */
import type { Command } from 'commander'
import { protectionInWords } from '../../../config/words.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { loadNodeConfig } from '../../config.ts'
import { readTrusted } from '../charter-file.ts'
import { shortHash, table } from '../format.ts'
import type { Io } from '../io.ts'
import {
  describeRecords,
  entryToJson,
  readRecords,
  summarise,
  verifyRecords,
  withStore,
} from '../ledger-file.ts'

export function registerLedger(program: Command, io: Io): void {
  const ledger = program
    .command('ledger')
    .description('what the hospitals decided: show, verify; offline')
    .addHelpText('after', '\nExamples:\n  medmesh ledger show cleveland\n  medmesh ledger verify cleveland')
  ledger
    .command('show')
    .description('list all entries; certificates are not checked')
    .argument('<dir>', "the hospital's directory")
    .option('--json', 'print the entries as JSON, bytes as hex')
    .addHelpText('after', '\nExample:\n  medmesh ledger show cleveland --json | jq .entries[0]')
    .action((dir: string, { json }: { json?: boolean }) => {
      const records = withStore(loadNodeConfig(dir).storeFile, store => readRecords(store.load()))
      const entries = describeRecords(records)
      if (json) {
        io.out(`${JSON.stringify({ entries: entries.map(entryToJson) }, null, 2)}\n`)
        return
      }
      const rows = entries.map(({ hash, entry, signers }) => [
        String(entry.height),
        new Date(entry.at).toISOString(),
        entry.body.kind,
        shortHash(hash),
        `${signers.length} votes`,
        summarise(entry),
      ])
      const lines = table([['height', 'time', 'kind', 'hash', 'votes', 'decision'], ...rows], [0])
      io.out(`${lines.join('\n')}\n`)
    })
  ledger
    .command('verify')
    .description("check the chain, the charter's rules and every certificate")
    .argument('<dir>', "the hospital's directory")
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExit code 3 names the first entry that does not hold.\n\nExample:\n  medmesh ledger verify cleveland',
    )
    .action((dir: string, { json }: { json?: boolean }) => {
      const config = loadNodeConfig(dir)
      // An old ledger stays verifiable when its charter has expired.
      const { trust, hash } = readTrusted(config.charterFile, undefined)
      const records = withStore(config.storeFile, store => readRecords(store.load()))
      const report = verifyRecords(trust, records)
      const result = {
        verified: true,
        charter: hash,
        entries: report.entries,
        signatures: report.signatures,
        head: toHex(report.state.head),
        modelHash: toHex(report.state.modelHash),
        finished: report.state.phase.kind === 'finished',
        byKind: report.byKind,
      }
      if (json) {
        io.out(`${JSON.stringify(result, null, 2)}\n`)
        return
      }
      const kinds = Object.entries(result.byKind).map(([kind, count]) => `${kind} ${count}`)
      io.out(
        `verified: ${result.entries} entries, ${result.signatures} signatures, charter ${shortHash(hash)}\n  ${kinds.join(', ')}\n  head   ${result.head}\n  model  ${result.modelHash}\n  study  ${result.finished ? 'finished' : 'not finished'}\n  protected: ${protectionInWords(trust.charter)}\n`,
      )
    })
}
