/**
 * Which rows make up each minibatch, from the round's seed alone: the same seed gives the same batches on every
 * machine, and tfjs' own shuffling (by Math.random) is not used.
 */
import { ascii } from '../../protocol/bytes.ts'
import { hkdf } from '../../protocol/crypto/kdf.ts'
import { type KeyStream, keyStream } from '../../protocol/crypto/keystream.ts'
import { wordsOf } from './words.ts'

const PURPOSE = ascii('medmesh minibatches')

/**
 * Endless minibatches over `rows` rows (1 .. 2^32 - 1): the rows in random order, then in another, and so on; a batch
 * may reach from one order into the next, so that each holds min(size, rows) rows. `seed`: 32 bytes.
 */
export function minibatches(seed: Uint8Array, rows: number, size: number): () => Uint32Array {
  const below = uniform(keyStream(hkdf(seed, PURPOSE, 32)))
  const order = Uint32Array.from({ length: rows }, (_, i) => i)
  const batch = Math.min(size, rows)
  let at = rows
  return () =>
    Uint32Array.from({ length: batch }, () => {
      if (at === rows) {
        shuffle(order, below)
        at = 0
      }
      return order[at++]!
    })
}

/** Fisher and Yates' shuffle, in place. */
function shuffle(order: Uint32Array, below: (n: number) => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = below(i + 1)
    const swapped = order[i]!
    order[i] = order[j]!
    order[j] = swapped
  }
}

/** Uniform integers in [0, n): words of the stream that would favour small results are drawn again. */
function uniform(stream: KeyStream): (n: number) => number {
  const word = wordsOf(stream)
  return n => {
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % n)
    let w = word()
    while (w >= limit) w = word()
    return w % n
  }
}
