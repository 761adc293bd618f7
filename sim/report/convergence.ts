/** Plots of what was learned: the distance from a known optimum, AUC and loss. */
import { scaleLinear, scaleLog } from 'd3-scale'
import { line } from 'd3-shape'
import { formatScore } from '../../node/cli/format.ts'
import { html, type Markup } from '../../node/report/html.ts'
import type { RunResult } from '../result.ts'
import { decades, frame } from './charts.ts'
import { formatNumber } from './format.ts'
import { px } from './timeline.ts'

interface Curve {
  readonly name: string
  readonly css: 'line' | 'line-2'
  readonly points: readonly (readonly [round: number, value: number])[]
}

/** Distance from the optimum after each round, on a logarithmic axis where it falls far; undefined: it was not known. */
export function distanceChart({ rounds }: RunResult): Markup | undefined {
  const points = rounds.flatMap(r =>
    r.distance === undefined || r.task === 'evaluate' ? [] : [[r.round, r.distance] as const],
  )
  if (points.length === 0) return undefined
  const last = points.at(-1)!
  return curves(
    'distance',
    'Distance from the optimum, by round',
    `Distance ${formatNumber(points[0]![1])} after round ${points[0]![0]}, ${formatNumber(last[1])} after round ${last[0]}.`,
    [{ name: 'distance', css: 'line', points }],
    formatNumber,
    true,
  )
}

/** AUC and loss of the model after each round; undefined: nothing was measured. */
export function scoresChart({ rounds }: RunResult): Markup | undefined {
  // A round's metrics are those of the model that it started from.
  const measured = rounds.flatMap(r =>
    r.metrics === undefined ? [] : [{ round: r.round - 1, ...r.metrics }],
  )
  if (measured.length === 0) return undefined
  const last = measured.at(-1)!
  return curves(
    'scores',
    'AUC and loss on all test rows, by round',
    `After round ${last.round}: AUC ${formatScore(last.auc)}, loss ${formatScore(last.loss)}.`,
    [
      { name: 'AUC', css: 'line', points: measured.map(m => [m.round, m.auc]) },
      { name: 'loss', css: 'line-2', points: measured.map(m => [m.round, m.loss]) },
    ],
    x => formatScore(x, 2),
    false,
  )
}

function curves(
  id: string,
  title: string,
  words: string,
  lines: readonly Curve[],
  show: (value: number) => string,
  far: boolean,
): Markup {
  const width = 450
  const height = 240
  const edge = { top: 14, right: 74, bottom: 40, left: 58 }
  const all = lines.flatMap(l => l.points.map(p => p[1]))
  const rounds = lines.flatMap(l => l.points.map(p => p[0]))
  const [low, high] = [Math.min(...all), Math.max(...all)]
  const log = far && low > 0 && high / low > 30
  const range = [height - edge.bottom, edge.top]
  const y = log
    ? scaleLog([low, high], range)
    : scaleLinear([Math.min(0, low), high > 0 ? high * 1.05 : 1], range)
  const [first, last] = [Math.min(...rounds), Math.max(...rounds)]
  const x = scaleLinear([first, Math.max(first + 1, last)], [edge.left, width - edge.right])
  const path = line<readonly [number, number]>(
    p => x(p[0]),
    p => y(p[1]),
  ).digits(1)
  const ticks = log ? decades(low, high) : y.ticks(5)
  const right = width - edge.right
  const ends = lines.map(l => y(l.points.at(-1)![1]) + 4)
  if (ends.length === 2 && Math.abs(ends[0]! - ends[1]!) < 14)
    ends[1] = ends[0]! + (ends[1]! < ends[0]! ? -14 : 14)
  return frame(
    { id, title, words, width, height },
    html`${ticks.map(t => html`<line class="axis" x1="${edge.left}" x2="${right}" y1="${px(y(t))}" y2="${px(y(t))}"/><text class="soft" x="${edge.left - 6}" y="${px(y(t) + 4)}" text-anchor="end">${show(t)}</text>`)}
${x
  .ticks(Math.min(8, Math.max(1, last - first)))
  .filter(Number.isInteger)
  .map(
    t =>
      html`<text class="soft" x="${px(x(t))}" y="${height - edge.bottom + 18}" text-anchor="middle">${t}</text>`,
  )}
<text class="soft" x="${(edge.left + right) / 2}" y="${height - 4}" text-anchor="middle">after round</text>
${lines.map((l, i) => html`<path class="${l.css}" d="${path(l.points) ?? ''}"/><text class="${l.css}-text" x="${right + 6}" y="${px(ends[i]!)}">${lines.length > 1 ? `${l.name} ` : ''}${show(l.points.at(-1)![1])}</text>`)}
${lines.flatMap(l => (l.points.length > 60 ? [] : l.points.map(p => html`<circle class="${l.css === 'line' ? 'dot' : 'dot-2'}" cx="${px(x(p[0]))}" cy="${px(y(p[1]))}" r="2.6"><title>${l.name} after round ${p[0]}: ${show(p[1])}</title></circle>`)))}`,
  )
}
