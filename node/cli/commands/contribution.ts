/** `medmesh contribution`: who gives, by what all can compute from the ledger; and `medmesh appeal`: bringing a suspended member back. */
import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import type { Charter } from '../../../config/charter.ts'
import { MedmeshError } from '../../../config/error.ts'
import { fromHex, toHex } from '../../../protocol/bytes.ts'
import { type Receipt, receiptsOf } from '../../../protocol/contribution/receipts.ts'
import { curvesOf, type Interval, type Says, type Score } from '../../../protocol/contribution/scores.ts'
import { membersIn, type Standing, standingOf } from '../../../protocol/contribution/standing.ts'
import { signRestoration } from '../../../protocol/ledger/restore.ts'
import type { LedgerState } from '../../../protocol/ledger/state.ts'
import { type Appeal, readAppeal } from '../../appeals.ts'
import { loadNodeConfig, type NodeConfig, readPassphrase } from '../../config.ts'
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

export interface ContributionReport {
  readonly member: string
  readonly study: string
  /** Audits so far, and those of which members speak is judged; undefined: the charter has none. */
  readonly audits: number | undefined
  readonly members: readonly MemberReport[]
}

interface MemberReport {
  readonly member: string
  readonly standing: Standing
  readonly says: Says
  /** Audits in a row that speak against it. */
  readonly against: number
  /** 1 is what is usual among all; undefined: cannot be told. */
  readonly own: Interval | undefined
  /** 0 is usual; far below: against the model. */
  readonly pull: Interval | undefined
  readonly receipt: Receipt
  /** After each audit. */
  readonly curve: readonly Pick<Score, 'says' | 'own' | 'pull'>[]
}

/** Throws as reading and verifying the ledger does. */
export function readContribution(config: NodeConfig): ContributionReport {
  const { state, receipts, charter } = readLedger(config)
  const { audits } = state.tracked
  const curves = curvesOf(audits, membersIn(charter, audits))
  const members = charter.members.map(({ id }): MemberReport => {
    const curve = curves.map(scores => {
      const { says, own, pull } = scores.get(id)!
      return { says, own, pull }
    })
    const { says, own, pull } = curve.at(-1) ?? { says: 'cannot tell yet', own: undefined, pull: undefined }
    const isOut = state.suspended.includes(id)
    return {
      member: id,
      standing: isOut ? 'suspended' : standingOf(charter, state.tracked, id),
      says,
      against: state.tracked.against.get(id) ?? 0,
      own,
      pull,
      receipt: receipts.get(id)!,
      curve,
    }
  })
  const of = { member: config.member, study: charter.study.id, members }
  return { ...of, audits: charter.contribution ? audits.length : undefined }
}

function readLedger(config: NodeConfig): {
  readonly charter: Charter
  readonly state: LedgerState
  readonly receipts: ReadonlyMap<string, Receipt>
} {
  const { trust, charter } = readTrusted(config.charterFile, undefined)
  const records = withStore(config.storeFile, store => readRecords(store.load()))
  const { state } = verifyRecords(trust, records)
  const bodies = describeRecords(records).map(({ entry }) => entry.body)
  return { charter, state, receipts: receiptsOf(charter, bodies) }
}

function forPeople({ member, study, audits, members }: ContributionReport): string[] {
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ') || '-'
  const rows = members.map(m => [
    m.member === member ? `${m.member} (you)` : m.member,
    m.standing,
    m.says,
    shown(m.own),
    shown(m.pull),
    String(m.receipt.audits),
    m.receipt.samples === undefined ? '-' : String(m.receipt.samples),
    `${m.receipt.delivered} of ${m.receipt.opened + m.receipt.absent}`,
    counts(m.receipt.leftOut),
    counts(m.receipt.faults),
  ])
  const head = [
    'member',
    'standing',
    'says',
    'own',
    'pull',
    'audits',
    'rows',
    'gave in',
    'left out',
    'faults',
  ]
  return [
    audits === undefined
      ? `${study}: the charter has no audits; only who took part is known`
      : `${study}: ${audits} audits`,
    ...table([head, ...rows], [5, 6]),
    '',
    'own: how much of a hospital’s own its updates have, for each row that it declared; 1 is what is usual. pull: along the way of the model;',
    '0 is usual. Both with three deviations to either side. cannot tell yet: too few audits, or an interval that is too wide. Nothing is said of one round.',
    ...members.flatMap(m => ADVICE[m.says].map(line => `${m.member}: ${line}`)),
  ]
}

const ADVICE: Readonly<Record<Says, readonly string[]>> = {
  gives: [],
  'cannot tell yet': [],
  'gives nothing': [
    'its updates have nothing of its own: ask it whether its node trains on its data, and on as many rows as it declares',
  ],
  'pulls against the model': [
    'its updates go against the model: ask it whether its labels are coded as the charter has them',
  ],
}

function shown(interval: Interval | undefined): string {
  if (!interval) return '-'
  const { low, value, high } = interval
  return `${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)})`
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
