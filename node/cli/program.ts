/** The whole command line as one value; `main.ts` runs it on the process, tests run it on strings. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { registerCharter } from './commands/charter.ts'
import { registerContribution } from './commands/contribution.ts'
import { registerDemo } from './commands/demo.ts'
import { registerInit } from './commands/init.ts'
import { registerLedger } from './commands/ledger.ts'
import { registerModel } from './commands/model.ts'
import { registerNode } from './commands/node.ts'
import { registerPrivacy } from './commands/privacy.ts'
import { registerSim } from './commands/sim.ts'
import { registerStatus } from './commands/status.ts'
import { EXIT, EXIT_HELP, type ExitCode, reportError } from './exit.ts'
import type { Io } from './io.ts'

export function buildProgram(io: Io): Command {
  const program = new Command('medmesh')
    .description('Peer-to-peer federated learning for hospitals: one model, no server, no shared record')
    .version(version(), '-V, --version')
    .showHelpAfterError('(medmesh --help, or medmesh COMMAND --help)')
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .exitOverride()
    .enablePositionalOptions()
    .addHelpText('after', EXIT_HELP)
    .addHelpText('after', '\nStart here:\n  medmesh demo')
  // In the order of a newcomer's way. Subcommands inherit what is set above.
  registerDemo(program, io)
  registerInit(program, io)
  registerCharter(program, io)
  registerNode(program, io)
  registerStatus(program, io)
  registerLedger(program, io)
  registerModel(program, io)
  registerPrivacy(program, io)
  registerContribution(program, io)
  registerSim(program, io)
  return program
}

/** Runs `args` (without program names) and returns the exit code. Never throws. */
export async function runCli(args: readonly string[], io: Io): Promise<ExitCode> {
  let json = false
  const program = buildProgram(io)
  program.hook('preAction', (_, command) => {
    json = command.opts().json === true
  })
  try {
    await program.parseAsync([...args], { from: 'user' })
    return EXIT.done
  } catch (error) {
    if (io.signal.aborted && error instanceof DOMException && error.name === 'AbortError')
      return EXIT.interrupted
    return reportError(error, io, json)
  }
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}
