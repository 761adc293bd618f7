/** What a vector job has made, for those who watch a simulated host: the vectors that it has left in drafts too. */
import type { Vector, VectorOutput, VectorWork } from '../protocol/ports.ts'
import { draftOf, isStored, lengthOf, type StoreAccess } from '../protocol/stored.ts'
import { vectorLength } from '../protocol/sum/layout.ts'
import { joined, whole } from '../protocol/sum/pieces.ts'

/** A machine does not look at them. */
export function filled(work: VectorWork, output: VectorOutput, { read }: StoreAccess): VectorOutput {
  const all = (vector: Vector) => (isStored(vector) ? read(vector) : vector)
  const drafted = (length: number) =>
    read({ record: draftOf({ kind: 'vector', work })!, from: 0, to: length })
  switch (output.kind) {
    case 'mask':
      return work.kind === 'mask'
        ? { ...output, masked: output.masked ?? drafted(vectorLength(work.sections)) }
        : output
    case 'sum':
      return work.kind === 'sum'
        ? { ...output, sum: output.sum ?? drafted(lengthOf(work.inputs[0]!)) }
        : output
    case 'apply':
      return work.kind === 'apply' ? { ...output, sum: inOne(work.sums.map(all)) } : output
    default:
      return output
  }
}

function inOne(vectors: readonly Uint32Array[]): Uint32Array {
  const sum = joined(vectors)
  return whole(sum, new Uint32Array(sum.length))
}
