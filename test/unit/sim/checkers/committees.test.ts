import { describe, expect, it } from 'vitest'
import { decodeRecord, encodeRecord, recordKey } from '../../../../protocol/ledger/certificate.ts'
import { encodeEntry } from '../../../../protocol/ledger/entry.ts'
import { committeeSums } from '../../../../sim/checkers/committees.ts'
import { memberName } from '../../../support/consortium.ts'
import { entryOf, flipped } from '../../../support/says.ts'
import { type Forge, type Told, tape } from '../../../support/watched.ts'

const run = tape({
  n: 8,
  f: 1,
  edit: charter => ({ ...charter, committees: { size: 4, maliciousMax: 1 } }),
})

/** The record of another sum in its place. */
function otherSum(record: Uint8Array): Uint8Array {
  const entry = entryOf(record)
  const decoded = decodeRecord(record)
  if (entry.body.kind !== 'CommitteesSummed' || !decoded.ok) throw new Error('the first entry sums')
  const body = { ...entry.body, sum: flipped(entry.body.sum) }
  return encodeRecord({ ...decoded.value, entry: encodeEntry({ ...entry, body }) })
}

const wrongSum: Forge = honest => ({
  onCommit: (host, puts, deletes) => {
    const forged = puts.map(([key, value]) => [key, key === recordKey(1) ? otherSum(value) : value] as const)
    honest.onCommit?.(host, forged, deletes)
  },
})
const unheard: Forge = (honest, c) => ({ ...wrongSum(honest, c), onRelease: () => {} })

const LIES = `the sum of round 0 is not that of its committees' sums`

describe('the sums of committees', () => {
  it('add up to that of each round, also where a liar is in one', () => {
    for (const liars of [[], [2]]) {
      const { checker, says } = run.play(committeeSums, { liars })
      expect(says).toEqual([])
      expect(checker.checked).toBe(3)
    }
  })

  it.each<[string, Told]>([
    ['all are honest', { forge: wrongSum }],
    ['one is a liar', { forge: wrongSum, liars: [2] }],
    ['no committee has told its sum, and all are honest', { forge: unheard }],
  ])('are held against the entry where %s', (_, told) => {
    expect(run.play(committeeSums, told).says[0]).toBe(LIES)
  })

  it('count nobody who has masked nothing', () => {
    const forge: Forge = honest => ({
      onRelease: () => {},
      onJob: (host, job, result) => {
        if (host.id !== memberName(3)) honest.onJob?.(host, job, result)
      },
    })
    expect(run.play(committeeSums, { forge }).says[0]).toBe(
      `round 0 counts ${memberName(3)}, which has masked nothing`,
    )
  })
})
