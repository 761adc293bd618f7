/** Between attempts: who has announced fresh keys for the next one (SPEC S1). */

import { z } from 'zod'
import { equalBytes } from '../bytes.ts'
import { isHybridPublicKey } from '../crypto/kem.ts'
import type { RoundOpened } from '../ledger/entry.ts'
import type { MemberId, Millis } from '../ports.ts'
import { bytes, decode, encode, uint } from '../wire/codec.ts'
import { ATTEMPT_MAX, ROUND_MAX, SAMPLES_MAX } from '../wire/limits.ts'
import type { Body } from '../wire/messages.ts'
import type { PublicKeys } from './context.ts'
import { hashOf } from './known.ts'
import { type AttemptKeys, attemptKeys, selfCommitment } from './secrets.ts'

/** Announcements of one member that are kept beside its first. */
const OTHERS_MAX = 3

export interface Announcement {
  readonly body: Body<'keys'>
  /** SHA-256 of the signed message: what RoundOpened names. */
  readonly hash: Uint8Array
  readonly at: Millis
}

/** The secret of an attempt as it is stored, before anything that follows from it leaves. */
const SeedRecord = z.strictObject({
  round: uint(ROUND_MAX),
  attempt: uint(ATTEMPT_MAX),
  head: bytes(32),
  seed: bytes(32),
  /** As announced: other data in a later life must not make another announcement of it. */
  samples: uint(SAMPLES_MAX).optional(),
})
export type SeedRecord = z.infer<typeof SeedRecord>

export function encodeSeed(record: SeedRecord): Uint8Array {
  return encode(record)
}

export function decodeSeed(record: Uint8Array | undefined): SeedRecord | undefined {
  if (!record) return undefined
  const decoded = decode(record, SeedRecord)
  return decoded.ok ? decoded.value : undefined
}

export class Join {
  /** Whether announcements declare training rows. */
  readonly #declares: boolean
  readonly announced = new Map<MemberId, Announcement>()
  /** Members that have announced two different keys: nobody needs to wait for them. */
  readonly doubted = new Set<MemberId>()
  /** The other announcements of these, should the entry name one of them. */
  readonly #others = new Map<MemberId, Announcement[]>()
  /** Own secret of the attempt that is to be opened or is open. */
  own: { readonly record: SeedRecord; readonly keys: AttemptKeys } | undefined

  constructor(declares: boolean) {
    this.#declares = declares
  }

  /** Announcements that are kept. */
  get kept(): number {
    return [...this.#others.values()].reduce((n, others) => n + others.length, this.announced.size)
  }

  /** Makes the announcement's body of a stored seed. */
  adopt(record: SeedRecord): Body<'keys'> {
    const keys = attemptKeys(record.seed)
    this.own = { record, keys }
    return {
      round: record.round,
      attempt: record.attempt,
      head: record.head,
      mask: keys.mask.publicKey,
      channel: keys.channel.publicKey,
      selfCommit: selfCommitment(keys.selfSeed),
      ...(record.samples !== undefined && { samples: record.samples }),
    }
  }

  #isUsable({ mask, channel, samples }: Body<'keys'>): boolean {
    return isHybridPublicKey(mask) && isHybridPublicKey(channel) && (samples !== undefined) === this.#declares
  }

  accept(from: MemberId, body: Body<'keys'>, message: Uint8Array, now: Millis): boolean {
    if (!this.#isUsable(body)) return false
    this.announced.set(from, { body, hash: hashOf(message), at: now })
    return true
  }

  /** A second, different announcement. `opened`: the entry that names the keys, where there is one already. */
  acceptOther(
    from: MemberId,
    body: Body<'keys'>,
    message: Uint8Array,
    now: Millis,
    opened: RoundOpened | undefined,
  ): 'taken' | 'kept' | 'dropped' {
    this.doubted.add(from)
    if (!this.#isUsable(body)) return 'kept'
    const hash = hashOf(message)
    if (opened) {
      const named = opened.cohort.find(c => c.member === from)
      if (!named || !equalBytes(named.keys, hash)) return 'kept'
      this.announced.set(from, { body, hash, at: now })
      return 'taken'
    }
    const others = this.#others.get(from) ?? []
    if (others.length >= OTHERS_MAX) return 'dropped'
    this.#others.set(from, [...others, { body, hash, at: now }])
    return 'kept'
  }

  /** The keys that an entry fixed, once all of them are here. */
  keysOf(opened: RoundOpened): ReadonlyMap<MemberId, PublicKeys> | undefined {
    const out = new Map<MemberId, PublicKeys>()
    for (const { member, keys, samples } of opened.cohort) {
      const all = [this.announced.get(member), ...(this.#others.get(member) ?? [])]
      const a = all.find(x => x !== undefined && equalBytes(x.hash, keys))
      if (!a || a.body.samples !== samples) return undefined
      out.set(member, a.body)
    }
    return out
  }

  /** Own keys, if the entry has them: a peer that lost its seed only watches. */
  ownIn(opened: RoundOpened, self: MemberId): AttemptKeys | undefined {
    const mine = opened.cohort.find(c => c.member === self)
    const announced = this.announced.get(self)
    if (!mine || !announced || !this.own || !equalBytes(announced.hash, mine.keys)) return undefined
    if (this.own.record.round !== opened.round || this.own.record.attempt !== opened.attempt) return undefined
    return this.own.keys
  }
}
