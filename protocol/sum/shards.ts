/** How a vector is cut among its shard owners: the same cut on every peer. */
import { sha256 } from '../crypto/hash.ts'
import { assert } from '../result.ts'

/**
 * Shard `k` of `shards` (1 or more) as the half-open range [from, to) of a vector of `length` elements. Sizes differ by at
 * most one, the longer ones first; a shard may be empty when there are more shards than elements.
 */
export function shardRange(length: number, shards: number, k: number): [from: number, to: number] {
  assert(Number.isInteger(shards) && shards >= 1 && k >= 0 && k < shards, 'a shard of the vector')
  const size = Math.floor(length / shards)
  const longer = length % shards
  const from = k * size + Math.min(k, longer)
  return [from, from + size + (k < longer ? 1 : 0)]
}

/** By which the ledger names a sum, and a commitment its input: the hash of the hashes of its shards, in their order. */
export function rootOf(hashes: Uint8Array): Uint8Array {
  return sha256(hashes)
}

/** The same of a whole vector's bytes. */
export function rootOfBytes(bytes: Uint8Array, shards: number): Uint8Array {
  const hashes = Array.from({ length: shards }, (_, k) => {
    const [from, to] = shardRange(bytes.length / 4, shards, k)
    return sha256(bytes.subarray(4 * from, 4 * to))
  })
  return sha256(...hashes)
}
