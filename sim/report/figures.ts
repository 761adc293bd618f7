/** Numbers that the page and the terminal share: how long rounds took and of what, what was sent, what was missed. */
import type { Millis } from '../../protocol/ports.ts'
import type { Distribution, RoundRecord, RunResult } from '../result.ts'
import { Histogram } from './histogram.ts'
import { type Losses, lossesOf, median } from './losses.ts'

/** What a round's time goes to, in this order; the names are those of the phases and of their colours. */
export const PARTS = ['between', 'repeat', 'learning', 'sharing', 'delivered', 'opening'] as const
export type Part = (typeof PARTS)[number]
export type PartTimes = Readonly<Record<Part, Millis>>

/** What each part is, for people. */
export const PART_WORDS: Readonly<Record<Part, string>> = {
  between: 'gathering the cohort',
  repeat: 'attempts given up',
  learning: 'training',
  sharing: 'shares and masks',
  delivered: 'delivering, fixing the survivors',
  opening: 'opening the sum',
}

export interface Figures {
  readonly losses: Losses
  /** Rounds that the study should have: with the one for statistics and the one for evaluation. */
  readonly roundsAll: number
  readonly roundsClosed: number
  /** Closed rounds with everybody's input. */
  readonly roundsFull: number
  readonly attemptsAborted: number
  /** What they took, of all rounds. */
  readonly repeatMs: Millis
  /** From the end of one round to the end of the next; closed rounds only. */
  readonly roundMs: Distribution
  /** The closed round that took longest; undefined: none was closed. */
  readonly worst: RoundRecord | undefined
  /** Medians over calm training rounds, or over all closed rounds where none was calm. */
  readonly parts: PartTimes
  readonly calmMs: Millis
  readonly partsOf: 'calm' | 'all'
  readonly bytes: number
  /** Hospital-rounds that are in no sum, of how many in closed rounds. */
  readonly inputsMissing: number
  readonly inputsAll: number
  /** What rounds took beyond calm ones. */
  readonly waitedMs: Millis
  /** When the last round was closed, or the run's end where the study was not finished. */
  readonly tookMs: Millis
}

export function figuresOf(result: RunResult): Figures {
  const { rounds } = result
  const losses = lossesOf(result)
  const closed = rounds.map((_, i) => i).filter(i => rounds[i]!.closedAt !== undefined)
  const lengthOf = (i: number) => losses.times[i]!.to - losses.times[i]!.from
  const lengths = new Histogram(1)
  for (const i of closed) lengths.add(lengthOf(i))
  const calm = closed.filter(i => losses.times[i]!.calm && rounds[i]!.task === 'train')
  const typical = calm.length > 0 ? calm : closed
  const parts = typical.map(i => partsOf(rounds[i]!, losses.times[i]!.from, losses.times[i]!.to))
  const worst = closed.toSorted((a, b) => lengthOf(b) - lengthOf(a))[0]
  return {
    losses,
    roundsAll: result.scenario.study.rounds + 2,
    roundsClosed: closed.length,
    roundsFull: closed.filter(i => rounds[i]!.leftOut.length === 0).length,
    attemptsAborted: rounds.reduce((n, r) => n + r.tries.filter(t => t.aborted !== undefined).length, 0),
    repeatMs: rounds.reduce((sum, r, i) => {
      const { from, to } = losses.times[i]!
      return sum + partsOf(r, from, to).repeat
    }, 0),
    roundMs: lengths.distribution(),
    worst: worst === undefined ? undefined : rounds[worst],
    parts: Object.fromEntries(
      PARTS.map(p => [p, median(parts.map(times => times[p])) ?? 0]),
    ) as unknown as PartTimes,
    calmMs: median(typical.map(lengthOf)) ?? 0,
    partsOf: calm.length > 0 ? 'calm' : 'all',
    bytes: result.hospitals.reduce((sum, h) => sum + h.bytesSent, 0),
    inputsMissing: losses.losses.length,
    inputsAll: closed.length * result.hospitals.length,
    waitedMs: losses.times.reduce((sum, t) => sum + t.excessMs, 0),
    tookMs: result.finished ? (rounds.at(-1)?.closedAt ?? result.virtualMs) : result.virtualMs,
  }
}

/** Where the time of one round went. What was not seen counts for the part after it. */
export function partsOf(round: RoundRecord, from: Millis, to: Millis): PartTimes {
  let at = from
  const until = (next: Millis | undefined) => {
    const end = Math.min(to, Math.max(at, next ?? at))
    const took = end - at
    at = end
    return took
  }
  const between = until(round.openedAt)
  const repeat = until(round.tries.findLast(t => t.aborted === undefined)?.openedAt)
  const learning = until(round.learnedAt)
  const sharing = until(round.deliveredAt)
  const delivered = until(round.fixedAt)
  return { between, repeat, learning, sharing, delivered, opening: until(to) }
}
