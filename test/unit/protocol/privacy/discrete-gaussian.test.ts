import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { discreteGaussianNoise } from '../../../../protocol/privacy/discrete-gaussian.ts'
import { CIPHER } from '../../../../protocol/privacy/noise.ts'
import { type Rational, rational } from '../../../../protocol/privacy/rational.ts'
import { discreteGaussianLaw, expectDrawsOf, moment } from '../../../support/noise-laws.ts'

const long = rational(10n ** 40n, 3n ** 80n)
const key = (byte: number) => new Uint8Array(32).fill(byte)

function drawn(variance: Rational, count: number, byte = 7): Int32Array {
  const out = new Int32Array(count)
  discreteGaussianNoise(variance).drawer(key(byte))(out)
  return out
}

describe('discrete Gaussian noise', () => {
  it.each([
    [0.5, rational(1, 4)],
    [1, rational(1)],
    [4, rational(16)],
    [100, rational(10_000)],
  ])('has moments, tails and counts of its law at sigma %d', (_, variance) => {
    expectDrawsOf(drawn(variance, 1_000_000), discreteGaussianLaw(variance))
  })

  it('takes fractions of long numbers', () => {
    expectDrawsOf(drawn(long, 50_000), discreteGaussianLaw(long))
  })

  it('has its parameter as variance from 1 on, nearly', () => {
    expect(moment(discreteGaussianLaw(rational(1)), 2)).toBeGreaterThan(1 - 3e-7)
    expect(moment(discreteGaussianLaw(rational(1)), 2)).toBeLessThan(1)
  })

  it('is the same from the same key, and other from another', () => {
    expect(drawn(rational(16), 1000)).toEqual(drawn(rational(16), 1000))
    expect(drawn(rational(16), 1000, 8)).not.toEqual(drawn(rational(16), 1000))
    expect([...drawn(rational(16), 12)]).toEqual([-2, 3, 4, 4, -1, 2, 2, -4, 4, 3, 4, 10])
  })

  it('is the same however a vector is cut, and wherever one begins', () => {
    const whole = drawn(rational(16), 700)
    fc.assert(
      fc.property(fc.nat(700), fc.nat(700), fc.nat(700), (...cuts) => {
        const [a, b, c] = cuts.sort((x, y) => x - y) as [number, number, number]
        const out = new Int32Array(c - a)
        const draw = discreteGaussianNoise(rational(16)).drawer(key(7), a)
        draw(out.subarray(0, b - a))
        draw(out.subarray(b - a))
        expect(out).toEqual(whole.subarray(a, c))
      }),
      { numRuns: 20 },
    )
  })

  it('goes on in an element’s own stream when its words are used up', () => {
    const opened = new Set<number>()
    const sideStream: typeof CIPHER.sideStream = (k, index) => {
      opened.add(index)
      return CIPHER.sideStream(k, index)
    }
    const out = new Int32Array(200)
    discreteGaussianNoise(long).drawer(key(7), 50, { ...CIPHER, sideStream })(out)
    expect(out).toEqual(drawn(long, 250).subarray(50))
    expect(opened.size).toBeGreaterThan(5)
    expect(Math.min(...opened)).toBeGreaterThanOrEqual(50)
  })

  it('has a variance above 0', () => {
    for (const v of [rational(0), rational(-1), rational(2n ** 40n + 1n)])
      expect(() => discreteGaussianNoise(v)).toThrow(RangeError)
  })
})
