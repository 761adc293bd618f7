/** The machine at work in undisturbed studies of several sizes, both ways of delivery. */
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../protocol/bytes.ts'
import { stateHash } from '../../../protocol/model/state.ts'
import { audited } from '../../support/audit.ts'
import { committees } from '../../support/committees.ts'
import { memberName } from '../../support/consortium.ts'

describe('an undisturbed study', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it(`finishes with one model everywhere (${gossipBytesMax ? 'gossip' : 'shards'})`, () => {
      const { c, audit } = audited({ n: 4, f: 1, rounds: 3, gossipBytesMax })
      c.world.startAll()
      const done = c.world.run(() => c.finished(), 60_000)
      expect(c.faults).toEqual([])
      expect(done).toBe(true)
      const hashes = new Set([...c.world.hosts.values()].map(h => toHex(stateHash(h.model!))))
      expect(hashes.size).toBe(1)
      for (let i = 0; i < 4; i++)
        expect(c.closed(memberName(i)).map(e => [e.round, e.attempt])).toEqual([
          [0, 0],
          [1, 0],
          [2, 0],
          [3, 0],
          [4, 0],
        ])
      expect(audit.checked).toEqual({ sums: 5, opened: 20, residuals: 0, audits: 0 })
      expect(audit.problems).toEqual([])
    })
  }

  it('ends for all at once: who leaves as soon as it is settled keeps nobody waiting', () => {
    const leave: (() => void)[] = []
    const { c } = audited({
      n: 10,
      f: 3,
      rounds: 1,
      onEvent: (host, event) => {
        if (event.kind === 'settled') leave.push(() => c.world.crash(host.id))
      },
    })
    c.world.startAll()
    const gone = () => {
      for (const go of leave.splice(0)) c.world.at(100, go)
      return [...c.world.hosts.values()].every(h => !h.up)
    }
    expect(c.world.run(() => c.finished(), 60_000)).toBe(true)
    expect(c.world.run(gone, 1000)).toBe(true)
  })

  it('is told to be over by a life that begins after it', () => {
    for (const size of [undefined, 4]) {
      const o = { n: 8, f: 1, rounds: 1 }
      const c = size === undefined ? audited(o).c : committees({ ...o, size, faulty: 1 })
      c.world.startAll()
      expect(c.world.run(() => c.finished(), 60_000)).toBe(true)
      const [first] = c.events.filter(e => e.host === memberName(0) && e.event.kind === 'studyFinished')
      c.world.crash(memberName(0))
      const before = c.events.length
      c.world.start(memberName(0))
      c.world.run(() => false, 10)
      const again = c.events.slice(before).filter(e => e.host === memberName(0))
      expect(again.map(e => e.event)).toContainEqual(first!.event)
    }
  })
})
