/** The model that a study starts from; no normalisation yet. */
import { type Charter, parameterCount } from '../../config/charter.ts'
import type { HeldModel, ModelState } from '../ports.ts'
import { isLong, NO_STORE } from '../stored.ts'
import { readInitial } from './initialisers.ts'
import { inDraft, remade } from './next.ts'
import { blankState, encodedBytes, stateHash } from './state.ts'

const NONE = new Float64Array(0)

export function initialState(charter: Charter): ModelState {
  const state = blankState(parameterCount(charter), { mean: NONE, deviation: NONE })
  readInitial(charter.model, state.parameters, 0)
  return state
}

/** The same, of which a long one has its parameters nowhere: whoever reads them makes them. */
export function initialModel(charter: Charter): HeldModel {
  if (!isLong(encodedBytes(parameterCount(charter), 0), charter)) return initialState(charter)
  return { parameters: { initial: charter.model }, mean: NONE, deviation: NONE }
}

/** Its hash, by which the ledger names it. */
export function initialHash(charter: Charter): Uint8Array {
  const model = initialModel(charter)
  const nowhere = { ...NO_STORE, write: () => {} }
  return stateHash(remade(model, inDraft('', nowhere), nowhere))
}
