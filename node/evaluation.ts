/** A model measured on rows that this process may see in the clear: a hospital's own, or public ones in the demo. */
import type { Charter } from '../config/charter.ts'
import type { ModelState } from '../protocol/ports.ts'
import type { Rows } from './training/dataset.ts'
import { buildModel, logitsOf } from './training/model.ts'
import { normalise } from './training/statistics.ts'

export interface Scores {
  readonly rows: number
  /** Undefined when the rows are all of one class: nothing can be ranked then. */
  readonly auc: number | undefined
  /** Share classified rightly at .5; undefined without rows. */
  readonly accuracy: number | undefined
}

/** Measures `state` on each set of rows. tfjs must have a backend on this thread. Throws what `buildModel` throws. */
export async function scoreOn(charter: Charter, state: ModelState, sets: readonly Rows[]): Promise<Scores[]> {
  const model = await buildModel(charter)
  try {
    model.set(state.parameters)
    return sets.map(({ x, y }) => scoresOf(logitsOf(model, normalise(x, state), state.mean.length), y))
  } finally {
    model.dispose()
  }
}

/** `logits` and `labels` (0 or 1) of the same rows. */
export function scoresOf(logits: Float32Array, labels: Float32Array): Scores {
  let correct = 0
  for (let i = 0; i < labels.length; i++) if (logits[i]! >= 0 === (labels[i] === 1)) correct++
  const rows = labels.length
  return { rows, auc: rankAuc(logits, labels), accuracy: rows === 0 ? undefined : correct / rows }
}

/**
 * Exact area under the ROC curve: the share of pairs of a positive and a negative row that `scores` put in the right
 * order, ties half (Hanley and McNeil, Radiology 143, 1982). Undefined with one class only.
 */
export function rankAuc(scores: Float32Array, labels: Float32Array): number | undefined {
  const order = [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!)
  let rankSum = 0
  let positives = 0
  for (let from = 0; from < order.length; ) {
    let to = from + 1
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++
    // All of a tie have the mean of their ranks, which count from 1.
    const rank = (from + 1 + to) / 2
    for (const row of order.slice(from, to)) {
      if (labels[row] !== 1) continue
      rankSum += rank
      positives++
    }
    from = to
  }
  const negatives = order.length - positives
  if (positives === 0 || negatives === 0) return undefined
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives)
}

/** All rows of several sets, one after the other. */
export function joinRows(sets: readonly Rows[]): Rows {
  const join = (parts: readonly Float32Array[]) => {
    const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0))
    let at = 0
    for (const part of parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }
  return { x: join(sets.map(s => s.x)), y: join(sets.map(s => s.y)) }
}
