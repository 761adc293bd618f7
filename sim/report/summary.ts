/** A run as people read it in a terminal: each round, totals, what went wrong and what it cost, what was checked. */
import { formatBytes, formatScore, table } from '../../node/cli/format.ts'
import type { RunResult } from '../result.ts'
import { type Figures, figuresOf } from './figures.ts'
import { formatCount, formatDuration, formatNumber, listed, plural } from './format.ts'
import { costsByKind, lossCounts, lossesInWords, readingOf, verdictInWords } from './reading.ts'
import { consortiumInWords } from './words.ts'

/** Rounds shown; of more, those that did not go as usual. */
const ROUNDS_MAX = 40
const LINES_MAX = 20

/** Lines with an end of line each. */
export function summary(result: RunResult): string {
  const f = figuresOf(result)
  const { title } = result.scenario
  const lines = [
    title,
    consortiumInWords(result.scenario),
    '',
    ...roundLines(result, f),
    '',
    ...lostLines(result, f),
    ...costLines(f),
    ...table(totals(result, f)),
    '',
    ...wrapped(readingOf(result, f)[0]!),
    verdictInWords(result, f),
    ...result.violations
      .slice(0, LINES_MAX)
      .map(v => `  ${v.checker} after ${formatDuration(v.at)}: ${v.says}`),
  ]
  return `${lines.map(printable).join('\n')}\n`
}

function roundLines(result: RunResult, f: Figures): string[] {
  const all = result.rounds.map((_, i) => i)
  const unusual = all.filter(i => !f.losses.times[i]!.calm)
  const shown = all.length <= ROUNDS_MAX ? all : unusual.slice(0, ROUNDS_MAX)
  const measured = result.rounds.some(r => r.metrics !== undefined)
  const known = result.rounds.some(r => r.distance !== undefined)
  const rows = shown.map(i => {
    const r = result.rounds[i]!
    const time = f.losses.times[i]!
    return [
      String(r.round),
      r.task,
      String(r.attempts),
      String(r.cohort.length),
      String(r.survivors.length),
      r.closedAt === undefined ? 'open' : formatDuration(time.to - time.from),
      formatBytes(r.bytes),
      ...(known ? [formatNumber(r.distance)] : []),
      ...(measured ? [formatScore(r.metrics?.auc)] : []),
    ]
  })
  const head = ['round', 'task', 'attempts', 'cohort', 'survivors', 'time', 'bytes']
  const columns = [...head, ...(known ? ['distance'] : []), ...(measured ? ['AUC before'] : [])]
  const left = all.length - shown.length
  return [
    ...table(
      [columns, ...rows],
      columns.map((_, i) => i).filter(i => i !== 1),
    ),
    ...(left === 0
      ? []
      : [`and ${plural(left, 'more round')}, of which ${all.length - unusual.length} without any trouble`]),
  ]
}

function lostLines(result: RunResult, f: Figures): string[] {
  const { losses } = f.losses
  if (losses.length === 0) return []
  const rounds = [...new Set(losses.map(l => l.round))]
  const shown = rounds.slice(0, LINES_MAX).flatMap(round => {
    const here = losses.filter(l => l.round === round)
    return lossesInWords(here, result).map(words => `  round ${round}: ${words}`)
  })
  const more = rounds.length - LINES_MAX
  return [
    lossCounts(losses, result),
    ...shown,
    ...(more > 0 ? [`  and so on in ${plural(more, 'more round')}`] : []),
    '',
  ]
}

function costLines(f: Figures): string[] {
  const kinds = costsByKind(f.losses.faults)
  if (kinds.length === 0) return []
  const head = ['fault', 'struck', 'cost nothing', 'rounds missed', 'inputs lost', 'retries', 'others waited']
  const rows = kinds.map(k => [
    k.kind,
    formatCount(k.count),
    formatCount(k.free),
    formatCount(k.roundsMissed),
    formatCount(k.inputsLost),
    formatCount(k.retries),
    formatDuration(Math.round(k.waitedMs)),
  ])
  return [
    'What each kind of fault cost',
    ...table([head, ...rows], [1, 2, 3, 4, 5, 6]).map(l => `  ${l}`),
    '',
  ]
}

function totals(result: RunResult, f: Figures): string[][] {
  const counts = (of: Readonly<Record<string, number>>) => {
    const parts = Object.entries(of).map(([k, n]) => `${k} ${formatCount(n)}`)
    return parts.length === 0 ? 'none' : listed(parts, 20)
  }
  const liars = result.hospitals.filter(h => h.behaviour !== undefined)
  const found = new Set(result.violations.map(v => v.checker))
  const { roundMs: r, parts } = f
  return [
    ['study', `${formatDuration(f.tookMs)}, of which ${waits(f)}`],
    [
      'rounds',
      `${f.roundsClosed} of ${f.roundsAll} closed, ${f.roundsFull} with everybody, ${plural(f.attemptsAborted, 'attempt')} given up`,
    ],
    [
      'a round',
      r.count === 0
        ? '-'
        : `${formatDuration(r.p50)} in the median (training ${formatDuration(parts.learning)}), 9 of 10 within ${formatDuration(r.p90)}, longest ${formatDuration(r.max)}`,
    ],
    ['inputs', `${formatCount(f.inputsAll - f.inputsMissing)} of ${formatCount(f.inputsAll)} are in a sum`],
    ['bytes', `${formatBytes(f.bytes)} sent in ${formatCount(result.messageBytes.count)} messages`],
    [
      'latency',
      result.latencyMs.count === 0
        ? '-'
        : `${formatDuration(result.latencyMs.p50)} in the median, 99 of 100 within ${formatDuration(result.latencyMs.p99)}`,
    ],
    ['faults', counts(result.injectedByKind)],
    ['lost', counts(result.lostByReason)],
    ...(liars.length === 0
      ? []
      : [
          [
            'liars',
            listed(
              liars.map(h => `${h.id} (${h.behaviour})`),
              10,
            ),
          ],
        ]),
    [
      'checked',
      listed(
        Object.entries(result.checked).map(
          ([k, n]) =>
            `${k} ${found.has(k) ? 'BROKEN' : formatCount(n)}${n === 0 ? ' (nothing to check)' : ''}`,
        ),
        20,
      ) || 'nothing',
    ],
    ['events', formatCount(result.events)],
    ['seed', String(result.seed)],
    ['trace', result.traceHash],
  ]
}

function waits({ waitedMs, losses: { liarsMs, unexplainedMs } }: Figures): string {
  const parts = [
    ...(liarsMs >= 100 ? [`${formatDuration(Math.round(liarsMs))} for what malicious hospitals spoilt`] : []),
    ...(unexplainedMs >= 100 ? [`${formatDuration(Math.round(unexplainedMs))} with no fault`] : []),
  ]
  const of = parts.length === 0 ? '' : ` (${listed(parts)})`
  return `${formatDuration(Math.round(waitedMs))} waiting beyond calm rounds${of}`
}

/** Lines of at most 100 characters. */
function wrapped(text: string): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const line = lines.at(-1)!
    if (line.length + word.length >= 100) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines
}

/** Names come from files: nothing in them may steer a terminal. */
function printable(line: string): string {
  return line.replace(/\p{Cc}/gu, '?')
}
