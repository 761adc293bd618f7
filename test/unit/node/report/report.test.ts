import { describe, expect, it } from 'vitest'
import { aucChart, timeline } from '../../../../node/report/charts.ts'
import { escapeHtml, html } from '../../../../node/report/html.ts'
import { reportHtml } from '../../../../node/report/report.ts'
import { testCharter } from '../../../support/consortium.ts'
import { hospitalsNoised, noised } from '../../../support/noised.ts'
import { MEMBERS, recordOf, Script } from '../demo/script.ts'

const charter = testCharter({ n: 4 })
const record = recordOf(new Script(5).run({ lost: { member: 'va', round: 2, backIn: 4 } }))

describe('html', () => {
  it('escapes every value, in text and in attributes, and nothing twice', () => {
    const evil = `<script>"&'`
    expect(html`<p title="${evil}">${evil}</p>`.text).toBe(
      '<p title="&lt;script&gt;&quot;&amp;&#39;">&lt;script&gt;&quot;&amp;&#39;</p>',
    )
    expect(html`<b>${html`<i>${'<'}</i>`}${['<', html`<u/>`]}</b>`.text).toBe('<b><i>&lt;</i>&lt;<u/></b>')
    expect(escapeHtml(escapeHtml('<'))).toBe('&amp;lt;')
  })
})

describe('the report', () => {
  const page = reportHtml(record)

  it('needs nothing from elsewhere and runs nothing', () => {
    expect(page).not.toMatch(/<script|<link|<iframe|<object|@import|url\((?!#)|src=|javascript:/i)
    expect(page).not.toMatch(/https?:\/\//)
    expect(page).toContain("default-src 'none'")
  })

  it('escapes what a charter or a member says', () => {
    const evil = '<img src=x onerror=alert(1)>'
    const [first, ...rest] = record.hospitals
    const spoilt = reportHtml({ ...record, title: evil, hospitals: [{ ...first!, name: evil }, ...rest] })
    expect(spoilt).not.toContain('<img')
    expect(spoilt.split('&lt;img src=x').length).toBeGreaterThan(2)
  })

  it('has both palettes, and a description of every plot for those who cannot see it', () => {
    expect(page).toContain('prefers-color-scheme: dark')
    const plots = page.match(/<svg [^>]*>/g)!
    expect(plots).toHaveLength(3)
    for (const plot of plots) {
      const [title, desc] = /aria-labelledby="(\S+) (\S+)"/.exec(plot)!.slice(1)
      expect(page).toMatch(new RegExp(`<title id="${title}">[^<]+</title>`))
      expect(page).toMatch(new RegExp(`<desc id="${desc}">[^<]+</desc>`))
    }
  })

  it('shows the killed hospital, the comparison as such, and what is not promised', () => {
    expect(page).toMatch(/va was killed \(SIGKILL\)/)
    expect(page).toContain('trained for comparison only')
    expect(page).toContain('Secure summing alone is not anonymity')
    expect(page).toContain('no differential privacy')
    const ofPatients = reportHtml({ ...record, privacy: noised()(charter).privacy })
    expect(ofPatients).toContain('Secure summing alone is not anonymity')
    expect(ofPatients).toContain(
      'each patient&#39;s row, at any hospital, is protected by noise in every sum: at most epsilon 8',
    )
    expect(ofPatients).not.toContain('no differential privacy')
    expect(reportHtml({ ...record, privacy: hospitalsNoised()(charter).privacy })).toContain(
      'all that one hospital gives is protected by noise',
    )
    expect(page).toContain(record.ledger.head)
  })

  it('is well formed: every element that is opened is closed', () => {
    const open: string[] = []
    for (const [, end, name, attributes] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)\b([^>]*)>/gi)) {
      if (name === 'meta' || attributes!.endsWith('/')) continue
      if (end === '') open.push(name!)
      else expect(open.pop()).toBe(name)
    }
    expect(open).toEqual([])
  })
})

describe('the plots', () => {
  it('draw a point for the start and for each training round, and no number that is not finite', () => {
    const svg = aucChart(record).text
    expect(svg.match(/<circle/g)).toHaveLength(6)
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
  })

  it('draw a block for each hospital of a cohort, an outline for who was left out, a hatched band for the outage', () => {
    const svg = timeline(record).text
    const blocks = (css: string) => svg.match(new RegExp(`<rect class="${css}`, 'g'))?.length ?? 0
    // Seven rounds of four, less va in round 2 (left out) and round 3 (absent).
    expect(blocks('in')).toBe(7 * MEMBERS.length - 2)
    expect(blocks('out')).toBe(1)
    expect(blocks('gone')).toBe(1)
    expect(svg).not.toMatch(/NaN|Infinity|undefined/)
  })
})
