/** Exact binomial intervals, the normal law, and what a Gaussian mechanism's epsilon is. */

/** ln(n!) for n = 0, 1, ... as far as was asked. */
const logFactorials = [0]
function logFactorial(n: number): number {
  for (let i = logFactorials.length; i <= n; i++) logFactorials.push(logFactorials[i - 1]! + Math.log(i))
  return logFactorials[n]!
}

/** P(X >= k) of a binomial X: n draws with probability p. */
function atLeast(k: number, n: number, p: number): number {
  if (k <= 0 || p >= 1) return 1
  if (p <= 0) return 0
  let sum = 0
  for (let i = k; i <= n; i++) {
    const ways = logFactorial(n) - logFactorial(i) - logFactorial(n - i)
    sum += Math.exp(ways + i * Math.log(p) + (n - i) * Math.log1p(-p))
  }
  return Math.min(1, sum)
}

/**
 * Below this the probability lies with a chance of at most `miss` (Clopper and Pearson 1934, one-sided), if k of n draws
 * succeeded.
 */
export function lowerLimit(k: number, n: number, miss: number): number {
  return k === 0 ? 0 : increasingRoot(p => atLeast(k, n, p) - miss, 0, 1)
}

export function upperLimit(k: number, n: number, miss: number): number {
  return 1 - lowerLimit(n - k, n, miss)
}

/** Where `f`, which increases, is 0. */
function increasingRoot(f: (x: number) => number, low: number, high: number): number {
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (f(middle) < 0) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/**
 * P(Z <= x) of a standard normal Z, to a relative error below 1e-12: the series of Marsaglia (2004) in the middle, the continued
 * fraction of Mills' ratio in the tails.
 */
export function normalCdf(x: number): number {
  if (Math.abs(x) > 2) {
    let fraction = 0
    for (let i = 200; i >= 1; i--) fraction = i / (Math.abs(x) + fraction)
    const tail = density(x) / (Math.abs(x) + fraction)
    return x < 0 ? tail : 1 - tail
  }
  let term = x
  let sum = x
  for (let i = 1; Math.abs(term) > 1e-17 * Math.abs(sum); i++) {
    term *= (x * x) / (2 * i + 1)
    sum += term
  }
  return 0.5 + sum * density(x)
}

function density(x: number): number {
  return Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
}

/**
 * Smallest delta at which Gaussian noise of `sigma` sensitivities is (epsilon, delta)-private (Balle and Wang 2018,
 * theorem 8, with a sensitivity of 1).
 */
export function gaussianDelta(epsilon: number, sigma: number): number {
  const part = Math.exp(epsilon) * normalCdf(-1 / (2 * sigma) - epsilon * sigma)
  return normalCdf(1 / (2 * sigma) - epsilon * sigma) - part
}

/** Smallest epsilon of one release at that `delta`; infinite without noise. */
export function gaussianEpsilon(sigma: number, delta: number): number {
  if (sigma === 0) return Number.POSITIVE_INFINITY
  return increasingRoot(epsilon => delta - gaussianDelta(epsilon, sigma), 0, 500)
}
