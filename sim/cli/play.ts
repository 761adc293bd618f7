/** Plays a run piece by piece, so that signals are heard and progress is shown meanwhile. */
import type { Scenario } from '../../config/scenario.ts'
import type { Io } from '../../node/cli/io.ts'
import { formatCount, formatDuration } from '../report/format.ts'
import type { RunResult } from '../result.ts'
import { Run, type RunOptions } from '../run.ts'
import { Progress, timeLeft } from './progress.ts'
import { studyOf } from './study.ts'

/** Events between two looks at the clock, and real milliseconds between two looks at signals. */
const PIECE_EVENTS = 200
const PIECE_MS = 100

/** Throws an AbortError when the user stops it. */
export async function played(scenario: Scenario, options: RunOptions, io: Io): Promise<RunResult> {
  const study = await studyOf(scenario, options.seed)
  const run = new Run(scenario, { ...options, ...(study && { study }) })
  const progress = new Progress(io)
  for (;;) {
    const until = performance.now() + PIECE_MS
    let more = true
    while (more && performance.now() < until) more = run.advance(PIECE_EVENTS)
    if (!more) break
    progress.show(() => progressLine(run, scenario, progress.elapsedMs))
    await new Promise(resolve => setImmediate(resolve))
    if (io.signal.aborted) {
      progress.clear()
      throw new DOMException('stopped', 'AbortError')
    }
  }
  progress.clear()
  return run.result()
}

function progressLine(run: Run, { study, limitMs }: Scenario, elapsedMs: number): string {
  const { events, virtualMs, roundsClosed } = run.progress
  // Statistics before, evaluation after.
  const rounds = study.rounds + 2
  const done = Math.max(roundsClosed / rounds, virtualMs / limitMs)
  return [
    `${roundsClosed} of ${rounds} rounds`,
    `${formatDuration(virtualMs)} simulated, ${formatCount(virtualMs / Math.max(1, elapsedMs))} times real time`,
    `${formatCount((1000 * events) / Math.max(1, elapsedMs))} events/s`,
    timeLeft(done, elapsedMs),
  ].join(', ')
}
