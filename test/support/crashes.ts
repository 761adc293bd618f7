/** One hospital crashed at a chosen step of a round, and what followed: for the enumeration of all such steps. */
import type { Event, MemberId } from '../../protocol/ports.ts'
import type { SimHost, Step } from '../../sim/host.ts'
import { type Audit, audited } from './audit.ts'
import { type Consortium, type ConsortiumOptions, memberName } from './consortium.ts'

export interface CrashPlan {
  readonly seed: number
  readonly shards: boolean
  /** Index of the hospital that is crashed. */
  readonly victim: number
  /** Steps at which to crash, counted from the beginning of round 1 over all lives; none: a dry run. */
  readonly at: readonly number[]
  /** How long it stays away. */
  readonly awayMs: number
  /** Whether the others notice by a broken connection; default true. */
  readonly noticed?: boolean
  /** Milliseconds of a commit; default 0. */
  readonly diskMs?: number
  /** Of the charter. */
  readonly edit?: ConsortiumOptions['edit']
  /** How long another hospital learns, which keeps the round open meanwhile; default as all. */
  readonly slowMs?: number
}

export interface CrashRun {
  readonly c: Consortium
  readonly audit: Audit
  /** What the victim was doing when it crashed. */
  readonly crashes: readonly string[]
  /** The round of the (last) crash; 1 or, at the very end of round 1, 2. */
  readonly round: number
  /** What the victim did step by step in round 1. */
  readonly steps: readonly string[]
  readonly done: boolean
}

/** The round that a host is in by its ledger. */
export function roundOf(host: SimHost): number {
  const phase = host.peer?.state.phase
  if (phase?.kind === 'between') return phase.round
  return phase && 'opened' in phase ? phase.opened.round : Number.POSITIVE_INFINITY
}

/** Four hospitals, f = 1; ends when the victim was in a whole cohort again, in a round after that of its crash. */
export function crashRun(p: CrashPlan): CrashRun {
  const victim = memberName(p.victim)
  const crashes: string[] = []
  const steps: string[] = []
  let round = 1
  const { c, audit } = audited({
    n: 4,
    f: 1,
    rounds: 60,
    seed: p.seed,
    gossipBytesMax: p.shards ? 0 : 32_768,
    ...(p.edit && { edit: p.edit }),
    world: { silentSteps: p.noticed === false },
    site: id => ({
      diskMs: () => p.diskMs ?? 0,
      jobMs: job => (job.kind === 'learn' && id === memberName((p.victim + 1) % 4) ? (p.slowMs ?? 20) : 20),
    }),
    onStep: (s: Step) => {
      if (s.host.id !== victim || !inRoundOne(s.host)) return false
      const step = `${s.when} ${s.what} ${s.detail}`.trim()
      steps.push(step)
      if (!p.at.includes(steps.length - 1)) return false
      crashes.push(step)
      round = roundOf(s.host)
      c.world.at(p.awayMs, () => c.world.start(victim))
      return true
    },
  })
  const back = () => {
    if (crashes.length < p.at.length) return false
    const whole = (e: Event) =>
      e.kind === 'survivorsFixed' && e.round > round && e.survivors.length === 4 ? e.round : undefined
    const again = c.events
      .map(e => (e.host === victim ? whole(e.event) : undefined))
      .find(r => r !== undefined)
    return again !== undefined && [...c.world.hosts.keys()].every(id => closedIn(c, id, again))
  }
  c.world.startAll()
  const done = c.world.run(back, 120_000)
  return { c, audit, crashes, round, steps, done }
}

export function closedIn(c: Consortium, id: MemberId, round: number): boolean {
  return c.closed(id).some(e => e.round === round)
}

/** From the entry before round 1 to the first steps after its last one. */
function inRoundOne(host: SimHost): boolean {
  const round = roundOf(host)
  return round === 1 || (round === 2 && host.peer?.state.phase.kind === 'between')
}
