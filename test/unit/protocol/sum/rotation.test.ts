/** The shared rotation: it keeps norms, is undone exactly but for float32, and spreads what lies in a few values (SPEC S6). */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { rotateBack, rotated, rotatedLength, rotationFactor } from '../../../../protocol/sum/rotation.ts'

const seed = (byte: number) => new Uint8Array(32).fill(byte)
const norm = (v: Float32Array) => Math.sqrt(v.reduce((s, x) => s + x * x, 0))
/** Rotated, with the norm that it had. */
const turned = (v: Float32Array, by = seed(1)) => rotated(v, rotationFactor(v.length), by)
const lengths = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.constantFrom(1000, 4095, 4096, 4097, 30_107, 266_304),
)

describe('the rotation', () => {
  it('keeps the norm, and is undone', () => {
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 0, max: 255 }),
        (length, k, byte) => {
          const v = Float32Array.from({ length }, (_, i) => k * Math.sin(k * i + 1))
          const there = turned(v, seed(byte))
          expect(Math.abs(norm(there) - norm(v))).toBeLessThanOrEqual(1e-5 * norm(v))
          rotateBack(there, v.length, seed(byte))
          const back = there.map(x => x * rotationFactor(v.length))
          const off = back.map((x, i) => x - (v[i] ?? 0))
          expect(norm(off)).toBeLessThanOrEqual(1e-5 * norm(v))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('is linear: the sum of rotated vectors is the rotated sum, exactly where all are small integers', () => {
    const a = Float32Array.from({ length: 1000 }, (_, i) => (i % 7) - 3)
    const b = Float32Array.from({ length: 1000 }, (_, i) => (i % 11) - 5)
    const [ra, rb] = [rotated(a, 1, seed(2)), rotated(b, 1, seed(2))]
    expect(ra.map((x, i) => x + rb[i]!)).toEqual(
      rotated(
        a.map((x, i) => x + b[i]!),
        1,
        seed(2),
      ),
    )
    expect(rotated(a, 3, seed(2))).toEqual(ra.map(x => 3 * x))
  })

  it('spreads one large value, or one layer of them, over all values', () => {
    for (const length of [1024, 30_720, 266_304]) {
      const one = new Float32Array(length)
      one[17] = 1
      const layer = new Float32Array(length).fill(0)
      // A stretch of parameters that alone was trained.
      layer.fill(1, 100, 356)
      for (const v of [one, layer]) {
        const there = turned(v)
        const size = 1 / rotationFactor(length) ** 2
        // No value is more than the norm of its block's part.
        const most = v === one ? 1 / Math.sqrt(size) : (6 * norm(v)) / Math.sqrt(length)
        for (const x of there) expect(Math.abs(x)).toBeLessThanOrEqual(most * (1 + 1e-5))
      }
    }
  })

  it('leaves hardly any value beyond four deviations', () => {
    const v = Float32Array.from({ length: 266_304 }, (_, i) => (i % 1024 === 0 ? 5 : Math.sin(i) / 100))
    const deviation = norm(v) / Math.sqrt(rotatedLength(v.length))
    const beyond = turned(v).filter(x => Math.abs(x) > 4 * deviation).length
    expect(beyond).toBeLessThan(v.length / 5000)
  })

  it('needs little padding', () => {
    for (let length = 1; length < 20_000; length += length < 600 ? 1 : 37) {
      expect(rotatedLength(length)).toBeGreaterThanOrEqual(length)
      expect(rotatedLength(length) - length).toBeLessThanOrEqual(Math.max(16, length / 16))
    }
    expect(rotatedLength(10_000_000)).toBe(10_002_432 + 4096)
  })

  it('is another for another seed, and the same bits on every machine', () => {
    const v = Float32Array.from({ length: 5000 }, (_, i) => Math.fround(((i * 7919) % 1000) / 997 - 0.5))
    const bytes = (x: Float32Array) => new Uint8Array(x.buffer, x.byteOffset, x.byteLength)
    expect(turned(v, seed(1))).not.toEqual(turned(v, seed(2)))
    expect(toHex(sha256(bytes(rotated(v, 0.3, seed(1)))))).toMatchInlineSnapshot(
      `"7d5eb180877c4bf1333bdfc274c27f78640b970d7a2e7c5fa9a99d060bad6ba0"`,
    )
    const there = rotated(v, 0.3, seed(1))
    rotateBack(there, v.length, seed(1))
    expect(toHex(sha256(bytes(there)))).toMatchInlineSnapshot(
      `"3c67f2101e5d813afcff0b6ad291bafe36190aa1a087855799ef3f131b57c8dc"`,
    )
  })

  it('is a plain Hadamard transform of blocks of every count-th value', () => {
    // 24 values make one block of 32.
    const v = Float32Array.from({ length: 24 }, (_, i) => i - 7)
    const back = new Float32Array(32)
    for (let unit = 0; unit < 32; unit++) {
      const e = new Float32Array(32)
      e[unit] = 1
      rotateBack(e, 24, seed(3))
      // Column by column, ones of either sign: what a Hadamard matrix is made of.
      expect(e.every(x => Math.abs(x) === 1)).toBe(true)
      back[unit] = e.reduce((s, x, i) => s + x * (v[i] ?? 0), 0)
    }
    expect(rotated(v, 1, seed(3))).toEqual(back)
    // 40 values make three blocks of 16: a value reaches those of its block alone.
    const e = new Float32Array(40)
    e[4] = 1
    expect([...rotated(e, 1, seed(3)).keys()].filter(i => rotated(e, 1, seed(3))[i] !== 0)).toEqual(
      Array.from({ length: 16 }, (_, row) => 3 * row + 1),
    )
  })
})
