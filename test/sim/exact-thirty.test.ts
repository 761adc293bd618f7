/** Thirty hospitals, a hundred rounds in a row: as in `exact.test.ts`. */
import { it } from 'vitest'
import { expectExactRounds } from '../support/rounds.ts'

it('30 hospitals, 100 training rounds', { timeout: 1_200_000 }, () =>
  expectExactRounds({ n: 30, rounds: 100, shards: false }),
)
