/** `medmesh sim run`: one scenario, once, with a summary and, on request, a report. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { Exit } from '../../../node/cli/exit.ts'
import type { Io } from '../../../node/cli/io.ts'
import { replaceFile } from '../../../node/cli/write.ts'
import { resized } from '../../scenario/resize.ts'
import { type Crypto, cryptoOption, SEED_MAX, useCrypto, whole } from '../options.ts'
import { readScenario } from '../scenario-file.ts'
import { verdictOf } from '../verdict.ts'

interface Options {
  readonly scenario: string
  readonly seed: number
  readonly hospitals?: number
  readonly rounds?: number
  readonly report?: string
  readonly json?: string
  readonly crypto: Crypto
}

export function registerRun(program: Command, io: Io): void {
  program
    .command('run')
    .description(
      'plays a scenario once: how long a study takes, what was lost and why, whether any rule was broken',
    )
    .option('--scenario <file>', 'a YAML file, or a name that medmesh sim list shows', 'metropolitan')
    .option('--seed <n>', 'everything random follows from it', whole(0, SEED_MAX), 1)
    .option('--hospitals <n>', "so many in all, in the proportions of the scenario's sites", whole(3, 5000))
    .option('--rounds <n>', 'training rounds', whole(1, 100_000))
    .option('--report <dir>', 'directory for report.html')
    .option('--json <file>', 'write the results as JSON')
    .addOption(cryptoOption())
    .addHelpText(
      'after',
      `
The same scenario, seed and version of medmesh give the same events, on every machine.

Examples:
  medmesh sim run
  medmesh sim run --scenario odelia --seed 7 --report odelia-report
  medmesh sim run --scenario my-consortium.yaml --json result.json
  medmesh sim run --hospitals 30 --rounds 3`,
    )
    .action(async (o: Options) => {
      const scenario = resized(readScenario(o.scenario), o)
      await useCrypto(o.crypto)
      const { played } = await import('../play.ts')
      const result = await played(scenario, { seed: o.seed }, io)
      const { summary } = await import('../../report/summary.ts')
      io.out(summary(result))
      if (o.report !== undefined) {
        const { simReportHtml } = await import('../../report/html.ts')
        mkdirSync(o.report, { recursive: true })
        const file = join(o.report, 'report.html')
        replaceFile(file, simReportHtml(result, commandOf(o)))
        io.out(`report     ${file}\n`)
      }
      if (o.json !== undefined) replaceFile(o.json, `${JSON.stringify(result)}\n`)
      const code = verdictOf(result)
      if (code !== 0) throw new Exit(code)
    })
}

/** What makes the same run again. */
function commandOf(o: Options): string {
  const size = [
    ...(o.hospitals === undefined ? [] : [`--hospitals ${o.hospitals}`]),
    ...(o.rounds === undefined ? [] : [`--rounds ${o.rounds}`]),
    ...(o.crypto === 'real' ? [] : [`--crypto ${o.crypto}`]),
  ]
  return ['medmesh sim run', `--scenario ${o.scenario}`, `--seed ${o.seed}`, ...size].join(' ')
}
