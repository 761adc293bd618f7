/** Members who want the model spoilt: what each of them masks. A masked input proves nothing of its size, so it may be any vector of residues. */
import { type Charter, parameterCount } from '../../../config/charter.ts'
import { normOf } from '../../../protocol/model/contribution.ts'
import type { Learned, Section } from '../../../protocol/ports.ts'
import { addInto, mul, P, reduce } from '../../../protocol/sum/field.ts'
import { sectionRange, vectorLength } from '../../../protocol/sum/layout.ts'
import { dequantise } from '../../../protocol/sum/quantise.ts'

/** What the liars of a round know together: all of it, also what the honest give, which no real ones know. */
export interface Plot {
  readonly charter: Charter
  readonly sections: readonly Section[]
  /** What each liar would have given, and how that is masked. */
  readonly honestly: readonly { readonly learned: Learned; readonly residues: Uint32Array }[]
  /** As a hospital that keeps to the rules masks it. */
  readonly mask: (learned: Learned) => Uint32Array
  /** Sum of what the others give. */
  readonly others: Uint32Array
  /** Weight of all survivors, liars too. */
  readonly weight: number
}

export interface Poison {
  readonly name: string
  /** One vector for each liar, in the order of `honestly`. */
  readonly gives: (plot: Plot) => readonly Uint32Array[]
  /** Whether the mean of all must be spoilt by it where nobody looks. */
  readonly collapses: boolean
}

const TIMES = 100
/** Of the longest sum that is not beyond what its hospitals may have given: rounding stays below it. */
const WITHIN = 0.999

export const POISONS: readonly Poison[] = [
  {
    name: 'sign turned, at full clip',
    collapses: false,
    gives: ({ charter, honestly, mask }) =>
      honestly.map(({ learned }) => {
        const delta = learned.delta as Float32Array
        const factor = -charter.training.clipNorm / normOf(delta)
        return mask({ ...learned, delta: delta.map(v => v * factor) })
      }),
  },
  {
    name: `times ${TIMES}`,
    collapses: true,
    gives: ({ sections, honestly }) => honestly.map(h => times(sections, h.residues, TIMES)),
  },
  {
    name: 'as long as all may be',
    collapses: true,
    gives: plot => against(plot, WITHIN * plot.charter.training.clipNorm * plot.weight),
  },
]

/** The update in a vector of residues, times a residue. */
function times(sections: readonly Section[], residues: Uint32Array, factor: number): Uint32Array {
  const [from, to] = sectionRange(sections, 'update')
  return residues.map((r, i) => (i >= from && i < to ? mul(factor, r) : r))
}

/** The liars turn the sum of all against what the others give, to this length, in equal parts. */
function against({ charter, sections, honestly, others }: Plot, length: number): Uint32Array[] {
  const [from, to] = sectionRange(sections, 'update')
  const { scale } = sections.find(s => s.name === 'update')!
  const sum = Float64Array.from(others.subarray(from, to), r => dequantise(r, scale))
  const norm = normOf(Float32Array.from(sum))
  const factor = -(length / norm + 1) / honestly.length
  const part = Uint32Array.from({ length: parameterCount(charter) }, (_, i) => {
    const value = Math.round(sum[i]! * factor * scale)
    return value < 0 ? P - reduce(-value) : reduce(value)
  })
  return honestly.map(({ residues }) => {
    const given = residues.slice()
    given.set(part, from)
    return given
  })
}

export function sumOf(sections: readonly Section[], vectors: readonly Uint32Array[]): Uint32Array {
  const sum = new Uint32Array(vectorLength(sections))
  for (const v of vectors) addInto(sum, v)
  return sum
}
