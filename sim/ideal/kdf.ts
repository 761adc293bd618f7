/** Key derivation for simulations: as `protocol/crypto/kdf.ts` takes and refuses it, by one hash for each 32 bytes. */
import { digest } from './digest.ts'

const NO_SALT = new Uint8Array(0)
const INFO_BYTES_MAX = 1024
const OUTPUT_BYTES_MAX = 255 * 32

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
  const first = digest('derived', salt, key, info)
  if (length === 32) return first
  const out = new Uint8Array(length)
  out.set(first.subarray(0, length))
  for (let block = 1; 32 * block < length; block++) {
    const more = digest(`derived, block ${block}`, first)
    out.set(more.subarray(0, length - 32 * block), 32 * block)
  }
  return out
}
