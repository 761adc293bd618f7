import { describe, expect, it } from 'vitest'
import { applyEntry, genesis } from '../../../../protocol/ledger/state.ts'
import { bitmapOf } from '../../../../protocol/round/bitmap.ts'
import { acceptComplaint } from '../../../../protocol/round/complaints.ts'
import { Join } from '../../../../protocol/round/join.ts'
import { judge, proposable } from '../../../../protocol/round/propose.ts'
import { ATTEMPT_OPENED, attempts } from '../../../support/attempts.ts'
import { memberName } from '../../../support/consortium.ts'

const round = 0
const attempt = 0
const opened = ATTEMPT_OPENED
const liar = memberName(3)

describe('an attempt whose member dealt two ways to some and nothing to others', () => {
  it('is given up in an entry that accuses it once, and that its own proposer holds to be valid', () => {
    const { body, charter, fresh } = attempts(4, 32_768)
    const a = fresh()
    const message = new Uint8Array(100)
    a.misdealt.add(liar)
    a.find({ member: liar, code: 'equivocation', evidence: [message, message] })
    for (const by of [1, 2].map(memberName)) {
      const missing = bitmapOf(a.cohort, new Set([liar]))
      expect(acceptComplaint(a, by, { round, attempt, opened, missing }, message)).toBe(true)
    }
    const start = genesis(charter, body.charter, body.model)
    const state = {
      ...start,
      height: 1,
      phase: { kind: 'opened' as const, opened: body, openedHash: opened },
    }
    const outlook = { state, join: new Join(false), attempt: a, appeals: new Map(), since: 0, now: 1000 }
    const given = proposable(outlook)
    expect(given).toMatchObject({ kind: 'RoundAborted', reason: 'culprit', culprits: [{ member: liar }] })
    const entry = { height: 2, prev: state.head, at: 1000, body: given! }
    expect(applyEntry(state, entry)).toMatchObject({ ok: true })
    expect(judge(outlook, entry, [])).toBe('valid')
  })
})
