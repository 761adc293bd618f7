import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AliasTable, aliasTable, drawColumns } from '../../../../protocol/privacy/alias.ts'
import { columnMasses, thresholdOf } from '../../../support/alias-masses.ts'

const ONE = 1n << 160n

/** Integers that add up to 2^160: the gaps between cuts. */
const weights = fc
  .uniqueArray(fc.bigInt(0n, ONE), { minLength: 1, maxLength: 40 })
  .map(cuts => [0n, ...cuts.sort((a, b) => (a < b ? -1 : 1)), ONE])
  .map(cuts => cuts.slice(1).map((c, i) => c - cuts[i]!))

/** Draws one element with these words, of which the first is the key stream's. */
function draw(table: AliasTable, word: number, ...rest: number[]): number {
  const out = new Int32Array(1)
  drawColumns(out, Uint32Array.of(word), table, 0, () => ({
    take: count => {
      expect(count).toBe(rest.length)
      return Uint32Array.from(rest)
    },
  }))
  return out[0]!
}

/** The 128 bits of x as words, the highest first. */
const wordsOf = (x: bigint) => [96n, 64n, 32n, 0n].map(at => Number((x >> at) & 0xffff_ffffn))

describe('an alias table', () => {
  it('has each probability exactly', () => {
    fc.assert(
      fc.property(weights, w => {
        const masses = columnMasses(aliasTable(w))
        expect(masses.slice(0, w.length)).toEqual(w)
        expect(masses.slice(w.length).every(m => m === 0n)).toBe(true)
      }),
    )
    const even = columnMasses(aliasTable([ONE / 2n, ONE / 2n]))
    expect(even).toEqual([ONE / 2n, ONE / 2n])
  })

  it('draws itself below the threshold and its alias from there on, to the last of 160 bits', () => {
    fc.assert(
      fc.property(weights, fc.nat(), (w, pick) => {
        const table = aliasTable(w)
        const own = pick % table.columns.length
        const alias = table.columns[own]! & (table.columns.length - 1)
        const threshold = thresholdOf(table, own)
        for (const [bits, drawn] of [
          [threshold - 1n, own],
          [threshold, alias],
          [threshold + 1n, alias],
          [threshold - (1n << 64n), own],
          [threshold + (1n << 64n), alias],
          [0n, threshold > 0n ? own : alias],
        ] as const) {
          if (bits < 0n || bits >= ONE >> BigInt(table.columnBits)) continue
          const word = ((Number(bits >> 128n) << table.columnBits) | own) >>> 0
          expect(draw(table, word, ...wordsOf(bits))).toBe(drawn)
        }
      }),
    )
  })

  it('asks for more bits only where the first ones are the threshold’s, and of that element', () => {
    const table = aliasTable([ONE / 4n + 12_345n, (3n * ONE) / 4n - 12_345n])
    const [own] = [table.columns.findIndex((column, c) => (column & 1) !== c)]
    const top = table.columns[own]! >>> 1
    const words = Uint32Array.from([top - 1, top, top + 1, top], t => ((t << 1) | own) >>> 0)
    const asked: number[] = []
    const out = new Int32Array(4)
    drawColumns(out, words, table, 10, i => {
      asked.push(i)
      return { take: count => new Uint32Array(count).fill(i === 1 ? 0 : 0xffff_ffff) }
    })
    expect(asked).toEqual([1, 3])
    expect([...out]).toEqual([own - 10, own - 10, 1 - own - 10, 1 - own - 10])
  })

  it('is not made of what is no law', () => {
    expect(() => aliasTable([ONE, 1n])).toThrow('add up to 1')
    expect(() => aliasTable([ONE - 1n, 0n])).toThrow('add up to 1')
    expect(() => aliasTable([ONE])).toThrow('two columns')
  })
})
