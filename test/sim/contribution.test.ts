/** Audits through the whole protocol (SPEC A): what is opened, what is certified, and what stays closed. */
import { describe, expect, it } from 'vitest'
import { groupsOf, isAudited } from '../../protocol/contribution/groups.ts'
import type { Entry, RoundClosed } from '../../protocol/ledger/entry.ts'
import type { Lie } from '../../sim/adversary/liar.ts'
import * as lies from '../../sim/adversary/lies.ts'
import { audited, ledgerOf } from '../support/audit.ts'
import { auditing } from '../support/auditing.ts'
import { memberName } from '../support/consortium.ts'
import { type HostileOptions, type HostileRun, hostileRun } from '../support/hostile.ts'
import { noised } from '../support/noised.ts'

const closedIn = (entries: readonly Entry[]): RoundClosed[] =>
  entries.flatMap(({ body }) => (body.kind === 'RoundClosed' ? [body] : []))

const trainedIn = (entries: readonly Entry[], rounds: number) =>
  closedIn(entries).filter(b => b.round >= 1 && b.round <= rounds)

describe('audits', () => {
  const study = (edit = auditing(2, 4)) => audited({ n: 9, f: 2, features: 6, rounds: 6, edit })

  it('are drawn by lot of the seeds, and find what each group gave', () => {
    const { c, audit } = study()
    c.world.startAll()
    expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
    expect(audit.problems).toEqual([])
    const entries = ledgerOf(c.world.host(memberName(0))).map(s => s.entry)
    const trained = trainedIn(entries, 6)
    expect(trained.map(b => b.audit !== undefined)).toEqual(trained.map(b => isAudited(b.seeds, 2)))
    const found = trained.flatMap(b => b.audit?.groups ?? [])
    expect(found.length).toBe(2 * trained.filter(b => b.audit).length)
    expect(found.length).toBeGreaterThan(0)
    expect(found.every(g => g.counts && g.sum.length === 4 * 7)).toBe(true)
    expect(audit.checked.audits).toBe(found.length / 2)
    // The statistics at the beginning and the evaluation at the end are none of it.
    expect(closedIn(entries).filter(b => b.audit).length).toBe(found.length / 2)
  })

  it('count the rows that were declared', () => {
    const { c } = study(auditing(1, 4))
    c.world.startAll()
    expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
    const entries = ledgerOf(c.world.host(memberName(0))).map(s => s.entry)
    for (const closed of trainedIn(entries, 6)) {
      const opened = entries.find(e => e.body.kind === 'RoundOpened' && e.body.round === closed.round)!.body
      const cohort = opened.kind === 'RoundOpened' ? opened.cohort : []
      const groups = groupsOf(closed.seeds, cohort, 4)
      expect(groups.map(g => g.length).sort()).toEqual([4, 5])
      expect(closed.audit!.groups.map(a => a.samples)).toEqual(
        groups.map(g => g.reduce((sum, m) => sum + m.samples!, 0)),
      )
    }
  })

  it('go with noise in each hospital, where no rows are declared', () => {
    const { c, audit } = study(charter => {
      const made = auditing(1, 4)(noised({ noise: 'hospital' })(charter))
      return { ...made, training: { ...made.training, weighting: 'equal' } }
    })
    c.world.startAll()
    expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
    expect(audit.problems).toEqual([])
    expect(audit.checked.audits).toBe(6)
    const entries = ledgerOf(c.world.host(memberName(0))).map(s => s.entry)
    // Each weighs one, and who has how many rows is not told.
    for (const { audit: found } of trainedIn(entries, 6))
      expect(found!.groups.map(g => [Math.round(g.weight), g.samples]).sort()).toEqual([
        [4, 0],
        [5, 0],
      ])
    expect(JSON.stringify(entries.map(e => e.body))).not.toMatch(/"samples":\d+,"keys"/)
  })

  it('are in no charter that does not have them, nor are declared rows', () => {
    const { c, audit } = study(charter => charter)
    c.world.startAll()
    expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
    expect(audit.checked.audits).toBe(0)
    const entries = ledgerOf(c.world.host(memberName(0))).map(s => s.entry)
    expect(JSON.stringify(entries.map(e => e.body))).not.toMatch(/"audit"|"samples":\d+,"keys"/)
  })
})

describe('liars in audits', () => {
  const ROUNDS = 2
  const run = (told: ReadonlyMap<number, readonly Lie[]>, o: Partial<HostileOptions> = {}): HostileRun =>
    hostileRun({ n: 9, f: 2, rounds: ROUNDS, edit: auditing(1, 4), lies: told, ...o })

  const expectSound = (r: HostileRun) => {
    expect(r.problems).toEqual([])
    expect(r.done).toBe(true)
    expect(trainedIn(r.entries, ROUNDS).every(b => b.audit !== undefined)).toBe(true)
  }

  it.each<[string, Lie, readonly string[]]>([
    ['opens a wrong key', lies.wrongPairs, ['badShare']],
    ['opens too few keys', lies.fewPairs, ['badShare']],
    ['opens two sets of keys', lies.twoPairs, ['equivocation', 'badShare']],
    ['commits to other keys than it gives', lies.wrongPairDigests, ['unshared']],
  ])('who %s is named, and the round goes on', (_name, lie, as) => {
    const r = run(new Map([[3, [lie]]]))
    expectSound(r)
    const found = r.named.filter(n => n.member === memberName(3) && as.includes(n.as))
    expect(found.length).toBeGreaterThan(0)
    expect(found.every(n => n.evidence > 0)).toBe(true)
  })

  it('one that opens no keys keeps nobody from anything: each pair has another', () => {
    const r = run(new Map([[3, [lies.noPairs]]]))
    expectSound(r)
    expect(r.aborted).toBe(0)
  })

  it('two that open no keys spoil attempts until one of them is out, and the ledger says why', () => {
    const r = run(
      new Map([
        [3, [lies.noPairs]],
        [5, [lies.noPairs]],
      ]),
    )
    expect(r.problems).toEqual([])
    expect(r.done).toBe(true)
    const aborted = r.entries.flatMap(({ body }) => (body.kind === 'RoundAborted' ? [body] : []))
    expect(aborted.length).toBeGreaterThan(0)
    expect(aborted.every(b => b.culprits.length === 0)).toBe(true)
    expect(new Set(aborted.flatMap(b => b.conflicts.flat()))).toEqual(new Set([3, 5]))
  })

  it('who does not declare its rows has announced nothing', () => {
    const r = run(new Map([[3, [lies.declaresNothing]]]))
    expectSound(r)
    expect(r.named.some(n => n.member === memberName(3) && n.as === 'absent')).toBe(true)
  })

  it('a sum beyond what they may give is audited, and its group does not count', () => {
    const r = run(new Map([[3, [lies.anyVector]]]), { edit: auditing(1000, 4) })
    expect(r.problems).toEqual([])
    expect(r.done).toBe(true)
    for (const closed of trainedIn(r.entries, ROUNDS)) {
      const survivors = Array.from({ length: 9 }, (_, i) => i)
      const groups = groupsOf(closed.seeds, survivors, 4)
      expect(closed.audit!.groups.map(g => g.counts)).toEqual(groups.map(g => !g.includes(3)))
    }
  })
})
