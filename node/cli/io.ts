/** What a command may touch of the process it runs in, so that tests can run commands in their own process. */

export interface Io {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
  /** stdout is a terminal: colours and redrawing are welcome. */
  readonly terminal: boolean
  /** stderr is one: its last line may be written again. */
  readonly errTerminal?: boolean
  /** Columns of the terminal; 80 when unknown. */
  readonly columns: () => number
  readonly env: Readonly<Record<string, string | undefined>>
  /** Aborted by SIGINT, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal
}

/** Signals after which a stop is forced: Ctrl-C arrives twice, from the terminal and from `bin.js`. */
const FORCE_AT = 3

/** The process's own streams; the first signal asks the command to stop, one that comes again and again forces it. */
export function processIo(): Io {
  const stop = new AbortController()
  let asked = 0
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      asked++
      if (asked === 1) stop.abort(name)
      else if (asked >= FORCE_AT) process.exit(130)
    })
  }
  // A reader such as `head` that has gone is no failure of ours.
  process.stdout.on('error', error => {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
    throw error
  })
  return {
    out: text => void process.stdout.write(text),
    err: text => void process.stderr.write(text),
    terminal: process.stdout.isTTY === true,
    errTerminal: process.stderr.isTTY === true,
    columns: () => process.stdout.columns ?? process.stderr.columns ?? 80,
    env: process.env,
    signal: stop.signal,
  }
}
