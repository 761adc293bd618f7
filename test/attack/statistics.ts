/** Exact binomial intervals. */

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
