/** Who masks with whom, and who of them adds and who subtracts: by position in the cohort's order as RoundOpened fixes it. */
import { toHex } from '../bytes.ts'
import { CHUNK_WORDS, keyStream } from '../crypto/keystream.ts'
import { Lru } from '../crypto/lru.ts'
import { assert } from '../result.ts'

/** Up to this cohort every two hospitals share a mask; beyond, each has PARTNERS of them. */
export const COMPLETE_MAX = 64
/** Degree of the graph of a large cohort; even. */
export const PARTNERS = 64

/** Of each pair the hospital that comes first in the cohort adds the pairwise mask and the other subtracts it. */
export function pairSign(own: number, peer: number): 1 | -1 {
  assert(own !== peer, 'a pair has two members')
  return own < peer ? 1 : -1
}

/**
 * Partners of the hospital at `own` in a cohort of `n`, ascending. Beyond COMPLETE_MAX: the neighbours on a ring in random
 * order, PARTNERS / 2 to each side (the graph of Bell et al., CCS 2020, section 3). The honest survivors fall apart only if
 * two stretches of 32 neighbours are each wholly lost or malicious, 64 hospitals together; as fewer than half of a
 * cohort may be (n > 3f + 2d), that cannot be below 129 hospitals, and is improbable above as long as nobody could
 * choose `seed` (32 bytes), which orders the ring.
 */
export function partners(n: number, own: number, seed: Uint8Array): number[] {
  assert(Number.isInteger(own) && own >= 0 && own < n, 'a member of the cohort')
  const others = new Set<number>()
  if (n <= COMPLETE_MAX) {
    for (let i = 0; i < n; i++) others.add(i)
  } else {
    const ring = ringOf(n, seed)
    const at = ring.indexOf(own)
    for (let d = 1; d <= PARTNERS / 2; d++) {
      others.add(ring[(at + d) % n]!)
      others.add(ring[(at + n - d) % n]!)
    }
  }
  others.delete(own)
  return [...others].sort((a, b) => a - b)
}

/** Rings drawn last: each hospital of a cohort asks for the partners of all others. They are public. */
const rings = new Lru<readonly number[]>(8)

function ringOf(n: number, seed: Uint8Array): readonly number[] {
  const name = `${n} ${toHex(seed)}`
  const known = rings.get(name)
  if (known) return known
  const ring = shuffled(n, seed)
  rings.set(name, ring)
  return ring
}

/** 0 .. n - 1 in an order drawn from `seed` (Fisher and Yates, with rejection so that no order is favoured). */
export function shuffled(n: number, seed: Uint8Array): number[] {
  const order = Array.from({ length: n }, (_, i) => i)
  const stream = keyStream(seed)
  let words = stream.take(CHUNK_WORDS)
  let used = 0
  const below = (limit: number): number => {
    const fair = 0x1_0000_0000 - (0x1_0000_0000 % limit)
    for (;;) {
      if (used === words.length) {
        words = stream.take(CHUNK_WORDS)
        used = 0
      }
      const word = words[used++]!
      if (word < fair) return word % limit
    }
  }
  for (let i = n - 1; i > 0; i--) {
    const j = below(i + 1)
    const moved = order[i]!
    order[i] = order[j]!
    order[j] = moved
  }
  return order
}
