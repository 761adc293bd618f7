import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { initialHash, initialModel, initialState } from '../../../../protocol/model/initial.ts'
import { readParameters, stateHash, wholeModel } from '../../../../protocol/model/state.ts'
import { isWhole, lengthOf, nothingStored } from '../../../../protocol/stored.ts'
import { layoutFor, sectionRange } from '../../../../protocol/sum/layout.ts'
import { testCharter } from '../../../support/consortium.ts'

describe('initial model', () => {
  const glorot = (seed: number) =>
    testCharter({
      n: 4,
      edit: c => ({
        ...c,
        model: {
          ...c.model,
          seed,
          weights: [
            { name: 'a', shape: [300, 100], initialiser: 'glorotUniform' },
            { name: 'b', shape: [100], initialiser: 'zeros' },
            { name: 'c', shape: [7], initialiser: 'ones' },
          ],
        },
      }),
    })

  it('is the same everywhere: this hash is part of the protocol', () => {
    expect(toHex(stateHash(initialState(glorot(1))))).toBe(
      '4fba274f776d8e86a28a471d1bda91b260e014704b29241104f05bbb636c67c0',
    )
    expect(toHex(stateHash(initialState(glorot(1))))).not.toBe(toHex(stateHash(initialState(glorot(2)))))
  })

  it('is the same in any stretches, in memory or nowhere, where it is long', () => {
    const charter = glorot(1)
    const long = { ...charter, secureSum: { ...charter.secureSum, gossipBytesMax: 0 } }
    const { parameters } = initialState(charter)
    const held = initialModel(long)
    expect(isWhole(held)).toBe(false)
    expect(lengthOf(held.parameters)).toBe(parameters.length)
    expect(toHex(initialHash(long))).toBe(toHex(stateHash(initialState(long))))
    expect(toHex(initialHash(charter))).toBe(toHex(stateHash(initialState(charter))))
    expect(wholeModel(held)).toEqual(initialState(long))
    fc.assert(
      fc.property(fc.nat(parameters.length), fc.nat(20_000), (from, length) => {
        const some = new Float32Array(Math.min(length, parameters.length - from))
        readParameters(held, some, from, nothingStored)
        expect(some).toEqual(parameters.slice(from, from + some.length))
      }),
      { numRuns: 30 },
    )
  })

  it('draws each weight by itself: two of one shape are not alike', () => {
    const c = testCharter({
      n: 4,
      edit: x => ({
        ...x,
        model: {
          ...x.model,
          weights: [
            { name: 'a', shape: [4, 4], initialiser: 'glorotUniform' },
            { name: 'b', shape: [4, 4], initialiser: 'glorotUniform' },
          ],
        },
      }),
    })
    const { parameters } = initialState(c)
    expect(Array.from(parameters.subarray(0, 16))).not.toEqual(Array.from(parameters.subarray(16)))
  })

  it('follows its initialisers', () => {
    const { parameters } = initialState(glorot(1))
    const limit = Math.sqrt(6 / 400)
    const a = parameters.subarray(0, 30_000)
    expect(Math.max(...a.subarray(0, 30_000).map(Math.abs))).toBeLessThanOrEqual(Math.fround(limit))
    expect(Math.max(...a.map(Math.abs))).toBeGreaterThan(0.99 * limit)
    expect(a.reduce((s, x) => s + x, 0) / a.length).toBeCloseTo(0, 2)
    expect(a.reduce((s, x) => s + x * x, 0) / a.length).toBeCloseTo((limit * limit) / 3, 3)
    // No stretch of the stream is used twice.
    expect(new Set(a.subarray(0, 100)).size).toBe(100)
    expect(Array.from(a.subarray(0, 50))).not.toEqual(Array.from(a.subarray(16_640, 16_690)))
    expect(parameters.subarray(30_000, 30_100).every(x => x === 0)).toBe(true)
    expect(parameters.subarray(30_100).every(x => x === 1)).toBe(true)
  })

  it('sections of the layout have the charter’s lengths', () => {
    const c = glorot(1)
    expect(sectionRange(layoutFor(c, 'train', 4), 'update')).toEqual([0, 30_107])
  })
})
