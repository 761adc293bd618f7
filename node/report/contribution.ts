/** The report's page of contributions: each hospital's curve with its interval, what is said of it, and what to do about it. */
import { scaleLinear } from 'd3-scale'
import { area, line } from 'd3-shape'
import { adviceFor, type ContributionReport, contributionCells, MEANING } from '../contribution.ts'
import { html, htmlTable, type Markup } from './html.ts'

export function contributionSection(report: ContributionReport): Markup {
  const advice = adviceFor(report)
  return html`<h2>Who gave</h2>
<figure>${report.members.map(curve)}
<figcaption>How much of a hospital's own its updates have, after each audit, with three deviations to either side. The line is at 1, what is usual among all. Nothing is drawn where nothing can be told. All of it follows from sums of groups of hospitals, in the ledger.</figcaption></figure>
${htmlTable(`After ${report.audits} audits`, contributionCells(report))}
<p class="soft">${MEANING.join(' ')}</p>
${advice.length === 0 ? html`<p>Nothing to ask anybody.</p>` : html`<ul>${advice.map(a => html`<li>${a}</li>`)}</ul>`}`
}

const WIDTH = 300
const HEIGHT = 110
const EDGE = { top: 22, right: 10, bottom: 8, left: 10 }
/** What is more is drawn as that: the units of the odd ones would leave nothing to be seen of the others. */
const MOST = 3

function curve({ member, curve: points }: ContributionReport['members'][number]): Markup {
  const x = scaleLinear([0, Math.max(1, points.length - 1)], [EDGE.left, WIDTH - EDGE.right])
  const y = scaleLinear([0, MOST], [HEIGHT - EDGE.bottom, EDGE.top]).clamp(true)
  const known = points.flatMap(({ own }, i) => (own ? [{ i, ...own }] : []))
  type Point = (typeof known)[number]
  const band =
    area<Point>(
      p => x(p.i),
      p => y(p.low),
      p => y(p.high),
    )(known) ?? ''
  const path =
    line<Point>(
      p => x(p.i),
      p => y(p.value),
    )(known) ?? ''
  const last = known.at(-1)
  const words = last
    ? `${member}: ${last.value.toFixed(2)}, from ${last.low.toFixed(2)} to ${last.high.toFixed(2)}`
    : `${member}: cannot tell yet`
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" width="${WIDTH}"><title>${words}</title>
<text x="${EDGE.left}" y="14">${member}</text>
<line class="axis" x1="${EDGE.left}" x2="${WIDTH - EDGE.right}" y1="${y(1)}" y2="${y(1)}"/>
<path class="band" d="${band}"/><path class="fed" d="${path}"/>
</svg>`
}
