/** Which entry may follow which: the rules that anyone can check with the charter and the ledger alone. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { survivorsMinOf } from '../../../../config/charter.ts'
import { ascii } from '../../../../protocol/bytes.ts'
import { decodeEntry, encodeEntry, entryHash } from '../../../../protocol/ledger/entry.ts'
import { taskOf } from '../../../../protocol/ledger/plan.ts'
import { signRestoration } from '../../../../protocol/ledger/restore.ts'
import {
  applyEntry,
  cohortMin,
  eligible,
  type LedgerState,
  suspensionDue,
} from '../../../../protocol/ledger/state.ts'
import { ENTRY_BYTES_MAX } from '../../../../protocol/wire/limits.ts'
import { seedOf } from '../../../support/consortium.ts'
import {
  aborted,
  apply,
  charter,
  charterHash,
  closed,
  entryOf,
  fixed,
  hash,
  initialModel,
  members,
  opened,
  refusal,
  restored,
  spokenAgainst,
  start,
  toClosed,
  toFixed,
  toOpened,
} from './ledgers.ts'

const [a, b, c, d, e] = members as [string, string, string, string, string]

describe('the chain', () => {
  test('begins with the charter', () => {
    expect(start()).toMatchObject({ height: 0, head: charterHash, modelHash: initialModel, quorum: 4 })
    expect(start().voters).toEqual(members)
  })

  test('height, prev and time follow the entry before', () => {
    const state = start()
    const body = opened(state)
    expect(refusal(state, body, { height: 2 })).toMatch(/height 2 after 0/)
    expect(refusal(state, body, { prev: hash('other') })).toMatch(/prev/)
    const next = apply(state, body)
    expect(next.head).toEqual(entryHash(encodeEntry(entryOf(state, body))))
    expect(refusal(next, fixed(next), { at: next.at - 1 })).toMatch(/at is before/)
    expect(refusal(next, fixed(next), { at: next.at })).toBe('accepted')
  })

  test('entries come back from their bytes, and hostile bytes never throw', () => {
    const entry = entryOf(start(), opened(start()))
    const bytes = encodeEntry(entry)
    expect(decodeEntry(bytes)).toEqual({ ok: true, value: entry })
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, to) => {
        const hostile = bytes.slice()
        hostile[at] = to
        const read = decodeEntry(hostile)
        if (read.ok) expect(encodeEntry(read.value)).toEqual(hostile)
      }),
    )
    expect(decodeEntry(new Uint8Array(ENTRY_BYTES_MAX + 1)).ok).toBe(false)
  })
})

describe('the order of a study', () => {
  test('statistics, training rounds, evaluation, end', () => {
    let state = start()
    const tasks = []
    while (state.phase.kind === 'between') {
      tasks.push(state.phase.task)
      state = toClosed(state)
    }
    expect(tasks).toEqual(['statistics', 'train', 'train', 'evaluate'])
    expect(state.phase.kind).toBe('complete')
    const finish = { kind: 'StudyFinished' as const, rounds: 2, model: state.modelHash }
    expect(refusal(state, { ...finish, rounds: 3 })).toMatch(/rounds/)
    expect(refusal(state, { ...finish, model: initialModel })).toMatch(/model/)
    const done = apply(state, finish)
    expect(done.phase.kind).toBe('finished')
    expect(refusal(done, finish)).not.toBe('accepted')
    expect(taskOf(charter, 4)).toBeUndefined()
  })

  test('each kind only in its phase', () => {
    const between = start()
    const open = toOpened(between)
    const fix = toFixed(between)
    const bodies = {
      RoundOpened: opened(between),
      SurvivorsFixed: fixed(open),
      RoundClosed: closed(fix),
      abortOpened: aborted(open, 'tooFewInputs'),
      abortFixed: aborted(fix, 'notOpened'),
      StudyFinished: { kind: 'StudyFinished' as const, rounds: 2, model: initialModel },
    }
    const accepted = (state: typeof between) =>
      Object.entries(bodies).flatMap(([name, body]) => (refusal(state, body) === 'accepted' ? [name] : []))
    expect(accepted(between)).toEqual(['RoundOpened'])
    expect(accepted(open)).toEqual(['SurvivorsFixed', 'abortOpened'])
    expect(accepted(fix)).toEqual(['RoundClosed', 'abortFixed'])
    expect(accepted(toClosed(between))).toEqual([])
  })

  test('round and attempt are those of the opening', () => {
    const open = toOpened(start())
    const fix = toFixed(start())
    for (const over of [{ round: 1 }, { attempt: 1 }]) {
      expect(refusal(start(), { ...opened(start()), ...over })).toMatch(/instead of 0.0/)
      expect(refusal(open, { ...fixed(open), ...over })).toMatch(/instead of 0.0/)
      expect(refusal(open, { ...aborted(open, 'tooFewInputs'), ...over })).toMatch(/instead of 0.0/)
      expect(refusal(fix, { ...closed(fix), ...over })).toMatch(/instead of 0.0/)
    }
  })

  test('what this version cannot honour is refused with the reason', () => {
    const adopt = { kind: 'CharterAdopted' as const, charter: hash('2'), version: 2 }
    expect(refusal(start(), adopt)).toMatch(/cannot change the charter/)
  })
})

describe('RoundOpened', () => {
  test('names the charter, the model and the task in force', () => {
    const body = opened(start())
    expect(refusal(start(), { ...body, charter: hash('x') })).toMatch(/charter/)
    expect(refusal(start(), { ...body, model: hash('x') })).toMatch(/model/)
    expect(refusal(start(), { ...body, task: 'train' })).toMatch(/task/)
  })

  test('cohort: members in order, each once, at least a quorum; absent: the rest', () => {
    const state = start()
    expect(cohortMin(state)).toBe(4)
    expect(refusal(state, opened(state, [a, b, c, e]))).toBe('accepted')
    expect(refusal(state, opened(state, [a, b, c]))).toMatch(/at least 4/)
    expect(refusal(state, opened(state, [b, a, c, d]))).toMatch(/order/)
    expect(refusal(state, opened(state, [a, a, b, c, d]))).toMatch(/order/)
    expect(refusal(state, opened(state, [a, b, c, d, 'stranger']))).toMatch(/may not/)
    expect(refusal(state, { ...opened(state, [a, b, c, d]), absent: [] })).toMatch(/absent/)
    expect(refusal(state, { ...opened(state), absent: [e] })).toMatch(/absent/)
  })
})

describe('SurvivorsFixed', () => {
  test('survivors and leftOut are the cohort, in its order', () => {
    const open = toOpened(start())
    const body = fixed(open, [a, b, d, e])
    expect(refusal(open, body)).toBe('accepted')
    expect(refusal(open, { ...body, leftOut: [] })).toMatch(/leftOut/)
    expect(refusal(open, { ...body, survivors: [...body.survivors].reverse() })).toMatch(/order/)
    const both = body.leftOut.map(l => ({ ...l, member: a }))
    expect(refusal(open, { ...body, leftOut: both })).toMatch(/leftOut/)
    expect(refusal(open, fixed(open, [a, b, c, d, 'stranger']))).toMatch(/not of the cohort/)
  })

  test('nobody survives who was not in the cohort', () => {
    const open = apply(start(), opened(start(), [a, b, c, d]))
    expect(refusal(open, fixed(open, [a, b, c, e]))).toMatch(/not of the cohort/)
  })

  test('at least the threshold of the cohort', () => {
    const open = toOpened(start())
    expect(survivorsMinOf(open.charter, 5)).toBe(4)
    expect(survivorsMinOf(open.charter, 4)).toBe(3)
    expect(refusal(open, fixed(open, [a, b, c]))).toMatch(/3 survivors, at least 4/)
    const four = apply(start(), opened(start(), [a, b, c, d]))
    expect(refusal(four, fixed(four, [a, b, c]))).toBe('accepted')
    expect(refusal(four, fixed(four, [a, b]))).toMatch(/2 survivors, at least 3/)
  })

  test('owners are of the cohort', () => {
    const open = apply(start(), opened(start(), [a, b, c, d]))
    expect(refusal(open, { ...fixed(open), owners: [a, e] })).toMatch(/owner/)
    expect(refusal(open, { ...fixed(open), owners: [] })).toMatch(/owner/)
  })
})

describe('RoundClosed and RoundAborted', () => {
  test('only closing changes the model, and evaluating does not', () => {
    const fix = toFixed(start())
    expect(fix.modelHash).toEqual(initialModel)
    expect(apply(fix, aborted(fix, 'notOpened')).modelHash).toEqual(initialModel)
    expect(apply(fix, closed(fix)).modelHash).toEqual(hash('model after 0'))
    let state = start()
    for (let round = 0; round < 3; round++) state = toClosed(state)
    const last = toFixed(state)
    expect(refusal(last, closed(last, hash('another')))).toMatch(/evaluating/)
  })

  test('statistics have no metrics', () => {
    const fix = toFixed(start())
    const metrics = { testSamples: 1, auc: 1, accuracy: 1, loss: 0 }
    expect(refusal(fix, { ...closed(fix), metrics })).toMatch(/statistics/)
  })

  test('an abort leads to the next attempt of the same round', () => {
    const fix = toFixed(start())
    const again = apply(fix, aborted(fix, 'notOpened'))
    expect(again.phase).toEqual({ kind: 'between', round: 0, attempt: 1, task: 'statistics' })
    expect(refusal(again, { ...opened(again), attempt: 0 })).not.toBe('accepted')
    expect(toClosed(again).phase).toMatchObject({ round: 1, attempt: 0 })
  })

  test('culprits are out for the round’s later attempts, and back in the next round', () => {
    const fix = toFixed(start())
    const again = apply(fix, aborted(fix, 'culprit', [b]))
    expect(eligible(again)).toEqual([a, c, d, e])
    // Voters, who know whether there are enough others, decide on that (SPEC L5).
    expect(refusal(again, { ...opened(again), absent: [] })).toBe('accepted')
    const open = apply(again, { ...opened(again, [a, c, d, e]), absent: [] })
    const fixedAgain = apply(open, fixed(open))
    expect(eligible(apply(fixedAgain, closed(fixedAgain)))).toEqual(members)
  })

  /** The attempt after a second one that was given up, with the conflicts of both. */
  function afterTwo(first: [number, number][], second: [number, number][]): LedgerState {
    const fix = toFixed(start())
    const again = apply(fix, { ...aborted(fix, 'notOpened'), conflicts: first })
    const open = apply(again, { ...opened(again), absent: [] })
    return apply(open, { ...aborted(open, 'tooFewInputs'), conflicts: second })
  }

  test('after one spoilt attempt all are asked again, in conflict or not', () => {
    const fix = toFixed(start())
    const again = apply(fix, { ...aborted(fix, 'notOpened'), conflicts: [[0, 2]] })
    expect(eligible(again)).toEqual(members)
  })

  test('after two, of members in conflict one is out for the round, and who did not do its part; all are back in the next', () => {
    expect(eligible(afterTwo([[0, 2]], [[1, 2]]))).toEqual([a, b, d, e])
    expect(eligible(afterTwo([], [[3, 3]]))).toEqual([a, b, c, e])
    // What is known of an earlier attempt counts on, as long as there are enough others.
    expect(eligible(afterTwo([[3, 3]], []))).toEqual([a, b, c, e])
    expect(eligible(afterTwo([[3, 3]], [[0, 1]]))).toEqual([b, c, d, e])
    const third = afterTwo([], [[3, 3]])
    const open = apply(third, { ...opened(third, [a, b, c, e]), absent: [] })
    const fix = apply(open, fixed(open))
    expect(eligible(apply(fix, closed(fix)))).toEqual(members)
  })

  test('conflicts are pairs of the cohort, each once, in their order', () => {
    const fix = toFixed(start())
    const refused = (...conflicts: [number, number][]) =>
      refusal(fix, { ...aborted(fix, 'notOpened'), conflicts })
    expect(refused([0, 1], [0, 2], [1, 1])).toBe('accepted')
    for (const wrong of [
      [[1, 0]],
      [[0, 5]],
      [
        [0, 2],
        [0, 1],
      ],
      [
        [0, 1],
        [0, 1],
      ],
    ] as [number, number][][])
      expect(refused(...wrong)).toMatch(/conflicts/)
  })

  test('more culprits than a round can spare come back rather than end the study', () => {
    const open = toOpened(start())
    expect(eligible(apply(open, aborted(open, 'culprit', [a, b])))).toEqual(members)
  })

  test('a culprit is of the cohort, once, with evidence, and at least one for that reason', () => {
    const open = apply(start(), opened(start(), [a, b, c, d]))
    expect(refusal(open, aborted(open, 'culprit'))).toMatch(/no culprit/)
    expect(refusal(open, aborted(open, 'culprit', [e]))).toMatch(/not of the cohort/)
    expect(refusal(open, aborted(open, 'culprit', ['stranger']))).toMatch(/no member/)
    expect(refusal(open, aborted(open, 'culprit', [a, a]))).toMatch(/twice/)
    const bare = {
      ...aborted(open, 'culprit'),
      culprits: [{ member: a, code: 'badTag' as const, evidence: [] }],
    }
    expect(refusal(open, bare)).toMatch(/without evidence/)
    expect(refusal(open, aborted(open, 'tooFewInputs', [a]))).toBe('accepted')
  })
})

describe('suspension', () => {
  const suspend = (member: string, audits = 5) => ({ kind: 'MemberSuspended' as const, member, audits })
  const spoken = () => spokenAgainst(members)

  test('who is suspended neither votes nor takes part, until a quorum of the others restores it', () => {
    const state = apply(spoken(), suspend(c))
    expect(state.voters).toEqual([a, b, d, e])
    expect(state.quorum).toBe(3)
    expect(refusal(state, { ...opened(state), absent: [] })).toMatch(/may not/)
    expect(refusal(state, suspend(c))).toMatch(/no active member/)
    const back = apply(state, restored(state, c, [a, b, d]))
    expect(back.voters).toEqual(members)
    expect(back.quorum).toBe(4)
    expect(refusal(back, restored(state, c, [a, b, d]))).toMatch(/not suspended/)
    // It begins anew: what was held against it is forgotten, and nothing of the others.
    expect(suspensionDue(back)?.member).toBe(a)
    expect(refusal(back, suspend(c))).toMatch(/nothing speaks against/)
  })

  test('comes of audits alone: as many as the charter has, and as they are', () => {
    expect(refusal(start(), suspend(c))).toMatch(/nothing speaks against/)
    expect(refusal(spokenAgainst([c], 4), suspend(c, 4))).toMatch(/nothing speaks against/)
    expect(refusal(spoken(), suspend(c, 6))).toMatch(/not as many/)
    expect(suspensionDue(spokenAgainst([c], 4))).toBeUndefined()
    expect(suspensionDue(spokenAgainst([d, c]))).toEqual(suspend(c))
    expect(suspensionDue(toOpened(spoken()))).toBeUndefined()
  })

  test('no signature restores another member, of another suspension or study, or as two', () => {
    const state = apply(spoken(), suspend(c))
    const entry = state.suspensions.get(c)!
    const { charterHash } = state
    const of = { member: c, entry, charterHash }
    const signed = (by: string, what = of) => signRestoration(what, by, seedOf(members.indexOf(by)))
    const restore = (...signatures: Uint8Array[]) =>
      refusal(state, { kind: 'MemberRestored', member: c, signatures })
    expect(restore(signed(a), signed(b), signed(d))).toBe('accepted')
    const wrong: Uint8Array[][] = [
      [],
      [signed(a), signed(a), signed(b)],
      [signed(a), signed(b), signed(c)],
      [signed(a), signed(b), signed(d, { ...of, member: e })],
      [signed(a), signed(b), signed(d, { ...of, entry: charterHash })],
      [signed(a), signed(b), signed(d, { ...of, charterHash: entry })],
      [signed(a), signed(b), signRestoration(of, d, seedOf(4))],
      [signed(a), signed(b), ascii('no signature')],
    ]
    for (const signatures of wrong) expect(restore(...signatures)).toMatch(/2 members have signed|0 members/)
  })

  test('only between attempts, and never below what a round needs', () => {
    expect(refusal(toOpened(spoken()), suspend(a))).toMatch(/opened/)
    const two = apply(apply(spoken(), suspend(a)), suspend(b))
    expect(refusal(two, suspend(c))).toMatch(/too few/)
    expect(suspensionDue(two)).toBeUndefined()
  })
})

test('any sequence of entries: accepted ones keep the invariants, refused ones change nothing', () => {
  const pick = fc.constantFrom('open', 'openLess', 'fix', 'close', 'abort', 'culprit', 'suspend', 'restore')
  fc.assert(
    fc.property(fc.array(fc.tuple(pick, fc.nat(4)), { maxLength: 30 }), steps => {
      let state = spokenAgainst(members)
      for (const [step, k] of steps) {
        const member = members[k]!
        const { kind } = state.phase
        const cohort = step === 'open' ? eligible(state) : eligible(state).filter(m => m !== member)
        const absent = eligible(state).filter(m => !cohort.includes(m))
        const body =
          step.startsWith('open') && kind === 'between'
            ? { ...opened(state, cohort), absent }
            : step === 'fix' && kind === 'opened'
              ? fixed(state)
              : step === 'close' && kind === 'fixed'
                ? closed(state)
                : step === 'abort' && kind === 'opened'
                  ? aborted(state, 'tooFewInputs')
                  : step === 'culprit' && (kind === 'fixed' || kind === 'opened')
                    ? aborted(state, 'culprit', [member])
                    : step === 'suspend'
                      ? { kind: 'MemberSuspended' as const, member, audits: 5 }
                      : restored(state, member, state.voters)
        const applied = applyEntry(state, entryOf(state, body))
        if (!applied.ok) continue
        const next = applied.value
        expect(next.height).toBe(state.height + 1)
        expect(next.voters.filter(m => next.suspended.includes(m))).toEqual([])
        expect(next.voters.length).toBeGreaterThanOrEqual(next.quorum)
        expect(eligible(next).length).toBeGreaterThanOrEqual(cohortMin(next))
        if (next.phase.kind === 'opened') {
          expect(next.phase.opened.cohort.length).toBeGreaterThanOrEqual(survivorsMinOf(next.charter, 0))
        }
        if (body.kind !== 'RoundClosed') expect(next.modelHash).toEqual(state.modelHash)
        state = next
      }
    }),
  )
})
