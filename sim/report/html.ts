/** The report of one run: one self-contained page, without scripts and without anything to fetch. All text is escaped. */
import { formatBytes, formatScore } from '../../node/cli/format.ts'
import { html, htmlTable, type Markup } from '../../node/report/html.ts'
import { STYLE } from '../../node/report/style.ts'
import type { RunResult } from '../result.ts'
import { bytesChart, decades, durationTicks, histogramChart, roundsChart } from './charts.ts'
import { distanceChart, scoresChart } from './convergence.ts'
import { type Figures, figuresOf, PART_WORDS, PARTS } from './figures.ts'
import { formatCount, formatDuration, formatNumber, listed, plural } from './format.ts'
import { costSection, lostSection, ROWS_MAX } from './html-losses.ts'
import { caveats, checkInWords, readingOf, verdictInWords } from './reading.ts'
import { SIM_STYLE } from './style.ts'
import { LANES_MAX, LEGEND, timeline } from './timeline.ts'
import { adversariesInWords, consortiumInWords, faultsInWords, linksInWords, siteRows } from './words.ts'

/** Rows of the table of rounds. */
const ROUNDS_MAX = 400

/** The page as text. `command`: what repeats the run, where it is known. */
export function simReportHtml(result: RunResult, command?: string): string {
  const figures = figuresOf(result)
  const { title } = result.scenario
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>medmesh simulation: ${title}</title>
<style>${raw(STYLE)}${raw(SIM_STYLE)}</style>
</head>
<body><main>
${head(result, figures)}
${reading(result, figures)}
${course(result, figures)}
${durations(result, figures)}
${lostSection(result, figures)}
${costSection(result, figures)}
${traffic(result)}
${learned(result)}
${checks(result)}
${simulated(result)}
${allRounds(result, figures)}
${repeat(result, command)}
</main></body>
</html>
`.text
}

function head(result: RunResult, f: Figures): Markup {
  const { title, description } = result.scenario
  const fact = (name: string, value: string) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`
  const good = result.ok && result.violations.length === 0
  return html`<h1>${title}</h1>
<p class="soft">A simulated run of medmesh: ${consortiumInWords(result.scenario)} Seed ${result.seed}.</p>
<p>${description}</p>
<p class="soft">Links between hospitals: ${linksInWords(result.scenario)[0]!.replace(/^[^:]*: /, '')} What goes wrong: ${inShort(faultsInWords(result.scenario))} ${inShort(adversariesInWords(result.scenario))} <a href="#simulated">More on what was simulated</a>.</p>
<p class="${good ? 'good' : 'bad'}">${verdictInWords(result, f)}</p>
<dl class="facts">
${fact('Rounds closed', `${f.roundsClosed} of ${f.roundsAll}`)}
${fact('Study took', formatDuration(f.tookMs))}
${fact('Round, median', formatDuration(f.roundMs.count === 0 ? undefined : f.roundMs.p50))}
${fact('Round, longest', formatDuration(f.roundMs.count === 0 ? undefined : f.roundMs.max))}
${fact('Inputs missing', `${formatCount(f.inputsMissing)} of ${formatCount(f.inputsAll)}`)}
${fact('Sent in all', formatBytes(f.bytes))}
</dl>`
}

function inShort(sentences: readonly string[]): string {
  const more = sentences.length - 4
  return [...sentences.slice(0, 4), ...(more > 0 ? [`And ${more} more.`] : [])].join(' ')
}

function reading(result: RunResult, f: Figures): Markup {
  return html`<h2>What this means</h2>
<ul>${readingOf(result, f).map(s => html`<li>${s}</li>`)}</ul>
<p><strong>What it does not show:</strong></p>
<ul class="soft">${caveats(result).map(s => html`<li>${s}</li>`)}</ul>`
}

function course(result: RunResult, f: Figures): Markup {
  if (result.hospitals.length === 0) return html``
  const used = new Set(result.hospitals.flatMap(h => h.spans.flatMap(s => [s.what, s.kind])))
  if (f.inputsMissing > 0) used.add('missed')
  if (used.has('rounds')) used.add('round')
  const many = result.hospitals.length > LANES_MAX
  const caption = many
    ? `On top all ${result.hospitals.length} hospitals: what share of them did what (orange: down or cut off). Below the ${LANES_MAX} that missed most.`
    : 'One lane for each hospital. Numbers on top are rounds; 0 sums the statistics for normalisation, the last one only evaluates.'
  const committees = result.scenario.committees
    ? ' A hospital goes on opening until the sums of all committees are in.'
    : ''
  return html`<h2>How the rounds went</h2>
<figure>${timeline(result, f)}
<ul class="legend">${LEGEND.filter(([css]) => used.has(css)).map(([css, words]) => legendItem(css, words))}</ul>
<figcaption>${caption}${committees} Time is virtual.</figcaption></figure>`
}

function legendItem(css: string, words: string): Markup {
  const edge = css === 'hindered' || css === 'missed'
  return html`<li><svg viewBox="0 0 22 14" aria-hidden="true"><rect class="${css}" x="1" y="${edge ? 5 : 1}" width="20" height="${edge ? 4 : 12}"/></svg>${words}</li>`
}

function durations(result: RunResult, f: Figures): Markup {
  if (f.roundsClosed === 0) return html``
  const used = PARTS.filter(p => p !== 'repeat' || f.attemptsAborted > 0)
  const which =
    f.partsOf === 'calm' ? 'calm training rounds: nobody left out, no fault at the time' : 'all closed rounds'
  return html`<h2>How long rounds took</h2>
<figure>${roundsChart(result, f)}
<ul class="legend">${used.map(p => legendItem(p, PART_WORDS[p]))}</ul>
<figcaption>From the end of one round to the end of the next. Training is until the last of the survivors had trained. Columns that are cut off have their length on top.</figcaption></figure>
<div class="two"><figure>${histogramChart({ id: 'round-ms', title: 'How long rounds took: distribution', of: f.roundMs, axis: 'time of a round', ...DURATIONS })}</figure>
<div>${htmlTable(`Where the time goes: medians over ${which}`, [
    ['part', 'time'],
    ...used.filter(p => f.parts[p] > 0).map(p => [PART_WORDS[p], formatDuration(f.parts[p])]),
    ['the whole round', formatDuration(f.calmMs)],
  ])}</div></div>`
}

/** How durations are shown on an axis. */
const DURATIONS = { show: formatDuration, ticks: durationTicks }

function traffic(result: RunResult): Markup {
  const latency = histogramChart({
    id: 'latency',
    title: 'From sending to arrival',
    of: result.latencyMs,
    axis: 'time from sending to arrival',
    ...DURATIONS,
  })
  const sizes = histogramChart({
    id: 'sizes',
    title: 'Size of messages',
    of: result.messageBytes,
    axis: 'bytes of a message',
    show: b => formatBytes(Math.round(b)),
    ticks: decades,
  })
  return html`<h2>What was sent</h2>
<div class="two"><figure>${latency}<figcaption>From sending to arrival: one hop of one message, with the time it waited for the line, for what was lost to be repeated, or for a cut to end.</figcaption></figure>
<figure>${sizes}<figcaption>Size of messages, without headers. Every hop counts, relayed gossip too.</figcaption></figure></div>
<figure>${bytesChart(result)}<figcaption>Filled: sent. Outline: received. With all headers.</figcaption></figure>`
}

function learned(result: RunResult): Markup {
  const distance = distanceChart(result)
  const scores = scoresChart(result)
  if (!distance && !scores) return html``
  return html`<h2>What was learned</h2>
<div class="two">${distance && html`<figure>${distance}<figcaption>Distance of the model from the known optimum of the synthetic problem (Euclidean).</figcaption></figure>`}
${scores && html`<figure>${scores}<figcaption>AUC (solid) and loss (dashed), from the certified sums over the test rows of all hospitals that took part.</figcaption></figure>`}</div>`
}

function checks(result: RunResult): Markup {
  const names = [...new Set([...Object.keys(result.checked), ...result.violations.map(v => v.checker)])]
  const rows = names.map(name => {
    const found = result.violations.filter(v => v.checker === name)
    const times = result.checked[name] ?? 0
    const verdict =
      found.length > 0
        ? html`<span class="bad">${plural(found.length, 'finding')}</span>`
        : times === 0
          ? 'never had anything to check'
          : html`<span class="good">held</span>`
    return [name, verdict, formatCount(times), checkInWords(name)]
  })
  return html`<h2>What was checked</h2>
${rows.length === 0 ? html`<p>Nothing.</p>` : htmlTable('Checkers see more than any hospital does: all machines, disks and messages', [['checker', 'verdict', 'checked', 'what it holds'], ...rows])}
${result.violations.length === 0 ? undefined : html`<ul>${result.violations.slice(0, ROWS_MAX).map(v => html`<li><strong>${v.checker}</strong> after ${formatDuration(v.at)} (event ${formatCount(v.event)}): ${v.says}</li>`)}</ul>`}`
}

function simulated({ scenario, injectedByKind, hospitals }: RunResult): Markup {
  const liars = hospitals.filter(h => h.behaviour !== undefined)
  const list = (items: readonly string[]) =>
    html`<ul>${items.slice(0, ROWS_MAX).map(s => html`<li>${s}</li>`)}</ul>`
  const struck = Object.entries(injectedByKind)
  return html`<h2 id="simulated">What was simulated</h2>
<p>The machines are those that run in hospitals; network, disks, clocks and training are modelled.</p>
${htmlTable('Sites', siteRows(scenario).slice(0, ROWS_MAX + 1))}
<h3>Links</h3>${list(linksInWords(scenario))}
<h3>Faults</h3>${list(faultsInWords(scenario))}
${
  struck.length === 0
    ? undefined
    : html`<p class="soft">Injected in this run: ${listed(
        struck.map(([k, n]) => `${k} ${formatCount(n)}`),
        20,
      )}.</p>`
}
<h3>Adversaries</h3>${list(adversariesInWords(scenario))}
${
  liars.length === 0
    ? undefined
    : html`<p class="soft">In this run: ${listed(
        liars.map(h => `${h.id} (${h.behaviour})`),
        20,
      )}.</p>`
}`
}

function allRounds(result: RunResult, f: Figures): Markup {
  const rows = result.rounds
    .slice(0, ROUNDS_MAX)
    .map((r, i) => [
      String(r.round),
      r.task,
      String(r.attempts),
      String(r.cohort.length),
      String(r.survivors.length),
      formatDuration(f.losses.times[i]!.to - f.losses.times[i]!.from),
      formatDuration(
        r.closedEverywhereAt === undefined || r.closedAt === undefined
          ? undefined
          : r.closedEverywhereAt - r.closedAt,
      ),
      formatBytes(r.bytes),
      formatNumber(r.distance),
      formatScore(r.metrics?.auc),
      r.closedAt === undefined ? 'not closed' : '',
    ])
  return html`<details><summary>All rounds</summary>
${htmlTable('AUC is that of the model from which the round started', [
  [
    'round',
    'task',
    'attempts',
    'cohort',
    'survivors',
    'time',
    'all know after',
    'bytes',
    'distance',
    'AUC',
    '',
  ],
  ...rows,
])}
${result.rounds.length > rows.length ? html`<p class="soft">And ${plural(result.rounds.length - rows.length, 'more round')}.</p>` : undefined}
</details>`
}

function repeat(result: RunResult, command: string | undefined): Markup {
  return html`<h2>To repeat it</h2>
<p>The same scenario, seed and commit give the same run, event for event, on any machine${command === undefined ? '' : html`: <code>${command}</code>`}.</p>
${htmlTable('', [
  ['what', ''],
  ['seed', String(result.seed)],
  ['events', formatCount(result.events)],
  ['trace (SHA-256)', html`<code>${result.traceHash}</code>`],
])}`
}

/** The style sheets, which are our own constants. */
function raw(text: string): Markup {
  return html([text] as unknown as TemplateStringsArray)
}
