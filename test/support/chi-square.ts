/** Whether counts could have come of a law: Pearson's chi-square test, and what it needs of the gamma function. */

/** An outcome's probability. The rest of 1, if there is any, is of outcomes that are not listed. */
export type Law = ReadonlyMap<number, number>

/** Least count that is expected of a bin; neighbours below it are one. */
const EXPECTED_MIN = 20

/** Probability of counts as far from the law as those of `draws`, or farther. */
export function fitOf(draws: Int32Array, law: Law): number {
  const counts = new Map<number, number>()
  for (const x of draws) counts.set(x, (counts.get(x) ?? 0) + 1)
  const bins = binned(counts, law, draws.length)
  const statistic = bins.reduce((sum, b) => sum + (b.counted - b.expected) ** 2 / b.expected, 0)
  return chiSquareTail(statistic, bins.length - 1)
}

/** From the lowest outcome to the highest; what is not listed counts with the last bin. */
function binned(counts: ReadonlyMap<number, number>, law: Law, draws: number) {
  const bins: { counted: number; expected: number }[] = []
  let bin = { counted: 0, expected: 0 }
  for (const k of [...law.keys()].sort((a, b) => a - b)) {
    bin.counted += counts.get(k) ?? 0
    bin.expected += law.get(k)! * draws
    if (bin.expected >= EXPECTED_MIN) {
      bins.push(bin)
      bin = { counted: 0, expected: 0 }
    }
  }
  const last = bins.at(-1)!
  last.counted += draws - bins.reduce((sum, b) => sum + b.counted, 0)
  last.expected += draws - bins.reduce((sum, b) => sum + b.expected, 0)
  return bins
}

/** P(X >= x) of a chi-square variable: the upper incomplete gamma function Q(freedom / 2, x / 2). */
export function chiSquareTail(x: number, freedom: number): number {
  const [a, z] = [freedom / 2, x / 2]
  if (z === 0) return 1
  const front = Math.exp(a * Math.log(z) - z - logGamma(a))
  return z < a + 1 ? 1 - front * lowerSeries(a, z) : front * upperFraction(a, z)
}

/** Abramowitz and Stegun, 6.5.29. */
function lowerSeries(a: number, z: number): number {
  let term = 1 / a
  let sum = term
  for (let n = 1; term > sum * 1e-16; n++) {
    term *= z / (a + n)
    sum += term
  }
  return sum
}

/** Abramowitz and Stegun, 6.5.31, from the inside out. */
function upperFraction(a: number, z: number): number {
  let tail = z
  for (let n = 20_000; n > 0; n--) tail = z + (n - a) / (1 + n / tail)
  return 1 / tail
}

/** Stirling's series, where it is good to 1e-12. */
export function logGamma(x: number): number {
  if (x < 10) return logGamma(x + 1) - Math.log(x)
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5) - 1 / (1680 * x ** 7)
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series
}
