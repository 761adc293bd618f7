/** A peer that lets no worker mask: what it sends is what a test makes of its input. */
import { sha256 } from '../../protocol/crypto/hash.ts'
import { Peer, type PeerConfig } from '../../protocol/peer.ts'
import type { Input, Machine, Millis, Output } from '../../protocol/ports.ts'
import { residueBytes } from '../../protocol/sum/field.ts'
import { shardRange } from '../../protocol/sum/shards.ts'
import type { MaskWork } from '../../sim/checkers/inputs.ts'

export class Remasking implements Machine {
  readonly #peer: Peer
  readonly #mask: (work: MaskWork) => Uint32Array
  readonly #works = new Map<number, MaskWork>()

  constructor(config: PeerConfig, mask: (work: MaskWork) => Uint32Array) {
    this.#peer = new Peer(config)
    this.#mask = mask
  }

  handle(input: Input, now: Millis): Output {
    const work = input.kind === 'jobDone' ? this.#works.get(input.id) : undefined
    const masked = work && this.#mask(work)
    const output = this.#peer.handle(
      masked && input.kind === 'jobDone' ? instead(input, work, masked) : input,
      now,
    )
    for (const e of output.effects) {
      if (e.kind === 'job' && e.job.kind === 'vector' && e.job.work.kind === 'mask')
        this.#works.set(e.id, e.job.work)
    }
    if (!masked || work.into === undefined) return output
    const write = { kind: 'write', draft: work.into, at: 0, data: residueBytes(masked) } as const
    return { ...output, effects: [write, ...output.effects] }
  }
}

function instead(input: Input & { kind: 'jobDone' }, work: MaskWork, masked: Uint32Array): Input {
  const shardHashes = Array.from({ length: work.shards }, (_, k) =>
    sha256(residueBytes(masked.slice(...shardRange(masked.length, work.shards, k)))),
  )
  return { ...input, result: { kind: 'vector', output: { kind: 'mask', masked, shardHashes } } }
}
