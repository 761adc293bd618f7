import { describe, expect, it } from 'vitest'
import { about, type Lie, silentAbout } from '../../sim/adversary/liar.ts'
import { falseComplaint, manyInputs, omits, splitReceipts, wrongSealed } from '../../sim/adversary/lies.ts'
import { memberName } from '../support/consortium.ts'
import { type HostileRun, hostileRun } from '../support/hostile.ts'

/** Its own f victims for each of f liars: no more than f complain of any. */
const victims = (liar: number, f: number) => Array.from({ length: f }, (_, v) => memberName(liar * f + v))
const mute = silentAbout('input')
/** Blames a member for giving no input. */
const excuse =
  (of: string): Lie =>
  (said, l) =>
    falseComplaint(of)(said, l)?.slice(0, 1)

/**
 * What f liars of 3f + 1 could do to keep attempts from coming to anything, for ever, so that no lie of theirs can be proved.
 * Each liar: its index among them.
 */
const STALLS: readonly [string, (liar: number, f: number) => readonly Lie[]][] = [
  ['seed shares for all but its own victims', (i, f) => [wrongSealed(victims(i, f))]],
  ['and no input', (i, f) => [wrongSealed(victims(i, f)), mute]],
  [
    'and a complaint instead of an input',
    (i, f) => [wrongSealed(victims(i, f)), excuse(victims(i, f)[0]!), mute],
  ],
  ['and an input, and no reveal', (i, f) => [wrongSealed(victims(i, f)), silentAbout('reveal')]],
  [
    'a complaint of somebody else instead of an input',
    (i, f) => [excuse(memberName((i + 1) % (2 * f + 1))), mute],
  ],
  ['receipts that leave out f + 1', (_i, f) => [omits(f + 1)]],
  [
    'receipts of other commitments',
    (_i, f) => [
      about('receipt', b => ({ ...b, roots: b.roots.map((x, at) => (at < 16 * (f + 1) ? x ^ 1 : x)) })),
    ],
  ],
  ['no receipts', () => [silentAbout('receipt')]],
  ['an input for each, and a receipt for each', () => [manyInputs, splitReceipts]],
]

/** Spoilt attempts of the round that has most of them. */
function spoilt({ entries }: HostileRun): number {
  return Math.max(...entries.map(({ body }) => (body.kind === 'RoundAborted' ? body.attempt + 1 : 0)))
}

describe('as many liars as there may be cannot keep a round from closing', { timeout: 120_000 }, () => {
  for (const [name, lies] of STALLS) {
    for (const [n, f] of [
      [4, 1],
      [7, 2],
    ] as const) {
      for (const shards of [false, true]) {
        // What differs from one to another stays with each: no mesh passes it on.
        const overheard = !name.includes('for each')
        it(`${f} of ${n}: ${name} (${shards ? 'shards' : 'gossip'})`, () => {
          const liars = new Map(Array.from({ length: f }, (_, i) => [n - 1 - i, lies(i, f)]))
          const honest = Array.from({ length: n - f }, (_, i) => i)
          const r = hostileRun({
            n,
            f,
            rounds: 1,
            gossipBytesMax: shards ? 0 : 32_768,
            lies: liars,
            overheard,
            victims: honest,
          })
          expect(r.problems).toEqual([])
          expect(r.done).toBe(true)
          expect(spoilt(r)).toBeLessThanOrEqual(f + 3)
          // No honest member is held to be at fault: the ledger only tells who was in conflict.
          expect(
            r.named.filter(x => x.where === 'aborted' && honest.map(memberName).includes(x.member)),
          ).toEqual([])
        })
      }
    }
  }
})
