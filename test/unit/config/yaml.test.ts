import { describe, expect, it } from 'vitest'
import { readYaml } from '../../../config/yaml.ts'
import { codeOf } from './study.ts'

describe('readYaml', () => {
  it('has the types of JSON: no dates, no yes and no, no octal by a leading zero', () => {
    expect(readYaml('[2026-01-01, no, yes, 017, 1e3, ~, true]').value).toEqual([
      '2026-01-01',
      'no',
      'yes',
      17,
      1000,
      null,
      true,
    ])
  })

  it('takes text alone as a name', () => {
    expect(codeOf(() => readYaml('? {a: 1}\n: 2'))).toBe('CHARTER_YAML')
    expect(codeOf(() => readYaml('? [a]\n: 2'))).toBe('CHARTER_YAML')
  })

  it('locates a field by its name, an entry by its start, and what is missing by what is around it', () => {
    const { locate } = readYaml('a:\n  - b: 1\n  - c:\n      d: 2\ne: 3')
    expect(locate([])).toBe('line 1')
    expect(locate(['a', 0, 'b'])).toBe('line 2')
    expect(locate(['a', 1])).toBe('line 3')
    expect(locate(['a', 1, 'c', 'd'])).toBe('line 4')
    expect(locate(['a', 1, 'c', 'none', 'deeper'])).toBe('line 3')
    expect(locate(['e', 'x'])).toBe('line 5')
    expect(locate(['none'])).toBe('line 1')
  })

  it('locates through an alias what stands behind it', () => {
    expect(readYaml('a: &x\n  b: 1\nc: *x').locate(['c', 'b'])).toBe('line 2')
  })

  it('has a place for nothing in an empty text', () => {
    expect(readYaml('').value).toBe(null)
    expect(readYaml('').locate(['a'])).toBe(undefined)
  })
})
