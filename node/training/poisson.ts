/**
 * Poisson sampling: each row is in a batch with the same probability, whatever the other rows are and the batches
 * before it. It is what accountants of DP-SGD assume when they count a small batch as less than all rows (Abadi et al. 2016;
 * Mironov, Talwar and Zhang, Renyi differential privacy of the sampled Gaussian mechanism, 2019), and shuffled
 * batches of a fixed size are not the same (Chua et al., How private are DP-SGD implementations?, 2024).
 */
import { ascii } from '../../protocol/bytes.ts'
import { hkdf } from '../../protocol/crypto/kdf.ts'
import { keyStream } from '../../protocol/crypto/keystream.ts'
import { wordsOf } from './words.ts'

const PURPOSE = ascii('medmesh patients drawn')

/**
 * Endless batches over `rows` rows, rising indices, each row with probability `q`, 0 < q <= 1; a batch may be empty.
 * To the next 2^-32 below q, so that nobody is drawn more often than was said. `seed`: 32 bytes, which must stay secret:
 * who knows who was drawn gains nothing by sampling.
 */
export function poissonBatches(seed: Uint8Array, rows: number, q: number): () => Uint32Array {
  const word = wordsOf(keyStream(hkdf(seed, PURPOSE, 32)))
  const bound = Math.floor(q * 2 ** 32)
  return () => {
    const drawn: number[] = []
    for (let row = 0; row < rows; row++) if (word() < bound) drawn.push(row)
    return Uint32Array.from(drawn)
  }
}
