/** Below a quorum nothing is decided and nothing is lost; when the quorum is back, the study goes on by itself. */
import { describe, expect, it } from 'vitest'
import type { MemberId } from '../../protocol/ports.ts'
import { audited, ledgerOf } from '../support/audit.ts'
import { type Consortium, memberName } from '../support/consortium.ts'

const HOUR_MS = 3_600_000
const names = [0, 1, 2, 3].map(memberName)

function heights(c: Consortium, members: readonly MemberId[]): number[] {
  return members.map(m => ledgerOf(c.world.host(m)).length)
}

function lastWait(c: Consortium, member: MemberId): readonly MemberId[] {
  const e = c.events.findLast(x => x.host === member && x.event.kind === 'waiting')
  return e?.event.kind === 'waiting' ? e.event.for : []
}

describe('two of four are down for an hour', () => {
  for (const shards of [false, true]) {
    // From the first key announcement into round 2: all phases are hit.
    for (let t = 0; t <= 900; t += 75) {
      it(`${shards ? 'shards' : 'gossip'}, ${t} ms after the start`, () => {
        const turn = t / 75
        const down = [names[turn % 4]!, names[(turn + 1 + ((turn >> 2) % 3)) % 4]!]
        const up = names.filter(m => !down.includes(m))
        const { c, audit } = audited({
          n: 4,
          f: 1,
          rounds: 3,
          seed: 3 + t,
          gossipBytesMax: shards ? 0 : 32_768,
        })
        c.world.startAll()
        c.world.run(() => false, t)
        for (const m of down) c.world.crash(m)
        // What was under way may still arrive.
        c.world.run(() => false, 30_000)
        const before = heights(c, up)
        c.world.run(() => false, HOUR_MS)
        expect(heights(c, up)).toEqual(before)
        // Whoever is up says for whom it waits, and names one at least that is down.
        for (const m of up) expect(lastWait(c, m).filter(w => down.includes(w)).length).toBeGreaterThan(0)
        for (const m of down) c.world.start(m)
        expect(c.world.run(() => c.finished(), 60_000)).toBe(true)
        expect(audit.checked.sums).toBe(5)
        expect(audit.problems).toEqual([])
      })
    }
  }

  // Seeds that failed: a quorum was locked on an entry whose time was long past; nobody answered requests for the model.
  const failed = [
    { t: 90, seed: 93, shards: false, down: [0, 1] },
    { t: 810, seed: 813, shards: false, down: [0, 1] },
    { t: 360, seed: 363, shards: true, down: [1, 3] },
    { t: 630, seed: 633, shards: false, down: [0, 2] },
  ]
  for (const { t, seed, shards, down } of failed) {
    it(`goes on at once: seed ${seed}`, () => {
      const { c, audit } = audited({ n: 4, f: 1, rounds: 4, seed, gossipBytesMax: shards ? 0 : 32_768 })
      c.world.startAll()
      c.world.run(() => false, t)
      for (const i of down) c.world.crash(names[i]!)
      c.world.run(() => false, HOUR_MS)
      for (const i of down) c.world.start(names[i]!)
      expect(c.world.run(() => c.finished(), 15_000)).toBe(true)
      expect(audit.checked.sums).toBe(6)
      expect(audit.problems).toEqual([])
    })
  }

  it('a peer that is left alone says so, and for whom it waits', () => {
    const { c } = audited({ n: 4, f: 1, rounds: 2, seed: 1 })
    c.world.start(names[2]!)
    c.world.run(() => false, 20_000)
    expect(lastWait(c, names[2]!)).toEqual([names[0], names[1], names[3]])
    for (const m of [names[0]!, names[1]!, names[3]!]) c.world.start(m)
    expect(c.world.run(() => c.finished(), 60_000)).toBe(true)
  })
})

/** Cuts every link between `side` and the others; what it gives joins them again. */
function part(c: Consortium, side: readonly number[]): () => void {
  const undos = side.flatMap(a =>
    [0, 1, 2, 3].filter(b => !side.includes(b)).map(b => c.world.cut(names[a]!, names[b]!)),
  )
  return () => {
    for (const undo of undos) undo()
  }
}

describe('partitions', () => {
  for (const shards of [false, true]) {
    for (let t = 40; t < 500; t += 115) {
      it(`two and two, ${shards ? 'shards' : 'gossip'}, from ${t} ms on: nothing until they are joined`, () => {
        const { c, audit } = audited({
          n: 4,
          f: 1,
          rounds: 3,
          seed: 11 + t,
          gossipBytesMax: shards ? 0 : 32_768,
        })
        c.world.startAll()
        c.world.run(() => false, t)
        const join = part(c, [0, (t % 3) + 1])
        c.world.run(() => false, 20_000)
        const before = heights(c, names)
        c.world.run(() => false, HOUR_MS)
        expect(heights(c, names)).toEqual(before)
        join()
        expect(c.world.run(() => c.finished(), 60_000)).toBe(true)
        expect(audit.checked.sums).toBe(5)
        expect(audit.problems).toEqual([])
      })

      it(`three and one, ${shards ? 'shards' : 'gossip'}, from ${t} ms on: three go on, one catches up`, () => {
        const { c, audit } = audited({
          n: 4,
          f: 1,
          rounds: 60,
          seed: 13 + t,
          gossipBytesMax: shards ? 0 : 32_768,
        })
        c.world.startAll()
        c.world.run(() => false, t)
        const join = part(c, [2])
        const closed = (i: number) => c.closed(names[i]!).length
        expect(c.world.run(() => [0, 1, 3].every(i => closed(i) >= 5), 120_000)).toBe(true)
        expect(closed(2)).toBeLessThan(4)
        const joined = c.world.now
        join()
        const whole = () =>
          c.events.some(
            e => e.at > joined && e.event.kind === 'survivorsFixed' && e.event.survivors.length === 4,
          )
        expect(c.world.run(() => whole() && closed(2) >= 8, 60_000)).toBe(true)
        expect(audit.problems).toEqual([])
      })
    }
  }

  it('deaf or mute in one direction only: the others go on, and it comes back', () => {
    for (const deaf of [true, false]) {
      let broken = true
      const { c, audit } = audited({
        n: 4,
        f: 1,
        rounds: 60,
        seed: 17,
        world: { network: { loses: (_random, from, to) => broken && (deaf ? to : from) === names[1] } },
      })
      c.world.startAll()
      expect(c.world.run(() => c.closed(names[0]!).length >= 4, 120_000)).toBe(true)
      broken = false
      const healed = c.world.now
      const whole = () =>
        c.events.some(
          e => e.at > healed && e.event.kind === 'survivorsFixed' && e.event.survivors.length === 4,
        )
      expect(c.world.run(whole, 60_000)).toBe(true)
      expect(audit.problems).toEqual([])
    }
  })
})

describe('a peer of which nobody remembers the keys stays away', () => {
  for (const kind of ['RoundOpened', 'SurvivorsFixed'] as const) {
    it(`its attempt is given up when all others have restarted after ${kind}`, () => {
      const { c, audit } = audited({ n: 4, f: 1, rounds: 1, gossipBytesMax: 0 })
      c.world.startAll()
      const height = kind === 'RoundOpened' ? 1 : 2
      expect(c.world.run(() => heights(c, names).every(h => h === height), 60_000)).toBe(true)
      for (const m of names) c.world.crash(m)
      for (const m of names.slice(1)) c.world.start(m)
      expect(c.world.run(() => c.finished(), HOUR_MS)).toBe(true)
      const aborted = c.events.filter(e => e.host === names[1] && e.event.kind === 'roundAborted')
      const reason = kind === 'RoundOpened' ? 'tooFewInputs' : 'notOpened'
      expect(aborted.map(e => e.event)).toMatchObject([{ round: 0, attempt: 0, reason, culprits: [] }])
      expect(audit.problems).toEqual([])
    })
  }
})
