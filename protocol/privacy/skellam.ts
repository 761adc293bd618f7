/**
 * Skellam noise: the difference of two Poisson variables of mean mu each, P(k) = e^-v I_|k|(v) with the variance v = 2 mu
 * (Skellam, JRSS 109, 1946; for private sums: Agarwal, Kairouz, Liu, NeurIPS 2021, arXiv 2110.04995). The sum of independent ones
 * is one again, with the sum of their variances, so that noise added by any survivors has a known law, exactly.
 *
 * What is drawn is within statistical distance 2^-112 of that law; a vector of d elements is within d 2^-112. No float decides:
 *
 *  1. I_k(v) is computed backwards from k = M by I_(k-1) = I_(k+1) + (2k / v) I_k, which begins with f_(M+1) = 0, f_M = 2^192. M is
 *     such that P(|X| >= M) <= 2^-159: Bernstein's inequality holds as log E e^(tX) = v (cosh t - 1) <= (v t^2 / 2) / (1 - t / 3).
 *  2. The wrong begin. With g_k = I_k(v), W_k = f_k g_(k+1) - f_(k+1) g_k obeys W_(k-1) = -W_k, and f_k / g_k - f_(k+1) / g_(k+1) =
 *     W_k / (g_k g_(k+1)): terms that alternate and grow with k. So with c = f_0 / g_0, |f_k / g_k - c| <= W / g_k^2 where
 *     W = f_M g_(M+1). At k = M that is f_M (1 - g_(M+1) / g_(M-1)) <= c g_M, and as g_(M-1) - g_(M+1) = (2M / v) g_M and g_(M-1) <=
 *     (1 + 2M / v) g_M, f_M <= c g_M (1 + v / 2M). Hence f_k e^-v / c is P(k) but for (1 + v / 2M) P(M)^2 / P(k), which
 *     is at most (1 + v / 2M) P(M); for all 2M + 1 values of k, with v <= 2^25 and M < 2^17, below 2^26 2^-160 = 2^-134.
 *  3. Rounding. Each step of the recurrence rounds down by less than 1. As its coefficients are positive, an error of 1 at k - 1
 *     grows to f_j / f_(k-1) at most by j: relative to f_j they are below sum 1 / f_k <= M / min(f_M, f_(M-1)) < 2^25 2^-192 = 2^-167.
 *  4. Probabilities are f_k / (f_0 + 2 f_1 + ... + 2 f_M), so that no exponential is needed, rounded down to multiples of 2^-160:
 *     2^17 of these are 2^-143. They are cut at the least T with P(|X| > T) <= 2^-113, and 0 gets what is missing from 1.
 *  5. The alias table draws these probabilities exactly. The distance is below 2^-113 + 2 (2^-134 + 2^-143 + 2^-159) + 2^-166 < 2^-112.
 */
import { CHUNK_WORDS, release } from '../crypto/keystream.ts'
import { Lru } from '../crypto/lru.ts'
import { type AliasTable, aliasTable, drawColumns, FRACTION_BITS } from './alias.ts'
import { CIPHER, type NoiseSampler } from './noise.ts'
import { compared, integerRoot, type Rational, rational } from './rational.ts'

/** Sigma from 2^-10, for levels of noise that are a small part of the whole, to 5,000. */
export const SKELLAM_VARIANCE_MIN = rational(1n, 1n << 20n)
export const SKELLAM_VARIANCE_MAX = rational(25_000_000n)
/** Longer fractions would make tables slow to build. The square of a product of three doubles fits. */
const TERM_BITS = 512n

/** Probability that is cut off, at most 2^-TAIL_BITS. */
const TAIL_BITS = 113n
/** e^-111 < 2^-160. */
const START_NATS = 111n
const START = 1n << 192n

/** As many as the sections and levels of a task have; one of sigma = 5,000 has 2.5 MiB. */
const TABLES_MAX = 24
const tables = new Lru<NoiseSampler>(TABLES_MAX)

/**
 * The sampler of Skellam noise of this variance, in units of the integers that are summed; parties with the same fraction draw the same
 * noise from the same key. Of the last 24 variances it is remembered; else its table takes 1 to 200 ms. Throws RangeError unless
 * 2^-20 <= variance <= 25,000,000, and if its numerator or denominator is 2^512 or more.
 */
export function skellamNoise(variance: Rational): NoiseSampler {
  const name = `${variance.numerator}/${variance.denominator}`
  const known = tables.get(name)
  if (known) return known
  const weights = skellamWeights(variance)
  const made = samplerOf(variance, aliasTable(weights), (weights.length - 1) / 2)
  tables.set(name, made)
  return made
}

/** `origin`: the column of the noise 0. */
function samplerOf(variance: Rational, table: AliasTable, origin: number): NoiseSampler {
  return {
    variance,
    drawer(key, position = 0, open = CIPHER) {
      const stream = open.keyStream(key, position)
      let at = position
      return piece => {
        for (let from = 0; from < piece.length; from += CHUNK_WORDS) {
          const part = piece.subarray(from, Math.min(piece.length, from + CHUNK_WORDS))
          const words = stream.take(part.length)
          drawColumns(part, words, table, origin, i => open.sideStream(key, at + i))
          release(words)
          at += part.length
        }
      }
    },
  }
}

/**
 * 2^160 P(k) for k = -T .. T in integers that add up to 2^160, T in the middle. Throws as `skellamNoise` does.
 */
export function skellamWeights(variance: Rational): bigint[] {
  checkVariance(variance)
  const values = besselValues(variance)
  const [centre, ...others] = values as [bigint, ...bigint[]]
  const sum = centre + 2n * others.reduce((a, b) => a + b, 0n)
  const half = values.slice(1, cutOf(values, sum) + 1).map(f => (f << BigInt(FRACTION_BITS)) / sum)
  const rest = (1n << BigInt(FRACTION_BITS)) - 2n * half.reduce((a, b) => a + b, 0n)
  return [...half.toReversed(), rest, ...half]
}

function checkVariance(variance: Rational): void {
  const { numerator, denominator } = variance
  if (compared(variance, SKELLAM_VARIANCE_MIN) < 0 || compared(variance, SKELLAM_VARIANCE_MAX) > 0)
    throw new RangeError('Skellam noise has a variance from 2^-20 to 25,000,000')
  if (numerator >> TERM_BITS > 0n || denominator >> TERM_BITS > 0n)
    throw new RangeError('the variance of Skellam noise is a fraction of numbers below 2^512')
}

/** Multiples of I_k(variance), one factor for all, for k = 0 .. M. */
function besselValues({ numerator, denominator }: Rational): bigint[] {
  const values = new Array<bigint>(startOf(numerator, denominator) + 1)
  let above = 0n
  let value = START
  for (let k = values.length - 1; k >= 0; k--) {
    values[k] = value
    const below = above + (2n * BigInt(k) * denominator * value) / numerator
    above = value
    value = below
  }
  return values
}

/** M: the least integer with 3 M^2 >= B (6v + 2M), or one or two more; then exp(-M^2 / (2v + 2M / 3)) <= e^-B. */
function startOf(numerator: bigint, denominator: bigint): number {
  const square = START_NATS ** 2n + (18n * START_NATS * numerator) / denominator + 1n
  return Number((START_NATS + integerRoot(square) + 1n) / 3n) + 1
}

/** T: the least one with P(|X| > T) <= 2^-TAIL_BITS. */
function cutOf(values: readonly bigint[], sum: bigint): number {
  let tail = 0n
  let cut = values.length - 1
  while (cut > 0 && (tail + 2n * values[cut]!) << TAIL_BITS <= sum) tail += 2n * values[cut--]!
  return cut
}
