/**
 * Signatures for simulations: a tag over public key and message that anybody could compute. A tag holds for the key and
 * message that it was made of and for nothing else, which is all that honest machines and the simulated liars, who
 * sign with keys of their own, can tell from Ed25519.
 */
import { digest } from './digest.ts'

export const PUBLIC_KEY_BYTES = 32
export const SIGNATURE_BYTES = 64

/** Of a 32-byte seed; throws RangeError on another length. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return keyOf(seed).slice()
}

export function sign(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return tag(keyOf(seed), message)
}

export function verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  const expected = tag(key, message)
  for (let i = 0; i < SIGNATURE_BYTES; i++) if (expected[i] !== signature[i]) return false
  return true
}

/** A machine signs with the seed that it was configured with, one and the same array. */
const keys = new WeakMap<Uint8Array, Uint8Array>()

function keyOf(seed: Uint8Array): Uint8Array {
  if (seed.length !== 32) throw new RangeError('a secret key of 32 bytes')
  const known = keys.get(seed)
  if (known) return known
  const key = digest('public key', seed)
  keys.set(seed, key)
  return key
}

function tag(key: Uint8Array, message: Uint8Array): Uint8Array {
  const out = new Uint8Array(SIGNATURE_BYTES)
  const first = digest('signature', key, message)
  out.set(first)
  out.set(digest('signature, second half', first), 32)
  return out
}
