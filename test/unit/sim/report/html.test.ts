import { describe, expect, it } from 'vitest'
import { formatDuration } from '../../../../sim/report/format.ts'
import { simReportHtml } from '../../../../sim/report/html.ts'
import type { RunResult } from '../../../../sim/result.ts'
import { type Course, played } from './script.ts'

const TROUBLED: Course = {
  n: 8,
  rounds: 20,
  seed: 3,
  metrics: true,
  retries: [6],
  behaviours: [...Array<undefined>(7), 'lateInput'],
  strikes: [
    { kind: 'outage', who: [2], at: 5000, forMs: 9000 },
    { kind: 'crash', who: [6], at: 33_000, forMs: 4000 },
    { kind: 'pause', who: [5], at: 41_000, forMs: 2500 },
    { kind: 'clog', who: [1], at: 45_000, forMs: 8000 },
  ],
  scenario: { adversaries: [{ behaviour: 'lateInput' }] },
}
const result = played(TROUBLED)
const page = simReportHtml(result, 'medmesh sim run --seed 3')

function section(text: string, heading: string): string {
  const from = text.indexOf(`<h2>${heading}</h2>`)
  expect(from, heading).toBeGreaterThan(0)
  return text.slice(from, text.indexOf('<h2>', from + 4))
}

/** Every element that is opened is closed, in order. */
function unclosed(text: string): string[] {
  const open: string[] = []
  for (const [, end, name, attributes] of text.matchAll(/<(\/?)([a-z][a-z0-9]*)\b([^>]*)>/gi)) {
    if (name === 'meta' || attributes!.endsWith('/')) continue
    if (end === '') open.push(name!)
    else if (open.pop() !== name) return [`</${name}>`]
  }
  return open
}

describe('the page', () => {
  it('needs nothing from elsewhere and runs nothing', () => {
    expect(page).not.toMatch(/<script|<link|<iframe|<object|@import|url\((?!#)|src=|javascript:/i)
    expect(page).not.toMatch(/https?:\/\//)
    expect(page).toContain("default-src 'none'")
    expect(page).toContain('prefers-color-scheme: dark')
    expect(page).toContain('@media print')
  })

  it('is well formed, and every id and pattern that is named is there once', () => {
    expect(unclosed(page)).toEqual([])
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(m => m[1]!)
    expect(new Set(ids).size).toBe(ids.length)
    const named = [...page.matchAll(/url\(#([\w-]+)\)/g)].map(m => m[1]!)
    // The node's style sheet has a class of its own, which is not used here.
    for (const id of named.filter(id => id !== 'hatch')) expect(ids).toContain(id)
    expect(named).toContain('down-hatch')
    expect(page).not.toContain('class="gone"')
  })

  it('describes every plot for those who cannot see it', () => {
    const plots = [...page.matchAll(/<svg [^>]*role="img"[^>]*>/g)].map(m => m[0])
    expect(plots).toHaveLength(7)
    for (const plot of plots) {
      const [title, desc] = /aria-labelledby="(\S+) (\S+)"/.exec(plot)!.slice(1)
      expect(page).toMatch(new RegExp(`<title id="${title}">[^<]+</title>`))
      expect(page).toMatch(new RegExp(`<desc id="${desc}">[^<]+</desc>`))
    }
    // The rest are samples of the legend.
    expect([...page.matchAll(/<svg /g)]).toHaveLength(7 + [...page.matchAll(/aria-hidden="true"/g)].length)
  })

  it('escapes whatever a scenario, a hospital, a checker or the ledger says', () => {
    const evil = `<img src=x onerror="alert('1')">&`
    const spoilt = played({ ...TROUBLED, rename: id => `${evil}${id}` })
    const text = simReportHtml(
      {
        ...spoilt,
        scenario: { ...spoilt.scenario, title: evil, description: evil },
        traceHash: evil,
        checked: { [evil]: 1 },
        violations: [{ checker: evil, says: evil, at: 1, event: 2 }],
        injectedByKind: { [evil]: 4 },
        lostByReason: { [evil]: 5 },
        hospitals: spoilt.hospitals.map(h => ({ ...h, behaviour: evil })),
        injected: spoilt.injected.map(i => ({ ...i, kind: evil })),
        rounds: spoilt.rounds.map(r => ({
          ...r,
          accused: [{ member: evil, code: evil }],
          leftOut: r.leftOut.map(l => ({ ...l, reason: evil })),
        })),
      },
      evil,
    )
    expect(text).not.toContain('<img')
    expect(text).not.toMatch(/onerror="/)
    expect(text.split('&lt;img src=x').length).toBeGreaterThan(20)
    expect(unclosed(text)).toEqual([])
  })

  it('has no number that is none, whatever is missing', () => {
    const none = { count: 0, mean: 0, min: 0, p50: 0, p90: 0, p99: 0, max: 0, bins: [], steps: [] }
    const empty: RunResult = {
      ...result,
      rounds: [],
      injected: [],
      hospitals: result.hospitals.map(h => ({ ...h, spans: [], bytesSent: 0, bytesReceived: 0 })),
      virtualMs: 0,
      finished: false,
      latencyMs: none,
      messageBytes: none,
      checked: {},
    }
    const bare = {
      ...result,
      rounds: result.rounds.map(r => ({ ...r, cohort: [], survivors: [], tries: [], fixedAt: undefined })),
    }
    const open = {
      ...result,
      rounds: result.rounds
        .slice(0, 3)
        .map((r, i) => (i < 2 ? r : { ...r, closedAt: undefined, metrics: undefined })),
    }
    const one = played({ n: 3, rounds: 1 })
    for (const r of [
      result,
      empty,
      bare,
      open,
      one,
      { ...one, latencyMs: { ...one.latencyMs, steps: [{ from: 0, to: 1, count: 5 }] } },
    ]) {
      const text = simReportHtml(r)
      expect(text.slice(text.indexOf('</style>'))).not.toMatch(/NaN|Infinity|undefined/)
      expect(text).not.toMatch(/(width|height)="-/)
      expect(unclosed(text)).toEqual([])
    }
  })
})

describe('what it says', () => {
  it('ends well: all rounds closed, none lost, and how long it took', () => {
    expect(page).toMatch(/class="good">The study was finished: all 22 rounds closed, none was lost\./)
    expect(section(page, 'What this means')).toMatch(/a training round takes 1\.9\d s in the median/)
    expect(section(page, 'What this means')).toContain('This is one course of events, of seed 3.')
  })

  it('ends badly: a rule that was broken comes before everything else', () => {
    const violations = [{ checker: 'agreement', says: 'two certificates at height 7', at: 1000, event: 99 }]
    const bad = simReportHtml({ ...result, ok: false, violations })
    expect(bad).toMatch(/class="bad">A rule was broken: 1 finding by agreement\./)
    expect(section(bad, 'What was checked')).toContain('two certificates at height 7')
    expect(section(bad, 'What was checked')).toContain('<span class="bad">1 finding</span>')
    const unfinished = simReportHtml({ ...result, ok: false, finished: false })
    expect(unfinished).toContain(`The study was not finished after ${formatDuration(result.virtualMs)}`)
  })

  it('says of a checker that never had anything to check that it shows nothing', () => {
    const checks = section(
      simReportHtml({ ...result, checked: { privacy: 0, agreement: 12 } }),
      'What was checked',
    )
    expect(checks).toMatch(/privacy<\/th><td>never had anything to check/)
    expect(checks).toMatch(/agreement<\/th><td><span class="good">held<\/span><\/td><td class="num">12</)
  })

  it('names for each round that was not full who was missing, and the fault it coincides with', () => {
    const lost = section(page, 'What was lost, and why')
    expect(lost).toContain('hospital-003 left out, no input in time: outage at 5.00 s for 9.00 s')
    expect(lost).toContain('hospital-003 not in the cohort: outage at 5.00 s for 9.00 s')
    expect(lost).toContain('round 6: attempt 1 after 1.54 s (culprit: hospital-008); closed in attempt 2')
  })

  it('has the cost of each outage, and of each kind', () => {
    const costs = section(page, 'What each outage cost')
    const cells = (row: string) =>
      [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(m => m[1]!.replace(/<[^>]+>/g, ''))
    const rows = costs.split('<tr>').map(cells)
    const outage = rows.find(r => r[0] === '5.00 s')!
    expect(outage.slice(1, 7)).toEqual(['outage', 'hospital-003', '9.00 s', '2', '1', '0'])
    // Eight seconds of waiting for an input, two for an announcement, less what those rounds take anyway.
    expect(outage[7]).toMatch(/^8\.\d\d s$/)
    expect(rows.find(r => r[0] === 'clog')!.slice(1, 4)).toEqual(['1', '1', '8.00 s'])
    expect(costs).toMatch(/1\.54 s of waiting were for attempts that malicious hospitals spoilt/)
  })

  it('says how to repeat the run', () => {
    expect(page).toContain('<code>medmesh sim run --seed 3</code>')
    expect(page).toContain(result.traceHash)
  })
})

describe('many hospitals', () => {
  const strikes = Array.from({ length: 40 }, (_, i) => ({
    kind: 'crash',
    who: [i + 30],
    at: 2000 * i,
    forMs: 3000,
  }))
  const large = simReportHtml(played({ n: 120, rounds: 40, strikes }))

  it('have lanes for the forty that fared worst, and a band for all', () => {
    const time = section(large, 'How the rounds went')
    expect([...time.matchAll(/<title>hospital-\d+<\/title>/g)]).toHaveLength(40)
    expect(time).toContain('all 120')
    expect(time).toContain('>hospital-031<')
    expect(time).not.toContain('>hospital-001<')
    expect(large).toMatch(/median of 100 more/)
  })

  it('make a page of moderate size', () => {
    expect(large.length).toBeLessThan(1_500_000)
  })
})
