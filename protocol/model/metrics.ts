/** Pooled metrics of what only sums of histograms tell. */

/**
 * Area under the ROC curve from score histograms of both classes, lowest scores first; scores of one bin count as
 * ties, half each (Hanley and McNeil, Radiology 143, 1982). Off the exact value by at most half of the share of pairs
 * that fall into one bin. With one class only nothing can be ranked: .5. Under noise some counts are negative: then it is as far off as they are.
 */
export function histogramAuc(positives: ArrayLike<number>, negatives: ArrayLike<number>): number {
  let below = 0
  let pairs = 0
  let p = 0
  for (let b = 0; b < positives.length; b++) {
    pairs += positives[b]! * (below + negatives[b]! / 2)
    below += negatives[b]!
    p += positives[b]!
  }
  return p > 0 && below > 0 ? Math.max(0, Math.min(1, pairs / (p * below))) : 0.5
}
