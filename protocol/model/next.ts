/** The model that a round makes, parameter after parameter: in memory, or where it is long in a draft, and never twice. */
import type { HeldModel, Rest } from '../ports.ts'
import { lengthOf, type StoreAccess } from '../stored.ts'
import { PIECE } from '../sum/pieces.ts'
import { blankState, draftedState, readParameters } from './state.ts'

/** Takes the parameters of a model in their order, all of them. */
export interface NextModel {
  put(parameters: Float32Array): void
  done(): HeldModel
}

/** Where a model of `p` parameters is made, with this beside them. */
export type MakeModel = (p: number, rest: Rest) => NextModel

export function inMemory(p: number, rest: Rest): NextModel {
  const state = blankState(p, rest)
  let at = 0
  return {
    put: parameters => {
      state.parameters.set(parameters, at)
      at += parameters.length
    },
    done: () => state,
  }
}

/** `into`: a draft of the whole encoding. */
export function inDraft(into: string, store: StoreAccess): MakeModel {
  return (p, rest) => draftedState(p, rest, into, store)
}

/** A model with this beside its parameters, which stay as they are. */
export function remade(model: HeldModel, make: MakeModel, { read }: StoreAccess): HeldModel {
  const { parameters, ...rest } = model
  const p = lengthOf(parameters)
  const next = make(p, rest)
  const some = new Float32Array(Math.min(p, PIECE))
  for (let from = 0; from < p; from += some.length) {
    const piece = some.subarray(0, Math.min(some.length, p - from))
    readParameters(model, piece, from, read)
    next.put(piece)
  }
  return next.done()
}
