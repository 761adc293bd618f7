/** `medmesh demo`: four hospitals on this machine, one of them killed and back again. */
import type { Command } from 'commander'
import type { Io } from '../io.ts'
import { whole } from '../options.ts'

interface Options {
  readonly rounds?: number
  readonly seed: number
  readonly study?: string
  readonly fault: boolean
  readonly report: string
  readonly json?: string
  readonly dir?: string
  readonly timeout?: number
}

export function registerDemo(program: Command, io: Io): void {
  program
    .command('demo')
    .description('four hospitals train one model on this machine, and one of them is killed on the way')
    .option('--rounds <n>', "training rounds (default: the charter's)", whole(1, 100_000))
    .option(
      '--seed <s>',
      'which hospital is killed and when, and the models for comparison',
      whole(0, 2 ** 32 - 1),
      1,
    )
    .option('--study <dir>', 'directory with charter.yaml and data/MEMBER.csv (default: heart disease)')
    .option('--no-fault', 'kill nobody')
    .option('--report <dir>', 'directory for report.html', 'demo-report')
    .option('--json <file>', 'write the results as JSON')
    .option('--dir <dir>', "keep the hospitals' directories here (default: temporary)")
    .option('--timeout <seconds>', 'give up after so long', whole(1, 86_400))
    .addHelpText(
      'after',
      `
Makes a key for each hospital, has each sign the charter, starts one process for each, which talk over TCP on
this machine, kills one with SIGKILL in the middle of a round and starts it again, and checks that all hold one
model and one ledger.

Examples:
  medmesh demo
  medmesh demo --rounds 5 --seed 7 --no-fault --json result.json
  medmesh demo --dir hospitals && medmesh ledger show hospitals/cleveland`,
    )
    .action(async ({ timeout, ...options }: Options) => {
      const { runDemo } = await import('../../demo/demo.ts')
      await runDemo({ ...options, ...(timeout !== undefined && { timeoutS: timeout }) }, io)
    })
}
