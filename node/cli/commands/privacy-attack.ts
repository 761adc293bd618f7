/** `medmesh privacy attack`: for the data-protection officer, what known attacks find in what this hospital would give. */
import { setImmediate } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Charter } from '../../../config/charter.ts'
import type { HospitalAttack } from '../../attack/hospital.ts'
import { loadNodeConfig, type NodeConfig } from '../../config.ts'
import { readCharterFile, readTrusted } from '../charter-file.ts'
import type { Io } from '../io.ts'
import { whole } from '../options.ts'
import { attackInWords } from './privacy-attack-words.ts'

interface Options {
  readonly trials: number
  readonly seed: number
  readonly json?: boolean
}

/** What is printed: shares and means over many trials, never a value of a row. */
export interface AttackReport extends HospitalAttack {
  readonly member: string
  readonly study: string
  readonly unit: Charter['privacy']['unit']
  readonly trials: number
  readonly seed: number
}

export function registerAttack(privacy: Command, io: Io): void {
  privacy
    .command('attack')
    .description(
      "turn known attacks on what this hospital would give, on this machine and with this hospital's rows",
    )
    .argument('<dir>', "the hospital's directory")
    .option('--trials <n>', 'rows, or cohorts, that each attack is tried on', whole(8, 10_000), 20)
    .option('--seed <s>', 'of all that is drawn: the same seed, the same figures', whole(0, 4_294_967_295), 1)
    .option('--json', 'print the figures as JSON')
    .addHelpText(
      'after',
      `
Inversion (the first layer's quotients, DLG, iDLG, inverting gradients) of one row's update, of its masked input, of the sum of a
cohort that is played by other rows of this hospital, and of that sum with the charter's noise; and membership inference.
Nothing is sent or written, and what is printed are shares and means: no value of any row. The charter may be a draft.
The node need not run. Takes a minute or more; how far it has got is told on stderr.

Examples:
  medmesh privacy attack cleveland
  medmesh privacy attack cleveland --trials 100 --seed 2 --json`,
    )
    .action(async (dir: string, { json, ...options }: Options) => {
      const { charter, report } = await attack(loadNodeConfig(dir), options, io)
      io.out(json ? `${JSON.stringify(report, null, 2)}\n` : attackInWords(report, charter))
    })
}

async function attack(config: NodeConfig, { trials, seed }: Options, io: Io) {
  const charter = readCharter(config.charterFile)
  // Only here: tfjs takes its time to load.
  const { activationsOf } = await import('../../attack/network.ts')
  const { attackHospital } = await import('../../attack/hospital.ts')
  const { loadDataset } = await import('../../data/csv.ts')
  const { chooseBackend } = await import('../../training/backend.ts')
  // Before a large file is read.
  activationsOf(charter)
  const dataset = loadDataset(config.dataFile, charter)
  await chooseBackend(config.backend)
  const told = async (done: number, of: number) => {
    io.err(`part ${done + 1} of ${of}\n`)
    // The signals of the process come in between parts.
    await setImmediate()
    if (io.signal.aborted) throw new DOMException('stopped', 'AbortError')
  }
  const found = await attackHospital(charter, dataset, { trials, seed }, told)
  const common = { member: config.member, study: charter.study.id, unit: charter.privacy.unit }
  const report: AttackReport = { ...common, trials, seed, ...found }
  return { charter, report }
}

/** Signed, or a draft: the attacks need no key of it. */
function readCharter(file: string): Charter {
  const read = readCharterFile(file)
  return read.kind === 'signed' ? readTrusted(file, undefined).charter : (read.draft as Charter)
}
