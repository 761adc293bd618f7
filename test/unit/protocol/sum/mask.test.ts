import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CHUNK_WORDS, keyStream, sideStream } from '../../../../protocol/crypto/keystream.ts'
import { add, areResidues, P, sub } from '../../../../protocol/sum/field.ts'
import { maskInto, masksInto, redraw } from '../../../../protocol/sum/mask.ts'
import { words } from '../../../../protocol/sum/simd.ts'

const key = (byte: number) => new Uint8Array(32).fill(byte)
/** A key stream that gives these words, whatever is asked of it. */
const giving = (words: Uint32Array) => () => ({ take: (count: number) => words.slice(0, count) })
const ramp = (n: number) => Uint32Array.from({ length: n }, (_, i) => (i * 1_000_003) % P)

describe('masks', () => {
  it('are the upper 31 bits of the key stream', () => {
    const n = CHUNK_WORDS + 5
    const acc = new Uint32Array(n)
    maskInto(acc, key(3), 1)
    const stream = keyStream(key(3))
    const words = [...stream.take(CHUNK_WORDS), ...stream.take(5)]
    expect([...acc]).toEqual(words.map(w => w >>> 1))
  })

  it('cancel: what one of a pair adds the other subtracts', () => {
    const before = ramp(CHUNK_WORDS + 77)
    const acc = before.slice()
    maskInto(acc, key(3), 1)
    expect(acc).not.toEqual(before)
    expect(areResidues(acc)).toBe(true)
    maskInto(acc, key(3), -1)
    expect(acc).toEqual(before)
  })

  it('are the same for a slice at its offset as for the whole vector', () => {
    const whole = ramp(2 * CHUNK_WORDS + 10)
    const masked = whole.slice()
    masksInto(masked, [
      { key: key(1), sign: 1 },
      { key: key(2), sign: -1 },
    ])
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(CHUNK_WORDS), (from, length) => {
        const part = whole.slice(from, from + length)
        masksInto(
          part,
          [
            { key: key(1), sign: 1 },
            { key: key(2), sign: -1 },
          ],
          from,
        )
        expect(part).toEqual(masked.slice(from, from + length))
      }),
      { numRuns: 20 },
    )
  })

  it('work on a view without touching what lies around it', () => {
    const whole = new Uint32Array(30)
    maskInto(whole.subarray(10, 20), key(1), 1)
    expect([...whole.subarray(0, 10), ...whole.subarray(20)].every(x => x === 0)).toBe(true)
    expect(whole.subarray(10, 20).every(x => x !== 0)).toBe(true)
  })

  it('leave nothing of themselves behind', () => {
    for (const length of [5, CHUNK_WORDS + 9]) {
      maskInto(new Uint32Array(length), key(1), 1)
      expect(words.every(w => w === 0)).toBe(true)
    }
  })

  it('all apply, in any order, with the same result', () => {
    const masks = [1, 2, 3, 4, 5].map(k => ({
      key: key(k),
      sign: k % 2 === 0 ? (1 as const) : (-1 as const),
    }))
    const at = ramp(100)
    masksInto(at, masks)
    const one = ramp(100)
    for (const { key, sign } of masks.toReversed()) maskInto(one, key, sign)
    expect(at).toEqual(one)
  })
})

describe('masks of any words', () => {
  it('are added and subtracted modulo p', () => {
    const word = fc.oneof(fc.nat(8), fc.nat(0xffff_fffd), fc.integer({ min: 0xffff_fff0, max: 0xffff_fffd }))
    const residue = fc.oneof(fc.nat(3), fc.nat(P - 1), fc.integer({ min: P - 4, max: P - 1 }))
    const element = fc.record({ a: residue, w: word, v: word })
    fc.assert(
      fc.property(fc.array(element, { minLength: 1, maxLength: 70 }), elements => {
        const of = (pick: (e: { a: number; w: number; v: number }) => number) =>
          Uint32Array.from(elements, pick)
        const acc = of(e => e.a)
        const streams = [of(e => e.w), of(e => e.v)].map(giving)
        const masks = [
          { key: key(1), sign: 1 as const },
          { key: key(2), sign: -1 as const },
        ]
        masksInto(acc, masks, 0, k => streams[k[0]! - 1]!())
        expect([...acc]).toEqual(elements.map(e => sub(add(e.a, e.w >>> 1), e.v >>> 1)))
      }),
    )
  })
})

describe('a word that is no residue', () => {
  const words = Uint32Array.of(0, 1, 0xffff_ffff, 2 * (P - 1), 0xffff_fffe, 12, 0x7fff_ffff)
  const start = [5, P - 1, 9, P - 1, P - 1, 0, P - 1]

  it('is drawn again, for that element alone, when adding and when subtracting', () => {
    for (const sign of [1, -1] as const) {
      const acc = Uint32Array.from(start)
      masksInto(acc, [{ key: key(1), sign }], 0, giving(words))
      const masks = [...words].map((w, i) => (w >>> 1 === P ? redraw(key(1), i) : w >>> 1))
      expect([...acc]).toEqual(start.map((a, i) => (sign === 1 ? add(a, masks[i]!) : sub(a, masks[i]!))))
    }
  })

  it('cancels between the two of a pair', () => {
    const acc = Uint32Array.from(start)
    masksInto(acc, [{ key: key(1), sign: 1 }], 0, giving(words))
    expect([...acc]).not.toEqual(start)
    masksInto(acc, [{ key: key(1), sign: -1 }], 0, giving(words))
    expect([...acc]).toEqual(start)
  })

  it('is found at any place of a chunk, whole or not, and left out of no other element', () => {
    for (const length of [1, 2, 3, 4, 5, 15, 16, 17, CHUNK_WORDS - 1, CHUNK_WORDS]) {
      for (const rare of new Set([0, length >> 1, length - 1])) {
        for (const sign of [1, -1] as const) {
          const drawn = ramp(length).map(x => 2 * x)
          drawn[rare] = 0xffff_fffe
          const acc = ramp(length).reverse()
          const masks = Array.from(drawn, (w, i) => (i === rare ? redraw(key(2), i) : w >>> 1))
          const expected = acc.map((a, i) => (sign === 1 ? add(a, masks[i]!) : sub(a, masks[i]!)))
          masksInto(acc, [{ key: key(2), sign }], 0, giving(drawn))
          expect(Buffer.compare(Buffer.from(acc.buffer), Buffer.from(expected.buffer))).toBe(0)
        }
      }
    }
  })

  it('is drawn again by its position in the whole vector, also in a later chunk of a slice', () => {
    const onlyP = (_key: Uint8Array, position?: number) => {
      expect(position).toBe(100)
      return { take: (count: number) => new Uint32Array(count).fill(0xffff_ffff) }
    }
    const acc = new Uint32Array(CHUNK_WORDS + 3)
    masksInto(acc, [{ key: key(1), sign: 1 }], 100, onlyP)
    for (const i of [0, 1, CHUNK_WORDS - 1, CHUNK_WORDS, CHUNK_WORDS + 2]) {
      expect(acc[i]).toBe(redraw(key(1), 100 + i))
    }
  })

  it('is none of the words next to it', () => {
    const acc = Uint32Array.of(1, 2, 3)
    masksInto(acc, [{ key: key(1), sign: 1 }], 0, giving(Uint32Array.of(2 * P - 1, 0x8000_0000, 2 * P - 2)))
    expect([...acc]).toEqual([add(1, P - 1), add(2, 0x4000_0000), add(3, P - 1)])
  })

  it('gets its residue from a stream of its own, which depends on key and position', () => {
    expect(redraw(key(1), 7)).toBe(sideStream(key(1), 7).take(1)[0]! >>> 1)
    const twice = [0xffff_ffff, 0xffff_fffe, 6]
    expect(redraw(key(1), 7, () => ({ take: () => Uint32Array.of(twice.shift()!) }))).toBe(3)
    const drawn = new Set<number>()
    for (let i = 0; i < 50; i++) drawn.add(redraw(key(1), i)).add(redraw(key(2), i))
    expect(drawn.size).toBe(100)
    expect(drawn.has(keyStream(key(1)).take(1)[0]! >>> 1)).toBe(false)
  })
})
