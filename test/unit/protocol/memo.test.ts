import { describe, expect, it } from 'vitest'
import { Memo } from '../../../protocol/memo.ts'

describe('what is remembered of an object', () => {
  it('is of this object and of this kind alone, and can be replaced', () => {
    const lengths = new Memo<Uint8Array, number>()
    const names = new Memo<Uint8Array, string>()
    const a = Uint8Array.of(1, 2)
    const b = Uint8Array.of(1, 2)
    expect([lengths.get(a), names.get(a)]).toEqual([undefined, undefined])
    lengths.set(a, 2)
    names.set(a, 'a')
    lengths.set(b, 3)
    expect([lengths.get(a), names.get(a), lengths.get(b), names.get(b)]).toEqual([2, 'a', 3, undefined])
    lengths.set(a, 4)
    expect([lengths.get(a), names.get(a)]).toEqual([4, 'a'])
  })

  it('hangs on maps, plain and frozen objects alike', () => {
    const memo = new Memo<object, number>()
    const objects = [
      new Map(),
      {},
      Object.freeze({ x: 1 }),
      Object.create(null),
      new Uint8Array(3).subarray(1),
    ]
    objects.forEach((o, i) => {
      memo.set(o, i)
    })
    expect(objects.map(o => memo.get(o))).toEqual([0, 1, 2, 3, 4])
  })

  it('is seen by nothing else: no listing, comparison or copy', () => {
    const memo = new Memo<object, string>()
    const bytes = Uint8Array.of(7)
    memo.set(bytes, 'secret')
    expect(Reflect.ownKeys(bytes)).toEqual(['0'])
    expect(bytes).toStrictEqual(Uint8Array.of(7))
    for (const copy of [structuredClone(bytes), bytes.slice(), bytes.subarray(0)]) {
      expect(memo.get(copy)).toBeUndefined()
    }
    expect(JSON.stringify(bytes)).toBe('{"0":7}')
  })
})
