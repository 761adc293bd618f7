/** What entries say of each member. */
import { describe, expect, it } from 'vitest'
import { receiptsOf } from '../../../../protocol/contribution/receipts.ts'
import type { Body } from '../../../../protocol/ledger/entry.ts'
import { aborted, apply, charter, closed, fixed, members, opened, start } from '../ledger/ledgers.ts'

const [a, b, c, d, e] = members as [string, string, string, string, string]

describe('receipts', () => {
  it('count what was given, left out, absent, found and withheld', () => {
    const bodies: Body[] = []
    let state = start()
    const add = (body: Body) => {
      bodies.push(body)
      state = apply(state, body)
    }
    add(opened(state))
    add(fixed(state, [a, b, c, d]))
    const fault = { member: b, code: 'badTag' as const, evidence: [new Uint8Array(1)] }
    add({ ...closed(state), faults: [fault] })
    add(opened(state, [a, b, c, d]))
    add({ ...aborted(state, 'tooFewInputs'), conflicts: [[1, 3]] })
    const all = receiptsOf(charter, bodies)
    expect([...all.keys()]).toEqual(members)
    expect(all.get(a)).toMatchObject({
      opened: 2,
      absent: 0,
      delivered: 1,
      leftOut: {},
      faults: {},
      conflicts: 0,
    })
    expect(all.get(b)).toMatchObject({ faults: { badTag: 1 }, conflicts: 1 })
    expect(all.get(d)).toMatchObject({ faults: {}, conflicts: 1 })
    expect(all.get(e)).toMatchObject({ opened: 1, absent: 1, delivered: 0, leftOut: { silent: 1 } })
    expect([...all.values()].every(r => r.audits === 0 && r.samples === undefined)).toBe(true)
  })

  it('count other rows than were declared before, and audits of those who gave', () => {
    const declare = (rows: readonly number[]): Body => ({
      ...opened(start()),
      cohort: members.map((member, i) => ({ member, keys: new Uint8Array(32), samples: rows[i]! })),
    })
    const state = apply(start(), opened(start()))
    const survivors = fixed(state, [a, b, c, d])
    const audit = { groups: [], progress: new Uint8Array(0) }
    const end: Body = { ...closed(apply(state, survivors)), audit }
    const round = (rows: readonly number[]): Body[] => [declare(rows), survivors, end]
    const all = receiptsOf(charter, [
      ...round([9, 9, 9, 9, 9]),
      ...round([9, 8, 9, 9, 9]),
      ...round([9, 9, 9, 9, 9]),
    ])
    expect(all.get(a)).toMatchObject({ samples: 9, samplesChanged: 0, audits: 3 })
    expect(all.get(b)).toMatchObject({ samples: 9, samplesChanged: 2, audits: 3 })
    expect(all.get(e)).toMatchObject({ samples: 9, samplesChanged: 0, audits: 0 })
  })
})
