/** What the numbers mean for a consortium, in sentences that claim no more than one run shows. */
import { formatBytes } from '../../node/cli/format.ts'
import type { MemberId } from '../../protocol/ports.ts'
import type { RunResult } from '../result.ts'
import type { Figures } from './figures.ts'
import { formatCount, formatDuration, formatShare, listed, plural } from './format.ts'
import type { FaultCost, Loss } from './losses.ts'
import { lieInWords } from './words.ts'

/** What the checkers are for, by name; others are shown by their name alone. */
const CHECKS: Readonly<Record<string, string>> = {
  agreement: 'one ledger and one model everywhere, and nobody honest is held to have lied',
  rules: 'what is decided follows from the charter and from what was decided before',
  voting: 'honest hospitals vote as the protocol says, also across restarts',
  exactness: 'an opened sum is the sum of the certified survivors’ inputs, to the last bit',
  privacy: 'no f hospitals together can open an honest one’s input, nor the sum of fewer than two',
  keys: 'every key and every mask is used once, and bound to its attempt',
  leaks: 'nothing that leaves an honest hospital has a secret in it',
  durability: 'what commits a hospital is on its disk before it leaves',
  consistency: 'nobody honest contradicts itself, also across restarts',
  bounds: 'messages, memory, work and queues stay within their bounds',
  liveness: 'no machine breaks, and when all is well again the next rounds close within a bound',
  broken: 'no machine throws',
}

export function checkInWords(checker: string): string {
  return CHECKS[checker] ?? ''
}

/** How it ended, in a sentence. */
export function verdictInWords(result: RunResult, f: Figures): string {
  if (result.violations.length > 0)
    return `A rule was broken: ${plural(result.violations.length, 'finding')} by ${listed([...new Set(result.violations.map(v => v.checker))])}.`
  if (!result.finished) {
    return `The study was not finished after ${formatDuration(result.virtualMs)}: ${f.roundsClosed} of ${plural(f.roundsAll, 'round')} closed.`
  }
  return `The study was finished: all ${plural(f.roundsClosed, 'round')} closed, none was lost.`
}

/** A few sentences, from the most to the least important. */
export function readingOf(result: RunResult, f: Figures): string[] {
  const n = result.hospitals.length
  if (f.roundsClosed === 0) return ['No round was closed, so that there is nothing to read from this run.']
  const calm =
    f.partsOf === 'calm' ? 'With these links and nothing going wrong' : 'With these links and faults'
  const share = (ms: number) =>
    `${formatDuration(ms)} (${formatShare(Math.min(1, ms / Math.max(1, f.calmMs)))})`
  const p = f.parts
  const network = Math.max(0, f.calmMs - p.learning)
  const sentences = [
    `${calm}, a training round takes ${formatDuration(f.calmMs)} in the median. Of that the slowest hospital's training is ${share(p.learning)}; the rest, ${share(network)}, is the network and the agreement: ${formatDuration(p.between)} to gather the cohort, ${formatDuration(p.sharing)} for shares and masks, ${formatDuration(p.delivered)} to deliver and to fix the survivors, ${formatDuration(p.opening)} to open the sum.`,
    `Over all rounds the median is ${formatDuration(f.roundMs.p50)}, nine of ten take at most ${formatDuration(f.roundMs.p90)}, and the longest took ${formatDuration(f.roundMs.max)}${f.worst ? ` (round ${f.worst.round})` : ''}.`,
    `The study took ${formatDuration(f.tookMs)}. Of that ${formatDuration(f.waitedMs)} (${formatShare(Math.min(1, f.waitedMs / Math.max(1, f.tookMs)))}) was waiting beyond what calm rounds take${f.attemptsAborted > 0 ? `; ${plural(f.attemptsAborted, 'attempt')} given up and made again${f.repeatMs > 0 ? `, which took ${formatDuration(f.repeatMs)}` : ''}` : ''}.`,
    f.inputsMissing === 0
      ? 'Every closed round has the input of every hospital.'
      : `${formatCount(f.inputsMissing)} of ${formatCount(f.inputsAll)} inputs (${formatShare(f.inputsMissing / f.inputsAll)}) are in no sum: a hospital that was away, or too late, cost its own input and not the round. ${missedMost(result, f)}`,
    `All hospitals together sent ${formatBytes(f.bytes)}; that is ${formatBytes(Math.round(f.bytes / n / f.roundsClosed))} for each hospital and round.`,
  ]
  return sentences
}

/** What this run does not show. */
export function caveats(result: RunResult): string[] {
  const { study } = result.scenario
  return [
    `This is one course of events, of seed ${result.seed}. Another seed makes other faults at other times; several seeds show how much that matters.`,
    study.learner === 'synthetic'
      ? 'Training was synthetic: how long it takes is an assumption of the scenario, and what is learned says nothing of real data.'
      : 'Training was real, on the data of the study; how long it takes in a hospital is an assumption of the scenario.',
    'The network is a model. Latencies, losses and bandwidths are those of the scenario, not measured at your sites.',
    'A fault and a loss are put together because they coincide in time. That is likely, not proved.',
  ]
}

/** Who is not in one round, and why; those with the same fate together. All losses are of one round. */
export function lossesInWords(losses: readonly Loss[], result: RunResult): string[] {
  const fates = new Map<string, MemberId[]>()
  for (const loss of losses) {
    const fate = fateInWords(loss, result)
    fates.set(fate, [...(fates.get(fate) ?? []), loss.member])
  }
  return [...fates].map(([fate, members]) => `${listed(members, 8)} ${fate}`)
}

/** The ledger's reasons, for people. */
const REASONS: Readonly<Record<string, string>> = {
  absent: 'not in the cohort',
  silent: 'left out, no input in time',
  undelivered: 'left out, its input was not delivered whole',
  corrupt: 'left out, its input was corrupt',
  unshared: 'left out, it dealt no shares in time',
  excluded: 'excluded, as the culprit of an attempt before',
  conflict: 'kept out, as it or another did not do its part in the attempts before',
  committee: 'left out with its whole committee',
}

function reasonInWords({ reason }: Loss): string {
  return REASONS[reason] ?? `left out (${reason})`
}

function fateInWords(loss: Loss, result: RunResult): string {
  const how = reasonInWords(loss)
  const fault = loss.fault === undefined ? undefined : result.injected[loss.fault]
  if (fault) {
    const lasted = fault.forMs === undefined ? '' : ` for ${formatDuration(fault.forMs)}`
    return `${how}: ${fault.kind} at ${formatDuration(fault.at)}${lasted}${loss.after ? ', coming back' : ''}`
  }
  if (loss.behaviour !== undefined) return `${how}: malicious, ${lieInWords(loss.behaviour)}`
  return `${how}: no fault struck it then; it or its messages were too slow for the deadline`
}

/** How many inputs are missing for which reason, and with how many of them which kind of fault coincides. */
export function lossCounts(losses: readonly Loss[], result: RunResult): string {
  const by = (name: (loss: Loss) => string) => {
    const counts = new Map<string, number>()
    for (const loss of losses) counts.set(name(loss), (counts.get(name(loss)) ?? 0) + 1)
    return [...counts].toSorted((x, y) => y[1] - x[1]).map(([what, n]) => `${formatCount(n)} ${what}`)
  }
  const reasons = by(reasonInWords)
  const causes = by(l => {
    const fault = l.fault === undefined ? undefined : result.injected[l.fault]
    return fault?.kind ?? (l.behaviour === undefined ? 'nothing' : 'nothing, but malicious')
  })
  return `${plural(losses.length, 'input is', 'inputs are')} in no sum: ${reasons.join('; ')}. What struck them at the time: ${listed(causes, 10)}.`
}

/** Costs of all faults of one kind. */
export interface KindCost {
  readonly kind: string
  readonly count: number
  /** Faults that cost nothing. */
  readonly free: number
  readonly lastedMs: number
  readonly roundsMissed: number
  readonly inputsLost: number
  readonly retries: number
  readonly waitedMs: number
}

export function costsByKind(faults: readonly FaultCost[]): KindCost[] {
  const kinds = new Map<string, { -readonly [K in keyof KindCost]: KindCost[K] }>()
  for (const c of faults) {
    const { kind } = c.fault
    const sum = kinds.get(kind) ?? {
      kind,
      count: 0,
      free: 0,
      lastedMs: 0,
      roundsMissed: 0,
      inputsLost: 0,
      retries: 0,
      waitedMs: 0,
    }
    kinds.set(kind, sum)
    sum.count++
    if (isFree(c)) sum.free++
    sum.lastedMs += c.fault.forMs ?? 0
    sum.roundsMissed += c.roundsMissed
    sum.inputsLost += c.inputsLost
    sum.retries += c.retries
    sum.waitedMs += c.waitedMs
  }
  return [...kinds.values()].toSorted((a, b) => b.waitedMs - a.waitedMs || b.roundsMissed - a.roundsMissed)
}

/** Less than a tenth of a second is no cost that anybody sees. */
export function isFree(c: FaultCost): boolean {
  return c.roundsMissed === 0 && c.retries === 0 && c.waitedMs < 100
}

function missedMost(result: RunResult, f: Figures): string {
  const missed = result.hospitals
    .map(h => ({ id: h.id, rounds: f.roundsClosed - h.roundsIn }))
    .filter(h => h.rounds > 0)
    .toSorted((a, b) => b.rounds - a.rounds)
  return `Most often away: ${listed(
    missed.slice(0, 3).map(h => `${h.id} (${h.rounds} of ${f.roundsClosed})`),
    3,
  )}.`
}
