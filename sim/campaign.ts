/** Many seeds of random scenarios, one after the other. */
import type { Behaviour } from '../config/scenario.ts'
import { runScenario } from './run.ts'
import { randomScenario } from './swarm.ts'
import { addFigures, type Failure, NO_FIGURES, type SwarmFigures } from './swarm-figures.ts'

/** No run of this size needs so many: beyond it something goes in circles. */
const EVENTS_MAX = 5_000_000

/** Plays one seed; whatever goes wrong with it is a failure in its figures. */
export function playSeed(seed: number): SwarmFigures {
  try {
    const scenario = randomScenario(seed)
    const result = runScenario(scenario, { seed, eventsMax: EVENTS_MAX })
    const [first] = result.violations
    const failure: Failure | undefined = first
      ? { seed, checker: first.checker, says: first.says }
      : result.ok
        ? undefined
        : { seed, checker: 'unfinished', says: `not finished after ${result.events} events` }
    const liars: Partial<Record<Behaviour, number>> = {}
    for (const { behaviour, count } of scenario.adversaries)
      liars[behaviour] = (liars[behaviour] ?? 0) + count
    return {
      seeds: 1,
      events: result.events,
      virtualMs: result.virtualMs,
      rounds: result.rounds.filter(r => r.closedAt !== undefined).length,
      attempts: result.rounds.reduce((n, r) => n + r.attempts, 0),
      injected: result.injectedByKind,
      checked: result.checked,
      liars,
      failures: failure ? [failure] : [],
    }
  } catch (error) {
    const says = error instanceof Error ? error.message : String(error)
    return { ...NO_FIGURES, seeds: 1, failures: [{ seed, checker: 'thrown', says }] }
  }
}

export interface SwarmOptions {
  /** Seeds, both ends included. */
  readonly from: number
  readonly to: number
  /** Real milliseconds after which no new seed is begun. */
  readonly limitMs?: number
  /** After each seed, with the figures so far. */
  readonly onProgress?: (figures: SwarmFigures) => void
  readonly onFailure?: (failure: Failure) => void
  readonly signal?: AbortSignal
}

/** Plays seeds one after the other in this process, and lets others work between them. */
export async function runSwarm(o: SwarmOptions): Promise<SwarmFigures> {
  const start = performance.now()
  let figures = NO_FIGURES
  for (let seed = o.from; seed <= o.to; seed++) {
    if (o.signal?.aborted || performance.now() - start > (o.limitMs ?? Number.POSITIVE_INFINITY)) break
    const one = playSeed(seed)
    figures = addFigures(figures, one)
    for (const failure of one.failures) o.onFailure?.(failure)
    o.onProgress?.(figures)
    await new Promise(resolve => setImmediate(resolve))
  }
  return figures
}
