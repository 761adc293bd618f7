/** `medmesh sim swarm`: random scenarios, many of them, and the command that replays each one that fails. */
import type { Command } from 'commander'
import { EXIT, Exit } from '../../../node/cli/exit.ts'
import type { Io } from '../../../node/cli/io.ts'
import { replaceFile } from '../../../node/cli/write.ts'
import { formatCount, formatDuration } from '../../report/format.ts'
import type { Failure, SwarmFigures } from '../../swarm-figures.ts'
import { type Crypto, cryptoOption, type Seeds, seeds, whole } from '../options.ts'
import { Progress, timeLeft } from '../progress.ts'
import { figuresTable } from '../swarm-table.ts'
import type { WorkersOptions } from '../workers.ts'

interface Options {
  readonly seeds: Seeds
  readonly minutes?: number
  readonly json?: string
  readonly workers: number
  readonly crypto: Crypto
}

/** `play`: what plays the seeds. */
export function registerSwarm(program: Command, io: Io, play = inProcesses): void {
  program
    .command('swarm')
    .description('plays random scenarios, with faults and adversaries, and says which of them break a rule')
    .requiredOption('--seeds <from..to>', 'both ends included', seeds)
    .option('--minutes <m>', 'begin no new seed after so long', whole(1, 100_000))
    .option('--json <file>', 'write the figures as JSON')
    .option('--workers <n>', 'processes side by side', whole(1, 256), 1)
    .addOption(cryptoOption())
    .addHelpText(
      'after',
      `
Each seed makes a scenario and plays it. Of each that fails it prints what was broken, and the command that replays
it; then the exit code is ${EXIT.violated}.

Examples:
  medmesh sim swarm --seeds 1..300
  medmesh sim swarm --seeds 1000..100000 --minutes 60 --workers 8 --json figures.json`,
    )
    .action(async (o: Options) => {
      const total = o.seeds.to - o.seeds.from + 1
      const limitMs = o.minutes === undefined ? Number.POSITIVE_INFINITY : o.minutes * 60_000
      const progress = new Progress(io)
      const figures = await play({
        ...o.seeds,
        ...o,
        limitMs,
        signal: io.signal,
        onFailure: failure => {
          progress.clear()
          io.out(failureText(failure, o.crypto))
        },
        onProgress: so => progress.show(() => progressLine(so, total, limitMs, progress.elapsedMs)),
      })
      progress.clear()
      if (io.signal.aborted) io.err(`stopped by ${String(io.signal.reason)}\n`)
      io.out(figuresTable(figures, progress.elapsedMs))
      if (o.json !== undefined) {
        const json = { ...o.seeds, crypto: o.crypto, realMs: progress.elapsedMs, ...figures }
        replaceFile(o.json, `${JSON.stringify(json, null, 2)}\n`)
      }
      if (figures.failures.length > 0) throw new Exit(EXIT.violated)
      if (io.signal.aborted) throw new Exit(EXIT.interrupted)
    })
}

async function inProcesses(o: WorkersOptions): Promise<SwarmFigures> {
  const { runWorkers } = await import('../workers.ts')
  return await runWorkers(o)
}

export function replayCommand(seed: number, crypto: Crypto): string {
  return `medmesh sim replay ${seed} --trace${crypto === 'ideal' ? ' --crypto ideal' : ''}`
}

function failureText({ seed, checker, says }: Failure, crypto: Crypto): string {
  return `seed ${seed}  ${checker}: ${says}\n  replay it: ${replayCommand(seed, crypto)}\n`
}

function progressLine(figures: SwarmFigures, total: number, limitMs: number, elapsedMs: number): string {
  const seconds = Math.max(0.001, elapsedMs / 1000)
  const { seeds: done, failures, events, virtualMs } = figures
  return [
    `${formatCount(done)} of ${formatCount(total)} seeds, ${failures.length} failed`,
    `${(done / seconds).toFixed(1)} seeds/s`,
    `${formatCount(events / seconds)} events/s`,
    `${formatDuration(virtualMs)} simulated`,
    timeLeft(Math.max(done / total, elapsedMs / limitMs), elapsedMs),
  ].join(', ')
}
