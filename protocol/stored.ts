/** Vectors that lie in the store, and the jobs that read them from there. */
import type { Stored, Vector, VectorWork } from './ports.ts'

export function isStored(vector: Vector): vector is Stored {
  return !(vector instanceof Uint32Array)
}

/** Elements. */
export function lengthOf(vector: Vector): number {
  return isStored(vector) ? vector.to - vector.from : vector.length
}

/** The vectors in the store that a job reads. */
export function storedOf(work: VectorWork): Stored[] {
  const out: Stored[] = []
  withStored(work, stored => {
    out.push(stored)
    return stored
  })
  return out
}

/** The same work on other places in the store. */
export function withStored(work: VectorWork, place: (stored: Stored) => Stored): VectorWork {
  const placed = (v: Vector): Vector => (isStored(v) ? place(v) : v)
  switch (work.kind) {
    case 'sum':
      return { ...work, inputs: work.inputs.map(placed) }
    case 'tag':
      return { ...work, items: work.items.map(item => ({ ...item, vector: placed(item.vector) })) }
    default:
      return work
  }
}
