import { describe, expect, it } from 'vitest'
import type { Lie } from '../../sim/adversary/liar.ts'
import * as lies from '../../sim/adversary/lies.ts'
import { memberName } from '../support/consortium.ts'
import { type HostileOptions, type HostileRun, hostileRun } from '../support/hostile.ts'

type Mode = 'gossip' | 'shards'
interface Case {
  readonly name: string
  readonly lie: Lie
  readonly modes: readonly Mode[]
  /** Code or reason as which the ledger names the liar; none: nothing shows the lie, and nothing comes of it. */
  readonly as: readonly string[]
}

const both: readonly Mode[] = ['gossip', 'shards']
const victim = memberName(1)
const CASES: readonly Case[] = [
  { name: 'a corrupted input, signed', lie: lies.corruptInput, modes: ['gossip'], as: ['corrupt'] },
  { name: 'an input outside the field', lie: lies.outsideField, modes: ['gossip'], as: ['corrupt'] },
  { name: 'corrupted shards', lie: lies.corruptShards, modes: ['shards'], as: ['undelivered'] },
  { name: 'a commitment without delivery', lie: lies.noDelivery, modes: ['shards'], as: ['undelivered'] },
  { name: 'two inputs', lie: lies.twoInputs, modes: both, as: ['corrupt'] },
  { name: 'an input for each', lie: lies.manyInputs, modes: both, as: ['corrupt'] },
  { name: 'garbage keys', lie: lies.garbageKeys, modes: both, as: ['malformed'] },
  { name: 'two keys', lie: lies.twoKeys, modes: both, as: ['equivocation'] },
  { name: 'a key for each', lie: lies.manyKeys, modes: both, as: ['equivocation'] },
  { name: 'wrong sealed shares', lie: lies.wrongSealed(), modes: both, as: ['unshared'] },
  { name: 'two offers', lie: lies.twoOffers, modes: both, as: ['equivocation'] },
  { name: 'garbage ciphertexts', lie: lies.garbageCiphertexts, modes: both, as: ['badShare'] },
  { name: 'false receipts', lie: lies.falseReceipts, modes: ['shards'], as: [] },
  { name: 'a receipt for each', lie: lies.splitReceipts, modes: ['shards'], as: ['equivocation'] },
  { name: 'receipts and no sum', lie: lies.neverSums, modes: ['shards'], as: ['withheld'] },
  { name: 'vanishing once the survivors are fixed', lie: lies.vanishes, modes: ['shards'], as: ['withheld'] },
  { name: 'a claim and no sum', lie: lies.keepsSum, modes: ['shards'], as: ['withheld'] },
  { name: 'a wrong sum', lie: lies.wrongSum, modes: ['shards'], as: ['withheld'] },
  { name: 'a claim that no sum matches', lie: lies.wrongClaim, modes: ['shards'], as: ['badSum'] },
  { name: 'a wrong sum with its claim', lie: lies.wrongClaimAndSum, modes: ['shards'], as: ['badSum'] },
  { name: 'two claims', lie: lies.twoClaims, modes: ['shards'], as: ['equivocation'] },
  { name: 'claims of all shards', lie: lies.claimsAll, modes: ['shards'], as: ['badSum', 'equivocation'] },
  { name: 'a wrong revealed share', lie: lies.wrongReveal, modes: both, as: ['badShare'] },
  { name: 'two reveals', lie: lies.twoReveals, modes: both, as: ['equivocation', 'badShare'] },
  { name: 'wrong tags', lie: lies.wrongTags, modes: ['shards'], as: ['badTag'] },
  { name: 'two tags', lie: lies.twoTags, modes: ['shards'], as: ['equivocation', 'badTag'] },
  { name: 'two proposals', lie: lies.twoProposals, modes: both, as: ['equivocation'] },
  { name: 'too few survivors', lie: lies.tooFew, modes: both, as: ['invalidProposal'] },
  { name: 'an owner of no shard', lie: lies.moreOwners, modes: both, as: ['invalidProposal'] },
  { name: 'a wrong model', lie: lies.wrongModel, modes: both, as: ['invalidProposal'] },
  { name: 'leaving out who delivered', lie: lies.leavesOut(victim), modes: both, as: [] },
  { name: 'an honest member accused', lie: lies.frames(victim), modes: both, as: [] },
  { name: 'an abort for an honest member', lie: lies.abortsFor(victim), modes: both, as: [] },
  { name: 'a false complaint', lie: lies.falseComplaint(victim), modes: both, as: [] },
  { name: 'no reveal', lie: lies.noReveal, modes: both, as: [] },
  { name: 'no tags', lie: lies.noTags, modes: ['shards'], as: [] },
]

function run(mode: Mode, o: Pick<HostileOptions, 'n' | 'f' | 'lies'> & Partial<HostileOptions>): HostileRun {
  return hostileRun({ rounds: 1, gossipBytesMax: mode === 'gossip' ? 32_768 : 0, ...o })
}

/** Study done, sums exact, models equal, no honest member named by anybody; each closed sum was looked at. */
function expectSound(r: HostileRun): void {
  expect(r.problems).toEqual([])
  expect(r.done).toBe(true)
  expect(r.entries.filter(e => e.body.kind === 'RoundClosed').length).toBe(3)
  expect(r.sums).toBe(3)
}

function expectNamed(r: HostileRun, member: string, as: readonly string[]): void {
  const found = r.named.filter(x => x.member === member && as.includes(x.as))
  if (as.length > 0) expect(found.length).toBeGreaterThan(0)
  for (const x of found) expect(x.evidence).toBeGreaterThan(0)
}

describe('one liar of four', () => {
  for (const c of CASES) {
    for (const mode of c.modes) {
      it(`${c.name} (${mode})`, () => {
        const r = run(mode, { n: 4, f: 1, lies: new Map([[2, [c.lie]]]) })
        expectSound(r)
        expectNamed(r, memberName(2), c.as)
      })
    }
  }
})

describe('one liar of four, by many orders of arrival', () => {
  it('claims nothing: whoever sums in its place is not held to have withheld a sum that is on its way', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const r = run('shards', { n: 4, f: 1, seed, lies: new Map([[2, [lies.neverSums]]]) })
      expectSound(r)
      expectNamed(r, memberName(2), ['withheld'])
    }
  })
})

describe('two liars of seven, of different kinds', () => {
  const PAIRS: readonly [string, Lie, readonly string[], string, Lie, readonly string[], Mode][] = [
    [
      'two inputs',
      lies.twoInputs,
      ['corrupt'],
      'two reveals',
      lies.twoReveals,
      ['badShare', 'equivocation'],
      'gossip',
    ],
    ['two keys', lies.twoKeys, ['equivocation'], 'wrong reveal', lies.wrongReveal, ['badShare'], 'gossip'],
    ['wrong shares', lies.wrongSealed(), ['unshared'], 'wrong model', lies.wrongModel, [], 'gossip'],
    ['no delivery', lies.noDelivery, ['undelivered'], 'wrong sums', lies.wrongClaimAndSum, [], 'shards'],
    ['never sums', lies.neverSums, ['withheld'], 'wrong tags', lies.wrongTags, ['badTag'], 'shards'],
    ['claims all', lies.claimsAll, ['badSum', 'equivocation'], 'two claims', lies.twoClaims, [], 'shards'],
    ['false receipts', lies.falseReceipts, ['withheld'], 'vanishes', lies.vanishes, [], 'shards'],
    ['a receipt for each', lies.splitReceipts, [], 'two inputs', lies.manyInputs, ['corrupt'], 'shards'],
    [
      'two offers',
      lies.twoOffers,
      ['equivocation'],
      'wrong reveal',
      lies.wrongReveal,
      ['badShare'],
      'shards',
    ],
  ]
  for (const [nameA, a, asA, nameB, b, asB, mode] of PAIRS) {
    it(`${nameA}, and ${nameB} (${mode})`, () => {
      const r = run(mode, {
        n: 7,
        f: 2,
        lies: new Map([
          [2, [a]],
          [3, [b]],
        ]),
      })
      expectSound(r)
      expectNamed(r, memberName(2), asA)
      expectNamed(r, memberName(3), asB)
    })
  }
})

describe('what a liar can still do', () => {
  it('keeps its shares from one hospital: the entry shows who complained of whom', () => {
    const r = run('gossip', { n: 4, f: 1, lies: new Map([[2, [lies.wrongSealed([victim])]]]), victims: [1] })
    expectSound(r)
    expect(r.named.filter(x => x.member === victim).every(x => x.where === 'leftOut')).toBe(true)
  })

  it('adds any vector to a sum, as nothing bounds a masked input: the rounds close all the same', () => {
    const r = run('gossip', { n: 4, f: 1, lies: new Map([[2, [lies.anyVector]]]) })
    expect(r.problems).toEqual([])
    expect(r.done).toBe(true)
    expect(r.aborted).toBe(0)
  })

  it('shows itself to one peer each, and the rounds go on', () => {
    const toOne =
      (lie: Lie, to: string): Lie =>
      (said, l) => {
        const other = said.to === undefined ? lie(said, l)?.[0] : undefined
        return other && l.others.map(m => ({ to: m, bytes: m === to ? other.bytes : said.bytes }))
      }
    const r = run('shards', {
      n: 7,
      f: 2,
      lies: new Map([
        [2, [toOne(lies.wrongTags, memberName(0))]],
        [3, [toOne(lies.wrongReveal, memberName(1))]],
      ]),
    })
    expectSound(r)
  })
})

describe('a culprit is out and another hospital is down', () => {
  it('goes on without both of seven', () => {
    const r = run('gossip', {
      n: 7,
      f: 1,
      lies: new Map([[2, [lies.wrongSealed()]]]),
      victims: [5],
      before: c => c.world.at(100, () => c.world.crash(memberName(5))),
    })
    expectSound(r)
    expectNamed(r, memberName(2), ['unshared'])
  })

  it('of four, more than they can bear: goes on when it is back, though the culprit was needed meanwhile', () => {
    const r = run('gossip', {
      n: 4,
      f: 1,
      lies: new Map([[2, [lies.twoOffers]]]),
      victims: [3],
      before: c => {
        c.world.at(1_000, () => c.world.crash(memberName(3)))
        c.world.at(40_000, () => c.world.start(memberName(3)))
      },
    })
    expectSound(r)
    expectNamed(r, memberName(2), ['equivocation'])
  })
})
