/**
 * `medmesh sim`: hands over to the simulator, in a process of its own: node never imports sim (import rule). Arguments,
 * streams, signals and exit code are passed on.
 */
import { spawn } from 'node:child_process'
import { constants, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { Exit, type ExitCode } from '../exit.ts'
import type { Io } from '../io.ts'

const MAIN = fileURLToPath(new URL('../../../sim/cli/main.ts', import.meta.url))
/**
 * How the simulator's engine collects garbage. A thousand hospitals leave more behind between two collections than the
 * default has room for, and what is promoted for want of room is collected dearly: 1 GiB for young objects, and no
 * collection of the old ones for the sake of their number or of bytes outside the heap before 4 GiB; less on a machine
 * that has not the memory. No helping threads, which cost more than they save. Together: more than a quarter of the time.
 */
export const COLLECTOR: readonly string[] = [
  '--single-threaded-gc',
  ...(totalmem() < 8 * 2 ** 30
    ? ['--min-semi-space-size=256', '--max-semi-space-size=512']
    : [
        '--min-semi-space-size=1024',
        '--max-semi-space-size=1024',
        '--initial-heap-size=4096',
        '--external-memory-accounted-in-global-limit',
      ]),
]

export function registerSim(program: Command, io: Io): void {
  program
    .command('sim')
    .description('the same peers in a simulated network: run, swarm, replay, list')
    .argument('[args...]', 'see: medmesh sim --help')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (args: string[]) => {
      const code = await handOver(args, io)
      if (code !== 0) throw new Exit(code as ExitCode)
    })
}

function handOver(args: readonly string[], io: Io): Promise<number> {
  const child = spawn(process.execPath, [...COLLECTOR, MAIN, ...args], { stdio: 'inherit' })
  const passOn = () => void child.kill(io.signal.reason as NodeJS.Signals)
  io.signal.addEventListener('abort', passOn, { once: true })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      io.signal.removeEventListener('abort', passOn)
      resolve(signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0))
    })
  })
}
