/** Sealed boxes for simulations: as `protocol/crypto/seal.ts`, with a hash as key stream and another one as tag. */
import { digest } from './digest.ts'

const KEY_BYTES = 32
export const SEAL_TAG_BYTES = 16

export function seal(key: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const out = new Uint8Array(plaintext.length + SEAL_TAG_BYTES)
  out.set(plaintext)
  const body = out.subarray(0, plaintext.length)
  apply(key, body)
  out.set(tagOf(key, aad, body), plaintext.length)
  return out
}

export function unseal(key: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (key.length !== KEY_BYTES) throw new RangeError('a sealing key has 32 bytes')
  if (sealed.length < SEAL_TAG_BYTES) return undefined
  const body = sealed.slice(0, sealed.length - SEAL_TAG_BYTES)
  const tag = tagOf(key, aad, body)
  for (let i = 0; i < SEAL_TAG_BYTES; i++) if (sealed[body.length + i] !== tag[i]) return undefined
  apply(key, body)
  return body
}

/** Encrypts and decrypts in place. */
function apply(key: Uint8Array, body: Uint8Array): void {
  if (key.length !== KEY_BYTES) throw new RangeError('a sealing key has 32 bytes')
  for (let from = 0; from < body.length; from += 32) {
    const pad = digest(`seal ${from}`, key)
    const end = Math.min(body.length, from + 32)
    for (let i = from; i < end; i++) body[i]! ^= pad[i - from]!
  }
}

function tagOf(key: Uint8Array, aad: Uint8Array, body: Uint8Array): Uint8Array {
  return digest('seal tag', key, aad, body).subarray(0, SEAL_TAG_BYTES)
}
