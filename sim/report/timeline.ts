/** The timeline: a lane for each hospital, or, of many, for those that fared worst, and a band for all. */
import { scaleLinear } from 'd3-scale'
import { html, type Markup } from '../../node/report/html.ts'
import type { MemberId, Millis } from '../../protocol/ports.ts'
import type { HospitalRecord, RunResult, Span } from '../result.ts'
import type { Figures } from './figures.ts'
import { formatDuration, listed, plural } from './format.ts'

const WIDTH = 920
/** More hospitals than that are shown by a band, and by lanes for those that fared worst. */
export const LANES_MAX = 40
/** Columns of the band, and cells of a lane that has more stretches. */
const COLUMNS = 400
/** What a band is made of, from its foot. */
const BAND = [
  'learning',
  'sharing',
  'delivered',
  'opening',
  'round',
  'between',
  'finished',
  'struck',
] as const
type BandPart = (typeof BAND)[number]

/** Name and class of each kind of stretch, as the legend shows them. */
export const LEGEND: readonly (readonly [css: string, words: string])[] = [
  ['between', 'between rounds'],
  ['learning', 'training'],
  ['sharing', 'shares and masks'],
  ['delivered', 'delivered, waits for the others'],
  ['opening', 'opens the sum'],
  ['aside', 'not in the cohort'],
  ['round', 'whole rounds (merged)'],
  ['down', 'process down'],
  ['outage', 'cut off'],
  ['paused', 'stands still'],
  ['hindered', 'slow or partly cut (upper edge)'],
  ['missed', 'its input is not in this round (lower edge)'],
]

interface Axis {
  readonly at: (ms: Millis) => number
  readonly left: number
  readonly right: number
}

/** The hospitals that get a lane: all, or those that missed most, in the scenario's order. */
export function lanesOf(result: RunResult): readonly HospitalRecord[] {
  const { hospitals, rounds } = result
  if (hospitals.length <= LANES_MAX) return hospitals
  const closed = rounds.filter(r => r.closedAt !== undefined).length
  const badness = (h: HospitalRecord) => [closed - h.roundsIn, h.downMs + h.struckMs, h.crashes] as const
  const worst = hospitals
    .toSorted((a, b) => {
      const [x, y] = [badness(a), badness(b)]
      return y[0] - x[0] || y[1] - x[1] || y[2] - x[2]
    })
    .slice(0, LANES_MAX)
  return hospitals.filter(h => worst.includes(h))
}

export function timeline(result: RunResult, figures: Figures): Markup {
  const lanes = lanesOf(result)
  const many = lanes.length < result.hospitals.length
  const pitch = lanes.length <= 10 ? 34 : lanes.length <= 20 ? 24 : 16
  const bandHeight = many ? 110 : 0
  const top = 28
  const lanesTop = top + (many ? bandHeight + 34 : 0)
  const bottom = lanesTop + pitch * lanes.length
  const height = bottom + 42
  const left = Math.min(200, 22 + 7 * Math.max(...lanes.map(h => h.id.length), many ? 12 : 0))
  const end = Math.max(1, result.virtualMs)
  const unit = unitOf(end)
  const x = scaleLinear([0, end / unit.ms], [left, WIDTH - 14])
  const axis: Axis = { at: ms => x(ms / unit.ms), left, right: WIDTH - 14 }
  const missed = missedBy(result)
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="time-title time-desc">
<title id="time-title">What each hospital did, over time</title>
<desc id="time-desc">${inWords(result, figures)}</desc>
${patterns()}
${x.ticks(9).map(t => html`<line class="axis" x1="${px(x(t))}" x2="${px(x(t))}" y1="${top}" y2="${bottom}"/><text class="soft" x="${px(x(t))}" y="${bottom + 18}" text-anchor="middle">${t}</text>`)}
<text class="soft" x="${(left + WIDTH) / 2}" y="${height - 4}" text-anchor="middle">${unit.name} since the start</text>
${roundNumbers(result, axis, top - 10)}
${many ? band(result, axis, top, bandHeight) : undefined}
${lanes.map((h, i) => lane(h, axis, lanesTop + i * pitch, pitch, missed.get(h.id) ?? []))}
</svg>`
}

/** Patterns that the classes of a lane refer to: once on a page. */
function patterns(): Markup {
  const hatch = (id: string, turn: number) =>
    html`<pattern id="${id}" width="6" height="6" patternTransform="rotate(${turn})" patternUnits="userSpaceOnUse"><rect class="hatch-paper" width="6" height="6"/><line class="hatch-line" x1="0" x2="0" y1="0" y2="6"/></pattern>`
  return html`<defs>${hatch('down-hatch', 45)}${hatch('outage-hatch', -45)}
<pattern id="paused-dots" width="5" height="5" patternUnits="userSpaceOnUse"><rect class="hatch-paper" width="5" height="5"/><circle class="hatch-dot" cx="2.5" cy="2.5" r="1.3"/></pattern></defs>`
}

function lane(h: HospitalRecord, axis: Axis, y: number, pitch: number, missed: readonly Missed[]): Markup {
  const height = pitch - (pitch > 20 ? 10 : 5)
  const edge = pitch > 20 ? 3 : 2
  const name = h.id.length > 25 ? `${h.id.slice(0, 24)}…` : h.id
  const liar = h.behaviour === undefined ? '' : ' (lies)'
  const phases = h.spans.filter(s => s.kind === 'phase')
  const strikes = h.spans.filter(s => s.kind !== 'phase' && s.to > s.from)
  const box = (s: { readonly from: Millis; readonly to: Millis }, least: number) => ({
    x: px(axis.at(s.from)),
    width: px(Math.max(least, axis.at(s.to) - axis.at(s.from))),
  })
  return html`<g>
<text x="${axis.left - 10}" y="${y + height / 2 + 4}" text-anchor="end"><title>${h.id}${liar}${h.behaviour === undefined ? '' : `: ${h.behaviour}`}</title>${name}</text>
${phasePaths(phases, axis, y, height)}
${strikes.map(s => {
  const { x, width } = box(s, 1.5)
  const words = `${h.id}: ${s.what}, ${formatDuration(s.from)} to ${formatDuration(s.to)} (${formatDuration(s.to - s.from)})`
  const thin = s.kind === 'hindered'
  return html`<rect class="${width < 4 && !thin ? 'solid-struck' : s.kind}" x="${x}" y="${thin ? y - edge : y - 1}" width="${width}" height="${thin ? edge : height + 2}"><title>${words}</title></rect>`
})}
${missed.map(m => {
  const { x, width } = box(m, 1.5)
  return html`<rect class="missed" x="${x}" y="${y + height + 1}" width="${width}" height="${edge}"><title>${h.id} is not in round ${m.round}: ${m.reason}</title></rect>`
})}
</g>`
}

/** One path for each phase: a lane may have hundreds of stretches. */
function phasePaths(phases: readonly Span[], axis: Axis, y: number, height: number): Markup[] {
  const cells = phases.length > COLUMNS ? sampled(phases, axis) : phases
  const paths = new Map<string, string>()
  for (const { what, from, to } of cells) {
    const x = px(axis.at(from))
    const width = px(Math.max(0.4, axis.at(to) - axis.at(from)))
    paths.set(what, `${paths.get(what) ?? ''}M${x} ${y}h${width}v${height}h-${width}z`)
  }
  return [...paths].map(([what, d]) => html`<path class="${what}" d="${d}"/>`)
}

/** The phase at the middle of each column, equal neighbours joined. */
function sampled(phases: readonly Span[], axis: Axis): Pick<Span, 'what' | 'from' | 'to'>[] {
  const end = phases.at(-1)!.to
  const step = end / COLUMNS
  const cells: { what: string; from: Millis; to: Millis }[] = []
  let i = 0
  for (let column = 0; column < COLUMNS; column++) {
    const middle = (column + 0.5) * step
    while (i < phases.length - 1 && phases[i]!.to <= middle) i++
    const here = phases[i]!
    if (here.from > middle || here.to <= middle) continue
    const last = cells.at(-1)
    const from = column * step
    if (last?.what === here.what && axis.at(from) - axis.at(last.to) < 0.5) last.to = from + step
    else cells.push({ what: here.what, from, to: from + step })
  }
  return cells
}

/** All hospitals at once: at each time, what share of them did what. */
function band(result: RunResult, axis: Axis, y: number, height: number): Markup {
  const { hospitals, virtualMs } = result
  const columns = Array.from({ length: COLUMNS }, () => new Map<BandPart, number>())
  const step = virtualMs / COLUMNS
  for (const { spans } of hospitals) {
    const phases = spans.filter(s => s.kind === 'phase')
    const gone = spans.filter(s => s.kind !== 'phase' && s.kind !== 'hindered')
    let p = 0
    columns.forEach((column, i) => {
      const middle = (i + 0.5) * step
      while (p < phases.length && phases[p]!.to <= middle) p++
      const struck = gone.some(s => s.from <= middle && middle < s.to)
      const here = phases[p]
      const what = struck ? 'struck' : bandPart(here && here.from <= middle ? here.what : 'between')
      column.set(what, (column.get(what) ?? 0) + 1)
    })
  }
  const paths = new Map<BandPart, string>()
  columns.forEach((column, i) => {
    const x = px(axis.at(i * step))
    const width = px(axis.at((i + 1) * step) - axis.at(i * step) + 0.3)
    let foot = y + height
    for (const part of BAND) {
      const share = ((column.get(part) ?? 0) / hospitals.length) * height
      if (share === 0) continue
      foot -= share
      paths.set(part, `${paths.get(part) ?? ''}M${x} ${px(foot)}h${width}v${px(share)}h-${width}z`)
    }
  })
  const label = html`<text x="${axis.left - 10}" y="${y + height / 2}" text-anchor="end">all ${hospitals.length}</text>`
  return html`<g>${label}${[...paths].map(([part, d]) => html`<path class="${part === 'struck' ? 'solid-struck' : part}" d="${d}"><title>${part}</title></path>`)}
<text class="soft" x="${axis.left - 10}" y="${y + height + 22}" text-anchor="end">fared worst:</text></g>`
}

function bandPart(what: string): BandPart {
  if (what === 'rounds') return 'round'
  return (BAND as readonly string[]).includes(what) ? (what as BandPart) : 'between'
}

interface Missed {
  readonly round: number
  readonly reason: string
  readonly from: Millis
  readonly to: Millis
}

function missedBy({ rounds }: RunResult): Map<MemberId, Missed[]> {
  const missed = new Map<MemberId, Missed[]>()
  for (const { round, openedAt, closedAt, leftOut } of rounds) {
    if (closedAt === undefined) continue
    for (const { member, reason } of leftOut) {
      const list = missed.get(member) ?? []
      missed.set(member, list)
      list.push({ round, reason, from: openedAt, to: closedAt })
    }
  }
  return missed
}

/** Numbers over the rounds, as many as fit. */
function roundNumbers({ rounds, virtualMs }: RunResult, axis: Axis, y: number): Markup[] {
  const shown = [html`<text class="soft" x="${axis.left - 10}" y="${y}" text-anchor="end">round</text>`]
  let free = 0
  for (const { round, openedAt, closedAt } of rounds) {
    const middle = (axis.at(openedAt) + axis.at(closedAt ?? virtualMs)) / 2
    if (middle < free) continue
    free = middle + 14 + 8 * String(round).length
    shown.push(html`<text class="soft" x="${px(middle)}" y="${y}" text-anchor="middle">${round}</text>`)
  }
  return shown
}

/** The unit in which an axis of this length reads well. */
export function unitOf(ms: Millis): { readonly name: string; readonly ms: Millis } {
  if (ms < 300_000) return { name: 'seconds', ms: 1000 }
  if (ms < 4 * 3_600_000) return { name: 'minutes', ms: 60_000 }
  if (ms < 4 * 86_400_000) return { name: 'hours', ms: 3_600_000 }
  return { name: 'days', ms: 86_400_000 }
}

/** Coordinates with two digits: they make up most of the page. */
export function px(x: number): number {
  return Math.round(x * 100) / 100
}

function inWords(result: RunResult, { roundsClosed, inputsMissing, inputsAll }: Figures): string {
  const away = result.hospitals.filter(h => h.downMs + h.struckMs > 0)
  const most = away
    .toSorted((a, b) => b.downMs + b.struckMs - a.downMs - a.struckMs)
    .map(h => `${h.id} ${formatDuration(h.downMs + h.struckMs)}`)
  const gone =
    most.length === 0 ? 'Nobody was down or cut off.' : `Down or cut off for longest: ${listed(most, 5)}.`
  return `${plural(roundsClosed, 'round')} closed in ${formatDuration(result.virtualMs)}. ${inputsMissing} of ${inputsAll} inputs are missing. ${gone}`
}
