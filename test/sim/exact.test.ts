/**
 * Many rounds in a row: the same model everywhere, and every opened sum is to the last bit the sum of the survivors'
 * quantised inputs. More hospitals have a file of their own.
 */
import { describe, expect, it } from 'vitest'
import { BITS_PER_VALUE } from '../../config/lanes.ts'
import type { Job, Learned } from '../../protocol/ports.ts'
import type { Learner } from '../../sim/host.ts'
import { audited } from '../support/audit.ts'
import { memberName, testCharter } from '../support/consortium.ts'
import { expectExactRounds, type Size } from '../support/rounds.ts'

const sizes: Size[] = [
  { n: 3, f: 0, rounds: 100, shards: false },
  { n: 3, f: 0, rounds: 15, shards: true },
  { n: 4, rounds: 100, shards: false },
  { n: 4, rounds: 100, shards: true },
  { n: 10, rounds: 15, shards: true },
]

describe('rounds in a row', () => {
  for (const { n, f, rounds, shards } of sizes) {
    it(
      `${n} hospitals, ${rounds} training rounds, ${shards ? 'shards' : 'gossip'}`,
      { timeout: 900_000 },
      () => expectExactRounds({ n, rounds, shards, ...(f === undefined ? {} : { f }) }),
    )
  }

  it('70 hospitals, each masked with 64 of the others', { timeout: 300_000 }, () => {
    const { c, audit } = audited({ n: 70, f: 5, rounds: 1, seed: 70 })
    let partners = 0
    c.world.startAll()
    const second = () => [...c.world.hosts.keys()].every(id => c.closed(id).length >= 2)
    expect(c.world.run(second, 60_000)).toBe(true)
    const { sums } = audit.checked
    for (const j of audit.pairs) partners = Math.max(partners, j)
    expect(partners).toBe(64)
    expect(sums).toBeGreaterThanOrEqual(2)
    expect(audit.problems).toEqual([])
  })
})

/** Every element of every section at its bound: largest with `sign` 1, smallest with -1, a mixture with 0. */
function extreme(sign: 1 | -1 | 0, index: number): Learner {
  const charter = testCharter({ n: 4 })
  const { clipNorm, weightMax } = charter.training
  const { bins, rowsMax, lossMax } = charter.evaluation
  const s = sign === 0 ? (index % 2 === 0 ? 1 : -1) : sign
  return (job: Job & { kind: 'learn' }): Learned => {
    // All test rows in one bin, of one class: that count is at its bound.
    const full = (rows: number) => Float64Array.from({ length: bins }, (_, b) => (b === 3 ? rows : 0))
    const even = job.round % 2 === 0
    const evaluation = {
      positives: full(even ? rowsMax : 0),
      negatives: full(even ? 0 : rowsMax),
      correct: rowsMax,
      lossSum: rowsMax * lossMax,
    }
    if (job.task === 'evaluate') return { samples: 0, evaluation }
    if (job.task === 'statistics') {
      const first = new Float64Array(charter.data.features.length).fill(weightMax)
      return { samples: weightMax, featureSums: { first, second: first } }
    }
    // The whole norm in one element: that element is at the bound of its section.
    const delta = new Float32Array(charter.data.features.length + 1)
    delta[job.round % delta.length] = s * clipNorm
    return { samples: weightMax, delta, evaluation }
  }
}

describe('largest and smallest contributions', () => {
  const cases = [
    ...[3, 4, 7, 10].map(n => ({ n, compression: undefined })),
    ...BITS_PER_VALUE.map(bitsPerValue => ({ n: 10, compression: { bitsPerValue, rotation: false } })),
  ]
  for (const { n, compression } of cases) {
    for (const sign of [1, -1, 0] as const) {
      const bits = compression ? `, in ${compression.bitsPerValue} bits` : ''
      it(`sum exactly: ${n} hospitals, ${['smallest', 'mixed', 'largest'][sign + 1]}${bits}`, () => {
        const { c, audit } = audited({
          n,
          edit: charter => ({ ...charter, secureSum: { ...charter.secureSum, compression } }),
          f: n === 3 ? 0 : 1,
          rounds: 4,
          gossipBytesMax: n % 2 ? 0 : 32_768,
          learner: id => extreme(sign, Number(id.slice(-3))),
        })
        c.world.startAll()
        expect(c.world.run(() => c.finished(), 60_000)).toBe(true)
        expect(audit.checked.sums).toBe(6)
        expect(audit.problems).toEqual([])
        // That the contributions did reach the bound: all of a clipped element, and a full histogram.
        expect(audit.largest.get('update')).toBe(1)
        for (const section of ['positives', 'negatives', 'correct', 'samples', 'weight', 'first'])
          expect(audit.largest.get(section)).toBe(1)
        expect(audit.largest.get('lossSum')).toBe(1)
        if (sign !== 0) {
          const moved = c.world.host(memberName(0)).model!.parameters
          expect(Array.from(moved)).toEqual(Array.from(moved, () => sign * 2))
        }
      })
    }
  }
})
