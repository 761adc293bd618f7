/** SHA-256 (FIPS 180-4), the project's one hash function. */
import { createHash } from 'node:crypto'

/** Hash of the concatenation of `parts`; 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const h = createHash('sha256')
  for (const p of parts) h.update(p)
  return new Uint8Array(h.digest())
}
