/**
 * The discrete Gaussian, P(k) proportional to exp(-k^2 / 2 v), drawn exactly with integers alone: Canonne, Kamath, Steinke, The
 * Discrete Gaussian for Differential Privacy (arXiv 2004.00010), Algorithms 1 to 3. Slow and plain on purpose: the samplers are held
 * against it, and small vectors may use it. Its sums are not quite discrete Gaussians again, unlike Skellam noise's.
 */
import { type KeyStream, release } from '../crypto/keystream.ts'
import { CIPHER, type NoiseSampler, type Streams } from './noise.ts'
import { integerRoot, type Rational } from './rational.ts'

/** Words of the key stream that belong to each element: enough for most; the others go on in a stream of their own. */
const WORDS_EACH = 128
const ELEMENTS_AT_ONCE = 128
const WORD_VALUES = 1n << 32n

/** The next of the random words, 0 .. 2^32 - 1. */
type Word = () => number

/**
 * The sampler of discrete Gaussian noise with this parameter v = sigma^2, in units of the integers that are summed. From v = 1 on the
 * variance is v but for less than 3e-7 of it; below it is less. Throws RangeError unless v is positive and at most 2^40, far from
 * where draws would not fit in 32 bits.
 */
export function discreteGaussianNoise(variance: Rational): NoiseSampler {
  const { numerator, denominator } = variance
  if (numerator <= 0n || numerator > denominator << 40n)
    throw new RangeError('discrete Gaussian noise has a variance above 0, up to 2^40')
  return {
    variance,
    drawer(key, position = 0, open = CIPHER) {
      const stream = open.keyStream(key, position * WORDS_EACH)
      let at = position
      return piece => {
        for (let from = 0; from < piece.length; from += ELEMENTS_AT_ONCE) {
          const part = piece.subarray(from, Math.min(piece.length, from + ELEMENTS_AT_ONCE))
          const words = stream.take(part.length * WORDS_EACH)
          part.forEach((_, i) => {
            const own = words.subarray(i * WORDS_EACH, (i + 1) * WORDS_EACH)
            part[i] = Number(discreteGaussian(variance, wordsOf(own, key, at + i, open)))
          })
          release(words)
          at += part.length
        }
      }
    },
  }
}

/** The words of one element. */
function wordsOf(own: Uint32Array, key: Uint8Array, position: number, { sideStream }: Streams): Word {
  let words = own
  let next = 0
  let more: KeyStream | undefined
  return () => {
    if (next === words.length) {
      more ??= sideStream(key, position)
      words = more.take(WORDS_EACH)
      next = 0
    }
    return words[next++]!
  }
}

/** Algorithm 3: a discrete Laplace draw y of scale t is taken with probability exp(-(|y| - v / t)^2 / 2 v). */
function discreteGaussian({ numerator, denominator }: Rational, word: Word): bigint {
  const t = integerRoot(numerator / denominator) + 1n
  const below = 2n * numerator * denominator * t * t
  for (;;) {
    const y = discreteLaplace(t, word)
    const distance = (y < 0n ? -y : y) * t * denominator - numerator
    if (bernoulliExp(distance * distance, below, word)) return y
  }
}

/** Algorithm 2 with s = 1: P(y) proportional to exp(-|y| / t). */
function discreteLaplace(t: bigint, word: Word): bigint {
  for (;;) {
    const low = below(t, word)
    if (!bernoulliExp(low, t, word)) continue
    let high = 0n
    while (bernoulliExp(1n, 1n, word)) high++
    const size = low + t * high
    const isNegative = bernoulli(1n, 2n, word)
    // Else 0 would come twice as often as it should.
    if (isNegative && size === 0n) continue
    return isNegative ? -size : size
  }
}

/** Algorithm 1: true with probability exp(-n / d). */
function bernoulliExp(n: bigint, d: bigint, word: Word): boolean {
  let left = n
  for (; left > d; left -= d) if (!bernoulliSeries(1n, 1n, word)) return false
  return bernoulliSeries(left, d, word)
}

/** The same for n <= d: the first k at which a draw of probability n / dk fails is odd with probability exp(-n / d). */
function bernoulliSeries(n: bigint, d: bigint, word: Word): boolean {
  let k = 1n
  while (bernoulli(n, d * k, word)) k++
  return k % 2n === 1n
}

/** True with probability n / d. */
function bernoulli(n: bigint, d: bigint, word: Word): boolean {
  return below(d, word) < n
}

/** Uniform on 0 .. limit - 1: as many bits as the largest has, again until they are small enough. */
function below(limit: bigint, word: Word): bigint {
  if (limit === 1n) return 0n
  if (limit <= WORD_VALUES) return BigInt(belowWord(Number(limit), word))
  const bits = (limit - 1n).toString(2).length
  const words = Math.ceil(bits / 32)
  for (;;) {
    let drawn = 0n
    for (let i = 0; i < words; i++) drawn = (drawn << 32n) | BigInt(word())
    drawn >>= BigInt(32 * words - bits)
    if (drawn < limit) return drawn
  }
}

/** The same of one word, for 2 <= limit <= 2^32: nearly all of the draws. */
function belowWord(limit: number, word: Word): number {
  const unused = Math.clz32(limit - 1)
  for (;;) {
    const drawn = word() >>> unused
    if (drawn < limit) return drawn
  }
}
