/** The report's plots as SVG text: AUC by round, who was there when, bytes by hospital. */
import { scaleBand, scaleLinear } from 'd3-scale'
import { line } from 'd3-shape'
import { formatBytes, formatScore } from '../cli/format.ts'
import type { Board, RoundView } from '../demo/board.ts'
import type { DemoRecord } from '../demo/result.ts'
import { html, type Markup } from './html.ts'

const WIDTH = 920
/** Least distance of two labels, in units of the drawing. */
const LABEL_GAP = 15

interface Label {
  readonly text: string
  readonly css: string
  readonly y: number
}

/** AUC of the federated model after each round, with the models for comparison as lines. */
export function aucChart(record: DemoRecord): Markup {
  const { board, comparison, rounds } = record
  const height = 320
  const edge = { top: 12, right: 178, bottom: 40, left: 52 }
  const points: [round: number, auc: number][] = []
  for (let round = 0; round <= rounds; round++) {
    const auc = board.metricsAfter(round)?.auc
    if (auc !== undefined) points.push([round, auc])
  }
  const references = [
    ...[...comparison.own].map(([member, row]) => ({
      name: `${member} alone`,
      css: 'alone',
      auc: row.all.auc,
    })),
    { name: 'pooled', css: 'pooled', auc: comparison.pooled.all.auc },
  ].filter((r): r is typeof r & { auc: number } => r.auc !== undefined)
  const lowest = Math.min(0.5, ...points.map(p => p[1]), ...references.map(r => r.auc))
  const x = scaleLinear([0, Math.max(1, rounds)], [edge.left, WIDTH - edge.right])
  const y = scaleLinear([Math.floor(lowest * 20) / 20, 1], [height - edge.bottom, edge.top])
  const path =
    line<[number, number]>(
      p => x(p[0]),
      p => y(p[1]),
    )(points) ?? ''
  const last = points.at(-1)
  const labels: Label[] = references.map(r => ({
    text: `${r.name} ${formatScore(r.auc)}`,
    css: `${r.css}-text`,
    y: y(r.auc),
  }))
  if (last !== undefined)
    labels.push({ text: `federated ${formatScore(last[1])}`, css: 'fed-text', y: y(last[1]) })
  const right = WIDTH - edge.right
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="auc-title auc-desc">
<title id="auc-title">AUC on all test rows, by round</title>
<desc id="auc-desc">${aucInWords(points, references)}</desc>
${y.ticks(6).map(t => html`<line class="axis" x1="${edge.left}" x2="${right}" y1="${y(t)}" y2="${y(t)}"/><text class="soft" x="${edge.left - 8}" y="${y(t) + 4}" text-anchor="end">${formatScore(t, 2)}</text>`)}
${wholeTicks(rounds).map(t => html`<text class="soft" x="${x(t)}" y="${height - edge.bottom + 18}" text-anchor="middle">${t}</text>`)}
<text class="soft" x="${(edge.left + right) / 2}" y="${height - 4}" text-anchor="middle">training rounds</text>
${references.map(r => html`<line class="${r.css}" x1="${edge.left}" x2="${right}" y1="${y(r.auc)}" y2="${y(r.auc)}"/>`)}
<path class="fed" d="${path}"/>
${points.map(p => html`<circle class="fed-dot" cx="${x(p[0])}" cy="${y(p[1])}" r="3.5"><title>after round ${p[0]}: ${formatScore(p[1])}</title></circle>`)}
${spread(labels).map(l => html`<text class="${l.css}" x="${right + 10}" y="${l.y + 4}">${l.text}</text>`)}
</svg>`
}

/** One lane for each hospital: the rounds that it was in, and when its process was gone. */
export function timeline(record: DemoRecord): Markup {
  const { board } = record
  const rounds = board.ordered()
  const edge = { top: 26, right: 14, bottom: 40, left: 118 }
  const lane = 44
  const height = edge.top + lane * board.members.length + edge.bottom
  const start = Math.min(...rounds.map(r => r.openedAt))
  const end = Math.max(
    ...rounds.map(r => r.closedAt ?? r.openedAt),
    ...board.outages.map(o => o.until ?? o.from),
  )
  const x = scaleLinear([0, Math.max(0.001, (end - start) / 1000)], [edge.left, WIDTH - edge.right])
  const at = (ms: number) => x((ms - start) / 1000)
  const y = scaleBand(board.members, [edge.top, height - edge.bottom])
    .paddingInner(0.3)
    .paddingOuter(0.15)
  const bottom = height - edge.bottom
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="time-title time-desc">
<title id="time-title">Rounds of each hospital over time</title>
<desc id="time-desc">${timelineInWords(board)}</desc>
<defs><pattern id="hatch" width="7" height="7" patternTransform="rotate(45)" patternUnits="userSpaceOnUse"><line class="hatch" x1="0" x2="0" y1="0" y2="7"/></pattern></defs>
${x.ticks(8).map(t => html`<line class="axis" x1="${x(t)}" x2="${x(t)}" y1="${edge.top}" y2="${bottom}"/><text class="soft" x="${x(t)}" y="${bottom + 18}" text-anchor="middle">${t}</text>`)}
<text class="soft" x="${(edge.left + WIDTH - edge.right) / 2}" y="${height - 4}" text-anchor="middle">seconds since the first round was opened</text>
${roundNumbers(rounds, at, edge.top - 9)}
${board.members.map(m => html`<text x="${edge.left - 10}" y="${y(m)! + y.bandwidth() / 2 + 4}" text-anchor="end">${m}</text>`)}
${rounds.flatMap(r => board.members.map(m => roundBlock(r, m, at, y(m)!, y.bandwidth())))}
${board.outages.map(o => {
  const from = at(o.from)
  const to = at(o.until ?? end)
  const top = y(o.member)! - 3
  const words = `${o.member}: killed in round ${o.round} (${o.phase})${o.until === undefined ? '' : ', then started again'}`
  return html`<g><title>${words}</title><rect class="gone" x="${from}" y="${top}" width="${Math.max(4, to - from)}" height="${y.bandwidth() + 6}"/><text class="away" x="${from + 6}" y="${top + y.bandwidth() / 2 + 7}">✗ killed</text></g>`
})}
</svg>`
}

/** Bytes that each hospital wrote to its sockets. */
export function bytesChart({ board }: DemoRecord): Markup {
  const edge = { top: 4, right: 96, bottom: 4, left: 118 }
  const height = edge.top + 30 * board.members.length + edge.bottom
  const sent = new Map(board.members.map(m => [m, board.bytesOf(m)]))
  const x = scaleLinear([0, Math.max(1, ...sent.values())], [edge.left, WIDTH - edge.right])
  const y = scaleBand(board.members, [edge.top, height - edge.bottom]).padding(0.25)
  const words = [...sent].map(([m, bytes]) => `${m} ${formatBytes(bytes)}`).join(', ')
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="bytes-title bytes-desc">
<title id="bytes-title">Bytes sent by each hospital</title><desc id="bytes-desc">${words}</desc>
${[...sent].map(([m, bytes]) => {
  const middle = y(m)! + y.bandwidth() / 2 + 4
  return html`<text x="${edge.left - 10}" y="${middle}" text-anchor="end">${m}</text><rect class="bar" x="${edge.left}" y="${y(m)!}" width="${x(bytes) - edge.left}" height="${y.bandwidth()}" rx="2"/><text x="${x(bytes) + 8}" y="${middle}">${formatBytes(bytes)}</text>`
})}
</svg>`
}

function roundBlock(
  round: RoundView,
  member: string,
  at: (ms: number) => number,
  y: number,
  height: number,
): Markup | undefined {
  if (round.closedAt === undefined || !round.cohort.includes(member)) return undefined
  const survivor = round.survivors.includes(member)
  const css = survivor ? `in${round.round % 2 === 1 ? ' odd' : ''}` : 'out'
  const words = `${member}, round ${round.round}: ${survivor ? 'its input counts' : 'left out'}`
  const from = at(round.openedAt)
  const width = Math.max(1.5, at(round.closedAt) - from - 1)
  return html`<rect class="${css}" x="${from}" y="${y}" width="${width}" height="${height}" rx="2"><title>${words}</title></rect>`
}

/** Numbers over the rounds, as many as fit. */
function roundNumbers(rounds: readonly RoundView[], at: (ms: number) => number, y: number): Markup[] {
  const shown: Markup[] = []
  let free = 0
  for (const { round, openedAt, closedAt } of rounds) {
    const middle = (at(openedAt) + at(closedAt ?? openedAt)) / 2
    if (middle < free) continue
    free = middle + 22
    shown.push(html`<text class="soft" x="${middle}" y="${y}" text-anchor="middle">${round}</text>`)
  }
  return shown
}

/** Labels moved apart, in the order of their places. */
function spread(labels: readonly Label[]): Label[] {
  let free = Number.NEGATIVE_INFINITY
  return labels
    .toSorted((a, b) => a.y - b.y)
    .map(label => {
      const y = Math.max(label.y, free)
      free = y + LABEL_GAP
      return { ...label, y }
    })
}

function wholeTicks(rounds: number): number[] {
  return scaleLinear([0, Math.max(1, rounds)], [0, 1])
    .ticks(Math.min(rounds, 12))
    .filter(Number.isInteger)
}

function aucInWords(
  points: readonly (readonly [number, number])[],
  references: readonly { readonly name: string; readonly auc: number }[],
): string {
  const each = points.map(([round, auc]) => `after round ${round} ${formatScore(auc)}`).join(', ')
  return `Federated model: ${each}. For comparison: ${references.map(r => `${r.name} ${formatScore(r.auc)}`).join(', ')}.`
}

function timelineInWords(board: Board): string {
  if (board.outages.length === 0) return 'All hospitals were there all the time.'
  return board.outages
    .map(
      o =>
        `${o.member} was killed in round ${o.round}${o.backInRound === undefined ? '' : ` and is in the cohort again from round ${o.backInRound}`}.`,
    )
    .join(' ')
}
