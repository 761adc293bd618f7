/** Bad networks, clocks and disks: the sums stay exact, and what is waited for has a bound. */
import { describe, expect, it } from 'vitest'
import type { Draw } from '../../config/scenario.ts'
import type { Job, MemberId } from '../../protocol/ports.ts'
import type { NetworkOptions } from '../../sim/net/network.ts'
import { audited } from '../support/audit.ts'
import { type ConsortiumOptions, memberName } from '../support/consortium.ts'

const names = [0, 1, 2, 3].map(memberName)

/** Links that lose nothing. */
function links(latencyMs: (from: MemberId, to: MemberId) => Draw): NetworkOptions {
  const rest = { lossRate: 0, duplicateRate: 0, reorderRate: 0 }
  return { links: (from, to) => ({ ...rest, latencyMs: latencyMs(from, to) }) }
}

function expectStudy(o: Partial<ConsortiumOptions>, limitMs: number): void {
  const { c, audit } = audited({ n: 4, f: 1, rounds: 3, ...o })
  c.world.startAll()
  const done = c.world.run(() => c.finished(), limitMs)
  const { sums } = audit.checked
  expect(audit.problems).toEqual([])
  expect(done).toBe(true)
  expect(sums).toBe(5)
}

describe('a study on a bad network', () => {
  const on = (network: NetworkOptions) => ({ world: { network } })
  const clock = (of: (id: MemberId) => number) => ({
    site: (id: MemberId) => ({ clockOffsetMs: of(id) }),
  })
  const worlds: Record<string, [Partial<ConsortiumOptions>, number]> = {
    'a fifth of all messages is lost, a fifth comes twice, in any order': [
      on({
        loses: r => r.chance(0.2),
        links: () => ({
          latencyMs: { from: 1, to: 401 },
          lossRate: 0,
          duplicateRate: 0.2,
          reorderRate: 0.5,
        }),
      }),
      180_000,
    ],
    'a fifth of all packets is lost': [
      on({
        links: () => ({
          latencyMs: { base: 20, jitter: 10 },
          lossRate: 0.2,
          duplicateRate: 0,
          reorderRate: 0,
        }),
      }),
      180_000,
    ],
    'one hospital is 900 ms away from the others, which are 1 ms apart': [
      on(links((a, b) => (a === names[3] || b === names[3] ? 900 : 1))),
      120_000,
    ],
    'each direction has its own latency from 1 to 900 ms': [
      on(links((a, b) => 1 + ((a.charCodeAt(11) * 7 + b.charCodeAt(11) * 13) % 10) * 99)),
      180_000,
    ],
    'everything takes longer than the deadlines expect': [on(links(() => 3000)), 1_800_000],
    'disks are slow': [{ site: () => ({ diskMs: r => 80 * r.unit() }) }, 60_000],
    'clocks differ by seconds': [clock(id => (Number(id.slice(-1)) - 1) * 4000), 30_000],
    'one clock is an hour ahead': [clock(id => (id === names[2] ? 3_600_000 : 0)), 120_000],
    'one clock is an hour behind': [clock(id => (id === names[0] ? -3_600_000 : 0)), 120_000],
  }
  for (const [what, [setup, limitMs]] of Object.entries(worlds)) {
    for (const shards of [false, true]) {
      it(`${what} (${shards ? 'shards' : 'gossip'})`, () => {
        expectStudy({ seed: 2, gossipBytesMax: shards ? 0 : 32_768, ...setup }, limitMs)
      })
    }
  }

  it('a third of all is lost for ten minutes with two crashes; then all goes on in time', {
    timeout: 120_000,
  }, () => {
    for (const seed of [1, 2, 3, 4]) {
      let bad = true
      const { c, audit } = audited({
        n: 4,
        f: 1,
        rounds: 400,
        seed,
        gossipBytesMax: seed % 2 ? 0 : 32_768,
        world: { network: { ...links(() => ({ from: 0, to: 600 })), loses: r => bad && r.chance(0.33) } },
      })
      c.world.startAll()
      for (const [at, victim] of [
        [60_000, seed % 4],
        [61_000, (seed + 1) % 4],
        [300_000, (seed + 2) % 4],
      ] as const) {
        c.world.at(at, () => c.world.crash(names[victim]!))
        c.world.at(at + 20_000, () => c.world.start(names[victim]!))
      }
      c.world.run(() => false, 600_000)
      bad = false
      c.world.relink(links(() => 10).links!)
      const before = c.closed(names[0]!).length
      // An attempt that was spoilt while the network was bad may still have to time out.
      expect(c.world.run(() => names.every(m => c.closed(m).length > before), 120_000)).toBe(true)
      expect(audit.problems).toEqual([])
    }
  })
})

describe('a slow hospital', () => {
  const slow = (ms: number) => (id: MemberId) => ({
    jobMs: (job: Job) => (id === names[2] && job.kind === 'learn' && job.round === 2 ? ms : 20),
  })
  const fixedIn = (c: ReturnType<typeof audited>['c'], id: MemberId, round: number) =>
    c.events.flatMap(e =>
      e.host === id && e.event.kind === 'survivorsFixed' && e.event.round === round ? [e.event] : [],
    )

  for (const shards of [false, true]) {
    const gossipBytesMax = shards ? 0 : 32_768
    it(`is waited for until the deadline (${shards ? 'shards' : 'gossip'})`, () => {
      const { c, audit } = audited({ n: 4, f: 1, rounds: 3, gossipBytesMax, site: slow(7500) })
      c.world.startAll()
      expect(c.world.run(() => c.finished(), 60_000)).toBe(true)
      expect(fixedIn(c, names[0]!, 2).map(e => e.survivors.length)).toEqual([4])
      expect(audit.checked.sums).toBe(5)
      expect(audit.problems).toEqual([])
    })

    it(`is left out in the open after it, and is in the next cohort (${shards ? 'shards' : 'gossip'})`, () => {
      const { c, audit } = audited({ n: 4, f: 1, rounds: 3, gossipBytesMax, site: slow(20_000) })
      c.world.startAll()
      expect(c.world.run(() => c.finished(), 60_000)).toBe(true)
      for (const m of names) {
        expect(fixedIn(c, m, 2).map(e => e.leftOut)).toEqual([[{ member: names[2], reason: 'silent' }]])
        expect(fixedIn(c, m, 3).map(e => e.survivors)).toEqual([names])
      }
      const said = c.events.filter(
        e => e.host === names[0] && e.event.kind === 'waiting' && e.event.for.join() === names[2],
      )
      expect(said.length).toBeGreaterThan(0)
      expect(audit.checked.sums).toBe(5)
      expect(audit.problems).toEqual([])
    })
  }
})

describe('who leaves early', () => {
  it('the first to finish disconnects at once, the others finish without it', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const gone: MemberId[] = []
      const { c, audit } = audited({
        n: 4,
        f: 1,
        rounds: 2,
        seed,
        gossipBytesMax: seed % 2 ? 0 : 32_768,
        onEvent: (host, event) => {
          if (event.kind !== 'studyFinished' || gone.length > 0) return
          gone.push(host.id)
          c.world.at(0, () => c.world.crash(host.id))
        },
      })
      c.world.startAll()
      expect(c.world.run(() => gone.length > 0 && c.finished(), 60_000)).toBe(true)
      expect(c.events.filter(e => e.event.kind === 'studyFinished').length).toBe(4)
      expect(audit.checked.sums).toBe(4)
      expect(audit.problems).toEqual([])
    }
  })
})

describe('one seed, one run', () => {
  const run = (seed: number, shards: boolean) => {
    const { c, audit } = audited({
      n: 4,
      f: 1,
      rounds: 2,
      seed,
      gossipBytesMax: shards ? 0 : 32_768,
      world: {
        network: {
          loses: r => r.chance(0.1),
          links: () => ({
            latencyMs: { from: 5, to: 25 },
            lossRate: 0.1,
            duplicateRate: 0.1,
            reorderRate: 0.1,
          }),
        },
      },
      site: () => ({ diskMs: r => 10 * r.unit() }),
    })
    c.world.startAll()
    c.world.at(400, () => c.world.crash(names[1]!))
    c.world.at(5000, () => c.world.start(names[1]!))
    expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
    return audit.wireHash
  }
  for (const shards of [false, true]) {
    it(`the same bytes in the same order (${shards ? 'shards' : 'gossip'})`, () => {
      const first = run(4, shards)
      expect(run(4, shards)).toBe(first)
      expect(run(5, shards)).not.toBe(first)
    })
  }
})
