/** A study played in one process, by the protocol's arithmetic without its messages. */
import type { Charter } from '../../config/charter.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { applySum } from '../../protocol/model/apply.ts'
import { initialState } from '../../protocol/model/initial.ts'
import type { Learned, ModelState, Task } from '../../protocol/ports.ts'
import { upTo } from '../../protocol/privacy/shares.ts'
import { addInto } from '../../protocol/sum/field.ts'
import { quantisedInput } from '../../protocol/sum/kernels.ts'
import { layoutFor, vectorLength } from '../../protocol/sum/layout.ts'
import type { Learner } from '../training/learner.ts'

/** What all hospitals have learned in a training round, and the models before and after it. */
export type OnRound = (all: readonly Learned[], before: ModelState, after: ModelState) => void

/**
 * The round of statistics and all training rounds: all hospitals survive every one, and their clipped, weighted, quantised and noised
 * contributions are added and applied as in a real round. Masks would cancel, so there are none. `keyOf`: 32 bytes for each round
 * and hospital, and for what all share, which has the place after the last hospital's.
 */
export function playRounds(
  charter: Charter,
  learners: readonly Pick<Learner, 'learn'>[],
  keyOf: (round: number, hospital: number) => Uint8Array,
  onRound?: OnRound,
): ModelState {
  let state = initialState(charter)
  const residuals = new Map<number, Float32Array | undefined>()
  for (let round = 0; round <= charter.training.rounds; round++) {
    const task: Task = round === 0 ? 'statistics' : 'train'
    // What stays of their noise where all survive.
    const sections = layoutFor(charter, task, learners.length, round).map(s => upTo(s, 0))
    const publicSeed = keyOf(round, learners.length)
    const sum = new Uint32Array(vectorLength(sections))
    const all = learners.map((learner, i) => {
      const key = keyOf(round, i)
      const learned = learner.learn({ kind: 'learn', task, round, model: state, seed: key })
      const { basis } = state
      const rest = { publicSeed, roundingKey: sha256(key), residual: residuals.get(i), basis }
      const input = quantisedInput({ charter, task, sections, learned, ...rest })
      if (!input.ok) throw new Error(input.error)
      residuals.set(i, input.value.unsent)
      addInto(sum, input.value.residues)
      return learned
    })
    const before = state
    state = applySum(charter, task, sections, sum, state, publicSeed).state
    if (task === 'train') onRound?.(all, before, state)
  }
  return state
}
