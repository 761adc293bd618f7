/** The figures of many random runs together; plain data, that processes send each other. */
import type { Millis } from '../protocol/ports.ts'

export interface Failure {
  readonly seed: number
  /** The checker's name; `unfinished`: the network had healed and the study was not finished; `thrown`: the simulator threw. */
  readonly checker: string
  readonly says: string
}

/** Of one seed or many; plain data. */
export interface SwarmFigures {
  readonly seeds: number
  readonly events: number
  readonly virtualMs: Millis
  /** Rounds that were closed, and attempts that it took. */
  readonly rounds: number
  readonly attempts: number
  /** How often each kind of fault struck; how often each checker checked something; hospitals of each behaviour. */
  readonly injected: Readonly<Record<string, number>>
  readonly checked: Readonly<Record<string, number>>
  readonly liars: Readonly<Record<string, number>>
  readonly failures: readonly Failure[]
}

export const NO_FIGURES: SwarmFigures = {
  seeds: 0,
  events: 0,
  virtualMs: 0,
  rounds: 0,
  attempts: 0,
  injected: {},
  checked: {},
  liars: {},
  failures: [],
}

export function addFigures(a: SwarmFigures, b: SwarmFigures): SwarmFigures {
  return {
    seeds: a.seeds + b.seeds,
    events: a.events + b.events,
    virtualMs: a.virtualMs + b.virtualMs,
    rounds: a.rounds + b.rounds,
    attempts: a.attempts + b.attempts,
    injected: addCounts(a.injected, b.injected),
    checked: addCounts(a.checked, b.checked),
    liars: addCounts(a.liars, b.liars),
    failures: [...a.failures, ...b.failures],
  }
}

type Counts = Readonly<Record<string, number>>

function addCounts(a: Counts, b: Counts): Counts {
  const sum: Record<string, number> = { ...a }
  for (const [key, n] of Object.entries(b)) sum[key] = (sum[key] ?? 0) + n
  return sum
}
