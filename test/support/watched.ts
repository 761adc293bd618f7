/**
 * Runs under one checker. Live, or from a tape: a run is recorded once, and told again to as many checkers as a test needs, with
 * some of it forged, so that they see a world that is not as it should be.
 */
import type { MemberId } from '../../protocol/ports.ts'
import type { CheckContext } from '../../sim/checkers/context.ts'
import type { SimHost } from '../../sim/host.ts'
import type { Checker, Observer } from '../../sim/observer.ts'
import { deferred } from './audit.ts'
import { type Consortium, type ConsortiumOptions, consortium, memberName } from './consortium.ts'

type MakeChecker = (context: CheckContext) => Checker

/** What the checker is told instead; taps that are not forged reach it as they are. */
export type Forge = (honest: Checker, c: Consortium) => Observer

export interface Told {
  /** Indexes of members whose word counts for nothing. */
  readonly liars?: readonly number[]
  readonly context?: Partial<CheckContext>
  readonly forge?: Forge
}

export interface RunOptions extends ConsortiumOptions {
  readonly limitMs?: number
  readonly before?: (c: Consortium) => void
}

export interface Watched {
  readonly c: Consortium
  readonly checker: Checker
  readonly says: readonly string[]
  /** All have finished the study. */
  readonly done: boolean
}

/** Four hospitals and one training round, unless it is said otherwise. */
export function watched(make: MakeChecker, o: RunOptions & Told): Watched {
  let told: Observer = {}
  const { c, run } = started(
    o,
    deferred(() => told),
  )
  const checker = made(make, c, o)
  told = forged(checker, c, o)
  const done = run()
  checker.finish?.()
  return { c, checker, says: checker.violations.map(v => v.says), done }
}

export interface Tape {
  readonly c: Consortium
  play(make: MakeChecker, told?: Told): { readonly checker: Checker; readonly says: readonly string[] }
}

/** Records a run: each tap with its host as it was then. */
export function tape(o: RunOptions): Tape {
  const heard: { readonly tap: string; readonly args: readonly unknown[] }[] = []
  const recorder = new Proxy({} as Observer, {
    get:
      (_, tap: string) =>
      (...args: readonly unknown[]) =>
        void heard.push({ tap, args: args.map((a, i) => (i === 0 ? still(a) : a)) }),
  })
  const { c, run } = started(
    o,
    deferred(() => recorder),
  )
  if (!run()) throw new Error('the recorded run did not finish')
  return {
    c,
    play: (make, told = {}) => {
      const checker = made(make, c, told)
      const taps = forged(checker, c, told) as Record<string, (...args: readonly unknown[]) => void>
      for (const { tap, args } of heard) taps[tap]?.(...args)
      checker.finish?.()
      return { checker, says: checker.violations.map(v => v.says) }
    },
  }
}

/** A host as it is now. */
function still(subject: unknown): unknown {
  const host = subject as SimHost
  if (typeof subject !== 'object' || !('disk' in host)) return subject
  const { id, up, disk, peer } = host
  const now = peer && { state: peer.state, model: peer.model, footprint: peer.footprint }
  return { id, up, disk: new Map(disk), peer: now }
}

function started(o: RunOptions, taps: Observer): { readonly c: Consortium; readonly run: () => boolean } {
  const observers = [taps, ...(o.world?.observers ?? [])]
  const c = consortium({ rounds: 1, keepJobs: false, ...o, world: { ...o.world, observers } })
  const run = () => {
    c.world.startAll()
    o.before?.(c)
    return c.world.run(() => c.finished(), o.limitMs ?? 120_000)
  }
  return { c, run }
}

function made(make: MakeChecker, c: Consortium, { liars = [], context }: Told): Checker {
  const { charter, configs } = c
  const names = new Set<MemberId>(liars.map(memberName))
  const checker = make({ charter, configs, liars: names, f: charter.maliciousMax, ...context })
  checker.onWorld?.(c.world)
  return checker
}

function forged(checker: Checker, c: Consortium, { forge }: Told): Observer {
  return { ...deferred(() => checker), ...forge?.(checker, c) }
}

/** Runs that a checker must have nothing against: both deliveries, with crashes, slow disks and a bad network. */
export const TROUBLE: Readonly<Record<string, Omit<RunOptions, 'n'>>> = {
  'all is well, small vectors': {},
  'all is well, vectors in shards': { gossipBytesMax: 0 },
  'messages are lost, disks are slow, one crashes': trouble(32_768),
  'the same in shards': trouble(0),
}

function trouble(gossipBytesMax: number): Omit<RunOptions, 'n'> {
  return {
    gossipBytesMax,
    limitMs: 300_000,
    site: () => ({ diskMs: r => 30 * r.unit() }),
    world: { network: { loses: r => r.chance(0.15) } },
    before: ({ world }) => {
      world.at(700, () => world.crash(memberName(2), 'torn'))
      world.at(6000, () => world.start(memberName(2)))
    },
  }
}
