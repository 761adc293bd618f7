/** Vectors and models that lie in the store, and the jobs that read them from there. */
import { type Charter, parameterCount } from '../config/charter.ts'
import type { HeldModel, Job, ModelState, Stored, Vector, VectorWork } from './ports.ts'

type Parameters = HeldModel['parameters']

/** What a job has of the store. */
export interface StoreAccess {
  /** The words that a record or a draft holds there; they are good until it is asked for the next. */
  read(vector: Stored): Uint32Array
  /** Writes words into a draft, from word `at` on. */
  write(draft: string, at: number, words: Uint32Array): void
}

export type ReadStored = StoreAccess['read']

export function nothingStored({ record }: Stored): never {
  throw new Error(`${record} is not stored here`)
}

export const NO_STORE: StoreAccess = {
  read: nothingStored,
  write: draft => {
    throw new Error(`${draft} cannot be written here`)
  },
}

/** Whether a model or vector lies in the store and not in memory: the charter says which is long. */
export function isLong(bytes: number, { secureSum }: Pick<Charter, 'secureSum'>): boolean {
  return bytes > secureSum.gossipBytesMax
}

export function isStored(vector: Vector | Parameters): vector is Stored {
  return 'record' in vector
}

/** The record or draft of what is not in memory. */
export function recordOf(vector: Vector | Parameters): string {
  if (!isStored(vector)) throw new Error('a vector in memory has no record')
  return vector.record
}

/** Elements. */
export function lengthOf(vector: Vector | Parameters): number {
  if (isStored(vector)) return vector.to - vector.from
  return 'initial' in vector ? parameterCount({ model: vector.initial }) : vector.length
}

/** Whether all of it is in memory. */
export function isWhole(model: HeldModel): model is ModelState {
  return ArrayBuffer.isView(model.parameters)
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

/** The draft that a job writes. */
export function draftOf(job: Job): string | undefined {
  return job.kind === 'vector' && 'into' in job.work ? job.work.into : undefined
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
    case 'mask': {
      const { delta } = work.learned
      return delta && isStored(delta) ? { ...work, learned: { ...work.learned, delta: place(delta) } } : work
    }
    case 'check':
      return { ...work, words: placed(work.words) }
    case 'sum':
      return { ...work, inputs: work.inputs.map(placed) }
    case 'tag':
      return { ...work, items: work.items.map(item => ({ ...item, vector: placed(item.vector) })) }
    case 'apply': {
      const step = work.step && { ...work.step, model: modelWith(work.step.model, place) }
      return { ...work, sums: work.sums.map(placed), step }
    }
  }
}

/** The same job writing another draft. */
export function withDraft(job: Job, draft: string): Job {
  return job.kind === 'vector' && 'into' in job.work ? { ...job, work: { ...job.work, into: draft } } : job
}

/** The same one where it is in memory: what is known of a model hangs on it. */
function modelWith(model: HeldModel, place: (stored: Stored) => Stored): HeldModel {
  return isStored(model.parameters) ? { ...model, parameters: place(model.parameters) } : model
}
