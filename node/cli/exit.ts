/** How commands end: exit codes, and errors as people and programs read them. */
import { CommanderError } from 'commander'
import { MedmeshError } from '../../config/error.ts'
import type { Io } from './io.ts'

export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  refused: 3,
  unfinished: 4,
  violated: 5,
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Shown under every `--help`; the README repeats it. */
export const EXIT_HELP = `
Exit codes:
  0    done as asked
  1    unexpected failure: a bug, please report it
  2    usage: an unknown command or option, or a missing argument
  3    refused: a file, charter, ledger or policy does not allow it; stderr names a code and a way out
  4    unfinished: the node was stopped, or a simulation ended, before the study was finished
  5    violated: a simulation broke a rule of the protocol; it names the command that replays it
  130  interrupted (Ctrl-C)`

/** Ends a command with a code other than 0 when all that is to be said has been said. */
export class Exit extends Error {
  readonly code: ExitCode

  constructor(code: ExitCode) {
    super(`exit ${code}`)
    this.code = code
  }
}

/** Writes `error` for people or, with `json`, as one JSON line, to stderr. Returns the exit code. */
export function reportError(error: unknown, io: Io, json: boolean): ExitCode {
  if (error instanceof Exit) return error.code
  // Commander has already printed its own message or help.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
  const known = error instanceof MedmeshError
  const shown = known
    ? { code: error.code, message: error.message, fix: error.fix }
    : {
        code: 'UNEXPECTED',
        message: messageOf(error),
        fix: 'run again with MEDMESH_TRACE=1 and report the trace',
      }
  if (json) io.err(`${JSON.stringify({ error: shown })}\n`)
  else io.err(`error ${shown.code}: ${shown.message}\n  fix: ${shown.fix}\n`)
  if (!known && io.env.MEDMESH_TRACE !== undefined && error instanceof Error) io.err(`${error.stack}\n`)
  return known ? EXIT.refused : EXIT.unexpected
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
