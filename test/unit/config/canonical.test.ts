import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalBytes, charterHash, isTooDeep } from '../../../config/canonical.ts'
import { codeOf, errorOf, exampleCharter } from './study.ts'

const text = (value: unknown) => new TextDecoder().decode(canonicalBytes(value))

describe('canonical form (RFC 8785)', () => {
  it('matches the sample of RFC 8785, section 3.2.2', () => {
    const sample = {
      numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
      literals: [null, true, false],
    }
    expect(text(sample)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('sorts names by UTF-16 units, as RFC 8785, section 3.2.3', () => {
    const sample = { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\ud83d\ude00': 5, '\u0080': 6, ö: 7 }
    expect(
      Object.values(
        JSON.parse(
          `[${text(sample)
            .slice(1, -1)
            .replace(/"[^"]*":/g, '')}]`,
        ),
      ),
    ).toEqual([2, 4, 6, 7, 1, 5, 3])
  })

  it('is the same for values that are equal as JSON, whatever the order of names', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        const form = text(value)
        expect(text(JSON.parse(form))).toBe(form)
        expect(text(reversed(value))).toBe(form)
        expect(JSON.parse(form)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it.each([
    ['undefined', undefined],
    ['NaN', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
    ['a bigint', 1n],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['half a surrogate pair', '\ud83d'],
    ['a Date', new Date(0)],
    ['a Map', new Map()],
    ['a typed array', new Uint8Array(2)],
    // biome-ignore lint/suspicious/noSparseArray: the hole is the point
    ['a hole', [1, , 2]],
    ['a name with half a pair', { '\udc00': 1 }],
    ['a symbol as a name', { [Symbol('s')]: 1 }],
    ['a toJSON function', { toJSON: () => 1 }],
  ])('refuses %s, and names the field', (_what, value) => {
    const error = errorOf(() => canonicalBytes({ a: [value] }))
    expect(error.code).toBe('CHARTER_NOT_JSON')
    expect(error.message).toMatch(/^a\[0\]/)
  })

  it('refuses cycles and deep nesting instead of overflowing', () => {
    const cycle: unknown[] = []
    cycle.push(cycle)
    expect(codeOf(() => canonicalBytes(cycle))).toBe('CHARTER_NOT_JSON')
    expect(isTooDeep(JSON.parse(`${'['.repeat(60)}${']'.repeat(60)}`))).toBe(false)
    const deep = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`)
    expect(isTooDeep(deep)).toBe(true)
    expect(codeOf(() => canonicalBytes(deep))).toBe('CHARTER_NOT_JSON')
  })
})

describe('charterHash', () => {
  it('is SHA-256 of the canonical form', () => {
    const charter = exampleCharter()
    const other = createHash('sha256').update(text(charter), 'utf8').digest()
    expect(charterHash(charter)).toEqual(new Uint8Array(other))
  })
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).reverse()
  return Object.fromEntries(entries.map(([name, part]) => [name, reversed(part)]))
}
