/** Vectors and models that lie in the store, and the jobs that read them from there. */
import type { HeldModel, Job, ModelState, Stored, Vector, VectorWork } from './ports.ts'

/** Gives the words that a record holds; they are good until it is asked for the next. */
export type ReadStored = (vector: Stored) => Uint32Array

export function nothingStored({ record }: Stored): never {
  throw new Error(`${record} is not stored here`)
}

export function isStored(vector: Vector | Float32Array): vector is Stored {
  return !ArrayBuffer.isView(vector)
}

/** Elements. */
export function lengthOf(vector: Vector | Float32Array): number {
  return isStored(vector) ? vector.to - vector.from : vector.length
}

/** Whether all of it is in memory. */
export function isWhole(model: HeldModel): model is ModelState {
  return !isStored(model.parameters)
}

/** The vectors in the store that a job reads. */
export function storedOf(job: Job): Stored[] {
  const out: Stored[] = []
  withStored(job, stored => {
    out.push(stored)
    return stored
  })
  return out
}

/** The same job on other places in the store. */
export function withStored(job: Job, place: (stored: Stored) => Stored): Job {
  return job.kind === 'learn'
    ? { ...job, model: modelWith(job.model, place) }
    : { ...job, work: workWith(job.work, place) }
}

function workWith(work: VectorWork, place: (stored: Stored) => Stored): VectorWork {
  const placed = (v: Vector): Vector => (isStored(v) ? place(v) : v)
  switch (work.kind) {
    case 'sum':
      return { ...work, inputs: work.inputs.map(placed) }
    case 'tag':
      return { ...work, items: work.items.map(item => ({ ...item, vector: placed(item.vector) })) }
    case 'apply':
      return work.step ? { ...work, step: { ...work.step, model: modelWith(work.step.model, place) } } : work
    default:
      return work
  }
}

/** The same one where it is in memory: what is known of a model hangs on it. */
function modelWith(model: HeldModel, place: (stored: Stored) => Stored): HeldModel {
  return isStored(model.parameters) ? { ...model, parameters: place(model.parameters) } : model
}
