/** Inputs: late ones, two different ones with all that belongs to each, and such as no honest learner could give. */
import { concatBytes, toHex } from '../../../protocol/bytes.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import type { MemberId, VectorOutput } from '../../../protocol/ports.ts'
import { add, mul, P, residueBytes } from '../../../protocol/sum/field.ts'
import { quantisedInput } from '../../../protocol/sum/kernels.ts'
import { sectionRange } from '../../../protocol/sum/layout.ts'
import { shardRange } from '../../../protocol/sum/shards.ts'
import type { Body } from '../../../protocol/wire/messages.ts'
import type { Random } from '../../random.ts'
import type { Liar, Lie, Says, Tactic } from '../liar.ts'
import * as lies from '../lies/inputs.ts'
import { eachAttempt, oneOf } from './common.ts'

/** The input, and with it its slices, come after the deadline, after the survivors are fixed, or a little before it. */
export function comesLate(random: Random): Tactic {
  const held: { attempt: string; says: Says[] } = { attempt: '', says: [] }
  const plan = eachAttempt(l => {
    const { viewTimeoutMs } = l.config.charter.secureSum
    return random.chance(0.4)
      ? { fixed: true, at: Number.POSITIVE_INFINITY }
      : { fixed: false, at: l.inputDueAt + (8 * random.unit() - 1) * viewTimeoutMs }
  })
  const isOver = (l: Liar) => {
    const { fixed, at } = plan(l)
    return fixed ? l.peer.state.phase.kind === 'fixed' : l.now >= at
  }
  return {
    lie: (said, l) => {
      if (said.type !== 'input') return undefined
      if (isOver(l)) return undefined
      if (held.attempt !== l.attempt) held.says = []
      held.attempt = l.attempt
      if (held.says.length < 256)
        held.says.push(said.to === undefined ? { bytes: said.bytes } : { to: said.to, bytes: said.bytes })
      return []
    },
    besides: (_input, l) => {
      if (held.says.length === 0 || l.cohort.length === 0 || !isOver(l)) return []
      return held.says.splice(0)
    },
    wakeAt: l => (held.says.length > 0 && l.cohort.length > 0 && !plan(l).fixed ? plan(l).at : undefined),
  }
}

/** Two inputs, each with the slices that fit it, to two halves; or one for each; or a second one when all is decided. */
export function givesTwo(random: Random): Tactic {
  let second: { attempt: string; slices: Uint8Array[]; hashes: Uint8Array } | undefined
  const both: Lie = (said, l) => {
    if (!second || second.attempt !== l.attempt) return undefined
    const isSecond = (to: MemberId) =>
      !l.coalition.includes(to) && l.coalition.half(`inputs ${l.attempt}`, to) === 1
    if (said.type !== 'input') return undefined
    const other = l.says('input', otherInput(said.body as Body<'input'>, second))
    for (const slice of second.slices) l.forged.set(toHex(sha256(slice)), slice)
    return l.others.map(to => ({ to, bytes: isSecond(to) ? other : said.bytes }))
  }
  const whenFixed: Lie = (said, l) => {
    if (said.type !== 'reveal' || !second || second.attempt !== l.attempt) return undefined
    const { round, attempt } = said.body as Body<'reveal'>
    const { phase } = l.peer.state
    if (phase.kind !== 'fixed') return undefined
    const like = {
      round,
      attempt,
      opened: phase.openedHash,
      offers: sha256(phase.openedHash),
      data: new Uint8Array(0),
    }
    const other = otherInput({ ...like, hashes: second.hashes }, second)
    return [{ bytes: l.says('input', other) }, { bytes: said.bytes }]
  }
  const lie = eachAttempt(() => oneOf(random, [both, both, lies.twoInputs, lies.manyInputs, whenFixed]))
  return {
    hears: (input, l) => {
      if (input.kind === 'jobDone' && input.result.kind === 'vector' && input.result.output.kind === 'mask') {
        second = { attempt: l.attempt, ...changedSlices(input.result.output) }
      }
      return input
    },
    lie: (said, l) => lie(l)(said, l),
  }
}

/** The same vector but for the first element of each shard. */
function changedSlices({ masked, shardHashes }: VectorOutput & { kind: 'mask' }): {
  slices: Uint8Array[]
  hashes: Uint8Array
} {
  const shards = shardHashes.length
  const other = masked!.slice()
  for (let k = 0; k < shards; k++) {
    const [from, to] = shardRange(other.length, shards, k)
    if (to > from) other[from] = add(other[from]!, 1)
  }
  const slices = Array.from({ length: shards }, (_, k) =>
    residueBytes(other.slice(...shardRange(other.length, shards, k))),
  )
  return { slices, hashes: concatBytes(...slices.map(s => sha256(s))) }
}

function otherInput(
  body: Body<'input'>,
  second: { slices: Uint8Array[]; hashes: Uint8Array },
): Body<'input'> {
  const data = second.slices.length === 1 ? second.slices[0]! : new Uint8Array(0)
  return { ...body, hashes: second.hashes, data }
}

/**
 * Multiplies its update beyond what clipping leaves of it, within the field: the masked input, its slices and its
 * commitment fit each other, and nothing shows that what is in them is beyond the charter's bounds.
 */
export function scales(factor: number): Tactic {
  return {
    hears: (input, l) => {
      if (input.kind !== 'jobDone' || input.result.kind !== 'vector' || input.result.output.kind !== 'mask')
        return input
      const work = l.jobs.get(input.id)
      if (work?.kind !== 'mask' || !work.sections.some(s => s.name === 'update')) return input
      const quantised = quantisedInput(work)
      if (!quantised.ok) return input
      const masked = input.result.output.masked!.slice()
      const [from, to] = sectionRange(work.sections, 'update')
      const more = (factor - 1) % P
      for (let i = from; i < to; i++) masked[i] = add(masked[i]!, mul(quantised.value.residues[i]!, more))
      const shards = work.shards
      const shardHashes = Array.from({ length: shards }, (_, k) =>
        sha256(residueBytes(masked.slice(...shardRange(masked.length, shards, k)))),
      )
      return { ...input, result: { kind: 'vector', output: { kind: 'mask', masked, shardHashes } } }
    },
  }
}
