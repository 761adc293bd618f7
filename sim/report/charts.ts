/** Plots of how long rounds took, of distributions, and of bytes by hospital. */
import { scaleBand, scaleLinear, scaleLog } from 'd3-scale'
import { formatBytes } from '../../node/cli/format.ts'
import { html, type Markup } from '../../node/report/html.ts'
import type { Distribution, RunResult } from '../result.ts'
import { type Figures, PART_WORDS, PARTS, type PartTimes, partsOf } from './figures.ts'
import { formatCount, formatDuration, formatShare } from './format.ts'
import { median } from './losses.ts'
import { px, unitOf } from './timeline.ts'

const WIDTH = 920
/** More rounds than that are drawn by their means. */
const COLUMNS_MAX = 160
/** More hospitals than that are drawn by those that sent most. */
const BARS_MAX = 24

export interface Frame {
  readonly id: string
  readonly title: string
  readonly words: string
  readonly width: number
  readonly height: number
}

export function frame({ id, title, words, width, height }: Frame, inside: Markup): Markup {
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title ${id}-desc">
<title id="${id}-title">${title}</title><desc id="${id}-desc">${words}</desc>
${inside}
</svg>`
}

interface Column {
  readonly label: string
  readonly first: number
  readonly total: number
  readonly parts: PartTimes
}

/** A column for each round (of many: for some at a time), of what its time went to; the tallest are cut off and named. */
export function roundsChart(result: RunResult, figures: Figures): Markup {
  const columns = roundColumns(result, figures)
  const edge = { top: 30, right: 12, bottom: 40, left: 64 }
  const height = 280
  const typical = median(columns.map(c => c.total)) ?? 0
  const tallest = Math.max(1, ...columns.map(c => c.total))
  const top = tallest > 5 * typical && typical > 0 ? 3.2 * typical : tallest
  const unit = unitOf(top / 3)
  const x = scaleBand(
    columns.map((_, i) => String(i)),
    [edge.left, WIDTH - edge.right],
  ).padding(columns.length > 60 ? 0.1 : 0.25)
  const y = scaleLinear([0, top / unit.ms], [height - edge.bottom, edge.top])
  const labels = new Set(spaced(columns.length, 22))
  let named = Number.NEGATIVE_INFINITY
  const bars = columns.map((column, i) => {
    const left = px(x(String(i))!)
    const width = px(x.bandwidth())
    let from = 0
    const stack = PARTS.map(part => {
      const to = Math.min(top, from + column.parts[part])
      const at = y(to / unit.ms)
      const tall = y(from / unit.ms) - at
      from = to
      if (tall <= 0) return undefined
      const words = `${column.label}: ${PART_WORDS[part]} ${formatDuration(column.parts[part])} of ${formatDuration(column.total)}`
      return html`<rect class="${part}" x="${left}" y="${px(at)}" width="${width}" height="${px(tall)}"><title>${words}</title></rect>`
    })
    const middle = left + width / 2
    // Labels stay inside, and apart.
    const place = Math.max(edge.left + 30, Math.min(WIDTH - 34, middle))
    const cut = column.total > top && place - named > 76
    if (cut) named = place
    const name = cut
      ? html`<text class="mark-text" x="${px(place)}" y="${edge.top - 8}" text-anchor="middle">▲ ${formatDuration(column.total)}</text>`
      : undefined
    const tick = labels.has(i)
      ? html`<text class="soft" x="${px(middle)}" y="${height - edge.bottom + 18}" text-anchor="middle">${column.first}</text>`
      : undefined
    return html`${stack}${name}${tick}`
  })
  return frame(
    {
      id: 'rounds',
      title: 'How long each round took, and of what',
      words: `Median ${formatDuration(figures.roundMs.p50)}, nine of ten within ${formatDuration(figures.roundMs.p90)}, the longest ${formatDuration(figures.roundMs.max)}.`,
      width: WIDTH,
      height,
    },
    html`${y.ticks(5).map(t => html`<line class="axis" x1="${edge.left}" x2="${WIDTH - edge.right}" y1="${px(y(t))}" y2="${px(y(t))}"/><text class="soft" x="${edge.left - 8}" y="${px(y(t) + 4)}" text-anchor="end">${t}</text>`)}
<text class="soft" x="${edge.left - 8}" y="${edge.top - 14}" text-anchor="end">${unit.name}</text>
${bars}
<text class="soft" x="${(edge.left + WIDTH) / 2}" y="${height - 4}" text-anchor="middle">${columns.length < result.rounds.length ? 'round (columns are means of several)' : 'round'}</text>`,
  )
}

function roundColumns({ rounds }: RunResult, { losses }: Figures): Column[] {
  const size = Math.ceil(rounds.length / COLUMNS_MAX)
  const columns: Column[] = []
  for (let i = 0; i < rounds.length; i += size) {
    const some = rounds.slice(i, i + size)
    const parts = some.map((r, k) => partsOf(r, losses.times[i + k]!.from, losses.times[i + k]!.to))
    const mean = (part: (typeof PARTS)[number]) => parts.reduce((sum, p) => sum + p[part], 0) / some.length
    const means = Object.fromEntries(PARTS.map(p => [p, mean(p)])) as unknown as PartTimes
    const [first, last] = [some[0]!.round, some.at(-1)!.round]
    columns.push({
      label: first === last ? `round ${first}` : `rounds ${first} to ${last}, on average`,
      first,
      total: PARTS.reduce((sum, p) => sum + means[p], 0),
      parts: means,
    })
  }
  return columns
}

export interface HistogramPlot {
  readonly id: string
  readonly title: string
  readonly of: Distribution
  /** How a value is written. */
  readonly show: (value: number) => string
  readonly axis: string
  /** Round values between two. */
  readonly ticks: (from: number, to: number) => readonly number[]
}

/** A histogram over a logarithmic axis, with median and 99th percentile. */
export function histogramChart({ id, title, of, show: unit, axis, ticks }: HistogramPlot): Markup {
  const width = 450
  const height = 240
  const edge = { top: 46, right: 18, bottom: 40, left: 50 }
  const words = `${formatCount(of.count)} values: median ${unit(of.p50)}, nine of ten up to ${unit(of.p90)}, 99 of 100 up to ${unit(of.p99)}, largest ${unit(of.max)}.`
  const head = { id, title, words, width, height }
  if (of.count === 0) return frame(head, html`<text class="soft" x="20" y="40">Nothing was counted.</text>`)
  // Zero has no place on this axis: it is drawn where the finest difference is. Few values get room beside them.
  const least = of.steps.find(s => s.from > 0)?.from ?? of.steps[0]!.to
  const most = of.steps.at(-1)!.to
  const room = most < 4 * least ? 2 : 1
  const [from, to] = [least / room, Math.max(most, 2 * least) * room]
  const x = scaleLog([from, to], [edge.left, width - edge.right])
  const at = (value: number) => x(Math.min(to, Math.max(from, value)))
  const share = (n: number) => n / of.count
  const y = scaleLinear([0, Math.max(...of.steps.map(s => share(s.count)))], [height - edge.bottom, edge.top])
  const marks = [
    { value: of.p50, name: `median ${unit(of.p50)}` },
    { value: of.p99, name: `99 of 100 within ${unit(of.p99)}` },
  ].map(({ value, name }, line) => {
    const place = px(at(value))
    const top = edge.top - 34 + line * 15
    const flip = place > width - 20 - 7 * name.length
    return {
      line: html`<line class="mark" x1="${place}" x2="${place}" y1="${top}" y2="${height - edge.bottom}"/>`,
      name: html`<text class="mark-text" x="${place + (flip ? -5 : 5)}" y="${top + 10}" text-anchor="${flip ? 'end' : 'start'}">${name}</text>`,
    }
  })
  return frame(
    head,
    html`<text class="soft" x="${edge.left - 8}" y="${edge.top - 18}" text-anchor="end">share</text>
${y.ticks(4).map(t => html`<line class="axis" x1="${edge.left}" x2="${width - edge.right}" y1="${px(y(t))}" y2="${px(y(t))}"/><text class="soft" x="${edge.left - 6}" y="${px(y(t) + 4)}" text-anchor="end">${formatShare(t)}</text>`)}
${of.steps.map(s => html`<rect class="bar" x="${px(at(s.from))}" y="${px(y(share(s.count)))}" width="${px(Math.max(1, at(s.to) - at(s.from) - 0.5))}" height="${px(height - edge.bottom - y(share(s.count)))}"><title>${unit(s.from)} to ${unit(s.to)}: ${formatCount(s.count)}</title></rect>`)}
${marks.map(m => m.line)}${marks.map(m => m.name)}
${ticks(from, to).map(t => html`<text class="soft" x="${px(x(t))}" y="${height - edge.bottom + 17}" text-anchor="middle">${bare(unit(t))}</text>`)}
<text class="soft" x="${(edge.left + width) / 2}" y="${height - 4}" text-anchor="middle">${axis}</text>`,
  )
}

/** 1, 10, 100; where that gives too few places also 2 and 5 of each. */
export function decades(from: number, to: number): number[] {
  const powers: number[] = []
  for (let p = -6; p <= 15; p++) powers.push(10 ** p)
  const within = (list: readonly number[]) => list.filter(t => t >= from && t <= to)
  const tens = within(powers)
  const shown = tens.length >= 3 ? tens : within(powers.flatMap(p => [p, 2 * p, 5 * p]))
  const places = new Set(spaced(shown.length, 5))
  return shown.filter((_, i) => places.has(i))
}

/** What each hospital sent (filled) and received (outline); of many those that sent most, and the median of the rest. */
export function bytesChart({ hospitals }: RunResult): Markup {
  const most =
    hospitals.length > BARS_MAX
      ? hospitals.toSorted((a, b) => b.bytesSent - a.bytesSent).slice(0, BARS_MAX - 4)
      : hospitals
  const rest = hospitals.filter(h => !most.includes(h))
  const bars = most.map(h => ({ name: h.id, sent: h.bytesSent, received: h.bytesReceived }))
  if (rest.length > 0)
    bars.push({
      name: `median of ${rest.length} more`,
      sent: median(rest.map(h => h.bytesSent))!,
      received: median(rest.map(h => h.bytesReceived))!,
    })
  const left = Math.min(210, 22 + 7 * Math.max(...bars.map(b => b.name.length)))
  const edge = { top: 4, right: 170, bottom: 4, left }
  const height = edge.top + 26 * bars.length + edge.bottom
  const x = scaleLinear(
    [0, Math.max(1, ...bars.flatMap(b => [b.sent, b.received]))],
    [edge.left, WIDTH - edge.right],
  )
  const y = scaleBand(
    bars.map((_, i) => String(i)),
    [edge.top, height - edge.bottom],
  ).padding(0.25)
  return frame(
    {
      id: 'bytes',
      title: 'Bytes sent and received by each hospital',
      words: bars
        .map(b => `${b.name} sent ${formatBytes(b.sent)}, received ${formatBytes(b.received)}`)
        .join('; '),
      width: WIDTH,
      height,
    },
    html`${bars.map((b, i) => {
      const top = y(String(i))!
      const middle = px(top + y.bandwidth() / 2 + 4)
      const end = Math.max(x(b.sent), x(b.received))
      return html`<text x="${edge.left - 10}" y="${middle}" text-anchor="end">${b.name}</text><rect class="bar" x="${edge.left}" y="${px(top)}" width="${px(x(b.sent) - edge.left)}" height="${px(y.bandwidth() * 0.55)}"/><rect class="bar-2" x="${edge.left}" y="${px(top + y.bandwidth() * 0.62)}" width="${px(x(b.received) - edge.left)}" height="${px(y.bandwidth() * 0.38)}"/><text x="${px(end + 8)}" y="${middle}">${formatBytes(b.sent)}, ${formatBytes(b.received)}</text>`
    })}`,
  )
}

/** Round durations between two, in milliseconds. */
export function durationTicks(from: number, to: number): readonly number[] {
  const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000]
  const all = [
    ...[0.1, 1, 10, 100].flatMap(p => [p, 2 * p, 5 * p]),
    ...[1, 2, 5, 10, 20, 30].flatMap(n => n * second),
    ...[1, 2, 5, 10, 20, 30].flatMap(n => n * minute),
    ...[1, 2, 5, 12].map(n => n * hour),
    ...[1, 2, 5, 10, 20, 50, 100].map(n => n * day),
  ].filter(t => t >= from && t <= to)
  const places = new Set(spaced(all.length, 6))
  return all.filter((_, i) => places.has(i))
}

/** `1 s` for `1.00 s`: on an axis. */
function bare(text: string): string {
  return text.replace(/\.0+(?= |$)/, '')
}

/** Of n places so many that they do not crowd: the first, and every k-th. */
function spaced(n: number, most: number): number[] {
  const step = Math.max(1, Math.ceil(n / most))
  return Array.from({ length: n }, (_, i) => i).filter(i => i % step === 0)
}
