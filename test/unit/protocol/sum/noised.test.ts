/** Noise that comes off again: exactly what was added, of no level but those whose keys are known, at any stretch of the vector. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Noise, Section } from '../../../../protocol/ports.ts'
import { areResidues, P } from '../../../../protocol/sum/field.ts'
import { vectorLength } from '../../../../protocol/sum/layout.ts'
import { noiser } from '../../../../protocol/sum/noised.ts'
import { centre } from '../../../../protocol/sum/quantise.ts'
import { levelKeys } from '../../../support/noised.ts'

const PLAIN = { bound: 1, scale: 1, lanes: 1, rotated: false, oneIn: 1, factor: undefined } as const

const laws = fc.constantFrom<Noise['law']>('skellam', 'discreteGaussian')
const noises = fc.option(
  fc.record({ law: laws, levels: fc.array(fc.nat(400), { minLength: 1, maxLength: 4 }) }),
  { nil: undefined },
)
const layouts = fc
  .array(fc.record({ length: fc.nat(40), noise: noises }), { minLength: 1, maxLength: 4 })
  .map(all => all.map(({ length, noise }, i): Section => ({ ...PLAIN, name: `s${i}`, length, noise })))

/** A vector in pieces of these lengths, again and again. */
function piecewise(vector: Uint32Array, lengths: readonly number[], act: (piece: Uint32Array) => void): void {
  for (let at = 0, k = 0; at < vector.length; k++) {
    const to = Math.min(vector.length, at + lengths[k % lengths.length]!)
    act(vector.subarray(at, to))
    at = to
  }
}

describe('noise', () => {
  it('comes off any stretch of a vector, in pieces of any length, and only of the levels whose keys are known', () => {
    fc.assert(
      fc.property(
        layouts,
        fc.nat(4),
        fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1, maxLength: 5 }),
        fc.tuple(fc.nat(160), fc.nat(160)),
        (sections, kept, lengths, [x, y]) => {
          const length = vectorLength(sections)
          const start = Uint32Array.from({ length }, (_, i) => (i * 1_234_567_891) % P)
          const [all, some] = [start.slice(), start.slice()]
          const keys = [1, 2, 3].flatMap(h => levelKeys(h))
          piecewise(all, lengths, noiser({ sections, keys }, 1))
          noiser({ sections, keys: keys.filter(k => k.level <= kept) }, 1)(some)
          const [from, to] = [Math.min(x, y, length), Math.min(Math.max(x, y), length)]
          const slice = all.slice(from, to)
          piecewise(
            slice,
            lengths.toReversed(),
            noiser({ sections, keys: keys.filter(k => k.level > kept) }, -1, from),
          )
          expect(slice).toEqual(some.slice(from, to))
          expect(areResidues(slice)).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('is of each level its own, and in each place of the vector', () => {
    const sections = [30, 30].map(
      (length, i): Section => ({
        ...PLAIN,
        name: `s${i}`,
        length,
        noise: { law: 'skellam', levels: [0, 1e6, 1e6] },
      }),
    )
    const [one, two] = levelKeys(1).slice(0, 2)
    const drawn = (key: { level: number; key: Uint8Array }) => {
      const vector = new Uint32Array(60)
      noiser({ sections, keys: [key] }, 1)(vector)
      return vector
    }
    const [first, second, other] = [drawn(one!), drawn(two!), drawn({ level: 1, key: two!.key })]
    const same = (a: Uint32Array, b: Uint32Array) => a.filter((x, i) => x === b[i]).length
    expect(same(first, second)).toBeLessThan(5)
    expect(same(first.subarray(0, 30), first.subarray(30))).toBeLessThan(5)
    // The key alone says what is drawn of a law.
    expect(other).toEqual(second)
    expect(Math.max(...Array.from(first, x => Math.abs(centre(x))))).toBeGreaterThan(1000)
  })

  it('is nothing where a section has none, or none of that level', () => {
    const noise = { law: 'discreteGaussian', levels: [5, 0] } as const
    const sections: Section[] = [
      { ...PLAIN, name: 'a', length: 20, noise: undefined },
      { ...PLAIN, name: 'b', length: 20, noise },
    ]
    const vector = Uint32Array.from({ length: 40 }, (_, i) => i)
    noiser({ sections, keys: levelKeys(1) }, 1)(vector)
    expect([...vector]).toEqual(Array.from({ length: 40 }, (_, i) => i))
  })
})
