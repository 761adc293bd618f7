/**
 * What was lost and why: for each hospital that is missing from a round, the fault that it coincides with; for each fault,
 * what it cost. Coincidence in time is all that is claimed: a fault counts for a loss when it struck that hospital while
 * the round was being gathered or its inputs were awaited, else when it struck it in the round before.
 */
import type { MemberId, Millis } from '../../protocol/ports.ts'
import type { Injected } from '../observer.ts'
import type { RoundRecord, RunResult } from '../result.ts'

/** One hospital that is not in one round. */
export interface Loss {
  readonly round: number
  readonly member: MemberId
  /** The ledger's: `absent` (not in the cohort), `silent`, `undelivered`, ... */
  readonly reason: string
  /** It had been in the cohort: what it trained is lost. */
  readonly inputLost: boolean
  /** Index in `injected`; undefined: no fault struck it at that time. */
  readonly fault: number | undefined
  /** The fault was over when this round began. */
  readonly after: boolean
  /** What the hospital does if it is malicious. */
  readonly behaviour: string | undefined
}

export interface FaultCost {
  readonly fault: Injected
  /** Hospital-rounds: inputs that are in no sum, because of absence or after training. */
  readonly roundsMissed: number
  readonly inputsLost: number
  /** Attempts that were aborted while it lasted, each counted for one fault. */
  readonly retries: number
  /** What rounds took beyond a calm one; shared equally where several faults coincide. */
  readonly waitedMs: Millis
}

export interface RoundTime {
  /** From the end of the round before, or the run's start. */
  readonly from: Millis
  readonly to: Millis
  /** Beyond what a calm round of its task takes; 0 for calm ones. */
  readonly excessMs: Millis
  /** Nobody was left out, one attempt, no fault at the time. */
  readonly calm: boolean
}

export interface Losses {
  readonly losses: readonly Loss[]
  readonly faults: readonly FaultCost[]
  /** By round, as `RunResult.rounds`. */
  readonly times: readonly RoundTime[]
  /** Waits beyond a calm round: for attempts that were given up because of malicious hospitals; with no fault at the time. */
  readonly liarsMs: Millis
  readonly unexplainedMs: Millis
}

/** Kinds that cut a hospital off altogether: likelier causes than those that only slow it down. */
const SEVERE: readonly string[] = ['crash', 'outage', 'partition', 'pause']

export function lossesOf(result: RunResult): Losses {
  const { rounds, injected } = result
  const malicious = new Set(result.hospitals.filter(h => h.behaviour !== undefined).map(h => h.id))
  const struck = struckBy(injected)
  const windows = rounds.map((r, i) => ({
    from: i === 0 ? 0 : (rounds[i - 1]!.closedAt ?? r.openedAt),
    to: r.closedAt ?? result.virtualMs,
  }))
  const overlapping = sweep(windows, injected)
  const times = excess(rounds, windows, overlapping)
  const losses = attributed(result, windows, struck)
  const costs = injected.map(() => ({ roundsMissed: 0, inputsLost: 0, retries: 0, waitedMs: 0 }))
  const causes = rounds.map(() => new Set<number>())
  const indexOf = new Map(rounds.map((r, i) => [r.round, i]))
  for (const loss of losses) {
    if (loss.fault === undefined) continue
    costs[loss.fault]!.roundsMissed++
    if (loss.inputLost) costs[loss.fault]!.inputsLost++
    causes[indexOf.get(loss.round)!]!.add(loss.fault)
  }
  let unexplainedMs = 0
  let liarsMs = 0
  rounds.forEach((round, i) => {
    let spoilt = 0
    for (const attempt of round.tries) {
      if (attempt.aborted === undefined) continue
      const span = { from: attempt.openedAt, to: attempt.endedAt ?? windows[i]!.to }
      if (attempt.culprits.some(c => malicious.has(c.member))) {
        spoilt += span.to - span.from
        continue
      }
      // What struck the culprits is likelier than what struck others at the time.
      const own = attempt.culprits.flatMap(c => struck.get(c.member) ?? [])
      const cause = likeliest(own, injected, span) ?? likeliest(overlapping[i]!, injected, span)
      if (cause !== undefined) costs[cause]!.retries++
    }
    const { excessMs } = times[i]!
    const because = [[...causes[i]!], severeOf(overlapping[i]!, injected), overlapping[i]!]
    const faults = because.find(set => set.length > 0) ?? []
    const left = Math.max(0, excessMs - spoilt)
    liarsMs += excessMs - left
    for (const fault of faults) costs[fault]!.waitedMs += left / faults.length
    if (faults.length === 0) unexplainedMs += left
  })
  const faults = costs.map((c, i) => ({ fault: injected[i]!, ...c }))
  return { losses, faults, times, liarsMs, unexplainedMs }
}

/** The middle of a list that need not be sorted; of an even number the lower one; undefined of none. */
export function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)]
}

function severeOf(faults: readonly number[], injected: readonly Injected[]): number[] {
  return faults.filter(i => isSevere(injected[i]!))
}

function isSevere(fault: Injected): boolean {
  return SEVERE.includes(fault.kind)
}

interface Window {
  readonly from: Millis
  readonly to: Millis
}

function endOf(fault: Injected): Millis {
  return fault.at + (fault.forMs ?? 0)
}

/** Negative where they do not touch. */
function overlapMs(fault: Injected, w: Window): number {
  return Math.min(endOf(fault), w.to) - Math.max(fault.at, w.from)
}

/** For each window the faults that touch it; windows are in the order of time. */
function sweep(windows: readonly Window[], injected: readonly Injected[]): number[][] {
  const order = injected.map((_, i) => i).toSorted((a, b) => injected[a]!.at - injected[b]!.at)
  let active: number[] = []
  let next = 0
  return windows.map(w => {
    while (next < order.length && injected[order[next]!]!.at <= w.to) active.push(order[next++]!)
    active = active.filter(i => endOf(injected[i]!) >= w.from)
    return active.toSorted((a, b) => a - b)
  })
}

function excess(
  rounds: readonly RoundRecord[],
  windows: readonly Window[],
  overlapping: readonly (readonly number[])[],
): RoundTime[] {
  const full = rounds.map(r => r.closedAt !== undefined && r.leftOut.length === 0 && r.attempts === 1)
  const calm = full.map((f, i) => f && overlapping[i]!.length === 0)
  const length = (i: number) => windows[i]!.to - windows[i]!.from
  const typical = (task: string): number => {
    const all = rounds.map((_, i) => i).filter(i => rounds[i]!.closedAt !== undefined)
    const same = all.filter(i => rounds[i]!.task === task)
    const sets = [same.filter(i => calm[i]), all.filter(i => calm[i]), all.filter(i => full[i]), same, all]
    const set = sets.find(s => s.length > 0) ?? []
    return median(set.map(length)) ?? 0
  }
  const typicals = new Map([...new Set(rounds.map(r => r.task))].map(task => [task, typical(task)]))
  return rounds.map((r, i) => ({
    ...windows[i]!,
    calm: calm[i]!,
    excessMs: calm[i] ? 0 : Math.max(0, length(i) - typicals.get(r.task)!),
  }))
}

/** Which faults struck each hospital, by their index. */
function struckBy(injected: readonly Injected[]): ReadonlyMap<MemberId, readonly number[]> {
  const struck = new Map<MemberId, number[]>()
  injected.forEach((fault, i) => {
    for (const m of fault.hospitals) {
      const list = struck.get(m)
      if (list) list.push(i)
      else struck.set(m, [i])
    }
  })
  return struck
}

function attributed(
  result: RunResult,
  windows: readonly Window[],
  struck: ReadonlyMap<MemberId, readonly number[]>,
): Loss[] {
  const { rounds, injected, hospitals } = result
  const behaviours = new Map(hospitals.map(h => [h.id, h.behaviour]))
  return rounds.flatMap((round, i) => {
    if (round.closedAt === undefined) return []
    const own = { from: windows[i]!.from, to: round.fixedAt ?? windows[i]!.to }
    const before = { from: windows[i - 1]?.from ?? own.from, to: own.from }
    return round.leftOut.map(({ member, reason }): Loss => {
      const faults = struck.get(member) ?? []
      const during = likeliest(faults, injected, own)
      const fault = during ?? likeliest(faults, injected, before)
      return {
        round: round.round,
        member,
        reason,
        inputLost: reason !== 'absent',
        fault,
        after: during === undefined && fault !== undefined,
        behaviour: behaviours.get(member),
      }
    })
  })
}

/** Of these faults the severe ones first, then the one that covers most of the window; undefined: none touches it. */
function likeliest(
  faults: readonly number[],
  injected: readonly Injected[],
  window: Window,
): number | undefined {
  let best: number | undefined
  const rank = (i: number) => (isSevere(injected[i]!) ? 1e15 : 0) + overlapMs(injected[i]!, window)
  for (const i of faults) {
    if (overlapMs(injected[i]!, window) < 0) continue
    if (best === undefined || rank(i) > rank(best)) best = i
  }
  return best
}
