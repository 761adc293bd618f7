/** Messages that are nearly right: a value of the wrong kind, length or range somewhere in them, signed all the same. */
import { z } from 'zod'
import { decode, encode } from '../../protocol/wire/codec.ts'
import { openEnvelope, plainEnvelope, sealEnvelope } from '../../protocol/wire/envelope.ts'
import type { Random } from '../random.ts'

const Anything = z.unknown()

/** Who can be made the author of a forgery. */
export interface Author {
  readonly id: string
  readonly seed: Uint8Array
}

export interface Forger {
  readonly network: Uint8Array
  /** Of the same message with another body: its own author's where that is among them. */
  readonly authors: readonly Author[]
  /** Names that may stand where a name stands. */
  readonly names: readonly string[]
}

/** The message with another body, signed anew where a key for it is at hand, or with any byte changed. */
export function forged(bytes: Uint8Array, by: Forger, random: Random): Uint8Array {
  const raw = openEnvelope(bytes)
  if (!raw.ok || random.chance(0.1)) return mutatedBytes(bytes, by.names, random)
  const { type, from, body, sig } = raw.value
  const value = decode(body, Anything)
  let next: Uint8Array
  try {
    next = encode(mutated(value.ok ? value.value : undefined, by.names, random))
  } catch {
    return mutatedBytes(bytes, by.names, random)
  }
  const own = by.authors.find(a => a.id === from)
  const author = own && !random.chance(0.2) ? own : by.authors[random.below(by.authors.length)]
  if (!author) return mutatedBytes(bytes, by.names, random)
  if (sig.length === 0) return plainEnvelope(type, author.id, next)
  return sealEnvelope({ network: by.network, type, from: author.id, seed: author.seed }, next)
}

/** A value of the same kind or of another one, in some place of a decoded message. */
export function mutated(value: unknown, names: readonly string[], r: Random): unknown {
  if (value instanceof Uint8Array) return mutatedBytes(value, names, r)
  if (Array.isArray(value)) {
    if (value.length === 0 || r.chance(0.2)) return [...value, ...value.slice(0, 1)]
    if (r.chance(0.2)) return value.slice(1)
    const i = r.below(value.length)
    return value.map((x, k) => (k === i ? mutated(x, names, r) : x))
  }
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value)
    const key = keys[r.below(keys.length)]
    if (key === undefined) return value
    return { ...value, [key]: mutated((value as Record<string, unknown>)[key], names, r) }
  }
  if (typeof value === 'number') {
    const others = [0, 1, value + 1, Math.max(0, value - 1), 3, 255, 999, 4_294_967_295, 0.5]
    return others[r.below(others.length)]
  }
  if (typeof value === 'string') return r.chance(0.5) ? names[r.below(names.length)] : 'RoundAborted'
  return r.chance(0.5) ? null : new Uint8Array(32)
}

/** Shorter, longer, all ones, all zeros, one bit changed; or, where it is a message in a message, that one mutated. */
export function mutatedBytes(value: Uint8Array, names: readonly string[], r: Random): Uint8Array {
  // A proposal or a record carries an entry as bytes.
  const inner = r.chance(0.3) ? decode(value, Anything) : undefined
  if (inner?.ok && typeof inner.value === 'object') {
    try {
      return encode(mutated(inner.value, names, r))
    } catch {
      return value.slice(1)
    }
  }
  switch (r.below(5)) {
    case 0:
      return value.slice(0, r.below(value.length + 1))
    case 1:
      return new Uint8Array([...value, 7])
    case 2:
      return new Uint8Array(value.length).fill(255)
    case 3:
      return new Uint8Array(value.length)
    default: {
      const out = value.slice()
      if (out.length > 0) out[r.below(out.length)]! ^= 1 << r.below(8)
      return out
    }
  }
}
