/** Compressed and rotated updates through the whole protocol: sums stay exact, and all members turn them back alike (SPEC S6, D2). */
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../config/charter.ts'
import { BITS_PER_VALUE } from '../../config/lanes.ts'
import type { Peer } from '../../protocol/peer.ts'
import type { SimHost } from '../../sim/host.ts'
import type { Observer } from '../../sim/observer.ts'
import { audited } from '../support/audit.ts'
import { type ConsortiumOptions, consortium, memberName } from '../support/consortium.ts'

const compressed = (charter: Charter, compression: Charter['secureSum']['compression']): Charter => ({
  ...charter,
  secureSum: { ...charter.secureSum, compression },
})

/** With a model of one matrix, and so many values beside it. */
const matrix = (charter: Charter, rows: number, columns: number, others = 0): Charter => {
  const weights: Charter['model']['weights'] = [
    { name: 'matrix', shape: [rows, columns], initialiser: 'zeros' },
    ...(others > 0 ? [{ name: 'others', shape: [others], initialiser: 'zeros' as const }] : []),
  ]
  return { ...charter, model: { ...charter.model, weights } }
}

const SPARSE = [
  { bitsPerValue: 32, rotation: false, oneIn: 3 },
  { bitsPerValue: 8, rotation: false, oneIn: 2 },
  { bitsPerValue: 16, rotation: true, oneIn: 4 },
  { bitsPerValue: 32, rotation: false, rank: 2 },
  { bitsPerValue: 16, rotation: true, rank: 1 },
] as const

/** The learner's own numbers, but for an update that is the same everywhere: `given` in the first training round, then nothing. */
const once =
  (given: Float32Array): ConsortiumOptions['learner'] =>
  (_id, honest) =>
  job => {
    const learned = honest(job)
    const delta = job.round === 1 ? given : new Float32Array(given.length)
    return learned.delta ? { ...learned, samples: 1000, delta } : learned
  }

const wave = (length: number) => Float32Array.from({ length }, (_, i) => (Math.sin(i + 1) + 2) / 40)

describe('updates of which a part is summed each round', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it.each(SPARSE)(
      `$bitsPerValue bits, rotation $rotation, one in $oneIn, rank $rank (${gossipBytesMax})`,
      compression => {
        const { c, audit } = audited({
          n: 4,
          f: 1,
          features: 40,
          rounds: 4,
          gossipBytesMax,
          edit: charter => compressed(matrix(charter, 8, 5, 1), compression),
        })
        c.world.startAll()
        expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
        expect(audit.checked.sums).toBe(6)
        expect(audit.checked.residuals).toBe(16)
        expect(audit.problems).toEqual([])
      },
    )
  }

  it.each<[string, Partial<ConsortiumOptions>]>([
    ['all together', { n: 4, f: 1 }],
    ['in committees, which are others each round', { n: 8, f: 0 }],
  ])('send what is left in later rounds: %s', (_name, { n, f }) => {
    const given = wave(24)
    const c = consortium({
      n: n!,
      f: f!,
      rounds: 12,
      features: given.length - 1,
      edit: charter => ({
        ...compressed(charter, { bitsPerValue: 32, rotation: false, oneIn: 2 }),
        ...(n === 8 && { committees: { size: 4, maliciousMax: 0 } }),
      }),
      learner: once(given)!,
    })
    c.world.startAll()
    const modelOf = (i: number) => c.world.host(memberName(i)).model?.parameters
    // After the first training round half of the values are there, and none of the others.
    const closed = () => c.world.hosts.get(memberName(0))!.peer!
    const roundOf = () => {
      const { phase } = closed().state
      return phase.kind === 'between' ? phase.round : 0
    }
    expect(c.world.run(() => roundOf() === 2 && modelOf(0) !== undefined, 600_000)).toBe(true)
    const first = Array.from(modelOf(0)!)
    expect(first.filter(x => x !== 0).length).toBe(12)
    expect(c.world.run(() => c.finished(), 600_000)).toBe(true)
    for (let i = 0; i < n!; i++) {
      modelOf(i)!.forEach((x, k) => {
        expect(Math.abs(x - given[k]!)).toBeLessThan(1e-5)
      })
    }
  })
})

describe('updates whose factors are summed', () => {
  it.each<[string, Partial<ConsortiumOptions>]>([
    ['all together', { n: 4, f: 1 }],
    ['in committees, which are others each round', { n: 8, f: 0 }],
  ])('have come whole after some rounds: %s', (_name, { n, f }) => {
    const given = wave(24)
    const c = consortium({
      n: n!,
      f: f!,
      rounds: 12,
      features: given.length - 1,
      edit: charter => ({
        ...compressed(matrix(charter, 6, 4), { bitsPerValue: 32, rotation: false, rank: 1 }),
        ...(n === 8 && { committees: { size: 4, maliciousMax: 0 } }),
      }),
      learner: once(given)!,
    })
    c.world.startAll()
    expect(c.world.run(() => c.finished(), 600_000)).toBe(true)
    for (let i = 0; i < n!; i++) {
      c.world.host(memberName(i)).model!.parameters.forEach((x, k) => {
        expect(Math.abs(x - given[k]!)).toBeLessThan(1e-5)
      })
    }
  })

  it('bring the same model, with its basis, to who was away and to who was restarted', () => {
    const [away, restarted] = [memberName(1), memberName(2)]
    const { c, audit } = audited({
      n: 4,
      f: 1,
      rounds: 6,
      features: 40,
      gossipBytesMax: 0,
      edit: charter => compressed(matrix(charter, 8, 5, 1), { bitsPerValue: 32, rotation: false, rank: 2 }),
    })
    c.world.startAll()
    const roundOf = () => {
      const phase = c.world.host(memberName(0)).peer!.state.phase
      return phase.kind === 'between' ? phase.round : 0
    }
    expect(c.world.run(() => roundOf() === 2, 120_000)).toBe(true)
    c.world.at(60_000, c.world.isolate(away))
    expect(c.world.run(() => roundOf() === 4, 240_000)).toBe(true)
    expect(c.world.host(away).peer!.state.height).toBeLessThan(c.world.host(memberName(0)).peer!.state.height)
    c.world.crash(restarted)
    c.world.at(10, () => c.world.start(restarted))
    const models = () => Array.from({ length: 4 }, (_, i) => c.world.host(memberName(i)).peer!.model)
    expect(c.world.run(() => c.finished() && models().every(m => m !== undefined), 240_000)).toBe(true)
    for (const model of models()) expect(model).toEqual(models()[0])
    expect(models()[0]!.basis!.length).toBe(2 * 5)
    expect(audit.problems).toEqual([])
  })
})

describe('what a hospital owes', () => {
  const EDIT = (charter: Charter) => compressed(charter, { bitsPerValue: 32, rotation: false, oneIn: 2 })

  /** Watches the residuals of all machines: `left` of each host's inputs, by round, and what was seen of them when. */
  function watched(onMask: (host: SimHost, round: number) => void = () => {}) {
    const left = new Map<string, Float32Array>()
    const seen = { before: 0, sent: 0, fixed: 0, others: [] as string[] }
    const observer: Observer = {
      onJob: (host, job, result) => {
        if (job.kind !== 'vector' || result.kind !== 'vector' || result.output.kind !== 'mask') return
        const { phase } = host.peer!.state
        if (!('opened' in phase) || phase.opened.task !== 'train') return
        left.set(`${host.id} ${phase.opened.round}`, result.output.unsent!)
        onMask(host, phase.opened.round)
      },
      afterEvent: () => {
        for (const host of c.world.hosts.values()) {
          const phase = host.peer?.state.phase
          if (!phase || !('opened' in phase) || phase.opened.task !== 'train') continue
          const { round } = phase.opened
          const own = left.get(`${host.id} ${round}`)
          const isFixed = phase.kind === 'fixed'
          const expected = isFixed ? own : own ? undefined : left.get(`${host.id} ${round - 1}`)
          if ((host.peer as Peer).residual !== expected) seen.others.push(`${host.id} ${round} ${phase.kind}`)
          else seen[isFixed ? 'fixed' : own ? 'sent' : 'before']++
        }
      },
    }
    const { c, audit } = audited({
      n: 4,
      f: 1,
      rounds: 3,
      features: 20,
      edit: EDIT,
      world: { observers: [observer] },
    })
    c.world.startAll()
    return { c, audit, left, seen }
  }

  it('is settled by the entry that fixes the survivors, and not to be had while that is open', () => {
    const { c, audit, seen } = watched()
    expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
    expect(seen.others).toEqual([])
    expect(Math.min(seen.before, seen.sent, seen.fixed)).toBeGreaterThan(20)
    expect(audit.problems).toEqual([])
  })

  it('stays where its input was not summed, and is gone after a restart', () => {
    const [lost, restarted] = [memberName(1), memberName(2)]
    const { c, audit, left, seen } = watched((host, round) => {
      if (round !== 2 || host.id !== lost) return
      // Its input goes nowhere; the others fix the survivors without it.
      c.world.at(30_000, c.world.isolate(lost))
    })
    const roundOf = (id: string) => {
      const phase = c.world.host(id).peer?.state.phase
      return phase && 'opened' in phase ? phase.opened.round : 0
    }
    const kept = () => roundOf(lost) === 3 && seen.before > 0
    expect(c.world.run(kept, 120_000)).toBe(true)
    expect((c.world.host(lost).peer as Peer).residual).toBe(left.get(`${lost} 1`))
    c.world.crash(restarted)
    c.world.at(10, () => c.world.start(restarted))
    expect(c.world.run(() => c.finished(), 240_000)).toBe(true)
    expect(audit.problems).toEqual([])
  })
})

describe('rotated updates', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it.each(BITS_PER_VALUE)(
      `in %i bits make the model that learners gave (${gossipBytesMax})`,
      bitsPerValue => {
        const { c, audit } = audited({
          n: 4,
          f: 1,
          features: 40,
          rounds: 3,
          gossipBytesMax,
          edit: charter => compressed(charter, { bitsPerValue, rotation: true }),
        })
        c.world.startAll()
        expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
        expect(audit.checked.sums).toBe(5)
        expect(audit.problems).toEqual([])
      },
    )
  }

  it('of committees add up: all committees of a round rotate alike', () => {
    const parameters = 64
    const given = Float32Array.from({ length: parameters }, (_, i) => Math.sin(i) / 8)
    const c = consortium({
      n: 8,
      f: 0,
      rounds: 1,
      features: parameters - 1,
      edit: charter => ({
        ...compressed(charter, { bitsPerValue: 16, rotation: true }),
        committees: { size: 4, maliciousMax: 0 },
      }),
      learner: (_id, honest) => job => {
        const learned = honest(job)
        return learned.delta ? { ...learned, samples: 1000, delta: given } : learned
      },
    })
    c.world.startAll()
    expect(c.world.run(() => c.finished(), 600_000)).toBe(true)
    for (let i = 0; i < 8; i++) {
      const { parameters: made } = c.world.host(memberName(i)).model!
      // The model starts from zeros, and everybody gives the same.
      made.forEach((x, k) => {
        expect(Math.abs(x - given[k]!)).toBeLessThan(0.002)
      })
    }
  })
})
