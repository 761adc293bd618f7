/** HKDF with SHA-256 (RFC 5869): the only way in which one secret becomes another. */
import { hkdfSync } from 'node:crypto'

const NO_SALT = new Uint8Array(0)
const INFO_BYTES_MAX = 1024
/** RFC 5869 section 2.3: 255 blocks of the hash. */
const OUTPUT_BYTES_MAX = 255 * 32

/**
 * Derives `length` bytes (1 .. 8160) from `key`, which must hold at least as much entropy as is wanted.
 * `info` (at most 1,024 bytes) names everything that the result is for; two uses never share an `info`.
 * `salt` may be left out, as section 3.1 of the RFC allows for keys that are already uniform.
 * Throws RangeError outside these lengths: they are our own code's, never a peer's.
 */
export function hkdf(
  key: Uint8Array,
  info: Uint8Array,
  length: number,
  salt: Uint8Array = NO_SALT,
): Uint8Array {
  if (!Number.isInteger(length) || length < 1 || length > OUTPUT_BYTES_MAX) {
    throw new RangeError('HKDF gives 1 to 8160 bytes')
  }
  if (info.length > INFO_BYTES_MAX) throw new RangeError('HKDF info is longer than 1024 bytes')
  return new Uint8Array(hkdfSync('sha256', key, salt, info, length))
}
