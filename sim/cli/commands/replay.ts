/** `medmesh sim replay`: one seed again, event by event. */
import type { Command } from 'commander'
import { Exit } from '../../../node/cli/exit.ts'
import type { Io } from '../../../node/cli/io.ts'
import { type Crypto, cryptoOption, SEED_MAX, useCrypto, whole } from '../options.ts'
import { readScenario } from '../scenario-file.ts'
import { verdictOf } from '../verdict.ts'

interface Options {
  readonly trace?: boolean
  readonly scenario?: string
  readonly crypto: Crypto
}

export function registerReplay(program: Command, io: Io): void {
  program
    .command('replay')
    .description('plays one seed again, as a readable sequence of events')
    .argument('<seed>', 'as medmesh sim swarm printed it', whole(0, SEED_MAX))
    .option('--trace', 'print each event')
    .option(
      '--scenario <file>',
      'play this scenario with the seed, instead of the random one that the seed makes',
    )
    .addOption(cryptoOption())
    .addHelpText(
      'after',
      `
Examples:
  medmesh sim replay 4711
  medmesh sim replay 4711 --trace | less
  medmesh sim replay 7 --scenario odelia --trace`,
    )
    .action(async (seed: number, o: Options) => {
      await useCrypto(o.crypto)
      const { randomScenario } = await import('../../swarm.ts')
      const { played } = await import('../play.ts')
      const scenario = o.scenario === undefined ? randomScenario(seed) : readScenario(o.scenario)
      const trace = (line: string) => io.out(`${line}\n`)
      const result = await played(scenario, { seed, ...(o.trace && { trace }) }, io)
      const { summary } = await import('../../report/summary.ts')
      io.out(summary(result))
      const code = verdictOf(result)
      if (code !== 0) throw new Exit(code)
    })
}
