/** How far a long command has got: redrawn in place on a terminal, elsewhere a line now and then. */
import type { Io } from '../../node/cli/io.ts'
import { formatDuration } from '../report/format.ts'

const REDRAW_MS = 200
const LINE_MS = 15_000

export class Progress {
  readonly #io: Io
  readonly #now: () => number
  readonly #start: number
  #shownAt: number
  #width = 0

  /** `now`: real milliseconds. Nothing is shown of what is over within the first interval. */
  constructor(io: Io, now: () => number = () => performance.now()) {
    this.#io = io
    this.#now = now
    this.#start = now()
    this.#shownAt = this.#start
  }

  /** Real milliseconds since the beginning. */
  get elapsedMs(): number {
    return this.#now() - this.#start
  }

  /** Shows what `text` gives, when it is time to. */
  show(text: () => string): void {
    const now = this.#now()
    if (now - this.#shownAt < (this.#io.terminal ? REDRAW_MS : LINE_MS)) return
    this.#shownAt = now
    if (!this.#io.terminal) {
      this.#io.err(`${text()}\n`)
      return
    }
    const line = text().slice(0, Math.max(1, this.#io.columns() - 1))
    this.#io.err(`\r${line.padEnd(this.#width)}`)
    this.#width = line.length
  }

  /** Makes room for what is printed next. */
  clear(): void {
    if (this.#width > 0) this.#io.err(`\r${' '.repeat(this.#width)}\r`)
    this.#width = 0
  }
}

/** `about 2 min 10 s left`, by what part is done after so long; nothing while that says nothing. */
export function timeLeft(done: number, elapsedMs: number): string {
  if (!(done > 0.005) || elapsedMs < 1000) return 'time left unknown'
  return `about ${formatDuration((elapsedMs * (1 - Math.min(1, done))) / Math.min(1, done))} left`
}
