/**
 * `medmesh sim` as one value; `main.ts` runs it on the process, tests run it on strings. Commands import what runs the
 * protocol only when they run: which ciphers it has is decided by their options.
 */
import { Command } from 'commander'
import { EXIT, EXIT_HELP, type ExitCode, reportError } from '../../node/cli/exit.ts'
import type { Io } from '../../node/cli/io.ts'
import { registerList } from './commands/list.ts'
import { registerReplay } from './commands/replay.ts'
import { registerRun } from './commands/run.ts'
import { registerSwarm } from './commands/swarm.ts'

export function buildSim(io: Io): Command {
  const program = new Command('medmesh sim')
    .description('The same peers in a simulated network: what would happen, and can anything break them?')
    .showHelpAfterError('(medmesh sim --help, or medmesh sim COMMAND --help)')
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .exitOverride()
    .addHelpText('after', EXIT_HELP)
    .addHelpText(
      'after',
      `
Examples:
  medmesh sim run                                        five hospitals of one city
  medmesh sim run --scenario odelia --report odelia      eight over a VPN with outages, with a report
  medmesh sim swarm --seeds 1..300                       random scenarios; each failing seed can be replayed`,
    )
  registerRun(program, io)
  registerSwarm(program, io)
  registerReplay(program, io)
  registerList(program, io)
  return program
}

/** Runs `args` (without program names) and returns the exit code. Never throws. */
export async function runSim(args: readonly string[], io: Io): Promise<ExitCode> {
  try {
    await buildSim(io).parseAsync([...args], { from: 'user' })
    return EXIT.done
  } catch (error) {
    if (io.signal.aborted && error instanceof DOMException && error.name === 'AbortError')
      return EXIT.interrupted
    return reportError(error, io, false)
  }
}
