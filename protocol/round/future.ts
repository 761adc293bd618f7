/**
 * Messages of a step that this peer has not reached: a fast peer's words are kept until the slow one can use them,
 * within bounds for each sender, never by a one-time listener.
 */
import type { MemberId } from '../ports.ts'

const MESSAGES_MAX = 48
const BYTES_MAX = 262_144

export interface Kept {
  readonly from: MemberId
  readonly via: 'gossip' | 'stream'
  readonly bytes: Uint8Array
}

export class Future {
  #byAuthor = new Map<MemberId, { items: Kept[]; size: number }>()

  /** `author`: who signed it, so that nobody can use up another's room. False: over the bound, dropped. */
  keep(author: MemberId, kept: Kept): boolean {
    const room = this.#byAuthor.get(author) ?? { items: [], size: 0 }
    if (room.items.length >= MESSAGES_MAX || room.size + kept.bytes.length > BYTES_MAX) return false
    room.items.push(kept)
    room.size += kept.bytes.length
    this.#byAuthor.set(author, room)
    return true
  }

  /** Of the author of whom most is kept. */
  get fullest(): { readonly messages: number; readonly bytes: number } {
    const rooms = [...this.#byAuthor.values()]
    return {
      messages: rooms.reduce((most, r) => Math.max(most, r.items.length), 0),
      bytes: rooms.reduce((most, r) => Math.max(most, r.size), 0),
    }
  }

  /** All that was kept, in the order of arrival for each author; nothing is kept afterwards. */
  take(): Kept[] {
    const all = [...this.#byAuthor.values()].flatMap(r => r.items)
    this.#byAuthor = new Map()
    return all
  }
}
