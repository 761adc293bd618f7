/**
 * A hospital killed at any point of a round costs at most its own input of that round. All points are enumerated: before
 * and after each durable record, message and job of the victim, in both ways of delivery.
 */
import { describe, expect, it } from 'vitest'
import type { MemberId } from '../../protocol/ports.ts'
import { audited, ledgerOf } from '../support/audit.ts'
import { memberName } from '../support/consortium.ts'
import { type CrashPlan, type CrashRun, closedIn, crashRun, roundOf } from '../support/crashes.ts'

const others = (victim: number): MemberId[] => [0, 1, 2, 3].filter(i => i !== victim).map(memberName)

/** What must hold after every crash; the sentence says which one it was. */
function expectHarmless(p: CrashPlan, run: CrashRun): void {
  const { c, audit, crashes } = run
  const what = `crash at ${p.at.join()}: ${crashes.join(', ')}`
  expect(run.done, what).toBe(true)
  expect(crashes.length, what).toBe(p.at.length)
  const { sums } = audit.checked
  expect(audit.problems, what).toEqual([])
  // Every round that was closed was closed with an exact sum, and nobody else's input was lost in the round of the crash.
  const longest = [...c.world.hosts.values()].map(ledgerOf).reduce((a, b) => (b.length > a.length ? b : a))
  expect(sums, what).toBe(longest.filter(e => e.entry.body.kind === 'RoundClosed').length)
  let survivors: readonly MemberId[] = []
  for (const { entry } of longest) {
    const { body } = entry
    if (body.kind === 'SurvivorsFixed') survivors = body.survivors.map(s => s.member)
    if (body.kind === 'RoundClosed') expect(survivors, what).toEqual(expect.arrayContaining(others(p.victim)))
  }
}

/** How many steps there are; that they are all kinds of steps is part of the proof. */
function stepsOf(p: Omit<CrashPlan, 'at'>): number {
  const { audit, steps } = crashRun({ ...p, at: [] })
  expect(audit.problems).toEqual([])
  const ofShards = (what: string) => (p.shards ? [what] : [])
  const records = ['seed', 'input', 'held', 'reveal', ...ofShards('tags')].map(r => `commit attempt/${r}`)
  const jobs = ['train', 'mask', 'sum', ...ofShards('tag'), 'apply'].map(j => `job ${j}`)
  for (const what of [...records, ...jobs, 'commit ledger/', 'commit consensus/', 'publish', 'send']) {
    expect(steps.some(s => s.startsWith(`before ${what}`))).toBe(true)
    expect(steps.some(s => s.startsWith(`after ${what}`))).toBe(true)
  }
  return steps.length
}

describe('one crash, at every step of a round', () => {
  const plans: Omit<CrashPlan, 'at'>[] = [
    { seed: 5, shards: false, victim: 1, awayMs: 12_000 },
    { seed: 5, shards: true, victim: 1, awayMs: 12_000 },
  ]
  for (const p of plans) {
    it(`${p.shards ? 'shards' : 'gossip'}, away for ${p.awayMs} ms`, { timeout: 300_000 }, () => {
      const steps = stepsOf(p)
      for (let k = 0; k < steps; k++) expectHarmless({ ...p, at: [k] }, crashRun({ ...p, at: [k] }))
    })
  }

  for (const shards of [false, true]) {
    const how = shards ? 'shards' : 'gossip'
    it(`and back before it is missed: every third step (${how})`, { timeout: 300_000 }, () => {
      // Another one is slow, so that the victim is back in the same round.
      const p = { seed: 6, shards, victim: 2, awayMs: 300, slowMs: 2000 }
      const steps = stepsOf(p)
      for (let k = 0; k < steps; k += 3) expectHarmless({ ...p, at: [k] }, crashRun({ ...p, at: [k] }))
    })
  }

  it('that nobody notices, with slow disks: every fourth step', { timeout: 300_000 }, () => {
    const p = { seed: 9, shards: false, victim: 0, awayMs: 2500, noticed: false, diskMs: 30 }
    const steps = stepsOf(p)
    for (let k = 1; k < steps; k += 4) expectHarmless({ ...p, at: [k] }, crashRun({ ...p, at: [k] }))
  })
})

describe('a second crash, while it restarts or soon after', () => {
  for (const shards of [false, true]) {
    it(shards ? 'shards' : 'gossip', { timeout: 300_000 }, () => {
      // The counter goes on over restarts: the second crash comes 1 to 21 steps into the next life.
      for (let k = 3; k < 80; k += 11) {
        for (const later of [1, 2, 5, 21]) {
          const p = { seed: 7, shards, victim: 3, awayMs: 400, at: [k, k + later] }
          const run = crashRun(p)
          // Late in the round there may be no more steps of it left for a second crash.
          if (run.crashes.length === 2) expectHarmless(p, run)
          else expect(run.audit.problems).toEqual([])
        }
      }
    })
  }
})

describe('all crash where each knows that the round is closed, and none has it on its disk', () => {
  it.each(['gossip', 'shards'])('%s: the model is computed by none of them again, and lost by none', how => {
    const crashed = new Set<MemberId>()
    const { c, audit } = audited({
      n: 4,
      f: 1,
      rounds: 3,
      seed: 11,
      gossipBytesMax: how === 'shards' ? 0 : 32_768,
      onStep: ({ host, when, what, detail }) => {
        const closes = `${when} ${what} ${detail}`.startsWith('before commit ledger/') && roundOf(host) === 2
        if (!closes || crashed.has(host.id)) return false
        crashed.add(host.id)
        c.world.at(2_000, () => c.world.start(host.id))
        return true
      },
    })
    c.world.startAll()
    const done = c.world.run(() => [...c.world.hosts.keys()].every(id => closedIn(c, id, 3)), 120_000)
    expect(crashed.size).toBe(4)
    expect(audit.problems).toEqual([])
    expect(done).toBe(true)
  })
})
