/**
 * What gossip loses, and what a peer missed that was away: each peer says now and then, to a few others, what it
 * holds at its height, and gets what it lacks (SPEC W6). Also the direct messages of the present attempt,
 * which their recipient may ask for again.
 */
import { concatBytes, fromHex, toHex } from '../bytes.ts'
import type { MemberId, Millis } from '../ports.ts'
import { HAVE_MAX } from '../wire/limits.ts'
import { PREFIX_BYTES, prefixOf } from './known.ts'

/** How often a status is told, and to how many at once. */
export interface Pace {
  /** The first pause, which doubles while nothing changes, and the longest. */
  readonly firstMs: Millis
  readonly mostMs: Millis
  readonly told: number
}
/** Members in an order, the peer that tells, and whom it could tell. */
export interface Around {
  readonly members: readonly MemberId[]
  readonly self: MemberId
  readonly connected: ReadonlySet<MemberId>
}

export const PACE: Pace = { firstMs: 1000, mostMs: 8000, told: 3 }
/** In studies with committees each message goes over a stream to whom it is for, and no gossip can lose it. */
export const PART_PACE: Pace = { firstMs: 8000, mostMs: 64_000, told: 1 }
/** Answers to one peer come no faster than this. */
const ANSWER_MS = 200
/** Most entries, and most bytes of messages, that one status is answered with. */
export const ENTRIES_AT_ONCE = 32
export const ANSWER_BYTES_MAX = 262_144

export class Sync {
  /** Direct messages of this attempt, by recipient and slot. */
  readonly #direct = new Map<MemberId, Map<string, { readonly prefix: string; readonly bytes: Uint8Array }>>()
  readonly #seen = new Set<string>()
  readonly #heights = new Map<MemberId, number>()
  readonly #answered = new Map<MemberId, Millis>()
  readonly #told = new Map<MemberId, Millis>()
  readonly #entriesSent = new Map<MemberId, { upTo: number; at: Millis }>()
  readonly #pace: Pace
  #pauseMs: Millis
  #nextAt: Millis = 0
  #cursor = 0
  #lastFingerprint = ''

  constructor(pace = PACE) {
    this.#pace = pace
    this.#pauseMs = pace.firstMs
  }

  /** When the next status is due. */
  get nextAt(): Millis {
    return this.#nextAt
  }

  /** Direct messages that were taken in, as a status tells. */
  get seen(): number {
    return this.#seen.size
  }

  /** Direct messages that may be sent again. */
  get direct(): number {
    return [...this.#direct.values()].reduce((n, slots) => n + slots.size, 0)
  }

  /** Nothing can be missing yet: the first status waits as long as the second would. */
  rest(now: Millis): void {
    this.#nextAt = now + this.#pace.firstMs
  }

  keepDirect(to: MemberId, slot: string, bytes: Uint8Array): void {
    const slots = this.#direct.get(to) ?? new Map<string, { prefix: string; bytes: Uint8Array }>()
    slots.set(slot, { prefix: prefixOf(bytes), bytes })
    this.#direct.set(to, slots)
  }

  directFor(to: MemberId, have: ReadonlySet<string>): Uint8Array[] {
    return [...(this.#direct.get(to)?.values() ?? [])].filter(m => !have.has(m.prefix)).map(m => m.bytes)
  }

  /** Direct messages that were taken in. */
  markSeen(prefix: string): void {
    if (this.#seen.size < HAVE_MAX) this.#seen.add(prefix)
  }

  hasSeen(prefix: string): boolean {
    return this.#seen.has(prefix)
  }

  /** The attempt is over. */
  clearAttempt(): void {
    this.#direct.clear()
    this.#seen.clear()
  }

  /** Everything that this peer holds at its height, as a status carries it. */
  have(prefixes: readonly string[]): Uint8Array {
    return concatBytes(...[...prefixes, ...this.#seen].slice(0, HAVE_MAX).map(fromHex))
  }

  /** Whom to tell now: a few of those of `members` who are connected, in turn; undefined while the pause lasts. */
  turn({ members, self, connected }: Around, now: Millis, fingerprint: string): MemberId[] | undefined {
    if (fingerprint !== this.#lastFingerprint) {
      this.#lastFingerprint = fingerprint
      this.#pauseMs = this.#pace.firstMs
      this.#nextAt = Math.min(this.#nextAt, now + this.#pace.firstMs)
    }
    if (now < this.#nextAt) return undefined
    this.#nextAt = now + this.#pauseMs
    this.#pauseMs = Math.min(2 * this.#pauseMs, this.#pace.mostMs)
    const out: MemberId[] = []
    // From the one after this peer on, so that not all tell the same one.
    const after = members.indexOf(self) + 1
    for (let i = 0; i < members.length && out.length < this.#pace.told; i++) {
      const member = members[(after + this.#cursor++) % members.length]!
      if (connected.has(member)) out.push(member)
    }
    return out
  }

  /** Whether a status to `peer` may go out now, beyond the turns: when it is ahead, or has just connected. */
  mayTell(peer: MemberId, now: Millis): boolean {
    if (now < (this.#told.get(peer) ?? -Infinity) + ANSWER_MS) return false
    this.#told.set(peer, now)
    return true
  }

  /** Whether a status of `peer` may be answered now. */
  mayAnswer(peer: MemberId, now: Millis): boolean {
    if (now < (this.#answered.get(peer) ?? -Infinity) + ANSWER_MS) return false
    this.#answered.set(peer, now)
    return true
  }

  /** Heights of entries to send to a peer at `theirs`, none that were sent to it just now. */
  entriesFor(peer: MemberId, theirs: number, mine: number, now: Millis): number[] {
    const sent = this.#entriesSent.get(peer)
    const recent = sent !== undefined && now < sent.at + 2 * ANSWER_MS
    const from = recent ? Math.max(theirs, sent.upTo) : theirs
    const upTo = Math.min(mine, theirs + ENTRIES_AT_ONCE)
    const out: number[] = []
    for (let h = from + 1; h <= upTo; h++) out.push(h)
    if (out.length > 0) this.#entriesSent.set(peer, { upTo, at: now })
    return out
  }

  heard(peer: MemberId, height: number): void {
    this.#heights.set(peer, Math.max(height, this.#heights.get(peer) ?? 0))
  }

  heightOf(peer: MemberId): number {
    return this.#heights.get(peer) ?? 0
  }
}

/** The prefixes in a status; undefined when it is not whole prefixes. */
export function readHave(have: Uint8Array): Set<string> | undefined {
  if (have.length % PREFIX_BYTES !== 0) return undefined
  const out = new Set<string>()
  for (let i = 0; i < have.length; i += PREFIX_BYTES) out.add(toHex(have.subarray(i, i + PREFIX_BYTES)))
  return out
}
