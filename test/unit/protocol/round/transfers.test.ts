import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import type { MemberId, Millis, Vector } from '../../../../protocol/ports.ts'
import {
  type TransferHands,
  Transfers,
  WINDOW_PARTS,
  type Wish,
} from '../../../../protocol/round/transfers.ts'
import { isStored } from '../../../../protocol/stored.ts'
import { P, residueBytes, residuesFromBytes, residuesIn } from '../../../../protocol/sum/field.ts'
import { PART_BYTES } from '../../../../protocol/wire/limits.ts'
import type { Body } from '../../../../protocol/wire/messages.ts'
import { Drafts } from '../../../../sim/drafts.ts'

const STALL_MS = 1000
const PART_WORDS = PART_BYTES / 4
const place = { round: 1, attempt: 0, opened: new Uint8Array(32) }

type Ask = Body<'ask'>
type Part = Body<'part'>
interface Sent {
  readonly from: MemberId
  readonly to: MemberId
  readonly ask?: Ask
  readonly part?: Part
}

/** Peers by name, and what they have sent each other that nobody has delivered yet. */
class Net {
  now: Millis = 0
  readonly wire: Sent[] = []
  /** What each peer told of long vectors, in order. */
  readonly told: ({ readonly by: MemberId } & Parameters<TransferHands['tell']>[0])[] = []
  readonly away = new Set<MemberId>()
  readonly peers = new Map<MemberId, Transfers>()
  /** Who was found to have given something else. */
  readonly wrong: MemberId[] = []
  /** Of which records parts were given: `${record} ${from} ${end}`. */
  readonly stored: string[] = []
  /** Checks that wait for the test to do them; undefined: each is done at once. */
  checks: (() => void)[] | undefined
  /** Whether checks are done in another thread, which shares memory but not its views. */
  isElsewhere = false
  readonly drafts = new Drafts()

  add(id: MemberId, length: number): Transfers {
    const t = new Transfers(length, {
      now: () => this.now,
      connected: member => !this.away.has(member),
      ask: (to, what) => void this.wire.push({ from: id, to, ask: { ...place, ...what } }),
      give: (to, what) => void this.wire.push({ from: id, to, part: { ...place, ...what } }),
      giveStored: (_to, _what, record, from, end) => void this.stored.push(`${record} ${from} ${end}`),
      write: (draft, at, data) => this.drafts.write(draft, at, data),
      check: (vector, done) => {
        const check = () => {
          const words = this.wordsOf(vector)
          const isLent = !isStored(vector)
          done({
            words: isLent ? (this.isElsewhere ? structuredClone(words) : words) : undefined,
            hash: hashOf(words),
            areResidues: residuesFromBytes(residueBytes(words)) !== undefined,
          })
        }
        if (this.checks) this.checks.push(check)
        else check()
      },
      wrong: from => void this.wrong.push(from),
      tell: progress => void this.told.push({ by: id, ...progress }),
    })
    this.peers.set(id, t)
    return t
  }

  wordsOf(vector: Vector): Uint32Array {
    if (!isStored(vector)) return vector
    return residuesIn(this.drafts.get(vector.record) ?? new Uint8Array(0), vector.from, vector.to)
  }

  /** What taking in a part was worth; undefined for an ask. */
  deliver(index = 0): boolean | undefined {
    const [m] = this.wire.splice(index, 1)
    const to = this.peers.get(m!.to)!
    if (m!.part) return to.take(m!.from, m!.part)
    to.give(m!.from, m!.ask!)
    return undefined
  }

  all(): void {
    while (this.wire.length > 0) this.deliver()
  }
}

function vector(length: number, seed = 1): Uint32Array {
  return Uint32Array.from({ length }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 0) % P)
}

const hashOf = (words: Uint32Array) => sha256(residueBytes(words))

/** A wish, and all that has come of it. */
function wish(words: Uint32Array, sources: readonly MemberId[], key = 'it'): Wish & { got: Uint32Array[] } {
  const got: Uint32Array[] = []
  const come = (w: Vector) => {
    if (!isStored(w)) got.push(w)
  }
  return {
    key,
    what: 'slice',
    hash: hashOf(words),
    length: words.length,
    sources,
    into: () => undefined,
    come,
    got,
  }
}

/** By hash: comparing the elements of large vectors is slow. */
function named(w: { readonly got: readonly Uint32Array[] }): string[] {
  return w.got.map(words => toHex(hashOf(words)))
}

describe('a vector that is asked for', () => {
  it('comes whole, whatever its length', () => {
    for (const length of [0, 1, PART_WORDS - 1, PART_WORDS, PART_WORDS + 1, 9 * PART_WORDS + 7]) {
      const net = new Net()
      const words = vector(length)
      net.add('b', length).hold(hashOf(words), words)
      const a = net.add('a', length)
      const w = wish(words, ['b'])
      a.meet([w], STALL_MS)
      net.all()
      expect(named(w)).toEqual([toHex(hashOf(words))])
      expect(a.size).toBe(0)
    }
  })

  it('is there once, where a job gives back another view of shared memory', () => {
    const net = new Net()
    net.isElsewhere = true
    const words = vector(3 * PART_WORDS)
    net.add('b', words.length).hold(hashOf(words), words)
    const w = wish(words, ['b'])
    net.add('a', words.length).meet([w], STALL_MS)
    net.all()
    expect(named(w)).toEqual([toHex(hashOf(words))])
  })

  it('is sent once, a few parts at a time', () => {
    const net = new Net()
    const words = vector(20 * PART_WORDS)
    net.add('b', words.length).hold(hashOf(words), words)
    const w = wish(words, ['b'])
    net.add('a', words.length).meet([w], STALL_MS)
    let parts = 0
    let most = 0
    while (net.wire.length > 0) {
      if (net.wire[0]!.part) parts++
      net.deliver()
      most = Math.max(most, net.wire.filter(m => m.part).length)
    }
    expect(parts).toBe(20)
    expect(most).toBeLessThanOrEqual(WINDOW_PARTS)
    expect(named(w)).toEqual([toHex(hashOf(words))])
  })

  it('comes in any order, with any loss and repetition, from any of its sources', () => {
    const length = 7 * PART_WORDS + 3
    const words = vector(length)
    const steps = fc.array(fc.tuple(fc.constantFrom('deliver', 'lose', 'again', 'cut', 'wait'), fc.nat(40)), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(steps, script => {
        const net = new Net()
        const a = net.add('a', length)
        for (const id of ['b', 'c']) net.add(id, length).hold(hashOf(words), words)
        const w = wish(words, ['b', 'c'])
        const meet = () => void (w.got.length === 0 && a.meet([w], STALL_MS))
        meet()
        for (const [step, x] of script) {
          const index = net.wire.length > 0 ? x % net.wire.length : -1
          if (step === 'deliver' && index >= 0) expect(net.deliver(index)).not.toBe(false)
          if (step === 'lose' && index >= 0) net.wire.splice(index, 1)
          if (step === 'again' && index >= 0) net.wire.push(net.wire[index]!)
          if (step === 'cut') {
            const id = x % 2 === 0 ? 'b' : 'c'
            net.wire.splice(0)
            if (net.away.delete(id)) a.reconnected(id)
            else net.away.add(id)
          }
          if (step === 'wait') net.now += STALL_MS
          meet()
        }
        net.away.clear()
        for (let i = 0; i < 3 && w.got.length === 0; i++) {
          net.now += STALL_MS
          meet()
          net.all()
        }
        expect(named(w)).toEqual([toHex(hashOf(words))])
      }),
    )
  })

  it('goes on after a broken connection where it ended: no part twice but those on their way', () => {
    const net = new Net()
    const words = vector(40 * PART_WORDS)
    net.add('b', words.length).hold(hashOf(words), words)
    const a = net.add('a', words.length)
    const w = wish(words, ['b'])
    let given = 0
    const deliver = () => {
      if (net.wire[0]!.part) given++
      net.deliver()
    }
    a.meet([w], STALL_MS)
    while (given < 17) deliver()
    const lost = net.wire.splice(0).reduce((n, m) => n + (m.part ? 1 : (m.ask?.parts ?? 0)), 0)
    net.away.add('b')
    a.meet([w], STALL_MS)
    expect(net.wire).toEqual([])
    net.away.clear()
    a.reconnected('b')
    a.meet([w], STALL_MS)
    while (net.wire.length > 0) deliver()
    expect(named(w)).toEqual([toHex(hashOf(words))])
    expect(given).toBe(40)
    expect(lost).toBeLessThanOrEqual(WINDOW_PARTS)
  })
})

describe('while what has come is checked', () => {
  const words = vector(3 * PART_WORDS)

  function checking() {
    const net = new Net()
    net.checks = []
    const a = net.add('a', words.length)
    for (const id of ['b', 'c']) net.add(id, words.length).hold(hashOf(words), words)
    const w = wish(words, ['b', 'c'])
    a.meet([w], STALL_MS)
    net.all()
    return { net, a, w, check: net.checks[0]! }
  }

  it('nobody is asked for it, whatever happens to its source', () => {
    const { net, a, w, check } = checking()
    net.now = 5 * STALL_MS
    net.away.add('b')
    expect(a.meet([w], STALL_MS)).toBeUndefined()
    net.away.clear()
    a.reconnected('b')
    a.meet([w], STALL_MS)
    expect(net.wire).toEqual([])
    expect(w.got).toEqual([])
    check()
    expect(named(w)).toEqual([toHex(hashOf(words))])
    expect(a.size).toBe(0)
  })

  it('it may be given up: then nothing comes of it', () => {
    const { a, w, check } = checking()
    a.meet([], STALL_MS)
    check()
    expect(w.got).toEqual([])
  })

  it('another vector may take its place: what was checked does not count as that', () => {
    const { net, a, w, check } = checking()
    const other = vector(words.length, 9)
    const next = wish(other, ['b'])
    a.meet([next], STALL_MS)
    check()
    expect([w.got, next.got]).toEqual([[], []])
    expect(net.wrong).toEqual([])
    expect(a.size).toBe(1)
  })
})

describe('a vector in the store', () => {
  it('is given by its record, part by part', () => {
    const net = new Net()
    const length = 2 * PART_WORDS + 5
    const hash = hashOf(vector(length))
    const b = net.add('b', 3 * length)
    b.hold(hash, { record: 'r', from: 10, to: 10 + length })
    b.give('a', { ...place, hash, part: 1, parts: 4 })
    const at = 40 + PART_BYTES
    expect(net.stored).toEqual([`r ${at} ${at + PART_BYTES}`, `r ${at + PART_BYTES} ${at + PART_BYTES + 20}`])
  })
})

it('a vector comes into a draft where it is given one, and when it has to come again into another', () => {
  const net = new Net()
  for (const length of [5, 3 * PART_WORDS + 1]) {
    const words = vector(length)
    const a = net.add('a', length)
    net.add('liar', length).hold(hashOf(words), vector(length, 2))
    net.add('c', length).hold(hashOf(words), words)
    const came: Vector[] = []
    let drafts = 0
    const into = () => `${length}/${drafts++}`
    const w = { ...wish(words, ['liar', 'c']), into, come: (v: Vector) => void came.push(v) }
    a.meet([w], STALL_MS)
    // Whoever is only named as a source costs nothing.
    expect(drafts).toBe(0)
    net.all()
    a.meet([w], STALL_MS)
    net.all()
    expect(came).toEqual([{ record: `${length}/${drafts - 1}`, from: 0, to: length }])
    expect(toHex(hashOf(net.wordsOf(came[0]!)))).toBe(toHex(hashOf(words)))
    expect(drafts).toBe(2)
  }
})

describe('a source', () => {
  const words = vector(3 * PART_WORDS)

  it('that is silent has its place taken by the next, when its time is over and not before', () => {
    const net = new Net()
    net.add('silent', words.length)
    net.add('c', words.length).hold(hashOf(words), words)
    const a = net.add('a', words.length)
    const w = wish(words, ['silent', 'c'])
    expect(a.meet([w], STALL_MS)).toBe(STALL_MS)
    net.all()
    net.now = STALL_MS - 1
    a.meet([w], STALL_MS)
    expect(net.wire).toEqual([])
    net.now = STALL_MS
    a.meet([w], STALL_MS)
    expect(net.wire.map(m => m.to)).toEqual(['c'])
    net.all()
    expect(named(w)).toEqual([toHex(hashOf(words))])
  })

  it('that gives something else is at fault, and is not asked again', () => {
    const net = new Net()
    const a = net.add('a', words.length)
    net.add('liar', words.length).hold(hashOf(words), vector(words.length, 2))
    net.add('c', words.length).hold(hashOf(words), words)
    const w = wish(words, ['liar', 'c'])
    a.meet([w], STALL_MS)
    net.all()
    expect(net.wrong).toEqual(['liar'])
    expect(w.got).toEqual([])
    a.meet([w], STALL_MS)
    expect(new Set(net.wire.map(m => m.to))).toEqual(new Set(['c']))
    net.all()
    expect(named(w)).toEqual([toHex(hashOf(words))])
  })

  it('that gives parts of another length is at fault', () => {
    const net = new Net()
    const a = net.add('a', words.length)
    const w = wish(words, ['b'])
    a.meet([w], STALL_MS)
    const hash = hashOf(words)
    expect(a.take('b', { ...place, hash, part: 0, data: new Uint8Array(PART_BYTES - 4) })).toBe(false)
    net.wire.splice(0)
    a.meet([w], STALL_MS)
    expect(net.wire).toEqual([])
  })

  it('is not blamed for what another had a hand in', () => {
    const net = new Net()
    const a = net.add('a', words.length)
    net.add('liar', words.length).hold(hashOf(words), vector(words.length, 2))
    net.add('honest', words.length).hold(hashOf(words), words)
    const w = wish(words, ['liar', 'honest'])
    a.meet([w], STALL_MS)
    net.deliver()
    net.deliver()
    net.wire.splice(0)
    net.away.add('liar')
    a.meet([w], STALL_MS)
    net.all()
    expect(net.wrong).toEqual([])
    a.meet([w], STALL_MS)
    net.all()
    expect(named(w)).toEqual([toHex(hashOf(words))])
  })
})

describe('what people are told', () => {
  it('of a window or less is nothing', () => {
    const net = new Net()
    const words = vector(WINDOW_PARTS * PART_WORDS)
    net.add('b', words.length).hold(hashOf(words), words)
    net.add('a', words.length).meet([wish(words, ['b'])], STALL_MS)
    net.all()
    expect(net.told).toEqual([])
  })

  it('of a long vector is its begin, its end and some steps between, by both sides', () => {
    fc.assert(
      fc.property(fc.integer({ min: WINDOW_PARTS * PART_WORDS + 1, max: 90 * PART_WORDS }), length => {
        const net = new Net()
        const words = new Uint32Array(length)
        const hash = hashOf(words)
        net.add('b', length).hold(hash, words, 'sum')
        net.add('a', length).meet([wish(words, ['b'])], STALL_MS)
        net.all()
        for (const [by, way, peer, what] of [
          ['a', 'from', 'b', 'slice'],
          ['b', 'to', 'a', 'sum'],
        ] as const) {
          const told = net.told.filter(t => t.by === by)
          const base = { by, way, peer, what, vector: toHex(hash).slice(0, 16), bytesTotal: 4 * length }
          expect(told.length).toBeGreaterThanOrEqual(4)
          expect(told.length).toBeLessThanOrEqual(10)
          const done = told.map(t => t.bytesDone)
          expect(done).toEqual([...new Set(done)].sort((x, y) => x - y))
          expect(done[0]).toBe(way === 'from' ? 0 : PART_BYTES)
          for (const t of told)
            expect(t).toMatchObject({ ...base, state: t === told.at(-1) ? 'done' : 'going' })
          expect(done.at(-1)).toBe(4 * length)
        }
      }),
      { numRuns: 20 },
    )
  })

  it('of a very long one is no step of more than 8 MiB', () => {
    const net = new Net()
    const parts = 300
    net.add('b', 1)
    const a = net.add('a', parts * PART_WORDS)
    const it = { ...wish(new Uint32Array(1), ['b']), length: parts * PART_WORDS }
    a.meet([it], STALL_MS)
    const data = new Uint8Array(PART_BYTES)
    for (let part = 0; part < 100; part++) a.take('b', { ...place, hash: it.hash, part, data })
    expect(net.told.map(t => t.bytesDone / PART_BYTES)).toEqual([0, 32, 64, 96])
  })

  it('that it is needed no more, and that it begins anew, is told too', () => {
    const words = vector(9 * PART_WORDS)
    const net = new Net()
    net.add('liar', words.length).hold(hashOf(words), vector(words.length, 2))
    net.add('c', words.length)
    const a = net.add('a', words.length)
    a.meet([wish(words, ['liar', 'c'])], STALL_MS)
    net.all()
    a.meet([wish(words, ['liar', 'c'])], STALL_MS)
    a.meet([], STALL_MS)
    const told = net.told.filter(t => t.by === 'a').slice(-3)
    expect(told.map(t => [t.peer, t.bytesDone, t.state])).toEqual([
      ['liar', 4 * words.length, 'done'],
      ['c', 0, 'going'],
      ['c', 0, 'dropped'],
    ])
  })
})

describe('bounds', () => {
  const words = vector(2 * PART_WORDS)
  const hash = hashOf(words)

  it('takes nothing that it has not asked for, and nothing twice', () => {
    const net = new Net()
    const a = net.add('a', words.length)
    const part: Part = { ...place, hash, part: 0, data: residueBytes(words).slice(0, PART_BYTES) }
    expect(a.take('b', part)).toBeUndefined()
    const w = wish(words, ['b'])
    a.meet([w], STALL_MS)
    expect(a.take('c', part)).toBeUndefined()
    expect(a.take('b', { ...part, hash: sha256(hash) })).toBeUndefined()
    expect(a.take('b', { ...part, part: 7 })).toBeUndefined()
    expect(a.take('b', part)).toBe(true)
    expect(a.take('b', part)).toBeUndefined()
    a.meet([], STALL_MS)
    expect(a.take('b', { ...part, part: 1, data: residueBytes(words).slice(PART_BYTES) })).toBeUndefined()
    expect(w.got).toEqual([])
  })

  it('gives nothing that it does not hold, a window for each question, and to nobody without end', () => {
    const net = new Net()
    const b = net.add('b', words.length)
    const ask: Ask = { ...place, hash, part: 0, parts: 16_384 }
    b.give('a', ask)
    expect(net.wire).toEqual([])
    b.hold(hash, words)
    b.give('a', { ...ask, part: 2 })
    expect(net.wire).toEqual([])
    b.give('a', ask)
    expect(net.wire.map(m => m.part?.part)).toEqual([0, 1])
    for (let i = 0; i < 100; i++) b.give('a', ask)
    const bytes = net.wire.reduce((n, m) => n + m.part!.data.length, 0)
    expect(bytes).toBeLessThanOrEqual(8 * (4 * words.length + PART_BYTES))
    net.wire.splice(0)
    b.give('c', ask)
    expect(net.wire).toHaveLength(2)
  })

  it('two wishes with one hash are both met', () => {
    const net = new Net()
    net.add('b', words.length).hold(hash, words)
    const a = net.add('a', words.length)
    const both = [wish(words, ['b'], 'one'), wish(words, ['b'], 'two')]
    a.meet(both, STALL_MS)
    net.all()
    for (const w of both) expect(named(w)).toEqual([toHex(hash)])
  })
})
