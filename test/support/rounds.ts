/** Undisturbed rounds in a row: every hospital closes each of them at once, and every opened sum is exact. */
import { expect } from 'vitest'
import { audited } from './audit.ts'

export interface Size {
  readonly n: number
  readonly f?: number
  /** Training rounds. */
  readonly rounds: number
  readonly shards: boolean
}

export function expectExactRounds({ n, f, rounds, shards }: Size): void {
  const { c, audit } = audited({
    n,
    ...(f === undefined ? {} : { f }),
    rounds,
    seed: n,
    gossipBytesMax: shards ? 0 : 32_768,
  })
  c.world.startAll()
  expect(c.world.run(() => c.finished(), (rounds + 2) * 3000)).toBe(true)
  for (const id of c.world.hosts.keys()) {
    expect(c.closed(id).map(e => e.round)).toEqual(Array.from({ length: rounds + 2 }, (_, r) => r))
    expect(c.closed(id).every(e => e.attempt === 0)).toBe(true)
  }
  const { sums, opened } = audit.checked
  expect(sums).toBe(rounds + 2)
  // Who is outrun adopts the entry of the others; most open the sum themselves.
  expect(opened).toBeGreaterThanOrEqual((rounds + 2) * Math.ceil(n / 2))
  expect(audit.problems).toEqual([])
  expect(c.faults).toEqual([])
}
