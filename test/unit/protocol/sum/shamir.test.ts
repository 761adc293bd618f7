import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import { combine, combiner, SHARE_PRIME, secretFromSeed, split } from '../../../../protocol/sum/shamir.ts'

const bytes = (n: number) => fc.uint8Array({ minLength: n, maxLength: n })
const secretOf = bytes(48).map(secretFromSeed)
const big = (b: Uint8Array) => BigInt(`0x${toHex(b)}`)
const fromBig = (x: bigint) => fromHex(x.toString(16).padStart(64, '0'))
const seed = new Uint8Array(32).fill(8)
const secret = fromHex('0f'.repeat(32))

/** t, n and t different indices below n in any order. */
const setting = fc
  .integer({ min: 1, max: 12 })
  .chain(n => fc.tuple(fc.constant(n), fc.integer({ min: 1, max: n })))
  .chain(([n, t]) =>
    fc.tuple(
      fc.constant({ n, t }),
      fc.shuffledSubarray(
        Array.from({ length: n }, (_, i) => i),
        { minLength: t, maxLength: t },
      ),
    ),
  )

describe('secret sharing', () => {
  it('works over a prime', () => {
    // Fermat's test for a few bases; 2^256 - 189 is the largest prime below 2^256.
    const power = (b: bigint, e: bigint): bigint => {
      let result = 1n
      for (; e > 0n; e >>= 1n, b = (b * b) % SHARE_PRIME) if (e & 1n) result = (result * b) % SHARE_PRIME
      return result
    }
    for (const base of [2n, 3n, 5n, 7n, 11n]) expect(power(base, SHARE_PRIME - 1n)).toBe(1n)
  })

  it('recovers the secret from any t shares', () => {
    fc.assert(
      fc.property(setting, secretOf, bytes(32), ([{ t, n }, chosen], s, dealt) => {
        const shares = split(s, t, n, dealt)
        expect(shares).toHaveLength(n)
        for (const share of shares) expect(share).toHaveLength(32)
        const given = chosen.map(index => ({ index, share: shares[index]! }))
        expect(combine(given, t)).toEqual({ ok: true, value: s })
      }),
    )
  })

  it('recovers the extreme secrets', () => {
    for (const s of [0n, 1n, SHARE_PRIME - 1n]) {
      const shares = split(fromBig(s), 3, 5, seed)
      const got = combine(
        [4, 1, 3].map(index => ({ index, share: shares[index]! })),
        3,
      )
      expect(got.ok && big(got.value)).toBe(s)
    }
  })

  it('tells nothing with t - 1 shares: every other secret has a last share that fits', () => {
    fc.assert(
      fc.property(secretOf, secretOf, bytes(32), (s, other, dealt) => {
        const shares = split(s, 4, 6, dealt)
        const open = (last: bigint) => {
          const got = combine(
            [5, 0, 2, 3].map(index => ({ index, share: index === 3 ? fromBig(last) : shares[index]! })),
            4,
          )
          if (!got.ok) throw new Error('must combine')
          return big(got.value)
        }
        // The secret is a + b * last with b not 0, so that exactly one last share leads to `other`.
        const a = open(0n)
        const b = (open(1n) - a + SHARE_PRIME) % SHARE_PRIME
        expect(b).not.toBe(0n)
        let inverse = 1n
        for (
          let e = SHARE_PRIME - 2n, square = b;
          e > 0n;
          e >>= 1n, square = (square * square) % SHARE_PRIME
        ) {
          if (e & 1n) inverse = (inverse * square) % SHARE_PRIME
        }
        const last = ((big(other) - a + SHARE_PRIME) * inverse) % SHARE_PRIME
        expect(open(last)).toBe(big(other))
      }),
      { numRuns: 20 },
    )
  })

  it('deals the same for the same seed, and unrelated shares for another', () => {
    const one = split(secret, 3, 5, seed)
    expect(split(secret, 3, 5, seed)).toEqual(one)
    const two = split(secret, 3, 5, new Uint8Array(32).fill(9))
    one.forEach((share, i) => {
      expect(share).not.toEqual(two[i])
      expect(share).not.toEqual(secret)
    })
  })

  it('gives another secret for a wrong share', () => {
    const shares = split(secret, 3, 5, seed)
    fc.assert(
      fc.property(fc.nat(255), bit => {
        const wrong = shares[1]!.slice()
        wrong[bit >> 3]! ^= 1 << (bit & 7)
        const got = combine(
          [
            { index: 0, share: shares[0]! },
            { index: 1, share: wrong },
            { index: 2, share: shares[2]! },
          ],
          3,
        )
        expect(got.ok && toHex(got.value) === toHex(secret)).toBe(false)
      }),
    )
    const misplaced = combine(
      [0, 1, 3].map((index, k) => ({ index, share: shares[k]! })),
      3,
    )
    expect(misplaced.ok && toHex(misplaced.value) === toHex(secret)).toBe(false)
  })

  it('uses the first t shares of more, so that a later one does no harm', () => {
    const shares = split(secret, 2, 4, seed).map((share, index) => ({ index, share }))
    const wrong = { index: 1, share: shares[0]!.share }
    expect(combine([shares[3]!, shares[0]!, wrong], 2)).toEqual({ ok: true, value: secret })
  })

  it('serves many secrets with the same members', () => {
    const recover = combiner([2, 0, 4])
    if (!recover.ok) throw new Error('must be possible')
    for (let k = 1; k < 6; k++) {
      const s = fromBig(BigInt(k) ** 40n)
      const shares = split(s, 3, 5, new Uint8Array(32).fill(k))
      expect(recover.value([shares[2]!, shares[0]!, shares[4]!])).toEqual({ ok: true, value: s })
    }
    expect(() => recover.value([secret])).toThrow()
  })

  it('serves the largest consortium', () => {
    const shares = split(secret, 171, 255, seed)
    const given = shares.map((share, index) => ({ index, share })).slice(-171)
    expect(combine(given, 171)).toEqual({ ok: true, value: secret })
  })
})

describe('what cannot be combined', () => {
  const shares = split(secret, 3, 5, seed).map((share, index) => ({ index, share }))
  const [a, b, c] = shares as [(typeof shares)[0], (typeof shares)[0], (typeof shares)[0]]

  it('is too few shares', () => {
    expect(combine([a, b], 3)).toEqual({ ok: false, error: { kind: 'tooFew', have: 2, need: 3 } })
    expect(combine([], 1).ok).toBe(false)
    expect(combiner([]).ok).toBe(false)
  })

  it('is one member twice, or a member that cannot be', () => {
    expect(combine([a, b, a], 3)).toEqual({ ok: false, error: { kind: 'badIndex', index: 0 } })
    for (const index of [-1, 255, 1.5, Number.NaN]) {
      expect(combine([a, b, { index, share: c.share }], 3)).toEqual({
        ok: false,
        error: { kind: 'badIndex', index },
      })
    }
  })

  it('is a share out of range or of another length, and it says whose', () => {
    const bad = [
      fromBig(SHARE_PRIME),
      new Uint8Array(32).fill(255),
      new Uint8Array(31),
      new Uint8Array(33),
      new Uint8Array(0),
    ]
    for (const share of bad) {
      expect(combine([a, { index: 4, share }, c], 3)).toEqual({
        ok: false,
        error: { kind: 'badShare', index: 4 },
      })
    }
    expect(combine([a, { index: 4, share: fromBig(SHARE_PRIME - 1n) }, c], 3).ok).toBe(true)
  })

  it('throws when we split wrongly ourselves', () => {
    expect(() => split(secret, 4, 3, seed)).toThrow()
    expect(() => split(secret, 0, 3, seed)).toThrow()
    expect(() => split(secret, 3, 256, seed)).toThrow()
    expect(() => split(secret, 172, 255, seed)).toThrow()
    expect(() => split(secret, 2, 3, new Uint8Array(31))).toThrow(RangeError)
    expect(() => split(fromBig(SHARE_PRIME), 2, 3, seed)).toThrow(RangeError)
    expect(() => split(new Uint8Array(31), 2, 3, seed)).toThrow(RangeError)
    expect(() => secretFromSeed(new Uint8Array(47))).toThrow(RangeError)
  })
})

it('makes every secret one that can be shared', () => {
  expect(big(secretFromSeed(new Uint8Array(64).fill(255)))).toBe((2n ** 512n - 1n) % SHARE_PRIME)
  expect(secretFromSeed(new Uint8Array(48))).toEqual(new Uint8Array(32))
})
