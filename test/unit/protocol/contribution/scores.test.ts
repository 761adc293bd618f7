import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Random, randomOf } from '../../../../node/attack/random.ts'
import { groupsOf } from '../../../../protocol/contribution/groups.ts'
import { type AuditRecord, recordOf } from '../../../../protocol/contribution/record.ts'
import { dot } from '../../../../protocol/contribution/regress.ts'
import { curvesOf, OWN_MIN, PULL_MIN, scoresOf } from '../../../../protocol/contribution/scores.ts'

/** Parameters of a model that exists only here. */
const LENGTH = 30

interface Turn {
  readonly audit: number
  /** What all have in common. */
  readonly common: Float64Array
  /** An honest member's update. */
  readonly honest: Float64Array
  readonly random: Random
}
type Gives = (turn: Turn) => Float64Array | undefined

interface Made {
  readonly seed: number
  readonly audits: number
  /** Training rows, which are weights up to `weightMax`. */
  readonly rows: readonly number[]
  readonly weightMax?: number
  /** Of members who do not give an honest update; undefined: not there. */
  readonly gives?: Readonly<Record<string, Gives>>
  readonly groupSize?: number
  /** All updates are so many times as long. */
  readonly scale?: number
}

const names = (n: number) => Array.from({ length: n }, (_, i) => `m${String(i).padStart(2, '0')}`)
const normal = (random: Random, deviation: number) =>
  Float64Array.from({ length: LENGTH }, () => deviation * random.normal())
const plus = (...all: readonly Float64Array[]) => all.reduce((a, b) => a.map((v, j) => v + b[j]!))

/** Honest: a common step that fades, what is one's own (as sampling leaves it: the longer the fewer patients), and noise of every round. */
function made({
  seed,
  audits,
  rows,
  weightMax = 1e9,
  gives = {},
  groupSize = 4,
  scale = 1,
}: Made): AuditRecord[] {
  const random = randomOf(seed)
  const members = names(rows.length)
  const way = normal(random.fork('way'), 0.1)
  const own = members.map((m, i) => normal(random.fork('own', m), 0.4 / Math.sqrt(rows[i]!)))
  let progress: Float64Array = new Float64Array(LENGTH)
  return Array.from({ length: audits }, (_, audit) => {
    const common = plus(
      way.map(v => v / (1 + audit / 4)),
      normal(random.fork('common', audit), 0.01),
    )
    const updates = new Map<string, Float64Array>()
    for (const [i, m] of members.entries()) {
      const at = random.fork('turn', m, audit)
      const honest = plus(common, own[i]!, normal(at, 0.1 / Math.sqrt(rows[i]!)))
      const update = gives[m] ? gives[m]({ audit, common, honest, random: at.fork('rider') }) : honest
      if (update)
        updates.set(
          m,
          update.map(v => scale * v),
        )
    }
    const rowsOf = new Map(members.map((m, i) => [m, rows[i]!]))
    const weightOf = new Map(members.map((m, i) => [m, Math.min(rows[i]!, weightMax)]))
    const present = members.filter(m => updates.has(m))
    const sumOf = (group: readonly string[]) =>
      plus(...group.map(m => updates.get(m)!.map(v => weightOf.get(m)! * v)))
    const total = present.reduce((w, m) => w + weightOf.get(m)!, 0)
    progress = plus(
      progress,
      sumOf(present).map(v => v / total),
    )
    const groups = groupsOf(random.fork('beacon', audit).key(), present, groupSize)
    return recordOf({
      groups: groups.map(group => ({ members: group, sum: sumOf(group) })),
      rows: rowsOf,
      weights: weightOf,
      progress,
    })
  })
}

/** What `made` makes each member's own, in units of the median: off what they have in common. */
function ownOf(seed: number, rows: readonly number[]): number[] {
  const random = randomOf(seed)
  const way = normal(random.fork('way'), 0.1)
  const own = names(rows.length).map((m, i) => normal(random.fork('own', m), 0.4 / Math.sqrt(rows[i]!)))
  const total = rows.reduce((a, b) => a + b, 0)
  const mean = plus(...own.map((v, i) => v.map(x => (rows[i]! / total) * x)))
  const squares = own.map((v, i) => {
    const part = v.map((x, j) => x - mean[j]!)
    const along = dot(part, way)
    return rows[i]! * (dot(part, part) - (along * along) / dot(way, way))
  })
  const sorted = [...squares].sort((a, b) => a - b)
  return squares.map(x => (2 * x) / (sorted[rows.length / 2 - 1]! + sorted[rows.length / 2]!))
}

const seeds = fc.integer({ min: 0, max: 100_000 })
const even = (n: number) => new Array<number>(n).fill(60)
const scoresAt = (o: Made) => scoresOf(made(o), names(o.rows.length))
const zero: Gives = () => new Float64Array(LENGTH)

describe('scoresOf', () => {
  it('says of honest members that they give, of large ones and small ones', () => {
    fc.assert(
      fc.property(seeds, seed => {
        const rows = even(20).map((w, i) => (i < 4 ? w / 3 : i < 8 ? 3 * w : w))
        for (const { says, own, pull } of scoresAt({ seed, audits: 20, rows }).values()) {
          expect(['gives', 'cannot tell yet']).toContain(says)
          expect(own!.low).toBeLessThanOrEqual(own!.value)
          expect(own!.high).toBeGreaterThan(OWN_MIN)
          expect(pull!.high).toBeGreaterThan(-0.8)
        }
      }),
      { numRuns: 15 },
    )
  })

  it('does not see a smaller part in a small hospital: what counts is each declared sample', () => {
    let [told, truth] = [0, 0]
    for (let seed = 0; seed < 8; seed++) {
      const rows = even(20).map((w, i) => (i < 4 ? w / 6 : w))
      const scores = scoresAt({ seed, audits: 20, rows })
      for (const m of names(4)) told += scores.get(m)!.own!.value
      for (const own of ownOf(seed, rows).slice(0, 4)) truth += own
    }
    expect(told / truth).toBeGreaterThan(0.95)
    expect(told / truth).toBeLessThan(1.05)
  })

  it('takes nobody for a rider who has more rows than count', () => {
    const values: number[] = []
    for (let seed = 0; seed < 6; seed++) {
      const rows = even(20).map((r, i) => (i < 4 ? 4 * r : r))
      const scores = scoresAt({ seed, audits: 20, rows, weightMax: 60 })
      for (const m of names(4)) values.push(scores.get(m)!.own!.value)
      for (const { says } of scores.values()) expect(says).not.toBe('gives nothing')
    }
    // 24 values of mean 1.
    expect(Math.abs(values.reduce((a, b) => a + b, 0) / values.length - 1)).toBeLessThan(0.5)
  })

  it.each<[string, Gives]>([
    ['nothing', zero],
    ['noise', ({ random }) => normal(random, 0.02)],
    ['what all have in common', ({ common }) => common],
    ['that with noise', ({ common, random }) => plus(common, normal(random, 0.01))],
    ['a twentieth', ({ honest }) => honest.map(v => v / 20)],
  ])('marks who gives %s, and nobody else', (_, gives) => {
    for (let seed = 0; seed < 5; seed++) {
      const scores = scoresAt({ seed, audits: 25, rows: even(20), gives: { m03: gives, m11: gives } })
      for (const [m, { says }] of scores) expect(says === 'gives nothing').toBe(m === 'm03' || m === 'm11')
    }
  })

  it('marks who pulls against the model, however much of its own it has', () => {
    for (let seed = 0; seed < 5; seed++) {
      const gives: Gives = ({ common, honest }) =>
        plus(
          honest,
          common.map(v => (-3 * v) / Math.sqrt(dot(common, common)) / 2),
        )
      const scores = scoresAt({ seed, audits: 25, rows: even(20), gives: { m05: gives } })
      for (const [m, { says }] of scores) expect(says === 'pulls against the model').toBe(m === 'm05')
      // What is usual stays 0, however far one is from it.
      const pulls = [...scores.values()].map(s => s.pull!.value).sort((a, b) => a - b)
      expect((pulls[9]! + pulls[10]!) / 2).toBeCloseTo(0, 9)
    }
  })

  it('finds more of its own in who has learned from a tenth of what it declares, and marks it not', () => {
    for (let seed = 0; seed < 5; seed++) {
      const few = normal(randomOf(seed).fork('few'), 0.4 / Math.sqrt(6))
      const scores = scoresAt({
        seed,
        audits: 20,
        rows: even(20),
        gives: { m05: ({ common }) => plus(common, few) },
      })
      const { own, says, oddness } = scores.get('m05')!
      expect(own!.low).toBeGreaterThan(2)
      expect(says).toBe('gives')
      expect(oddness).toBe(Math.max(...[...scores.values()].map(s => s.oddness!)))
    }
  })

  it('says nothing of anybody after a few audits, or after audits of one group', () => {
    const all = made({ seed: 1, audits: 40, rows: even(7) })
    const few = made({ seed: 1, audits: 8, rows: even(20) })
    expect(scoresOf(few, names(20)).get('m00')!.own).toBeDefined()
    for (const audits of [[], all, few.slice(1), [...few.slice(1), ...all]]) {
      for (const score of scoresOf(audits, names(20)).values())
        expect(score).toEqual({
          says: 'cannot tell yet',
          own: undefined,
          pull: undefined,
          oddness: undefined,
        })
    }
  })

  it('says nothing of anybody while more than a third are not known: most of the others might be riders', () => {
    const away = (count: number) =>
      Object.fromEntries(names(count).map((m): [string, Gives] => [m, () => undefined]))
    const told = (count: number) =>
      [...scoresAt({ seed: 4, audits: 20, rows: even(30), gives: away(count) }).values()].filter(
        s => s.own !== undefined,
      )
    expect(told(9)).toHaveLength(21)
    expect(told(10)).toHaveLength(0)
  })

  it('says nothing of who was not there, was hardly there, or declares nothing', () => {
    const gives: Record<string, Gives> = {
      m00: () => undefined,
      m01: ({ audit, honest }) => (audit % 3 === 0 ? honest : undefined),
    }
    const audits = made({ seed: 3, audits: 20, rows: even(20), gives })
    const scores = scoresOf(
      audits.map(a => ({ ...a, rows: new Map([...a.rows, ['m02', 0]]) })),
      [...names(20), 'stranger'],
    )
    for (const m of ['m00', 'm01', 'm02', 'stranger']) expect(scores.get(m)!.says).toBe('cannot tell yet')
    expect(scores.get('m02')!.own).toBeUndefined()
    expect([...scores.values()].filter(s => s.own !== undefined)).toHaveLength(17)
  })

  it('says nothing of anybody where noise hides what is usual, whose unit it would be', () => {
    const noisy =
      (deviation: number): Gives =>
      ({ honest, random }) =>
        plus(honest, normal(random, deviation))
    const cohort = (riders: number, deviation: number) =>
      Object.fromEntries(names(riders).map((m): [string, Gives] => [m, noisy(deviation)]))
    for (let seed = 0; seed < 6; seed++) {
      const all = scoresAt({ seed, audits: 20, rows: even(20), gives: cohort(20, 0.1) })
      for (const { says, own } of all.values()) expect([says, own]).toEqual(['cannot tell yet', undefined])
      // Some who are loud enough hide all others too, and get nobody marked.
      const some = scoresAt({ seed, audits: 9, rows: even(20), gives: cohort(4, 1) })
      for (const { says, own } of some.values()) expect([says, own]).toEqual(['cannot tell yet', undefined])
    }
  })

  it('has intervals that hold what is true of nearly all members', () => {
    let [inside, narrow, all] = [0, 0, 0]
    for (let seed = 0; seed < 10; seed++) {
      const audits = made({ seed, audits: 20, rows: even(20) })
      const truth = ownOf(seed, even(20))
      for (const [i, { own }] of [...scoresOf(audits, names(20)).values()].entries()) {
        all++
        if (own!.low < truth[i]! && truth[i]! < own!.high) inside++
        const third = (own!.high - own!.value) / 3
        if (Math.abs(truth[i]! - own!.value) < third) narrow++
      }
    }
    expect(inside).toBeGreaterThan(0.95 * all)
    // A third of the interval does not.
    expect(narrow).toBeLessThan(0.9 * all)
  })

  it('marks for what its intervals say, and for nothing else', () => {
    const gives: Gives = ({ common, honest, random }) =>
      plus(
        honest,
        normal(random, 0.1),
        common.map(v => (-1.2 * v) / Math.sqrt(dot(common, common)) / 4),
      )
    const seen = new Set<string>()
    for (let seed = 0; seed < 8; seed++) {
      const o = { seed, audits: 20, rows: even(20), gives: { m01: zero, m05: gives, m06: gives } }
      for (const { says, own, pull } of scoresAt(o).values()) {
        const isMarked = own!.high < OWN_MIN || pull!.high < PULL_MIN
        expect(says === 'gives nothing' || says === 'pulls against the model').toBe(isMarked)
        expect(says === 'gives').toBe(own!.low > OWN_MIN && pull!.low > PULL_MIN)
        seen.add(says)
      }
    }
    expect(seen.size).toBeGreaterThan(2)
  })

  it('does not depend on how long updates are', () => {
    fc.assert(
      fc.property(seeds, fc.double({ min: 1e-4, max: 1e4, noNaN: true }), (seed, scale) => {
        const o = { seed, audits: 12, rows: even(12), gives: { m01: zero } }
        const plain = scoresAt(o)
        for (const [m, { says, own, pull }] of scoresAt({ ...o, scale })) {
          expect(says).toBe(plain.get(m)!.says)
          if (!own) continue
          expect(own.value).toBeCloseTo(plain.get(m)!.own!.value, 6)
          expect(pull!.high).toBeCloseTo(plain.get(m)!.pull!.high, 6)
        }
      }),
      { numRuns: 20 },
    )
  })

  it('gives the same bits for the same audits', () => {
    const audits = made({ seed: 4, audits: 15, rows: even(20) })
    expect(scoresOf(structuredClone(audits), names(20))).toEqual(scoresOf(audits, names(20)))
  })

  it('forgets what is long ago: who has given again for long enough gives', () => {
    const gives: Gives = ({ audit, honest }) => (audit < 25 ? new Float64Array(LENGTH) : honest)
    const curves = curvesOf(made({ seed: 5, audits: 45, rows: even(20), gives: { m07: gives } }), names(20))
    const says = curves.map(c => c.get('m07')!.says)
    expect(says[24]).toBe('gives nothing')
    expect(says[44]).toBe('gives')
    expect(curves.map(c => c.get('m08')!.says)).not.toContain('gives nothing')
  })

  it('stays finite whatever a member gives, and marks no honest one for it', () => {
    const wild: Gives = ({ random }) => normal(random, 1e3)
    for (const { says, own, pull } of scoresAt({
      seed: 6,
      audits: 20,
      rows: even(20),
      gives: { m00: wild },
    }).values()) {
      expect(['gives', 'cannot tell yet']).toContain(says)
      for (const x of [own, pull]) if (x) expect(Number.isFinite(x.low + x.value + x.high)).toBe(true)
    }
  })
})
