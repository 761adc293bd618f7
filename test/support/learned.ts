/** Charters for models of any size, and what a hospital could have learned with them. */
import type { Charter } from '../../config/charter.ts'
import type { Learned } from '../../protocol/ports.ts'
import { testCharter } from './consortium.ts'

/** For n members; one weight tensor of so many parameters, whatever the features are. */
export function charterFor(
  n: number,
  parameters: number,
  edit: (charter: Charter) => Charter = c => c,
): Charter {
  const weights: Charter['model']['weights'] = [{ name: 'w', shape: [parameters], initialiser: 'zeros' }]
  return testCharter({ n, edit: c => edit({ ...c, model: { ...c.model, weights } }) })
}

export function trained({ evaluation, training }: Charter, delta: Float32Array, samples?: number): Learned {
  const bins = (count: number) => new Float64Array(evaluation.bins).fill(count)
  return {
    samples: samples ?? training.weightMax,
    delta,
    evaluation: { positives: bins(1), negatives: bins(2), correct: 3, lossSum: 4.5 },
  }
}
