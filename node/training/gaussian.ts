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
import { CHUNK_WORDS, keyStream, release } from '../../protocol/crypto/keystream.ts'

const PURPOSE = ascii('medmesh noise for patients')

/** Independent standard normal numbers from a key that this draws from the job's seed (32 bytes, secret) for itself. */
export function gaussians(seed: Uint8Array): () => number {
  const stream = keyStream(hkdf(seed, PURPOSE, 32))
  const numbers = new Float64Array(CHUNK_WORDS / WORDS_PER_NUMBER)
  let at = numbers.length
  return () => {
    if (at === numbers.length) {
      const words = stream.take(CHUNK_WORDS)
      transform(words, numbers)
      release(words)
      at = 0
    }
    return numbers[at++]!
  }
}

const WORDS_PER_NUMBER = 2

/** Box and Muller: of two uniform numbers of 53 bits two normal ones. */
function transform(words: Uint32Array, numbers: Float64Array): void {
  for (let i = 0; i < numbers.length; i += 2) {
    const w = WORDS_PER_NUMBER * i
    // In (0, 1]: never the logarithm of 0.
    const first = (words[w]! * 2 ** 21 + (words[w + 1]! >>> 11) + 1) * 2 ** -53
    const second = (words[w + 2]! * 2 ** 21 + (words[w + 3]! >>> 11)) * 2 ** -53
    const radius = Math.sqrt(-2 * Math.log(first))
    numbers[i] = radius * Math.cos(2 * Math.PI * second)
    numbers[i + 1] = radius * Math.sin(2 * Math.PI * second)
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
  const perStep = 1 / step
  const deviation = noiseMultiplier * clipNorm * perStep
  const mean = new Float32Array(sum.length)
  for (let i = 0; i < sum.length; i++) {
    mean[i] = ((Math.round(sum[i]! * perStep) + Math.round(deviation * normal())) * step) / expected
  }
  return mean
}
