/** Exact scores of a model on rows that one process may see whole: only a comparison study may. */
import type { Charter } from '../../config/charter.ts'
import type { Dataset, Rows } from '../../node/training/dataset.ts'
import { buildModel, logitsOf } from '../../node/training/model.ts'
import { normalise } from '../../node/training/statistics.ts'
import type { ModelState } from '../../protocol/ports.ts'

export interface Score {
  readonly auc: number
  readonly accuracy: number
}

/**
 * Area under the ROC curve from ranks, ties counting half (Mann and Whitney's U over the number of pairs).
 * NaN where there is only one class: nothing can be ranked.
 */
export function exactAuc(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!)
  let rankSum = 0
  let positives = 0
  for (let from = 0; from < order.length; ) {
    let to = from
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++
    const tied = order.slice(from, to).filter(i => labels[i] === 1).length
    positives += tied
    rankSum += (tied * (from + 1 + to)) / 2
    from = to
  }
  const negatives = order.length - positives
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives)
}

/** Score of `state` on each hospital's test rows, and on all of them together under `pooled`. */
export async function scoreOn(
  charter: Charter,
  state: ModelState,
  datasets: ReadonlyMap<string, Dataset>,
): Promise<ReadonlyMap<string, Score>> {
  const model = await buildModel(charter)
  model.set(state.parameters)
  const scored = new Map<string, Score>()
  const all: { logits: number[]; labels: number[] } = { logits: [], labels: [] }
  for (const [hospital, { test, d }] of datasets) {
    const logits = logitsOf(model, normalise(test.x, state), d)
    scored.set(hospital, score(logits, test))
    all.logits.push(...logits)
    all.labels.push(...test.y)
  }
  scored.set('pooled', score(all.logits, { y: all.labels }))
  model.dispose()
  return scored
}

function score(logits: ArrayLike<number>, { y }: { readonly y: Rows['y'] | number[] }): Score {
  let correct = 0
  for (let i = 0; i < logits.length; i++) if (logits[i]! >= 0 === (y[i] === 1)) correct++
  return { auc: exactAuc(logits, y), accuracy: correct / logits.length }
}
