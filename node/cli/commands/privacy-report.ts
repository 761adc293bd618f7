/** `medmesh privacy report`: for the data-protection officer, what is protected, what has been spent on what, and what is not covered. */
import type { Command } from 'commander'
import { type Charter, protection } from '../../../config/charter.ts'
import type { Task } from '../../../protocol/ports.ts'
import { CHARGES_RECORD, decodeCharges } from '../../../protocol/privacy/charges.ts'
import { PURPOSE } from '../../../protocol/privacy/layout.ts'
import { epsilonOfReleases, NO_RELEASES, plannedReleases } from '../../../protocol/privacy/policy.ts'
import { loadNodeConfig, type NodeConfig } from '../../config.ts'
import { privacyInWords } from '../../privacy.ts'
import { readTrusted } from '../charter-file.ts'
import { table } from '../format.ts'
import type { Io } from '../io.ts'
import { withStore } from '../ledger-file.ts'

export function registerReport(privacy: Command, io: Io): void {
  privacy
    .command('report')
    .description(
      'what is protected, what this hospital has spent of its budget and on what, and what is not covered',
    )
    .argument('<dir>', "the hospital's directory")
    .option('--json', 'print the report as JSON')
    .addHelpText(
      'after',
      '\nReads the store, also while the node runs.\n\nExample:\n  medmesh privacy report cleveland',
    )
    .action((dir: string, { json }: { json?: boolean }) => {
      const report = readReport(loadNodeConfig(dir))
      io.out(json ? `${JSON.stringify(report, null, 2)}\n` : forPeople(report))
    })
}

export interface PrivacyReport {
  readonly member: string
  readonly study: string
  /** What is protected by noise. */
  readonly unit: Charter['privacy']['unit']
  /** In plain words, line by line: what is protected and what is not. */
  readonly words: readonly string[]
  /** The rest: undefined where nothing is protected. */
  readonly budget: Budget | undefined
}

interface Budget {
  readonly epsilonMax: number
  readonly delta: number
  /** Of all that this hospital has given, rounds that were tried again included. */
  readonly epsilon: number
  /** Of all rounds, each at its first attempt. */
  readonly epsilonPlanned: number
  /** `epsilon`: what these alone would have cost. */
  readonly spent: readonly { readonly purpose: string; readonly inputs: number; readonly epsilon: number }[]
}

export function readReport(config: NodeConfig): PrivacyReport {
  const { charter } = readTrusted(config.charterFile, undefined)
  const charges = withStore(config.storeFile, store => store.get(CHARGES_RECORD))
  const privacy = protection(charter)
  const common = { member: config.member, study: charter.study.id, words: privacyInWords(charter) }
  if (!privacy) return { ...common, unit: 'none', budget: undefined }
  const given = decodeCharges(charges)
  const tasks = Object.keys(PURPOSE) as Task[]
  return {
    ...common,
    unit: privacy.unit,
    budget: {
      epsilonMax: privacy.epsilonMax,
      delta: privacy.delta,
      epsilon: epsilonOfReleases(charter, given),
      epsilonPlanned: epsilonOfReleases(charter, plannedReleases(charter)),
      spent: tasks.map(task => ({
        purpose: PURPOSE[task],
        inputs: given[task],
        epsilon: epsilonOfReleases(charter, { ...NO_RELEASES, [task]: given[task] }),
      })),
    },
  }
}

function forPeople({ member, study, words, budget }: PrivacyReport): string {
  const lines = [`${member} in ${study}`, ...words]
  if (budget) {
    const rows = budget.spent.map(s => [s.purpose, String(s.inputs), s.epsilon.toFixed(3)])
    lines.push(
      '',
      `Spent by this hospital: epsilon ${budget.epsilon.toFixed(3)} of ${budget.epsilonMax}, at delta ${budget.delta}`,
      ...table([['purpose', 'inputs given', 'epsilon alone'], ...rows], [1, 2]),
      'Together they cost less than the sum of what each costs alone. At the budget the node gives nothing more.',
    )
  }
  return `${lines.join('\n')}\n`
}
