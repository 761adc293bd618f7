/**
 * How likely a committee that is drawn from the members has more malicious ones than it can bear: the tail of the
 * hypergeometric distribution. Products, quotients and sums only, so that every machine gives the same bits.
 */
import type { Charter } from './charter.ts'

/** Beyond it the weights are scaled down, far below what a double holds. */
const HUGE_WEIGHT = 1e200

/**
 * P[more than `k` of `m` members drawn without replacement are among the `f` malicious ones of `n`]. Integers with
 * 0 <= f <= n and 0 <= m <= n. Each weight follows from the one before by a ratio, and the weights are divided by their
 * sum: all terms are positive, so that the relative error stays near that of one rounding for each term.
 */
export function drawnTail(n: number, f: number, m: number, k: number): number {
  const least = Math.max(0, m - (n - f))
  const most = Math.min(f, m)
  let weight = 1
  let total = 0
  let tail = 0
  for (let i = least; i <= most; i++) {
    total += weight
    if (i > k) tail += weight
    weight *= ((f - i) * (m - i)) / ((i + 1) * (n - f - m + i + 1))
    if (total < HUGE_WEIGHT && weight < HUGE_WEIGHT) continue
    total /= HUGE_WEIGHT
    tail /= HUGE_WEIGHT
    weight /= HUGE_WEIGHT
  }
  return tail / total
}

/** Into how many committees `n` members are divided: each has at least `size` members. */
export function committeeCount(n: number, size: number): number {
  return Math.max(1, Math.floor(n / size))
}

/** Members of the largest of a round's committees; the one that decides is as large. */
export function committeeLargest(n: number, size: number): number {
  return Math.ceil(n / committeeCount(n, size))
}

/**
 * Bound of the probability that in one round any committee, the deciding one included, has more malicious members than
 * the charter allows it: the sum over all of them.
 */
export function roundFailure(n: number, f: number, size: number, faultyMax: number): number {
  const drawn = committeeCount(n, size) + 1
  return Math.min(1, drawn * drawnTail(n, f, committeeLargest(n, size), faultyMax))
}

/** The same over a whole study: the statistics round, the training rounds, the evaluation, and the entry that ends it. */
export function studyFailure(
  charter: Pick<Charter, 'maliciousMax' | 'training'> & { readonly members: readonly unknown[] },
  committees: NonNullable<Charter['committees']>,
): number {
  const once = roundFailure(
    charter.members.length,
    charter.maliciousMax,
    committees.size,
    committees.maliciousMax,
  )
  return Math.min(1, (charter.training.rounds + 3) * once)
}

/** Bound for one round of the probability that any of its committees has more malicious members than its f. */
export const ROUND_FAILURE_MAX = 1e-4

/** The largest f of all `n` members for which committees of `size` with `faultyMax` malicious ones are sure enough. */
export function maliciousBorne(n: number, size: number, faultyMax: number): number {
  let f = Math.min(faultyMax, n)
  while (3 * (f + 1) < n && roundFailure(n, f + 1, size, faultyMax) <= ROUND_FAILURE_MAX) f++
  return f
}

/** Bound for one audit of the probability that in any of its groups there are fewer than two honest members. */
export const EXPOSED_MAX = 0.01

/**
 * Bound of the probability that an audit of `n` survivors, `f` of them malicious, in groups of at least `groupSize` has a group
 * with fewer than two honest members: the sum over all groups, each as small as may be.
 */
export function exposure(n: number, f: number, groupSize: number): number {
  return Math.min(1, Math.floor(n / groupSize) * drawnTail(n, f, groupSize, groupSize - 2))
}
