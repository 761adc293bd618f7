/** HTML and SVG from templates in which every value is escaped unless it is markup already. */

/** Markup that was made by `html` and needs no escaping. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Part = string | number | Markup | undefined | readonly Part[]

/** Escapes all values; `Markup` and lists of it go in as they are, undefined as nothing. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Markup {
  let text = strings[0]!
  values.forEach((value, i) => {
    text += render(value) + strings[i + 1]!
  })
  return new Markup(text)
}

function render(value: Part): string {
  if (value === undefined) return ''
  if (value instanceof Markup) return value.text
  if (typeof value === 'string') return escapeHtml(value)
  if (typeof value === 'number') return String(value)
  return value.map(render).join('')
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Safe in text and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, c => ESCAPES[c]!)
}

/** A table with a header row; cells that look like numbers are set right. The first cell of a row is its header. */
export function htmlTable(caption: string, rows: readonly (readonly (string | Markup)[])[]): Markup {
  const [head, ...body] = rows
  const cell = (value: string | Markup, i: number) => {
    if (i === 0) return html`<th scope="row">${value}</th>`
    const numeric =
      typeof value === 'string' &&
      /^(-|[-.\d][\d.,]*( ([kMGT]?B|m?s|min|h|d))?( \d+ (s|min|h))?)$/.test(value)
    return numeric ? html`<td class="num">${value}</td>` : html`<td>${value}</td>`
  }
  return html`<div class="scroll"><table><caption>${caption}</caption>
<thead><tr>${(head ?? []).map(h => html`<th scope="col">${h}</th>`)}</tr></thead>
<tbody>${body.map(row => html`<tr>${row.map(cell)}</tr>\n`)}</tbody></table></div>`
}
