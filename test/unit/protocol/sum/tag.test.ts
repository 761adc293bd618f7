import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ascii } from '../../../../protocol/bytes.ts'
import { hkdf } from '../../../../protocol/crypto/kdf.ts'
import { keyStream } from '../../../../protocol/crypto/keystream.ts'
import { addInto, P } from '../../../../protocol/sum/field.ts'
import { residues as drawn, TAG_WORDS, tagger, tagOf } from '../../../../protocol/sum/tag.ts'

const p = BigInt(P)
const BLOCK = 2048
const coin = (byte: number) => new Uint8Array(32).fill(byte)
const coins = fc.uint8Array({ minLength: 32, maxLength: 32 })

/** Pseudorandom residues with the extreme ones among them. */
function residues(n: number, byte: number): Uint32Array {
  const stream = keyStream(coin(byte))
  return Uint32Array.from({ length: n }, () => {
    const w = stream.take(1)[0]!
    return w % 7 === 0 ? P - 1 : w % 11 === 0 ? 0 : (w >>> 1) % P
  })
}

/** The definition, element by element, in BigInt. */
function slowTag(coin: Uint8Array, vector: Uint32Array): number[] {
  const keys = hkdf(coin, ascii('medmesh tag coefficients v2'), 64)
  const drawn = (key: Uint8Array, length: number): bigint[] => {
    const stream = keyStream(key)
    return Array.from({ length }, () => {
      for (;;) {
        const w = stream.take(1)[0]! >>> 1
        if (w !== P) return BigInt(w)
      }
    })
  }
  const within = drawn(keys.slice(0, 32), BLOCK * TAG_WORDS)
  const between = drawn(keys.slice(32), Math.ceil(vector.length / BLOCK) * TAG_WORDS)
  const tag = [0n, 0n, 0n, 0n]
  vector.forEach((x, i) => {
    const [k, j] = [Math.floor(i / BLOCK), i % BLOCK]
    for (const r of [0, 2]) {
      const [aRe, aIm] = [within[TAG_WORDS * j + r]!, within[TAG_WORDS * j + r + 1]!]
      const [bRe, bIm] = [between[TAG_WORDS * k + r]!, between[TAG_WORDS * k + r + 1]!]
      tag[r] = (tag[r]! + BigInt(x) * (aRe * bRe - aIm * bIm)) % p
      tag[r + 1] = (tag[r + 1]! + BigInt(x) * (aRe * bIm + aIm * bRe)) % p
    }
  })
  return tag.map(t => Number((t + p) % p))
}

describe('linear tags', () => {
  it.each([0, 1, 2, 31, 32, 33, 2047, 2048, 2049, 5000])('are as defined for %i elements', n => {
    const vector = residues(n, n % 251)
    expect([...tagOf(coin(n % 5), vector)]).toEqual(slowTag(coin(n % 5), vector))
  })

  it('stay exact when every product is the largest there is', () => {
    const vector = new Uint32Array(4096).fill(P - 1)
    expect([...tagOf(coin(7), vector)]).toEqual(slowTag(coin(7), vector))
  })

  it('are additive', () => {
    fc.assert(
      fc.property(coins, fc.nat(3000), fc.nat(200), (c, n, byte) => {
        const tag = tagger(c)
        const x = residues(n, byte)
        const y = residues(n, byte + 1)
        const tags = tag(x)
        addInto(tags, tag(y))
        addInto(x, y)
        expect(tag(x)).toEqual(tags)
      }),
      { numRuns: 30 },
    )
  })

  it('always see a single changed element, in both repetitions', () => {
    const vector = residues(5000, 1)
    fc.assert(
      fc.property(coins, fc.nat(4999), fc.integer({ min: 1, max: P - 1 }), (c, at, by) => {
        const tag = tagger(c)
        const honest = tag(vector)
        const changed = vector.slice()
        changed[at] = (changed[at]! + by) % P
        const seen = tag(changed)
        for (const r of [0, 2]) expect(seen[r] === honest[r] && seen[r + 1] === honest[r + 1]).toBe(false)
      }),
      { numRuns: 60 },
    )
  })

  it('see changes that would cancel in a plain checksum', () => {
    const vector = residues(4096, 1)
    const changed = vector.slice()
    // Swapped, and moved by a block: equal sums, equal positions within the block.
    ;[changed[5], changed[6]] = [vector[6]!, vector[5]!]
    ;[changed[100], changed[2148]] = [vector[2148]!, vector[100]!]
    for (let c = 0; c < 20; c++) {
      const tag = tagger(coin(c))
      expect(tag(changed)).not.toEqual(tag(vector))
    }
  })

  it('differ for another coin, and their repetitions are independent', () => {
    const vector = residues(100, 1)
    const words = new Set<number>()
    for (let c = 0; c < 100; c++) for (const w of tagOf(coin(c), vector)) words.add(w)
    expect(words.size).toBe(400)
  })

  it('do not depend on what was tagged before', () => {
    const tag = tagger(coin(1))
    const long = residues(9000, 2)
    const short = residues(10, 2)
    expect(tag(short)).toEqual(tagOf(coin(1), short))
    expect(tag(long)).toEqual(tagOf(coin(1), long))
    expect(tag(short)).toEqual(tagOf(coin(1), short))
  })

  it('pass over words that are no residues', () => {
    const draw = drawn({ take: n => new Uint32Array(n).fill(0xffff_ffff).fill(8, n - 1) })
    expect([draw(), draw()]).toEqual([4, 4])
  })

  it('take a coin of 32 bytes', () => {
    expect(() => tagger(new Uint8Array(31))).toThrow()
  })
})
