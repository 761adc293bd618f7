import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { decodeEntry } from '../../../../protocol/ledger/entry.ts'
import { openEnvelope } from '../../../../protocol/wire/envelope.ts'
import { memberName } from '../../../support/consortium.ts'
import type { HostileRun } from '../../../support/hostile.ts'
import { consensusOf, liarsOf, proposedOf, saidOf, studyWith, variety } from './reading.ts'

const liar = memberName(liarsOf(4, 1)[0]!)
const honest = [0, 1, 2, 3].map(memberName).filter(m => m !== liar)

/** Names under which the ledgers of runs with these seeds hold the liar. */
function namedAs(runs: readonly HostileRun[]): Set<string> {
  return new Set(runs.flatMap(r => r.named.map(n => `${n.as} ${n.where}`)))
}

const some = (values: Iterable<Set<string>>) => [...values].filter(v => v.size > 1).length

describe('against agreement', { timeout: 120_000 }, () => {
  it('equivocatingProposer shows two entries of one view to two halves, and votes for either', () => {
    const r = studyWith('equivocatingProposer')
    const proposals = proposedOf(r).filter(p => p.by === liar)
    expect(
      some(
        variety(
          proposals,
          p => p.slot,
          p => p.value,
        ).values(),
      ),
    ).toBeGreaterThan(1)
    // Each is shown one of them.
    expect(
      some(
        variety(
          proposals,
          p => `${p.slot} ${p.to}`,
          p => p.value,
        ).values(),
      ),
    ).toBe(0)
    const votes = consensusOf(r).flatMap(({ message: m }) =>
      m.type === 'precommit' && m.id ? [{ slot: `${m.height}/${m.view}`, id: toHex(m.id) }] : [],
    )
    expect(
      some(
        variety(
          votes,
          v => v.slot,
          v => v.id,
        ).values(),
      ),
    ).toBeGreaterThan(1)
    expect(namedAs([r])).toContain('equivocation closed')
  })

  it('equivocatingVoter votes for an entry and for none in the same view', () => {
    const votes = consensusOf(studyWith('equivocatingVoter')).flatMap(({ message: m }) =>
      m.type === 'proposal'
        ? []
        : [{ slot: `${m.type} ${m.height}/${m.view}`, id: m.id ? toHex(m.id) : 'nil' }],
    )
    const ids = variety(
      votes,
      v => v.slot,
      v => v.id,
    )
    expect([...ids.values()].filter(s => s.size > 1 && s.has('nil')).length).toBeGreaterThan(5)
  })

  it('twoSurvivorSets proposes two sets of survivors for one view, and gives its input late to some', () => {
    const runs = [1, 2, 3].map(seed => studyWith('twoSurvivorSets', { seed }))
    const sets = runs.flatMap((r, i) =>
      proposedOf(r).flatMap(({ slot, body }) =>
        body.kind === 'SurvivorsFixed'
          ? [{ slot: `${i} ${slot}`, set: body.survivors.map(s => s.member).join() }]
          : [],
      ),
    )
    expect(
      some(
        variety(
          sets,
          s => s.slot,
          s => s.set,
        ).values(),
      ),
    ).toBeGreaterThan(0)
    const times = runs.flatMap((r, i) =>
      saidOf(r, 'input').map(s => ({ at: s.at, attempt: `${i} ${s.body.round}/${s.body.attempt}` })),
    )
    const spread = [
      ...variety(
        times,
        t => t.attempt,
        t => String(t.at),
      ).values(),
    ]
    expect(some(spread)).toBeGreaterThan(0)
    // One of the sets at most is certified.
    for (const r of runs) {
      const fixed = r.entries
        .filter(e => e.body.kind === 'SurvivorsFixed')
        .map(e => e.body as { round: number; attempt: number })
      expect(new Set(fixed.map(b => `${b.round}/${b.attempt}`)).size).toBe(fixed.length)
    }
  })
})

describe('seed shares', { timeout: 120_000 }, () => {
  it('wrongShares is found out as unshared, as equivocation, as a wrong share, or as malformed', () => {
    const found = namedAs([1, 2, 3, 4, 5].map(seed => studyWith('wrongShares', { seed })))
    for (const as of ['unshared aborted', 'equivocation aborted', 'badShare aborted'])
      expect(found).toContain(as)
  })

  it('withheldShares sends none to some', () => {
    const r = studyWith('withheldShares')
    const told = variety(
      saidOf(r, 'sealed'),
      s => `${s.body.round}/${s.body.attempt}`,
      s => s.to!,
    )
    const missed = [...told.values()].map(s => honest.filter(m => !s.has(m)).length)
    expect(Math.max(...missed)).toBeGreaterThan(0)
    expect(r.named.some(n => n.as === 'silent' || n.as === 'unshared')).toBe(true)
  })
})

describe('inputs', { timeout: 120_000 }, () => {
  it('lateInput comes after the deadline or after the survivors are fixed, and is in no sum', () => {
    const r = studyWith('lateInput')
    const inputs = saidOf(r, 'input')
    expect(inputs.length).toBeGreaterThan(0)
    const closedWithout = r.named.filter(n => n.member === liar && n.where === 'leftOut')
    expect(closedWithout.length).toBeGreaterThan(1)
    const late = inputs.filter(({ at, body }) => {
      const opened = r.c.events.find(
        e =>
          e.event.kind === 'roundOpened' && e.event.round === body.round && e.event.attempt === body.attempt,
      )
      return opened !== undefined && at > opened.at + 7_000
    })
    expect(late.length).toBeGreaterThan(0)
  })

  for (const shards of [false, true]) {
    it(`twoInputs commits to two vectors, with the slices of each (${shards ? 'shards' : 'gossip'})`, () => {
      const runs = [1, 2, 3].map(seed => studyWith('twoInputs', { seed, shards }))
      const inputs = runs.flatMap((r, i) =>
        saidOf(r, 'input').map(s => ({
          ...s,
          slot: `${i} ${s.body.round}/${s.body.attempt}`,
          hashes: toHex(s.body.hashes),
        })),
      )
      expect(
        some(
          variety(
            inputs,
            s => s.slot,
            s => s.hashes,
          ).values(),
        ),
      ).toBeGreaterThan(2)
      if (!shards) return
      // Slices that fit the second commitment of an attempt.
      const fitting = runs.flatMap((r, i) =>
        saidOf(r, 'part').filter(({ body }) => {
          const hash = toHex(sha256(body.data))
          const second = inputs.filter(x => x.slot === `${i} ${body.round}/${body.attempt}`).at(-1)
          return second?.hashes.includes(hash)
        }),
      )
      expect(fitting.length).toBeGreaterThan(0)
      expect(namedAs(runs)).toContain('corrupt leftOut')
    })
  }

  it('scaledUpdate moves the model by far more than clipping allows', () => {
    const norm = (r: HostileRun) => {
      const { parameters } = r.c.world.host(honest[0]!).model!
      return Math.sqrt(parameters.reduce((sum, x) => sum + x * x, 0))
    }
    const plain = norm(studyWith('zeroUpdate', { rounds: 1 }))
    const r = studyWith('scaledUpdate', { rounds: 1 })
    expect(r.done).toBe(true)
    // One step of all together is at most clipNorm = 2 long.
    expect(plain).toBeLessThan(2)
    expect(norm(r)).toBeGreaterThan(2)
    expect(r.named).toEqual([])
  })
})

describe('the opening', { timeout: 120_000 }, () => {
  it('falseReceipts names slices that it was never given', () => {
    const runs = [1, 2, 3].map(seed => studyWith('falseReceipts', { seed, shards: true }))
    const claims = runs.flatMap(r => saidOf(r, 'receipt').flatMap(s => s.body.held.map(h => `${h.shard}`)))
    // An owner of one shard says that it holds others' too.
    expect(new Set(claims).size).toBe(4)
    const found = namedAs(runs)
    expect(found.has('withheld closed') || found.has('undelivered leftOut')).toBe(true)
  })

  it('wrongSum is found out as a wrong sum, as withheld, or by two claims; and proposes what nobody else has', () => {
    const runs = [1, 2, 3, 4].map(seed => studyWith('wrongSum', { seed, shards: true }))
    const found = namedAs(runs)
    expect(found).toContain('badSum closed')
    expect([...found].some(x => x === 'withheld closed' || x === 'equivocation closed')).toBe(true)
    const closed = runs.flatMap(r => proposedOf(r).filter(p => p.body.kind === 'RoundClosed'))
    const certified = new Set(
      runs.flatMap(r => r.entries.flatMap(e => (e.body.kind === 'RoundClosed' ? [toHex(e.body.sum)] : []))),
    )
    expect(closed.some(p => p.body.kind === 'RoundClosed' && !certified.has(toHex(p.body.sum)))).toBe(true)
  })

  it('wrongTags is found out by the slices', () => {
    expect(namedAs([1, 2].map(seed => studyWith('wrongTags', { seed, shards: true })))).toContain(
      'badTag closed',
    )
  })

  it('wrongReveal shows shares that are not the ones that the entry opens', () => {
    const runs = [1, 2, 3].map(seed => studyWith('wrongReveal', { seed }))
    const shares = runs.flatMap((r, i) =>
      saidOf(r, 'reveal').map(s => ({
        slot: `${i} ${s.body.round}/${s.body.attempt}`,
        shares: toHex(s.body.shares),
      })),
    )
    expect(
      some(
        variety(
          shares,
          s => s.slot,
          s => s.shares,
        ).values(),
      ),
    ).toBeGreaterThan(0)
    expect(namedAs(runs)).toContain('badShare closed')
  })
})

describe('noise', { timeout: 120_000 }, () => {
  it('replay says old words again, its own, others’, and under a new name', () => {
    const r = studyWith('replay', { rounds: 3 })
    const times = variety(
      r.said,
      s => toHex(sha256(s.bytes)),
      s => String(s.at),
    )
    expect(some(times.values())).toBeGreaterThan(5)
    const others = r.said.filter(s => {
      const raw = openEnvelope(s.bytes)
      return raw.ok && raw.value.from !== liar
    })
    expect(others.length).toBeGreaterThan(3)
    const renamed = saidOf(r, 'receipt').length + saidOf(r, 'input').length
    expect(renamed).toBeGreaterThan(0)
  })

  it('garbage is malformed in many ways, and the honest say so', () => {
    const runs = [1, 2, 3].map(seed => studyWith('garbage', { seed, shards: seed === 2 }))
    const raws = runs.flatMap(r => r.said.map(s => openEnvelope(s.bytes)))
    expect(raws.filter(x => !x.ok).length).toBeGreaterThan(15)
    const blamed = runs.flatMap((r, i) =>
      r.c.faults.filter(f => f.peer === memberName(liarsOf(4, i + 1)[0]!)),
    )
    expect(blamed.filter(f => f.fault.code === 'malformed').length).toBeGreaterThan(10)
    expect(new Set(blamed.map(f => f.fault.code)).size).toBeGreaterThan(2)
  })

  it('flood speaks of views and attempts far ahead, and more often than is kept', () => {
    const r = studyWith('flood', { rounds: 3 })
    const views = consensusOf(r).map(c => c.message.view)
    expect(views.filter(v => v > 8).length).toBeGreaterThan(10)
    expect(saidOf(r, 'input').filter(s => s.body.attempt > 0 || s.body.round > 5).length).toBeGreaterThan(48)
    expect(saidOf(r, 'status').filter(s => s.body.have.length < 32).length).toBeGreaterThan(4)
  })
})

describe('two stories, and none', { timeout: 120_000 }, () => {
  it('twoModels tells different heights, sends models that nobody asked for, and entries that nobody decided', () => {
    const r = studyWith('twoModels', { rounds: 8, shards: true })
    const heights = saidOf(r, 'status').map(s => s.body.height)
    expect(heights.some((h, i) => h < heights[i - 1]! - 1)).toBe(true)
    expect(Math.max(...heights)).toBeGreaterThan(r.entries.length)
    expect(saidOf(r, 'modelPart').length).toBeGreaterThan(0)
    const forged = saidOf(r, 'entry').filter(s => {
      const entry = decodeEntry(s.body.entry)
      return (
        entry.ok &&
        !r.entries.some(e => e.height === entry.value.height && e.body.kind === entry.value.body.kind)
      )
    })
    expect(forged.length).toBeGreaterThan(0)
    expect(r.c.faults.some(f => f.fault.code === 'badCertificate' && f.peer === liar)).toBe(true)
    expect(r.c.faults.some(f => f.fault.code === 'badCertificate' && f.peer !== liar)).toBe(false)
  })

  it('eclipse speaks to all but one, who hears from it late or nothing but its status', () => {
    const r = studyWith('eclipse')
    const heard = new Map(
      honest.map(m => [m, r.said.filter(s => s.to === m && openEnvelope(s.bytes).ok).length]),
    )
    expect(r.said.every(s => s.to !== undefined)).toBe(true)
    const [least, ...rest] = [...heard.values()].sort((a, b) => a - b)
    expect(least).toBeLessThan(0.7 * rest[0]!)
  })

  it('vanish falls silent within an attempt and speaks again in a later one', () => {
    const r = studyWith('vanish', { rounds: 6 })
    const opened = r.c.events.filter(e => e.host === honest[0] && e.event.kind === 'roundOpened')
    const words = opened.map(({ at }, i) => {
      const end = opened[i + 1]?.at ?? Number.POSITIVE_INFINITY
      return r.said.filter(s => s.at >= at && s.at < end).length
    })
    expect(words.some(n => n < 4)).toBe(true)
    expect(Math.max(...words)).toBeGreaterThan(8)
    const first = words.findIndex(n => n < 4)
    expect(Math.max(...words.slice(first))).toBeGreaterThan(8)
  })

  it('falseAccusation complains of the honest and proposes to name them, and none is named', () => {
    const runs = [1, 2, 3].map(seed => studyWith('falseAccusation', { seed }))
    expect(runs.flatMap(r => saidOf(r, 'complaint')).length).toBeGreaterThan(0)
    const accused = runs.flatMap((r, i) =>
      proposedOf(r).flatMap(({ body }) => {
        const liarOf = memberName(liarsOf(4, i + 1)[0]!)
        const names =
          body.kind === 'RoundClosed' ? body.faults : body.kind === 'RoundAborted' ? body.culprits : []
        return names.filter(x => x.member !== liarOf)
      }),
    )
    expect(accused.length).toBeGreaterThan(0)
    for (const r of runs)
      expect(r.named.filter(n => n.where !== 'leftOut' && n.where !== 'absent')).toEqual([])
  })
})
