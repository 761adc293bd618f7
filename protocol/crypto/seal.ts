/**
 * Authenticated encryption with AES-256-GCM (NIST SP 800-38D) for keys that seal one plaintext and no more.
 *
 * That is why the nonce is constant: a nonce tells the messages of one key apart, and here every box has a key of its own,
 * derived for one attempt, sender, receiver and purpose. It makes sealing deterministic, so that a restarted peer
 * sends the identical bytes. Two different plaintexts under one key would give both away: derive another key.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { concatBytes } from '@noble/hashes/utils.js'

const ALGORITHM = 'aes-256-gcm'
const KEY_BYTES = 32
export const SEAL_TAG_BYTES = 16
const NONCE = new Uint8Array(12)

/** `plaintext` encrypted, and authenticated with `aad`: SEAL_TAG_BYTES longer. Throws RangeError unless `key` has 32 bytes. */
export function seal(key: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  if (key.length !== KEY_BYTES) throw new RangeError('a sealing key has 32 bytes')
  const cipher = createCipheriv(ALGORITHM, key, NONCE, { authTagLength: SEAL_TAG_BYTES })
  cipher.setAAD(aad)
  const body = cipher.update(plaintext)
  cipher.final()
  return concatBytes(body, cipher.getAuthTag())
}

/** The plaintext; undefined when key, associated data or a single bit of the box is not what was sealed. */
export function unseal(key: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  if (key.length !== KEY_BYTES) throw new RangeError('a sealing key has 32 bytes')
  if (sealed.length < SEAL_TAG_BYTES) return undefined
  const end = sealed.length - SEAL_TAG_BYTES
  const decipher = createDecipheriv(ALGORITHM, key, NONCE, { authTagLength: SEAL_TAG_BYTES })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(end))
  const body = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return new Uint8Array(body)
}
