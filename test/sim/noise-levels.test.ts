/**
 * Noise that more survivors do not need comes off the sum (SPEC P3, S10): whoever drops out, the sum is exactly that of the inputs and of the
 * levels that stay, which have the promised variance; and who lies about a level is named.
 */
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../config/charter.ts'
import { concatBytes } from '../../protocol/bytes.ts'
import type { VectorWork } from '../../protocol/ports.ts'
import { varianceOf } from '../../protocol/privacy/shares.ts'
import { P } from '../../protocol/sum/field.ts'
import { centre } from '../../protocol/sum/quantise.ts'
import { about, flipped, type Lie } from '../../sim/adversary/liar.ts'
import { otherAnchor } from '../../sim/adversary/tactics/anchor.ts'
import { clearOf } from '../../sim/checkers/inputs.ts'
import { audited, ledgerOf } from '../support/audit.ts'
import { type ConsortiumOptions, memberName } from '../support/consortium.ts'
import { crashRun } from '../support/crashes.ts'
import { hostileRun } from '../support/hostile.ts'
import { hospitalsNoised, noised } from '../support/noised.ts'

type Mask = VectorWork & { kind: 'mask' }

/** A statistics round in which the last `dropouts` hospitals announce keys, deal shares and reveal, but give nothing. */
function withDropouts(dropouts: number, o: ConsortiumOptions) {
  const gone = Array.from({ length: dropouts }, (_, i) => memberName(o.n - 1 - i))
  const { c, audit } = audited({
    ...o,
    rounds: 1,
    keepJobs: true,
    site: id => ({
      jobMs: job => (job.kind === 'learn' && gone.includes(id) && job.round === 0 ? 1e9 : 20),
    }),
  })
  c.world.startAll()
  const first = memberName(0)
  expect(c.world.run(() => c.closed(first).length > 0, 120_000)).toBe(true)
  expect(audit.problems).toEqual([])
  expect(audit.checked.sums).toBe(1)
  const fixed = ledgerOf(c.world.host(first)).find(e => e.entry.body.kind === 'SurvivorsFixed')!.entry.body
  const survivors = fixed.kind === 'SurvivorsFixed' ? fixed.survivors.map(s => s.member) : []
  expect(survivors.length).toBe(o.n - dropouts)
  const jobs = c.jobs.filter(j => j.job.kind === 'vector')
  const maskings = jobs.flatMap(({ host, job }) =>
    job.kind === 'vector' && job.work.kind === 'mask' && survivors.includes(host) ? [job.work] : [],
  )
  return { c, maskings, jobs: jobs.filter(j => j.host === first) }
}

/** What the opened sum has beside the inputs: their sum as it was tapped, less the exact quantised inputs. */
function noiseIn(sum: Uint32Array, maskings: readonly Mask[]): number[] {
  const exact = maskings.map(work => clearOf(work)!.kept(-1))
  return Array.from(sum, (x, i) => centre((x + exact.reduce((rest, v) => rest + P - v[i]!, 0)) % P))
}

const CASES: readonly [string, number, readonly number[], (charter: Charter) => Charter][] = [
  ['patients, of four', 4, [0, 1], noised()],
  ['hospitals, of four', 4, [0, 1], hospitalsNoised()],
  // Quorum 6 of 10: levels for 0, 1, 3 and 4 dropouts.
  ['patients, of ten', 10, [0, 1, 2, 3, 4], noised()],
  ['hospitals, of ten', 10, [0, 1, 3, 4], hospitalsNoised()],
]

describe('the noise of an opened sum', () => {
  for (const [name, n, dropouts, edit] of CASES) {
    it.each(dropouts)(`of ${name}: %i dropouts leave what is promised, and hardly more`, gone => {
      const { maskings, jobs } = withDropouts(gone, { n, f: 1, features: 600, edit })
      const ends = n === 4 ? [0, 1] : [0, 1, 3, 4]
      const kept = ends.findIndex(end => end >= gone)
      const sums = jobs.flatMap(({ job, result }) =>
        job.kind === 'vector' &&
        job.work.kind === 'sum' &&
        result.kind === 'vector' &&
        result.output.kind === 'sum'
          ? [{ work: job.work, sum: result.output.sum! }]
          : [],
      )
      const [{ work, sum }] = sums as [(typeof sums)[0]]
      const off = new Set(work.masked!.excess?.keys.map(k => k.level))
      expect([...off]).toEqual([1, 2, 3].filter(level => level > kept && level < ends.length))
      const noise = noiseIn(sum, maskings)
      let at = 0
      for (const section of maskings[0]!.sections) {
        const part = noise.slice(at, at + section.length)
        at += section.length
        if (!section.noise) continue
        // As many hospitals as surely add theirs have what is promised when as many are gone as this level is for.
        const least = (n - ends[kept]! - 1) * varianceOf(section.noise, kept)
        const all = varianceOf(section.noise) * (n - ends.at(-1)! - 1)
        expect(least).toBeGreaterThanOrEqual(all - (n - ends.at(-1)! - 1))
        expect(least).toBeLessThanOrEqual(all + n)
        const variance = (n - gone) * varianceOf(section.noise, kept)
        const found = part.reduce((s, x) => s + x * x, 0) / part.length
        // Of a chi-square with so many degrees of freedom, five deviations.
        expect(Math.abs(found / variance - 1)).toBeLessThan(5 * Math.sqrt(2 / part.length))
      }
      // Whoever applies the sum counts with the noise that is in it.
      const applied = jobs.flatMap(({ job }) =>
        job.kind === 'vector' && job.work.kind === 'apply' ? job.work.step!.sections : [],
      )
      const levels = applied.flatMap(s => (s.noise ? [s.noise.levels.length] : []))
      expect(new Set(levels)).toEqual(new Set([kept + 1]))
      // And not another draw: the very levels that stay.
      const stays = maskings.map(w => clearOf(w)!.kept(kept))
      expect(Array.from(sum)).toEqual(Array.from(sum, (_, i) => stays.reduce((s, v) => (s + v[i]!) % P, 0)))
    })
  }

  it.each([0, 1, 2])(
    'is the same in shards, from which it comes off at owners and from tags: %i of seven gone',
    gone => {
      for (const edit of [noised(), hospitalsNoised()])
        withDropouts(gone, { n: 7, f: 1, features: 20, gossipBytesMax: 0, edit })
    },
  )
})

const N = 4

/** Reveals nothing of the noise. */
const noNoiseRevealed: Lie = about('reveal', body => ({ ...body, shares: body.shares.subarray(0, 32 * N) }))
/** A wrong share of a level's seed, and of nothing else. */
const wrongLevel: Lie = about('reveal', body => ({ ...body, shares: flipped(body.shares, 32 * N + 5) }))
/** Another level's share under the digest of this one's would be a wrong share; these are the self-mask shares once more. */
const wrongKind: Lie = about('reveal', body => ({
  ...body,
  shares: concatBytes(body.shares.subarray(0, 32 * N), body.shares.subarray(0, body.shares.length - 32 * N)),
}))

describe('a liar about levels of noise', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it.each([
      ['whose levels end elsewhere than it says', otherAnchor, 'badShare'],
      ['who reveals a wrong share of a level', () => wrongLevel, 'badShare'],
      ['who reveals shares of another seed', () => wrongKind, 'badShare'],
      ['who reveals no share of any level', () => noNoiseRevealed, undefined],
    ] as const)(`%s is named, and costs one attempt (gossipBytesMax ${gossipBytesMax})`, (_what, lie, as) => {
      for (const edit of [noised({ epsilonMax: 1000 }), hospitalsNoised({ epsilonMax: 1000 })]) {
        const r = hostileRun({ n: N, f: 1, rounds: 1, gossipBytesMax, edit, lies: new Map([[2, [lie()]]]) })
        expect(r.problems).toEqual([])
        expect(r.done).toBe(true)
        expect(r.sums).toBe(3)
        const named = r.named.filter(x => x.where !== 'absent' && x.where !== 'leftOut')
        expect(named.every(x => x.member === memberName(2))).toBe(true)
        if (as) expect(named.some(x => x.as === as && x.evidence > 0)).toBe(true)
      }
    })
  }
})

describe('a hospital that crashes', { timeout: 600_000 }, () => {
  it.each([
    ['patients, by gossip', false, noised({ epsilonMax: 1000 })],
    ['hospitals, in shards', true, hospitalsNoised({ epsilonMax: 1000 })],
  ] as const)(
    'at any step of a round says the same shares again, and the sum has its noise: %s',
    (_what, shards, edit) => {
      const p = { seed: 5, shards, victim: 1, awayMs: 300, slowMs: 500, edit }
      const { steps } = crashRun({ ...p, at: [] })
      const first = steps.findIndex(s => s.startsWith('before commit') && s.includes('attempt/seed'))
      const last = steps.findIndex(s => s.startsWith('after job apply'))
      expect(first).toBeGreaterThanOrEqual(0)
      expect(last).toBeGreaterThan(first)
      const reveal = steps.findIndex(s => s.startsWith('before commit') && s.includes('attempt/reveal'))
      for (let k = first; k <= last; k += Math.abs(k - reveal) < 4 ? 1 : 4) {
        const { audit, crashes, done } = crashRun({ ...p, at: [k] })
        const what = `crash at ${k}: ${crashes.join()}`
        expect(done, what).toBe(true)
        expect(audit.problems, what).toEqual([])
      }
    },
  )
})
