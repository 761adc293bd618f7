import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Conspiracy } from '../../support/conspiracy.ts'
import { noised } from '../../support/noised.ts'

/** At most one kind of share for one member in one attempt, and never two different reveals (SPEC S10). */
function expectOneReveal(c: Conspiracy): void {
  const kinds = new Map<string, string>()
  const bytes = new Map<string, string>()
  for (const r of c.revealed) {
    const attempt = `${r.round}.${r.attempt}`
    const about = `${attempt} ${r.member}`
    expect(kinds.get(about) ?? r.kind).toBe(r.kind)
    expect(bytes.get(attempt) ?? r.bytes).toBe(r.bytes)
    kinds.set(about, r.kind)
    bytes.set(attempt, r.bytes)
  }
  // Of four with noise: level 1 comes off when nobody has dropped out, and nothing else of the noise ever.
  for (const { round, attempt, member, level } of c.revealedLevels) {
    expect(level).toBe(1)
    expect(kinds.get(`${round}.${attempt} ${member}`)).toBe('self')
    const isWhole = (r: (typeof c.revealed)[0]) =>
      r.round !== round || r.attempt !== attempt || r.kind === 'self'
    expect(c.revealed.every(isWhole)).toBe(true)
  }
}

interface Model {
  steps: number
}

/** A command is a hostile deed; after each, what has left is looked at. */
function deed(name: string, act: (c: Conspiracy) => void): fc.Command<Model, Conspiracy> {
  return {
    check: () => true,
    run: (m, c) => {
      m.steps++
      act(c)
      expectOneReveal(c)
    },
    toString: () => name,
  }
}

/** All that is needed for the next step, done as an honest cohort would; the survivors as `bitmap` says. */
function proceed(c: Conspiracy, bitmap: number): void {
  switch (c.peer.state.phase.kind) {
    case 'between':
      c.announce()
      c.open()
      break
    case 'opened':
      c.announce()
      c.deal()
      c.runJobs()
      c.inputs()
      c.fix(bitmap)
      break
    case 'fixed':
      c.announce()
      c.deal()
      c.inputs()
      c.runJobs()
      c.claims()
      c.runJobs()
      break
  }
}

const SETS = [0b1111, 0b0111, 0b1110, 0b1101, 0b1011]
const set = fc.constantFrom(...SETS)
const commands = [
  ...[1, 2, 3, 4].map(() => set.map(s => deed(`proceed ${s}`, c => proceed(c, s)))),
  set.map(s => deed(`fix ${s}`, c => c.fix(s))),
  fc.constant(deed('deal', c => c.deal())),
  fc.constant(deed('jobs', c => c.runJobs())),
  fc.nat({ max: 2 }).map(v => deed(`inputs ${v}`, c => c.inputs(v))),
  fc.nat({ max: 2 }).map(v => deed(`claims ${v}`, c => c.claims(v))),
  fc.constant(deed('abort', c => c.abort())),
  fc.constant(deed('open', c => c.open())),
  fc.constant(deed('restart', c => c.start())),
  fc.nat({ max: 9 }).map(k => deed(`crash in ${k}`, c => c.crashIn(k))),
  fc.constantFrom(10, 700, 5_000, 60_000).map(ms => deed(`tick ${ms}`, c => c.tick(ms))),
  fc.nat().map(i =>
    deed(`replay ${i}`, c => {
      const old = c.sent[i % Math.max(1, c.sent.length)]
      if (old) c.deliver(old.from, old.via, old.bytes)
    }),
  ),
  fc.nat().map(seed =>
    deed(`replay all, out of order, ${seed}`, c => {
      const all = [...c.sent]
      for (let i = 0; i < Math.min(60, all.length); i++) {
        const old = all[(i * 7919 + seed) % all.length]!
        c.deliver(old.from, old.via, old.bytes)
      }
    }),
  ),
  fc.tuple(fc.nat(), fc.nat(), fc.nat({ max: 7 })).map(([i, at, bit]) =>
    deed(`forge ${i}`, c => {
      const old = c.sent[i % Math.max(1, c.sent.length)]
      if (!old) return
      const bytes = old.bytes.slice()
      bytes[at % bytes.length]! ^= 1 << bit
      c.input({ kind: 'message', from: old.from, via: old.via, bytes })
    }),
  ),
]

describe('one reveal, whatever all others do', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    const mode = gossipBytesMax > 0 ? 'gossip' : 'shards'

    it(`an honest course ends in a reveal of the right kinds (${mode})`, () => {
      const c = new Conspiracy({ n: 4, f: 1, gossipBytesMax, seed: 1 })
      for (let i = 0; i < 3; i++) proceed(c, 0b0111)
      expect(c.revealed.map(r => r.kind)).toEqual(['self', 'self', 'self', 'mask'])
      c.start()
      proceed(c, 0b1110)
      expect(c.revealed.length).toBe(8)
      expectOneReveal(c)
    })

    it(`an honest course with noise opens a level of it if nobody dropped out (${mode})`, () => {
      for (const [survivors, levels] of [
        [0b1111, 4],
        [0b0111, 0],
      ] as const) {
        const c = new Conspiracy({ n: 4, f: 1, gossipBytesMax, seed: 1, edit: noised() })
        for (let i = 0; i < 3; i++) proceed(c, survivors)
        expect(c.revealed.length).toBe(4)
        expect(c.revealedLevels.length).toBe(levels)
        expectOneReveal(c)
      }
    })

    it(`hostile courses (${mode})`, () => {
      let revealed = 0
      fc.assert(
        fc.property(fc.commands(commands, { maxCommands: 30, size: 'max' }), fc.nat(), (hostile, seed) => {
          const c = new Conspiracy({ n: 4, f: 1, gossipBytesMax, seed })
          fc.modelRun(() => ({ model: { steps: 0 }, real: c }), hostile)
          revealed += c.revealed.length > 0 ? 1 : 0
        }),
        { numRuns: 60, seed: 4711 },
      )
      // Courses that never come to a reveal would show nothing.
      expect(revealed).toBeGreaterThan(20)
    })

    it(`hostile courses, where the sum has noise (${mode})`, () => {
      let [revealed, levels] = [0, 0]
      fc.assert(
        fc.property(fc.commands(commands, { maxCommands: 30, size: 'max' }), fc.nat(), (hostile, seed) => {
          const c = new Conspiracy({ n: 4, f: 1, gossipBytesMax, seed, edit: noised({ epsilonMax: 1000 }) })
          fc.modelRun(() => ({ model: { steps: 0 }, real: c }), hostile)
          revealed += c.revealed.length > 0 ? 1 : 0
          levels += c.revealedLevels.length > 0 ? 1 : 0
        }),
        { numRuns: 30, seed: 4711 },
      )
      expect(revealed).toBeGreaterThan(10)
      expect(levels).toBeGreaterThan(1)
    })

    it(`a second certified set comes at every point, before and after each crash (${mode})`, () => {
      let revealed = 0
      for (let k = 0; k < 24; k++) {
        for (const [first, second] of [
          [0b1111, 0b0111],
          [0b0111, 0b1110],
          [0b1110, 0b1011],
        ] as const) {
          const c = new Conspiracy({ n: 4, f: 1, gossipBytesMax, seed: k })
          proceed(c, first)
          c.deal()
          c.runJobs()
          c.inputs()
          c.crashIn(k)
          c.fix(first)
          c.claims()
          c.runJobs()
          c.fix(second)
          c.deal()
          c.inputs()
          c.runJobs()
          c.claims(1)
          c.runJobs()
          c.start()
          c.announce()
          proceed(c, second)
          proceed(c, second)
          expectOneReveal(c)
          if (c.revealed.length > 0) revealed++
        }
      }
      expect(revealed).toBeGreaterThan(30)
    })
  }
})
