/**
 * Nobody honest contradicts itself, whatever its lives (SPEC M3, W4, S9): for one slot the same words for ever; what an owner
 * has receipted it takes back never; and all honest owners give one sum of a shard.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { prefixOf } from '../../protocol/round/known.ts'
import { PART_BYTES } from '../../protocol/wire/limits.ts'
import type { Body } from '../../protocol/wire/messages.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import { attemptName, type CheckContext } from './context.ts'
import { Judge } from './judge.ts'
import { bodyOf, type Message, readMessage } from './read.ts'

export function consistency(context: CheckContext): Checker {
  return new Consistency(context)
}

/** Slots of one member that are remembered, the latest: those of some attempts and heights. */
const SLOTS_MAX = 4096

interface Receipted {
  readonly attempt: string
  /** Of all of the attempt: a restarted peer may hear an old one of its own from others, and hand it on. */
  readonly hashes: Set<string>
  readonly body: Body<'receipt'>
}

class Consistency extends Judge {
  /** Hash of what was said, by author and slot; under '' what all honest members must say alike. */
  readonly #said = new Map<MemberId | '', Map<string, string>>()
  readonly #receipts = new Map<MemberId, Receipted>()

  constructor(context: CheckContext) {
    super('consistency', context)
  }

  onRelease(host: SimHost, to: MemberId | undefined, bytes: Uint8Array): void {
    if (!this.isHonest(host.id)) return
    const message = readMessage(bytes)
    if (!message) {
      this.fail(`${host.id} sends what is no message of this protocol`)
      return
    }
    if (message.author !== host.id) return
    const receipt = bodyOf(message, 'receipt')
    if (receipt) {
      this.#grows(host.id, receipt, prefixOf(message.raw.body))
      return
    }
    const part = bodyOf(message, 'part') ?? bodyOf(message, 'modelPart')
    // Of a vector in several parts the whole is not seen here.
    if (part?.part === 0 && part.data.length < PART_BYTES && !equalBytes(sha256(part.data), part.hash))
      this.fail(`${host.id} gives what its hash does not name`)
    const slot = this.#slotOf(message, to)
    if (slot === undefined) return
    const by = message.type === 'part' || message.type === 'claim' ? '' : host.id
    const said = this.#said.get(by) ?? new Map<string, string>()
    this.#said.set(by, said)
    const name = prefixOf(message.raw.body)
    const before = said.get(slot)
    this.checked++
    if (before === undefined) {
      said.set(slot, name)
      for (const old of said.keys()) if (said.size > SLOTS_MAX) said.delete(old)
    } else if (before !== name)
      this.fail(`${host.id} contradicts ${by === '' ? 'another' : 'itself'}: ${slot}`)
  }

  /** What a message says something about, once and for all; undefined: it may say something else next time. */
  #slotOf({ type, body, vote }: Message, to: MemberId | undefined): string | undefined {
    if (vote) return `${type} of height ${vote.height}, view ${vote.view}`
    const what = body as { round: number; attempt: number; shard: number; hash: Uint8Array; part: number }
    const slot = `${type} of round ${attemptName(what)}`
    switch (type) {
      case 'keys':
        // Again for the same attempt where somebody was suspended or restored before it.
        return `${slot} after ${toHex((body as Body<'keys'>).head.subarray(0, 4))}`
      case 'offer':
      case 'input':
      case 'reveal':
      case 'pairs':
      case 'tags':
        return slot
      case 'claim':
        return `${slot}, shard ${what.shard}`
      case 'sealed':
        return `${slot}, to ${to}`
      case 'part':
        return `${slot}, ${what.part} of ${toHex(what.hash)}`
      default:
        return undefined
    }
  }

  #grows(host: MemberId, body: Body<'receipt'>, hash: string): void {
    const attempt = attemptName(body)
    const last = this.#receipts.get(host)
    const before = last?.attempt === attempt ? last : undefined
    if (before?.hashes.has(hash)) return
    const hashes = (before?.hashes ?? new Set()).add(hash)
    this.#receipts.set(host, { attempt, hashes, body })
    if (!before) return
    this.checked++
    const now = new Map(body.held.map(h => [h.shard, h.from]))
    for (const { shard, from } of before.body.held) {
      const still = now.get(shard)
      if (!still || from.some((bits, i) => (bits & ~(still[i] ?? 0)) !== 0))
        this.fail(`${host} takes a receipt back, round ${attempt}, shard ${shard}`)
      else if (!sameRoots(before.body, body, from))
        this.fail(`${host} receipts another input than before, round ${attempt}, shard ${shard}`)
    }
  }
}

/** Whether the commitments of the members of a bitmap are named alike by both. */
function sameRoots(a: Body<'receipt'>, b: Body<'receipt'>, members: Uint8Array): boolean {
  for (let i = 0; 16 * i < a.roots.length; i++) {
    if (((members[i >> 3] ?? 0) & (1 << (i & 7))) === 0) continue
    for (let k = 16 * i; k < 16 * i + 16; k++) if (a.roots[k] !== b.roots[k]) return false
  }
  return true
}
