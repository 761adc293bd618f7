import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assembled } from '../../../../node/scripts/assemble.ts'
import { add, P, sub } from '../../../../protocol/sum/field.ts'
import { PIECE } from '../../../../protocol/sum/pieces.ts'
import { MODULE } from '../../../../protocol/sum/simd.module.ts'
import {
  addWords,
  blend,
  centreElements,
  doubles,
  elements,
  elementsAreResidues,
  floats,
  integers,
  roundDoubles,
  stepFloats,
  words,
} from '../../../../protocol/sum/simd.ts'

const residue = fc.oneof(
  fc.integer({ min: 0, max: P - 1 }),
  fc.constantFrom(0, 1, P >>> 1, (P >>> 1) + 1, P - 1),
)
const word = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 1, P, P + 1, 0xffff_fffd, 0xffff_ffff),
)
/** Of any number of elements up to some fours, so that the last four are whole or not. */
const some = <T>(of: fc.Arbitrary<T>) => fc.array(of, { minLength: 1, maxLength: 14 })
const pairs = <A, B>(a: fc.Arbitrary<A>, b: fc.Arbitrary<B>) => some(fc.tuple(a, b))
const firsts = <A, B>(of: readonly (readonly [A, B])[]) => of.map(([a]) => a)
const seconds = <A, B>(of: readonly (readonly [A, B])[]) => of.map(([, b]) => b)

/** Leaves in both areas what no kernel may take for its own. */
function litter(): void {
  elements.fill(0xffff_ffff, 0, 64)
  words.fill(0xffff_ffff, 0, 64)
}

it('the module of the vector kernels is what its source assembles to', async () => {
  expect(await assembled()).toBe(MODULE)
})

describe('vector kernels do what plain numbers do, whatever lies behind', () => {
  it('add and subtract the upper 31 bits of words, and say where these may be p', () => {
    fc.assert(
      fc.property(pairs(residue, word), fc.constantFrom(1 as const, -1 as const), (all, sign) => {
        litter()
        words.fill(0, 0, 64)
        elements.set(firsts(all))
        words.set(seconds(all))
        const rare = blend(all.length, sign)
        expect(rare).toBe(seconds(all).some(w => w >>> 1 === P))
        all.forEach(([a, w], i) => {
          const m = w >>> 1
          expect(elements[i]).toBe(m === P ? a : sign === 1 ? add(a, m) : sub(a, m))
        })
      }),
    )
  })

  it('add residues, and say when one is none', () => {
    fc.assert(
      fc.property(pairs(residue, residue), fc.nat(13), word, (all, at, bad) => {
        litter()
        elements.set(firsts(all))
        words.set(seconds(all))
        expect(addWords(all.length)).toBe(true)
        expect([...elements.subarray(0, all.length)]).toEqual(all.map(([a, b]) => add(a, b)))
        litter()
        words.set(seconds(all))
        words[at % all.length] = bad
        expect(addWords(all.length)).toBe(bad < P)
      }),
    )
  })

  it('tell residues from words that are none', () => {
    fc.assert(
      fc.property(some(residue), fc.nat(13), word, (all, at, bad) => {
        litter()
        elements.set(all)
        expect(elementsAreResidues(all.length)).toBe(true)
        litter()
        elements.set(all)
        elements[at % all.length] = bad
        expect(elementsAreResidues(all.length)).toBe(bad < P)
      }),
    )
  })

  it('round as one number at a time would be', () => {
    const value = fc.oneof(
      fc.double({ min: -1e300, max: 1e300, noNaN: true }),
      fc.double({ min: -3, max: 3, noNaN: true }),
      fc.constantFrom(0, -0, 1, -1, 0.5, -0.5, 2 ** -1074, -(2 ** -1074)),
    )
    fc.assert(
      fc.property(
        pairs(value, word),
        fc.double({ min: -2, max: 2, noNaN: true }),
        fc.constantFrom(
          { bound: 1, scale: 1 },
          { bound: 2.5, scale: 1000.25 },
          { bound: 1, scale: 2 ** 30 - 1 },
        ),
        fc.constantFrom(0, P),
        (all, factor, steps, modulus) => {
          doubles.fill(Number.NaN, 0, 32)
          words.fill(0xffff_ffff, 0, 64)
          doubles.set(firsts(all))
          words.set(seconds(all))
          expect(roundDoubles(all.length, factor, steps, modulus)).toBe(true)
          all.forEach(([v, w], i) => {
            const scaled = Math.min(steps.bound, Math.max(-steps.bound, v * factor)) * steps.scale
            const lower = Math.floor(scaled)
            const integer = lower + (w / 2 ** 32 < scaled - lower ? 1 : 0)
            expect(words[i]).toBe((integer + (integer < 0 ? modulus : 0)) >>> 0)
          })
        },
      ),
      { numRuns: 500 },
    )
  })

  it('say of each place when what is rounded is not finite', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (let count = 1; count <= 8; count++) {
        for (let at = 0; at < count; at++) {
          doubles.fill(Number.NaN, 0, 32)
          doubles.fill(0.25, 0, count)
          expect(roundDoubles(count, 1, { bound: 1, scale: 8 }, P)).toBe(true)
          doubles[at] = bad
          expect(roundDoubles(count, 1, { bound: 1, scale: 8 }, P)).toBe(false)
          doubles[at] = Number.MAX_VALUE
          expect(roundDoubles(count, 4, { bound: 1, scale: 8 }, P)).toBe(false)
        }
      }
    }
  })

  it('centre residues', () => {
    fc.assert(
      fc.property(some(residue), all => {
        litter()
        elements.set(all)
        centreElements(all.length)
        expect([...integers.subarray(0, all.length)]).toEqual(all.map(x => (x > (P - 1) / 2 ? x - P : x)))
      }),
    )
  })

  it('step floats as one number at a time would be', () => {
    const float = fc.float({ noNaN: true, noDefaultInfinity: true })
    const positive = fc.double({ min: 1e-9, max: 1e12, noNaN: true })
    fc.assert(
      fc.property(
        pairs(float, fc.integer({ min: -(2 ** 30), max: 2 ** 30 })),
        positive,
        positive,
        (all, scale, weight) => {
          litter()
          floats.set(firsts(all))
          integers.set(seconds(all))
          stepFloats(all.length, scale, weight)
          const stepped = all.map(([v, x]) => Math.fround(v + x / scale / weight))
          expect([...floats.subarray(0, all.length)]).toEqual(stepped)
        },
      ),
      { numRuns: 500 },
    )
  })

  it('take a whole piece, and no more', () => {
    elements.fill(P - 1)
    words.fill(1)
    expect(addWords(PIECE)).toBe(true)
    expect(elements.every(x => x === 0)).toBe(true)
    expect(words.every(x => x === 1)).toBe(true)
    expect(() => addWords(PIECE + 1)).toThrow(/piece/)
    expect(() => addWords(0)).toThrow(/piece/)
    // Two elements have the room of a double.
    expect(() => roundDoubles(PIECE / 2 + 1, 1, { bound: 1, scale: 1 }, 0)).toThrow(/piece/)
  })
})
