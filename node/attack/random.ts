/** Seeded randomness of the attacks: the same seed gives the same figures, and each use has a stream of its own. */
import { ascii, u32be } from '../../protocol/bytes.ts'
import { hkdf } from '../../protocol/crypto/kdf.ts'
import { CHUNK_WORDS, keyStream } from '../../protocol/crypto/keystream.ts'

export interface Random {
  /** In (0, 1). */
  uniform(): number
  /** Of mean 0 and variance 1. */
  normal(): number
  /** An integer in [0, n), n at most 2^20: the bias of a part in 2^12 is nothing here. */
  below(n: number): number
  /** A key of 32 bytes. */
  key(): Uint8Array
  /** A stream that depends on the seed and these names alone, not on what was drawn before. */
  fork(...names: readonly (string | number)[]): Random
}

/** `seed`: 0 .. 2^32 - 1. */
export function randomOf(seed: number): Random {
  return randomFrom(hkdf(u32be(seed), ascii('medmesh attacks'), 32))
}

function randomFrom(key: Uint8Array): Random {
  const stream = keyStream(hkdf(key, ascii('words'), 32))
  let words = new Uint32Array(0)
  let at = 0
  const word = () => {
    if (at === words.length) {
      words = new Uint32Array(stream.take(CHUNK_WORDS / 16))
      at = 0
    }
    return words[at++]!
  }
  const uniform = () => (word() + 0.5) / 2 ** 32
  return {
    uniform,
    // Box and Muller (1958).
    normal: () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
    below: n => Math.floor(uniform() * n),
    key: () => u32be(...Array.from({ length: 8 }, word)),
    fork: (...names) => randomFrom(hkdf(key, ascii(`fork ${names.join(' ')}`), 32)),
  }
}

/** 0 .. n - 1 in random order (Fisher and Yates). */
export function shuffled(n: number, random: Random): number[] {
  const order = Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const moved = order[i]!
    order[i] = order[j]!
    order[j] = moved
  }
  return order
}
