import { describe, expect, it } from 'vitest'
import {
  formatCount,
  formatDuration,
  formatNumber,
  formatShare,
  listed,
  plural,
} from '../../../../sim/report/format.ts'

describe('numbers', () => {
  it.each([
    [0, '0 s'],
    [0.25, '0.3 ms'],
    [9.4, '9.4 ms'],
    [12.6, '13 ms'],
    [999.4, '999 ms'],
    [999.6, '1.00 s'],
    [9994, '9.99 s'],
    [9996, '10.0 s'],
    [59_940, '59.9 s'],
    [59_960, '1 min'],
    [370_000, '6 min 10 s'],
    [3_599_600, '1 h'],
    [12_000_000, '3 h 20 min'],
    [187_200_000, '2 d 4 h'],
    [undefined, '-'],
  ])('of durations: %s ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  it('of counts, of three digits, of shares', () => {
    expect([0, 999, 1000, 1_234_567].map(formatCount)).toEqual(['0', '999', '1,000', '1,234,567'])
    expect([0, 0.004561, 12.345, -0.5, undefined, Number.NaN].map(formatNumber)).toEqual([
      '0',
      '.00456',
      '12.3',
      '-.500',
      '-',
      '-',
    ])
    expect([0, 0.0001, 0.023, 0.5, 0.987, 0.9999, 1].map(formatShare)).toEqual([
      '0 %',
      '< .1 %',
      '2.3 %',
      '50 %',
      '98.7 %',
      '> 99.9 %',
      '100 %',
    ])
  })

  it('in words', () => {
    expect([plural(1, 'round'), plural(1200, 'round')]).toEqual(['1 round', '1,200 rounds'])
    expect(listed([])).toBe('')
    expect(listed(['a'])).toBe('a')
    expect(listed(['a', 'b', 'c'])).toBe('a, b and c')
    expect(listed(['a', 'b', 'c', 'd'], 2)).toBe('a, b and 2 more')
  })
})
