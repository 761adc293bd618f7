/** What is kept of a vector in the ledger. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SKETCH, sketch, sketchBytes, sketchFrom } from '../../../../protocol/contribution/sketch.ts'
import { Random } from '../../../../sim/random.ts'

const vector = (length: number, seed: number) => {
  const random = new Random(seed)
  return Float64Array.from({ length }, () => random.normal())
}
const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (x, i) => x * b[i]!).reduce((s, x) => s + x, 0)

describe('a sketch', () => {
  it('of a short vector is the vector', () => {
    for (const length of [1, 7, SKETCH]) {
      const values = vector(length, length)
      expect(sketch(values)).toEqual(Float32Array.from(values))
    }
  })

  it('of a long one keeps inner products about as well as it says, is linear, and is the same everywhere', () => {
    const [a, b] = [vector(5000, 1), vector(5000, 2)]
    const of = (v: ArrayLike<number>) => sketch(v)
    expect(of(a)).toHaveLength(SKETCH)
    const error = Math.abs(dot(of(a), of(b)) - dot(a, b)) / Math.sqrt(dot(a, a) * dot(b, b))
    expect(error).toBeLessThan(4 / Math.sqrt(SKETCH))
    expect(dot(of(a), of(a)) / dot(a, a)).toBeCloseTo(1, 0)
    const sum = of(a.map((x, i) => x + 2 * b[i]!))
    for (const [i, x] of sum.entries()) expect(x).toBeCloseTo(of(a)[i]! + 2 * of(b)[i]!, 3)
    // One value is in one place, added to it or taken from it.
    const one = of(Float64Array.from({ length: 5000 }, (_, i) => (i === 4321 ? 1 : 0)))
    expect([...one].filter(x => x !== 0).map(Math.abs)).toEqual([1])
  })

  it('comes back from its bytes, and from no others', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 20 }),
        values => {
          const kept = Float32Array.from(values)
          const bytes = sketchBytes(kept)
          expect(sketchFrom(bytes, values.length)).toEqual(kept)
          expect(sketchFrom(bytes, values.length + 1)).toBeUndefined()
          expect(sketchFrom(bytes.subarray(1), values.length)).toBeUndefined()
        },
      ),
    )
    for (const wrong of [Number.NaN, Infinity, -Infinity])
      expect(sketchFrom(sketchBytes(Float32Array.of(0, wrong)), 2)).toBeUndefined()
  })
})
