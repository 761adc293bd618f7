import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TransferBook } from '../../../node/transfers.ts'
import type { TransferEvent } from '../../../protocol/ports.ts'
import { slice } from '../../support/transfer.ts'

const event = (bytesDone: number, more: Partial<TransferEvent> = {}): TransferEvent => ({
  ...slice(bytesDone, 8000),
  ...more,
})

describe('the pace of a vector', () => {
  it('is that since it was first told of, and what is left at it', () => {
    const book = new TransferBook()
    expect(book.told(event(0), 1000)).toEqual(event(0))
    expect(book.told(event(2000), 3000)).toEqual({
      ...event(2000),
      bytesPerSecond: 1000,
      remainingMs: 6000,
    })
    expect(book.told(event(8000), 5000)).toMatchObject({ bytesPerSecond: 2000, remainingMs: 0 })
  })

  it('does not count what had gone before anybody looked, and starts anew with the vector', () => {
    const book = new TransferBook()
    book.told(event(4000, { way: 'to' }), 0)
    expect(book.told(event(5000, { way: 'to' }), 1000)).toMatchObject({ bytesPerSecond: 1000 })
    expect(book.told(event(0, { way: 'to' }), 9000)).not.toHaveProperty('bytesPerSecond')
    expect(book.told(event(500, { way: 'to' }), 10_000)).toMatchObject({ bytesPerSecond: 500 })
  })
})

describe('all vectors of one way', () => {
  const more = { peer: 'lyon', vector: '01' }

  it('count together until the last has ended, and then no more', () => {
    const book = new TransferBook()
    book.told(event(0), 0)
    book.told(event(0, more), 0)
    book.told(event(8000), 2000)
    expect(book.traffic('from', 2000)).toEqual({
      way: 'from',
      peers: ['lyon'],
      vectors: 2,
      bytesDone: 8000,
      bytesTotal: 16_000,
      ageMs: 2000,
      bytesPerSecond: 4000,
      remainingMs: 2000,
    })
    expect(book.traffic('to', 2000)).toBeUndefined()
    expect(book.lines().map(l => l.peer)).toEqual(['lyon'])
    book.told(event(8000, more), 4000)
    expect(book.traffic('from', 4000)).toBeUndefined()
    book.told(event(0, { vector: '02' }), 5000)
    expect(book.traffic('from', 5000)).toMatchObject({ vectors: 1, bytesTotal: 8000, ageMs: 0 })
  })

  it('lose what is needed no more, and all when the attempt is over', () => {
    const book = new TransferBook()
    book.told(event(0), 0)
    book.told(event(0, more), 0)
    book.told(event(0, { ...more, state: 'dropped' }), 1)
    expect(book.traffic('from', 1)).toMatchObject({ vectors: 1, peers: ['basel'] })
    book.heard('phase')
    expect(book.traffic('from', 1)).toBeDefined()
    book.heard('roundAborted')
    expect(book.traffic('from', 1)).toBeUndefined()
  })

  it('lose a model only when a round is closed', () => {
    const book = new TransferBook()
    book.told(event(0, { what: 'model' }), 0)
    for (const kind of ['roundOpened', 'survivorsFixed', 'roundAborted']) book.heard(kind)
    expect(book.lines()).toHaveLength(1)
    book.heard('roundClosed')
    expect(book.lines()).toEqual([])
  })

  it('tell one that is given to several apart, and one that comes from another source not', () => {
    const book = new TransferBook()
    for (const peer of ['a', 'b'])
      for (const way of ['to', 'from'] as const) book.told(event(1, { way, peer }), 0)
    expect(book.traffic('to', 0)).toMatchObject({ vectors: 2 })
    expect(book.traffic('from', 0)).toMatchObject({ vectors: 1, peers: ['b'] })
  })

  it('are never told of with more bytes than there are, nor with a pace that is no number', () => {
    const step = fc.record({
      way: fc.constantFrom('from' as const, 'to' as const),
      vector: fc.constantFrom('00', '01'),
      peer: fc.constantFrom('a', 'b'),
      done: fc.nat(8000),
      ms: fc.nat(50),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const book = new TransferBook()
        let now = 0
        for (const { done, ms, ...rest } of steps) {
          now += ms
          book.told(event(done, rest), now)
          for (const way of ['from', 'to'] as const) {
            const t = book.traffic(way, now)
            if (t === undefined) continue
            expect(t.bytesDone).toBeLessThan(t.bytesTotal)
            expect(t.bytesPerSecond ?? 1).toBeGreaterThan(0)
            expect(Number.isFinite(t.remainingMs ?? 0)).toBe(true)
          }
        }
      }),
    )
  })
})
