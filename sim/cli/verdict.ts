import { EXIT, type ExitCode } from '../../node/cli/exit.ts'
import type { RunResult } from '../result.ts'

/** How a command ends after this run. */
export function verdictOf(result: Pick<RunResult, 'ok' | 'finished' | 'violations'>): ExitCode {
  if (result.violations.length > 0) return EXIT.violated
  return result.finished ? EXIT.done : EXIT.unfinished
}
