import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  add,
  addInto,
  areResidues,
  HALF,
  mul,
  P,
  reduce,
  residueBytes,
  residuesFromBytes,
  sub,
} from '../../../../protocol/sum/field.ts'
import { PIECE } from '../../../../protocol/sum/pieces.ts'

const p = 2n ** 31n - 1n
const edges = [0, 1, 2, HALF, HALF + 1, P - 2, P - 1, 0xffff, 0x10000, 0x10001, 0x7fff0000, 0x7ffeffff]
const residue = fc.oneof(fc.integer({ min: 0, max: P - 1 }), fc.constantFrom(...edges))
const vector = (n: number) => fc.array(residue, { minLength: n, maxLength: n })
const mod = (x: bigint) => Number(((x % p) + p) % p)

describe('the field of 2^31 - 1', () => {
  it('has the stated constants', () => {
    expect(BigInt(P)).toBe(p)
    expect(2 * HALF + 1).toBe(P)
  })

  it('adds, subtracts and multiplies as integers do', () => {
    const check = (a: number, b: number) => {
      expect(add(a, b)).toBe(mod(BigInt(a) + BigInt(b)))
      expect(sub(a, b)).toBe(mod(BigInt(a) - BigInt(b)))
      expect(mul(a, b)).toBe(mod(BigInt(a) * BigInt(b)))
    }
    for (const a of edges) for (const b of edges) check(a, b)
    fc.assert(fc.property(residue, residue, check), { numRuns: 5000 })
  })

  it('reduces every integer that a double holds exactly', () => {
    const big = fc.oneof(
      fc.maxSafeNat(),
      fc.constantFrom(
        0,
        P - 1,
        P,
        P + 1,
        2 * P,
        2 ** 52,
        Number.MAX_SAFE_INTEGER,
        P * 0x200000,
        P * 0x200001 - 1,
      ),
    )
    fc.assert(
      fc.property(big, x => reduce(x) === mod(BigInt(x))),
      { numRuns: 5000 },
    )
  })

  it('adds vectors in place', () => {
    fc.assert(
      fc.property(vector(17), vector(17), (a, b) => {
        const sum = Uint32Array.from(a)
        addInto(sum, Uint32Array.from(b))
        expect([...sum]).toEqual(a.map((x, i) => add(x, b[i]!)))
      }),
    )
    expect(() => addInto(new Uint32Array(2), new Uint32Array(3))).toThrow(RangeError)
  })
})

describe('residues from elsewhere', () => {
  it('are told from words that are none', () => {
    expect(areResidues(Uint32Array.of(0, P - 1, 5))).toBe(true)
    expect(areResidues(new Uint32Array(0))).toBe(true)
    for (const bad of [P, P + 1, 0xffffffff, 0x80000000, 0xfffffffe]) {
      expect(areResidues(Uint32Array.of(1, bad, 2))).toBe(false)
      expect(areResidues(Uint32Array.of(bad))).toBe(false)
      // Behind a whole piece, too.
      const long = new Uint32Array(PIECE + 3)
      expect(areResidues(long)).toBe(true)
      long[PIECE + 2] = bad
      expect(areResidues(long)).toBe(false)
    }
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), x => areResidues(Uint32Array.of(x)) === x < P),
    )
  })

  it('come in from little-endian bytes as they went out', () => {
    expect([...residueBytes(Uint32Array.of(0x01020304))]).toEqual([4, 3, 2, 1])
    fc.assert(
      fc.property(vector(9), v => {
        const bytes = residueBytes(Uint32Array.from(v))
        expect([...residuesFromBytes(bytes)!]).toEqual(v)
        // At an odd address too, as in the middle of a message.
        const shifted = new Uint8Array(bytes.length + 1)
        shifted.set(bytes, 1)
        expect([...residuesFromBytes(shifted.subarray(1))!]).toEqual(v)
      }),
    )
    const whole = Uint32Array.of(1, 2, 3)
    expect([...residueBytes(whole.subarray(1, 2))]).toEqual([2, 0, 0, 0])
  })

  it('are a copy', () => {
    const bytes = new Uint8Array(8)
    const v = residuesFromBytes(bytes)!
    bytes.fill(1)
    expect([...v]).toEqual([0, 0])
  })

  it('do not come in from what is no vector of residues', () => {
    expect(residuesFromBytes(new Uint8Array(5))).toBeUndefined()
    expect(residuesFromBytes(new Uint8Array(4).fill(255))).toBeUndefined()
    expect(residuesFromBytes(residueBytes(Uint32Array.of(3, P)))).toBeUndefined()
    expect(residuesFromBytes(new Uint8Array(0))).toHaveLength(0)
  })
})
