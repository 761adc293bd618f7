/** SHA-256 (FIPS 180-4), the project's one hash function. */
import { createHash, hash } from 'node:crypto'
import { concatBytes } from '@noble/hashes/utils.js'

/** Beyond, copying the parts together would cost more than a hash object. */
const AT_ONCE_BYTES_MAX = 4096

/** Hash of the concatenation of `parts`; 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const text = digest('binary', parts)
  const out = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i)
  return out
}

/** For what comes piece by piece. */
export function hasher(): { update(part: Uint8Array): void; digest(): Uint8Array } {
  const h = createHash('sha256')
  return { update: part => void h.update(part), digest: () => new Uint8Array(h.digest()) }
}

/** As text: a Buffer with memory of its own costs node:crypto more than hashing a small message does. */
export function digest(encoding: 'binary' | 'base64', parts: readonly Uint8Array[]): string {
  if (parts.length === 1) return hash('sha256', parts[0]!, encoding)
  let size = 0
  for (const part of parts) size += part.length
  if (size <= AT_ONCE_BYTES_MAX) return hash('sha256', concatBytes(...parts), encoding)
  const h = createHash('sha256')
  for (const part of parts) h.update(part)
  return h.digest(encoding)
}
