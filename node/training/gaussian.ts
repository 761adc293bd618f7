/**
 * The Gaussian mechanism of DP-SGD, in one hospital. Mironov (On significance of the least significant bits for
 * differential privacy, 2012) showed that noise of floating-point numbers betrays what it was added to: not every number can
 * come out, and which ones can depends on the sum. So sum and noise are rounded to one grid and added as whole numbers:
 * what comes out is a rounded Gaussian around a whole number, and every neighbour of it can come out too.
 *
 * What stays of the weakness: the Gaussian itself is made of doubles (Box and Muller), whose logarithm and cosine are right to
 * some 2^-52 and not exact, it never lies beyond 8.57 standard deviations (mass 1e-17), and how long it takes may depend on
 * what is drawn. Integer noise in the secure sum has none of these: it is the stronger mode, where its unit suits.
 */

import { ascii } from '../../protocol/bytes.ts'
import { hkdf } from '../../protocol/crypto/kdf.ts'
import { keyStream } from '../../protocol/crypto/keystream.ts'
import { wordsOf } from './words.ts'

const PURPOSE = ascii('medmesh noise for patients')

/** Independent standard normal numbers from a key that this draws from the job's seed (32 bytes, secret) for itself. */
export function gaussians(seed: Uint8Array): () => number {
  const word = wordsOf(keyStream(hkdf(seed, PURPOSE, 32)))
  /** Whole number in [0, 2^53). */
  const draw = () => word() * 2 ** 21 + (word() >>> 11)
  let other: number | undefined
  return () => {
    if (other !== undefined) {
      const second = other
      other = undefined
      return second
    }
    // Never log 0.
    const radius = Math.sqrt(-2 * Math.log((draw() + 1) * 2 ** -53))
    const angle = 2 * Math.PI * draw() * 2 ** -53
    other = radius * Math.sin(angle)
    return radius * Math.cos(angle)
  }
}

/**
 * Step of the grid, relative to clipNorm: rounding to it moves a sum of 50 million numbers, the longest model, by less than a
 * millionth of clipNorm, and all whole numbers stay below 2^53.
 */
const GRID = 2 ** -32

/**
 * (sum + noise) / expected in floats: `sum` of vectors of L2 norm at most `clipNorm` each, independent noise of
 * standard deviation noiseMultiplier * clipNorm on each number, and `expected`, the batch's size on average: the size
 * that was drawn is itself a secret.
 */
export function noisedMean(
  sum: Float32Array,
  normal: () => number,
  { clipNorm, noiseMultiplier, expected }: { clipNorm: number; noiseMultiplier: number; expected: number },
): Float32Array {
  // A power of two, by which doubles are multiplied and divided exactly.
  const step = 2 ** Math.floor(Math.log2(clipNorm)) * GRID
  const deviation = (noiseMultiplier * clipNorm) / step
  const mean = new Float32Array(sum.length)
  for (let i = 0; i < sum.length; i++) {
    mean[i] = ((Math.round(sum[i]! / step) + Math.round(deviation * normal())) * step) / expected
  }
  return mean
}
