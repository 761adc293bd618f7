/** What parent and children of `wire.bench.ts` say to each other. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Charter } from '../../../config/charter.ts'
import { simCharter } from '../../../sim/charter.ts'
import type { Breakdown } from './profile.ts'

export interface Case {
  readonly peers: number
  readonly parameters: number
  /** Of training, the last of which is measured; those before it warm up. */
  readonly rounds: number
  /**
   * `secure`: rounds of real nodes; `profiled`: the same under a profiler. `open`: the same with masks that are zeros (`unmasked.ts`).
   * `bare`: the bytes of a reduce-scatter and its way back over plain libp2p streams.
   */
  readonly way: 'secure' | 'profiled' | 'open' | 'bare'
  /** From disk to disk: the update comes out of the store, not out of memory. */
  readonly streamed?: boolean
  /** Looks at its memory all the time, which costs some processor time. */
  readonly watched?: boolean
}

export interface ChildPlan extends Case {
  readonly index: number
  /** One for each peer, on 127.0.0.1. */
  readonly ports: readonly number[]
  /** Directory of this child alone. */
  readonly dir: string
}

/** What all have reached before any goes on. */
export const STAGES = ['listening', 'connected'] as const
export type Stage = (typeof STAGES)[number]
/** Resolved when all are there. */
export type Reach = (stage: Stage) => Promise<void>

export type FromChild =
  | { readonly kind: 'reached'; readonly stage: Stage }
  | { readonly kind: 'done'; readonly measured: Measured }
  | { readonly kind: 'failed'; readonly why: string }

export interface Measured {
  /** Milliseconds, of a clock that all processes share (`Date.now`). `from`: the update is in memory; `to`: the model is applied. */
  readonly from: number
  readonly to: number
  readonly bytesSent: number
  readonly cpuSeconds: number
  /** Peak of the process's resident memory. */
  readonly peakBytes: number
  /** How long the thread that answers the network was held up, at the 99th percentile. */
  readonly delayMs: number
  /** Highest resident memory that was seen while a round went, from round 1 on; of what is `watched`. */
  readonly roundPeaks?: readonly number[]
  /** Where the seconds of the thread that answers the network went, and the worker's; of the way `profiled`. */
  readonly breakdown?: { readonly main: Breakdown; readonly worker: Breakdown }
}

/** Of the timer that is held up. */
const DELAY_STEP_MS = 5

const SIDE = 100

export function charterOf({ peers, parameters, rounds }: Case): Charter {
  return simCharter({
    members: Array.from({ length: peers }, (_, i) => `peer-${i}`),
    rounds,
    features: 2,
    secureSum: {
      gossipBytesMax: 0,
      joinDeadlineMs: 20_000,
      inputDeadlineMs: 300_000,
      openDeadlineMs: 300_000,
      viewTimeoutMs: 5000,
    },
    edit: charter => ({
      ...charter,
      model: {
        ...charter.model,
        // No side of a tensor may be so long as the largest models here have parameters.
        weights: [{ name: 'all', shape: [parameters / SIDE, SIDE], initialiser: 'zeros' }],
      },
    }),
  })
}

/** Measures from this call to that of what it gives, which is handed the bytes that were sent between. */
export function meter(): (bytesSent: number) => Measured {
  const from = Date.now()
  const cpuBefore = process.cpuUsage()
  const delay = monitorEventLoopDelay({ resolution: DELAY_STEP_MS })
  delay.enable()
  return bytesSent => {
    const to = Date.now()
    const { user, system } = process.cpuUsage(cpuBefore)
    const peakBytes = process.resourceUsage().maxRSS * 1024
    const delayMs = Math.max(0, delay.percentile(99) / 1e6 - DELAY_STEP_MS)
    delay.disable()
    return { from, to, bytesSent, cpuSeconds: (user + system) / 1e6, peakBytes, delayMs }
  }
}
