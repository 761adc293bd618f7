/** A disk keeps what is durable, and nothing of a commit that a crash has torn. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Commit, Disk, decodeFrame, encodeFrame } from '../../../sim/disk.ts'
import { Random } from '../../../sim/random.ts'

const key = fc.string({ unit: 'grapheme', maxLength: 12 })
const commit: fc.Arbitrary<Commit> = fc.record({
  puts: fc.array(fc.tuple(key, fc.uint8Array({ maxLength: 60 })), { maxLength: 4 }),
  deletes: fc.array(key, { maxLength: 3 }),
})
const bytes = (...b: number[]) => Uint8Array.from(b)

describe('a disk', () => {
  it('holds what was finished, in order, and nothing else, after any crash', () => {
    fc.assert(
      fc.property(
        fc.array(commit, { maxLength: 8 }),
        fc.nat({ max: 8 }),
        fc.boolean(),
        fc.nat(),
        (commits, finished, torn, seed) => {
          const disk = new Disk()
          const model = new Map<string, Uint8Array>()
          const begun = commits.map(c => disk.begin(c.puts, c.deletes))
          for (const c of begun.slice(0, finished)) {
            disk.finish(c)
            for (const k of c.deletes) model.delete(k)
            for (const [k, v] of c.puts) model.set(k, v)
          }
          const open = commits.slice(finished)
          expect(disk.pending).toBe(open.length)
          const lost = disk.crash(torn ? 'torn' : 'lost', new Random(seed))
          expect(lost.map(l => l.keys)).toEqual(open.map(c => [...c.puts.map(([k]) => k), ...c.deletes]))
          expect(lost.map(l => l.how)).toEqual(open.map((_, i) => (torn && i === 0 ? 'torn' : 'lost')))
          disk.recover()
          expect(disk.pending).toBe(0)
          expect([...disk.records]).toEqual([...model])
        },
      ),
    )
  })

  it('takes commits as durable in their order alone', () => {
    const disk = new Disk()
    const [, b] = [1, 2].map(x => disk.begin([['k', bytes(x)]], []))
    expect(() => disk.finish(b!)).toThrow(/order/)
  })
})

describe('drafts', () => {
  it('are read as records are, become some, and are gone with their life', () => {
    const disk = new Disk()
    disk.write('d', 2, bytes(3, 4))
    disk.write('d', 0, bytes(1))
    expect([...disk.read('d')!]).toEqual([1, 0, 3, 4])
    const first = disk.begin([['a', { sameAs: 'd' }]], [])
    // As it was when the commit began.
    disk.write('d', 1, bytes(2))
    disk.finish(first)
    const second = disk.begin([['b', { sameAs: 'd' }]], ['a', 'd'])
    expect(disk.read('d')).toBeUndefined()
    disk.finish(second)
    expect([...disk.records].map(([k, v]) => [k, ...v])).toEqual([['b', 1, 2, 3, 4]])
    disk.write('e', 0, bytes(5))
    disk.begin([['c', { sameAs: 'e' }]], [])
    disk.crash('lost', new Random(1))
    disk.recover()
    expect([disk.read('e'), ...disk.records.keys()]).toEqual([undefined, 'b'])
    expect(() => disk.begin([['c', { sameAs: 'e' }]], [])).toThrow('no record e')
  })
})

describe('the log', () => {
  it('gives back a whole frame, and knows every part of one as torn', () => {
    fc.assert(
      fc.property(commit, c => {
        const frame = encodeFrame(c)
        expect(decodeFrame(frame)).toEqual(c)
        for (let cut = 0; cut < frame.length; cut++)
          expect(decodeFrame(frame.subarray(0, cut))).toBeUndefined()
        const flipped = frame.slice()
        flipped[flipped.length - 1]! ^= 1
        expect(decodeFrame(flipped)).toBeUndefined()
      }),
    )
  })

  it('is read when the disk is: a whole frame counts, a torn one does not', () => {
    const frame = encodeFrame({ puts: [['k', bytes(1, 2)]], deletes: [] })
    for (const [left, records] of [
      [frame, ['k']],
      [frame.subarray(0, 20), []],
    ] as const) {
      const disk = new Disk(left)
      expect(disk.records.size).toBe(0)
      disk.recover()
      expect([...disk.records.keys()]).toEqual(records)
    }
  })
})
