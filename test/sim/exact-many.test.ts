/** As in `exact.test.ts`, with more hospitals, and ideal primitives: what is summed and what comes of it are the same. */
import { describe, it } from 'vitest'
import { expectExactRounds } from '../support/rounds.ts'

const sizes = [
  { n: 30, shards: false },
  { n: 10, shards: false },
  { n: 10, shards: true },
  { n: 7, shards: false },
  { n: 7, shards: true },
]

describe('a hundred training rounds in a row', () => {
  for (const { n, shards } of sizes) {
    it(`${n} hospitals, ${shards ? 'shards' : 'gossip'}`, { timeout: 1_200_000 }, () =>
      expectExactRounds({ n, rounds: 100, shards }),
    )
  }
})
