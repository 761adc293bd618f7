/**
 * What each hospital has really put into a sum: the quantised vector that its machine masked, as tapped, and the masked one
 * that its commitment names, also where a liar sent another than its machine made.
 */
import { concatBytes, equalBytes, toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { contribution } from '../../protocol/model/contribution.ts'
import type { Given, MemberId, VectorOutput, VectorWork } from '../../protocol/ports.ts'
import { upTo } from '../../protocol/privacy/shares.ts'
import { assert } from '../../protocol/result.ts'
import { sliceHash } from '../../protocol/round/attempt.ts'
import { residuesFromBytes } from '../../protocol/sum/field.ts'
import { quantiseParts } from '../../protocol/sum/kernels.ts'
import { shardRange } from '../../protocol/sum/shards.ts'
import type { Body } from '../../protocol/wire/messages.ts'

export type MaskWork = VectorWork & { kind: 'mask' }

/** What a masking was of. */
export interface Clear {
  /** As the learner gave them, clipped and weighted: section after section. */
  readonly numbers: Float64Array
  /** As they were quantised, with all noise. */
  readonly residues: Uint32Array
  /** The same with noise of levels up to this one alone. */
  readonly kept: (level: number) => Uint32Array
}

/** One masking, as it was tapped. */
export interface Masking {
  readonly root: string
  readonly work: MaskWork
  readonly clear: Clear
  readonly masked: Uint32Array
  /** What the machine kept of the update. */
  readonly unsent: Float32Array | undefined
}

/** Maskings of one hospital that are kept: of its last attempts, and of its lives within one. */
const MASKINGS_MAX = 8
/** Different commitments, and slices, of one liar that are kept for an attempt. */
const SENT_MAX = 512

/** What a liar sent in one attempt. */
interface Sent {
  readonly opened: string
  /** Hashes of the shards, by root. */
  readonly commitments: Map<string, Uint8Array>
  /** By hash of the slice. */
  readonly slices: Map<string, Uint8Array>
}

const known = new WeakMap<MaskWork, Clear>()

/** What a masking was of, in the clear; once for all who ask. Undefined: the machine refused what was learned. */
export function clearOf(work: MaskWork): Clear | undefined {
  const before = known.get(work)
  if (before) return before
  const { charter, task, sections, learned } = work
  const parts = contribution(charter, task, sections, learned, work)
  if (!parts.ok) return undefined
  const numbers = parts.value.flatMap(({ values, factor }) =>
    Array.from(values.subarray(0, values.length), x => x * factor),
  )
  const kept = (level: number) =>
    quantiseParts(
      parts.value.map(part => ({ ...part, section: upTo(part.section, level) })),
      work.roundingKey,
      work.noiseKeys,
    )
  const clear = { numbers: Float64Array.from(numbers), residues: kept(Number.POSITIVE_INFINITY), kept }
  known.set(work, clear)
  return clear
}

/** An update in memory, as those of simulated learners are. */
export function updateOf({ delta }: Given): Float32Array {
  assert(delta instanceof Float32Array, 'an update in memory')
  return delta
}

export class Inputs {
  readonly #maskings = new Map<MemberId, Masking[]>()
  readonly #sent = new Map<MemberId, Sent>()

  masked(host: MemberId, work: MaskWork, output: VectorOutput & { kind: 'mask' }): Masking {
    const clear = clearOf(work)
    assert(clear !== undefined, 'what was masked can be')
    const root = toHex(sha256(concatBytes(...output.shardHashes)))
    const masking = { root, work, clear, masked: output.masked!, unsent: output.unsent }
    const others = (this.#maskings.get(host) ?? []).filter(m => m.root !== root)
    this.#maskings.set(host, [...others.slice(1 - MASKINGS_MAX), masking])
    return masking
  }

  /** A liar's commitment, or a slice that it gives, in one part, on its way to somebody. */
  sent(liar: MemberId, body: Body<'input'> | Body<'part'>): void {
    const opened = toHex(body.opened)
    let sent = this.#sent.get(liar)
    if (sent?.opened !== opened) {
      sent = { opened, commitments: new Map(), slices: new Map() }
      this.#sent.set(liar, sent)
    }
    const { slices, commitments } = sent
    if (body.data.length > 0 && slices.size < SENT_MAX) slices.set(toHex(sha256(body.data)), body.data)
    if ('hashes' in body && commitments.size < SENT_MAX)
      commitments.set(toHex(sha256(body.hashes)), body.hashes)
  }

  /** The masking that a commitment is of; undefined: nobody has seen it. */
  maskingOf(member: MemberId, root: string): Masking | undefined {
    return this.#maskings.get(member)?.find(m => m.root === root)
  }

  /** The masked vector that a commitment names; undefined where a slice of it was never sent or is none of the field. */
  committed(member: MemberId, root: string): Uint32Array | undefined {
    const tapped = this.maskingOf(member, root)?.masked
    const sent = this.#sent.get(member)
    const hashes = sent?.commitments.get(root)
    const like = this.#maskings.get(member)?.at(-1)
    if (tapped || !sent || !hashes || !like) return tapped
    const { masked, work } = like
    const out = new Uint32Array(masked.length)
    for (let shard = 0; shard < work.shards; shard++) {
      const [from, to] = shardRange(masked.length, work.shards, shard)
      const hash = sliceHash(hashes, shard)
      const slice = sliceOf(sent, hash, masked.subarray(from, to))
      if (slice?.length !== to - from) return undefined
      out.set(slice, from)
    }
    return out
  }
}

/** A slice by its hash: one that was sent, or the honest one, which its owner needs not send to itself. */
function sliceOf(sent: Sent, hash: Uint8Array, honest: Uint32Array): Uint32Array | undefined {
  const data = sent.slices.get(toHex(hash))
  if (data) return residuesFromBytes(data)
  const own = new Uint8Array(honest.buffer, honest.byteOffset, honest.byteLength)
  return equalBytes(sha256(own), hash) ? honest : undefined
}
