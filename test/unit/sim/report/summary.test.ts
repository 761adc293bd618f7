import { describe, expect, it } from 'vitest'
import { summary } from '../../../../sim/report/summary.ts'
import { played } from './script.ts'

const result = played({
  n: 5,
  rounds: 6,
  seed: 2,
  metrics: true,
  strikes: [{ kind: 'outage', who: [1], at: 3000, forMs: 5000 }],
})

describe('the summary', () => {
  it('has a line for each round, what was lost, costs, totals and the trace', () => {
    const text = summary(result)
    const lines = text.split('\n')
    expect(lines[0]).toBe('A constructed run')
    expect(lines.filter(l => /^ +\d+ {2}(statistics|train|evaluate)/.test(l))).toHaveLength(8)
    expect(lines.find(l => l.startsWith('    2  train'))).toMatch(
      /^ {4}2 {2}train +1 +5 +4 +8\.\d+ s +\S+ kB +\.780$/,
    )
    expect(text).toContain('round 2: hospital-002 left out, no input in time: outage at 3.00 s for 5.00 s')
    expect(text).toMatch(/^ {2}outage +1 +0 +\d +1 +0 +\d+\.\d+ s$/m)
    expect(text).toMatch(/^rounds +8 of 8 closed, \d with everybody, 0 attempts given up$/m)
    expect(text).toMatch(/^faults +outage 1$/m)
    expect(text).toMatch(/^checked +agreement 1,200, exactness 8 and privacy 90$/m)
    expect(text).toContain(result.traceHash)
    expect(text).toContain('The study was finished: all 8 rounds closed, none was lost.')
    expect(text).not.toMatch(/NaN|undefined|Infinity/)
  })

  it('says what was broken, by whom it was found and that the rest was checked', () => {
    const violations = [{ checker: 'exactness', says: 'round 3 opened another sum', at: 4000, event: 7 }]
    const text = summary({ ...result, ok: false, violations })
    expect(text).toContain('exactness BROKEN')
    expect(text).toContain('  exactness after 4.00 s: round 3 opened another sum')
    expect(text).toContain('A rule was broken')
  })

  it('shows of many rounds those that did not go as usual', () => {
    const text = summary(
      played({ n: 4, rounds: 60, strikes: [{ kind: 'crash', who: [0], at: 5000, forMs: 1000 }] }),
    )
    expect(text.split('\n').filter(l => /^ +\d+ {2}train/.test(l)).length).toBeLessThan(5)
    expect(text).toMatch(/and \d+ more rounds, of which \d+ without any trouble/)
  })

  it('lets no name steer the terminal', () => {
    const text = summary(played({ n: 4, rounds: 1, rename: id => `\u001b[2J${id}`, behaviours: ['garbage'] }))
    expect(text).toContain('?[2Jhospital-001')
    expect(text).not.toContain('\u001b')
  })

  it('has something to say of a run in which nothing happened', () => {
    const text = summary({ ...result, rounds: [], injected: [], finished: false, virtualMs: 5000 })
    expect(text).toContain('The study was not finished after 5.00 s: 0 of 8 rounds closed.')
    expect(text).not.toMatch(/NaN|undefined|Infinity/)
  })
})
