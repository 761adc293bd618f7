import { describe, expect, it } from 'vitest'
import { decodeRecord, encodeRecord, recordKey } from '../../../../protocol/ledger/certificate.ts'
import { type Body, decodeEntry, encodeEntry } from '../../../../protocol/ledger/entry.ts'
import { rules } from '../../../../sim/checkers/rules.ts'
import { memberName } from '../../../support/consortium.ts'
import { tape } from '../../../support/watched.ts'

const run = tape({ n: 4 })

/** Heights of an undisturbed study: opened, fixed and closed are the first three of a round. */
const [OPENED, FIXED, CLOSED] = [4, 5, 6]
const LAST = 10

/** What the rules say where all store another entry at a height. */
function decided(height: number, change: (body: Body) => Body | undefined): readonly string[] {
  return run.play(rules, {
    forge: honest => ({
      onCommit: (host, puts, deletes) =>
        honest.onCommit?.(
          host,
          puts.map(([key, value]) => [key, key === recordKey(height) ? changed(value, change) : value]),
          deletes,
        ),
    }),
  }).says
}

function changed(value: Uint8Array, change: (body: Body) => Body | undefined): Uint8Array {
  const record = decodeRecord(value)
  const entry = record.ok ? decodeEntry(record.value.entry) : record
  if (!record.ok || !entry.ok) throw new Error('a record of the run')
  const body = change(entry.value.body)
  if (!body) throw new Error(`entry ${entry.value.height} is ${entry.value.body.kind}`)
  return encodeRecord({ ...record.value, entry: encodeEntry({ ...entry.value, body }) })
}

const other = (hash: Uint8Array) => hash.map(b => b ^ 1)

const WRONG: readonly [string, number, (body: Body) => Body | undefined, string][] = [
  [
    'another charter',
    OPENED,
    b => (b.kind === 'RoundOpened' ? { ...b, charter: other(b.charter) } : undefined),
    'entry 4 opens a round under another charter',
  ],
  [
    'another model',
    OPENED,
    b => (b.kind === 'RoundOpened' ? { ...b, model: other(b.model) } : undefined),
    'entry 4 opens a round with another model',
  ],
  [
    'another round',
    OPENED,
    b => (b.kind === 'RoundOpened' ? { ...b, round: 2 } : undefined),
    'entry 4 opens 2.0 instead of 1.0',
  ],
  [
    'keys that nobody announced',
    OPENED,
    b =>
      b.kind === 'RoundOpened'
        ? { ...b, cohort: b.cohort.map((c, i) => (i === 1 ? { ...c, keys: other(c.keys) } : c)) }
        : undefined,
    `entry 4 names keys of ${memberName(1)} that it has not announced for 1.0`,
  ],
  [
    'too small a cohort',
    OPENED,
    b => (b.kind === 'RoundOpened' ? { ...b, cohort: b.cohort.slice(0, 2) } : undefined),
    'entry 4 opens a round with 2 of 3 hospitals',
  ],
  [
    'too few survivors',
    FIXED,
    b =>
      b.kind === 'SurvivorsFixed'
        ? {
            ...b,
            survivors: b.survivors.slice(0, 2),
            leftOut: b.survivors.slice(2).map(({ member }) => ({ member, reason: 'silent', evidence: [] })),
          }
        : undefined,
    'entry 5 fixes 2 survivors of 3',
  ],
  [
    'an input that was never given',
    FIXED,
    b =>
      b.kind === 'SurvivorsFixed'
        ? { ...b, survivors: b.survivors.map((s, i) => (i === 3 ? { ...s, root: other(s.root) } : s)) }
        : undefined,
    `entry 5 names an input that ${memberName(3)} has not given in 1.0`,
  ],
  [
    'an end before the survivors are fixed',
    FIXED,
    b =>
      b.kind === 'SurvivorsFixed'
        ? {
            kind: 'RoundClosed',
            round: b.round,
            attempt: b.attempt,
            seeds: new Uint8Array(32),
            sum: new Uint8Array(32),
            model: new Uint8Array(32),
            samples: 0,
            metrics: null,
            epsilon: 0,
            faults: [],
          }
        : undefined,
    'entry 5 is RoundClosed before the survivors are fixed',
  ],
  [
    'the end of another attempt',
    CLOSED,
    b => (b.kind === 'RoundClosed' ? { ...b, attempt: 1 } : undefined),
    'entry 6 is of 1.1 instead of 1.0',
  ],
  [
    "another model at the study's end",
    LAST,
    b => (b.kind === 'StudyFinished' ? { ...b, model: other(b.model) } : undefined),
    'entry 10 ends the study with another model',
  ],
]

describe('rules of the ledger', () => {
  for (const [what, height, change, says] of WRONG) {
    it(`${what} is found`, () => {
      expect(decided(height, change)).toContain(says)
    })
  }

  it('a receipt of an input that its member has not given is found', () => {
    const { says } = tape({ n: 4, gossipBytesMax: 0 }).play(rules, {
      // What the member gave is not seen: all receipts are of something else.
      forge: honest => ({
        onRelease: (host, to, bytes) => {
          const isInput = Buffer.from(bytes.subarray(0, 16)).includes('input')
          if (!(isInput && host.id === memberName(2))) honest.onRelease?.(host, to, bytes)
        },
      }),
    })
    expect(says).toContain(
      `${memberName(0)} receipts an input of ${memberName(2)} that it has not given in 0.0`,
    )
  })
})
