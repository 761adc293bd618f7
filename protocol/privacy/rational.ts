/**
 * Exact fractions. A variance that parties have to agree on is one of these: they all draw the same noise from the same key only
 * if they build the same table, and a sum of rounded shares would promise a little more noise than there is.
 */

/** In lowest terms; the denominator is positive. Made by `rational` only. */
export interface Rational {
  readonly numerator: bigint
  readonly denominator: bigint
}

/** numerator / denominator. Throws RangeError for a denominator of 0. */
export function rational(numerator: bigint | number, denominator: bigint | number = 1n): Rational {
  const [n, d] = [BigInt(numerator), BigInt(denominator)]
  if (d === 0n) throw new RangeError('a fraction has a denominator')
  const divisor = greatestDivisor(n, d) * (d < 0n ? -1n : 1n)
  return { numerator: n / divisor, denominator: d / divisor }
}

export function plus(a: Rational, b: Rational): Rational {
  return rational(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator)
}

/** a * factor / divisor. Throws RangeError for a divisor of 0. */
export function scaled(a: Rational, factor: bigint | number, divisor: bigint | number = 1n): Rational {
  return rational(a.numerator * BigInt(factor), a.denominator * BigInt(divisor))
}

/** Below 0, 0 or above it, as a is to b. */
export function compared(a: Rational, b: Rational): number {
  const difference = a.numerator * b.denominator - b.numerator * a.denominator
  return difference < 0n ? -1 : Number(difference > 0n)
}

/** Largest integer whose square is at most `x` (0 or more), by Newton's method from above. */
export function integerRoot(x: bigint): bigint {
  if (x < 0n) throw new RangeError('no root of what is below 0')
  if (x === 0n) return 0n
  let root = 1n << BigInt((x.toString(2).length + 1) >> 1)
  for (;;) {
    const next = (root + x / root) >> 1n
    if (next >= root) return root
    root = next
  }
}

/** Positive, unless both are 0. */
function greatestDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b]
  while (y !== 0n) [x, y] = [y, x % y]
  return x < 0n ? -x : x
}
