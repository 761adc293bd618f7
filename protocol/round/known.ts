/**
 * The signed messages of the present attempt, one a slot: what a peer that was away can be given, and the place
 * where two different messages for one slot are seen (SPEC W4). Bounded: a slot exists only for a
 * member and a kind, and it is emptied when the attempt is over.
 */
import { toHex } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { Memo } from '../memo.ts'

/** Bytes of a message's hash that stand for it in a status message. */
export const PREFIX_BYTES = 8

/** Messages are compared by prefix again and again; nobody changes one after it came. */
const hashes = new Memo<Uint8Array, { readonly hash: Uint8Array; readonly prefix: string }>()

function hashed(message: Uint8Array): { readonly hash: Uint8Array; readonly prefix: string } {
  const known = hashes.get(message)
  if (known) return known
  const hash = sha256(message)
  const fresh = { hash, prefix: toHex(hash.subarray(0, PREFIX_BYTES)) }
  hashes.set(message, fresh)
  return fresh
}

/** SHA-256 of a whole message. */
export function hashOf(message: Uint8Array): Uint8Array {
  return hashed(message).hash
}

/** Hex of the first bytes of the hash of a whole message. */
export function prefixOf(message: Uint8Array): string {
  return hashed(message).prefix
}

export class Known {
  readonly #slots = new Map<string, { readonly prefix: string; readonly bytes: Uint8Array }>()
  readonly #prefixes = new Set<string>()

  /** `replace`: a later message of this slot may take the place of an earlier one. */
  add(slot: string, bytes: Uint8Array, prefix: string, replace = false): 'new' | 'same' | 'conflict' {
    const old = this.#slots.get(slot)
    if (old?.prefix === prefix) return 'same'
    if (old && !replace) return 'conflict'
    if (old) this.#prefixes.delete(old.prefix)
    this.#slots.set(slot, { prefix, bytes })
    this.#prefixes.add(prefix)
    return 'new'
  }

  get size(): number {
    return this.#prefixes.size
  }

  has(prefix: string): boolean {
    return this.#prefixes.has(prefix)
  }

  get(slot: string): Uint8Array | undefined {
    return this.#slots.get(slot)?.bytes
  }

  clear(): void {
    this.#slots.clear()
    this.#prefixes.clear()
  }

  prefixes(): readonly string[] {
    return [...this.#prefixes]
  }

  /** Messages that a peer lacks which has those of `have`, at most `bytesMax` in all. */
  missing(have: ReadonlySet<string>, bytesMax: number): Uint8Array[] {
    const out: Uint8Array[] = []
    let size = 0
    for (const { prefix, bytes } of this.#slots.values()) {
      if (have.has(prefix)) continue
      size += bytes.length
      if (size > bytesMax && out.length > 0) break
      out.push(bytes)
    }
    return out
  }
}
