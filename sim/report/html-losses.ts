/** The page's sections on what was lost and why, and on what each outage cost. */
import { html, htmlTable, type Markup } from '../../node/report/html.ts'
import { FAULTS, type FaultCode } from '../../protocol/fault.ts'
import type { RunResult } from '../result.ts'
import type { Figures } from './figures.ts'
import { formatCount, formatDuration, listed, plural } from './format.ts'
import type { FaultCost } from './losses.ts'
import { costsByKind, isFree, lossCounts, lossesInWords } from './reading.ts'

/** Rows of a long table; what is beyond is summed up in a sentence. */
export const ROWS_MAX = 60
/** Lines of one cell. */
const LINES_MAX = 12

/** Which rounds were not full, whose input is missing, and what each absence coincides with. */
export function lostSection(result: RunResult, f: Figures): Markup {
  const byRound = Map.groupBy(f.losses.losses, loss => loss.round)
  const retried = result.rounds.filter(r => r.tries.some(t => t.aborted !== undefined))
  const accused = result.rounds.flatMap(r => r.accused.map(a => `round ${r.round}: ${a.member}, ${a.code}`))
  const rows = [...byRound]
    .slice(0, ROWS_MAX)
    .map(([round, losses]) => [String(round), String(losses.length), wrapped(lossesInWords(losses, result))])
  const more = byRound.size - rows.length
  return html`<h2>What was lost, and why</h2>
${
  byRound.size === 0
    ? html`<p>Nothing: every closed round has the input of every hospital.</p>`
    : html`<p>${lossCounts(f.losses.losses, result)}</p>
${htmlTable('Rounds that went on without some hospital, and what each absence coincides with', [['round', 'missing', 'who, and why'], ...rows])}`
}
${more > 0 ? html`<p class="soft">And ${plural(more, 'more such round')}.</p>` : undefined}
${
  retried.length === 0
    ? undefined
    : html`<h3>Attempts that were given up</h3><ul>${retried.slice(0, ROWS_MAX).map(r => html`<li>round ${r.round}: ${listed(r.tries.filter(t => t.aborted !== undefined).map(abortInWords))}; ${r.closedAt === undefined ? 'not closed' : `closed in attempt ${r.attempts}`}</li>`)}</ul>`
}
${accused.length === 0 ? undefined : html`<h3>Who was found to lie</h3><ul>${accused.slice(0, ROWS_MAX).map(a => html`<li>${a}</li>`)}</ul>`}`
}

function abortInWords(t: RunResult['rounds'][number]['tries'][number]): string {
  const who = t.culprits.length === 0 ? '' : `: ${listed(t.culprits.map(culpritInWords))}`
  const took = t.endedAt === undefined ? '' : ` after ${formatDuration(t.endedAt - t.openedAt)}`
  const whose = t.committee === undefined ? '' : `committee ${t.committee}, `
  return `${whose}attempt ${t.attempt + 1}${took} (${t.aborted}${who})`
}

function culpritInWords({ member, code }: { readonly member: string; readonly code: string }): string {
  const says = code in FAULTS ? FAULTS[code as FaultCode].says : code
  return says === '' ? member : `${member} ${says}`
}

/** What each fault cost: in rounds, in inputs, in the time of all. */
export function costSection(result: RunResult, f: Figures): Markup {
  const { faults, liarsMs, unexplainedMs } = f.losses
  const dear = faults
    .filter(c => !isFree(c))
    .toSorted((a, b) => b.waitedMs - a.waitedMs || b.roundsMissed - a.roundsMissed)
  const shown = dear.slice(0, ROWS_MAX).toSorted((a, b) => a.fault.at - b.fault.at)
  const kinds = costsByKind(faults)
  const uncounted = Object.values(result.injectedByKind).reduce((a, b) => a + b, 0) > 0
  if (faults.length === 0 && !uncounted) return html``
  return html`<h2>What each outage cost</h2>
<p class="soft">Rounds missed: inputs that are in no sum. Inputs lost: of those, what had been trained already. Waited: how much longer the rounds took than a calm one, for everybody; where faults coincide, they share it.</p>
${
  faults.length === 0
    ? undefined
    : html`${htmlTable('By kind', [
        [
          'fault',
          'struck',
          'cost nothing',
          'lasted in all',
          'rounds missed',
          'inputs lost',
          'retries',
          'others waited',
        ],
        ...kinds.map(k => [
          k.kind,
          formatCount(k.count),
          formatCount(k.free),
          formatDuration(k.lastedMs),
          formatCount(k.roundsMissed),
          formatCount(k.inputsLost),
          formatCount(k.retries),
          formatDuration(Math.round(k.waitedMs)),
        ]),
      ])}
${shown.length === 0 ? html`<p>None of them cost anything.</p>` : costTable(shown)}
${dear.length > shown.length ? html`<p class="soft">Shown are the ${shown.length} that cost most, of ${dear.length} that cost anything.</p>` : undefined}`
}
<p class="soft">${waitedElse(liarsMs, unexplainedMs)} ${linkFaults(result)}</p>`
}

function waitedElse(liarsMs: number, unexplainedMs: number): string {
  const liars = `${formatDuration(Math.round(liarsMs))} of waiting were for attempts that malicious hospitals spoilt.`
  const rest = `${formatDuration(Math.round(unexplainedMs))} of waiting coincide with no fault: slow links, late training.`
  return [...(liarsMs >= 100 ? [liars] : []), ...(unexplainedMs >= 100 ? [rest] : [])].join(' ')
}

function costTable(shown: readonly FaultCost[]): Markup {
  return htmlTable('One by one, in the order of time', [
    ['at', 'fault', 'whom', 'for', 'rounds missed', 'inputs lost', 'retries', 'others waited'],
    ...shown.map(c => [
      formatDuration(c.fault.at),
      c.fault.kind,
      wrapped([listed(c.fault.hospitals, 4)]),
      formatDuration(c.fault.forMs),
      formatCount(c.roundsMissed),
      formatCount(c.inputsLost),
      formatCount(c.retries),
      formatDuration(Math.round(c.waitedMs)),
    ]),
  ])
}

/** What befell messages, which is no cost of its own. */
function linkFaults(result: RunResult): string {
  const struck = new Set(result.injected.map(i => i.kind))
  const others = Object.entries(result.injectedByKind).filter(([kind]) => !struck.has(kind))
  const lost = Object.entries(result.lostByReason)
  const show = (list: readonly (readonly [string, number])[]) =>
    listed(
      list.map(([k, n]) => `${k} ${formatCount(n)}`),
      12,
    )
  return `${others.length === 0 ? '' : `On the links: ${show(others)}.`} ${lost.length === 0 ? '' : `Messages that did not arrive: ${show(lost)}.`}`
}

/** Lines in a cell that may break; cells are else kept on one line. */
function wrapped(lines: readonly string[]): Markup {
  return html`<div class="wrap">${lines.slice(0, LINES_MAX).map(l => html`${l}<br/>`)}${lines.length > LINES_MAX ? `and ${lines.length - LINES_MAX} more` : undefined}</div>`
}
