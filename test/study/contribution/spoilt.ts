/**
 * A study with liars in it, round by round by the protocol's own arithmetic, on residues: sums, audits, which groups count, who is suspended. The
 * entries are made up, as nobody votes here; masks would cancel, so there are none.
 */
import type { Charter } from '../../../config/charter.ts'
import type { Random } from '../../../node/attack/random.ts'
import { joinRows, scoreOn } from '../../../node/evaluation.ts'
import { learnOn } from '../../../node/training/learner.ts'
import type { TrainedModel } from '../../../node/training/model.ts'
import { auditGroups, countedSum, isBeyond, progressOf } from '../../../protocol/contribution/audit.ts'
import { groupsOf, isAudited } from '../../../protocol/contribution/groups.ts'
import { dueIn, NOTHING_TRACKED, type Tracked, track } from '../../../protocol/contribution/standing.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import type { RoundClosed, RoundOpened } from '../../../protocol/ledger/entry.ts'
import { applySum } from '../../../protocol/model/apply.ts'
import { weightOf } from '../../../protocol/model/contribution.ts'
import type { Learned, MemberId, ModelState, Section } from '../../../protocol/ports.ts'
import { quantisedInput } from '../../../protocol/sum/kernels.ts'
import { layoutFor } from '../../../protocol/sum/layout.ts'
import type { Study } from '../models.ts'
import { type Hospital, normalised, withoutTest } from './play.ts'
import { type Poison, sumOf } from './poison.ts'

/** What is done about liars. */
export interface Defence {
  readonly name: string
  /** Undefined: nothing at all, the mean of what is opened is applied. */
  readonly contribution: Charter['contribution']
}

export interface Spoilt {
  /** On the test rows of all hospitals of the study; .5 where they are all scored alike. */
  readonly auc: number
  readonly audits: number
  /** Groups that did not count. */
  readonly leftOut: number
  /** Those that did, with a liar in them. */
  readonly passed: number
  /** Members that were suspended by the end. */
  readonly suspended: { readonly liars: number; readonly honest: number }
}

export interface Spoiling {
  readonly study: Study
  readonly model: TrainedModel
  /** The first `liars` of them lie, if there is a poison. */
  readonly hospitals: readonly Hospital[]
  readonly liars: number
  readonly poison: Poison | undefined
  readonly defence: Defence
  readonly rounds: number
  readonly random: Random
}

const NO_HASH = new Uint8Array(32)

/** The same arguments give the same figures; who lies and what is done about it changes no draw. */
export async function spoilt(o: Spoiling): Promise<Spoilt> {
  const { study, model, hospitals, random } = o
  const charter = charterOf(o)
  const lying = new Set(hospitals.slice(0, o.liars).map(h => h.id))
  let state = normalised(charter, model, hospitals, random)
  let tracked = NOTHING_TRACKED
  let active = hospitals
  const counts = { audits: 0, leftOut: 0, passed: 0 }
  for (let round = 1; round <= o.rounds; round++) {
    const done = oneRound(o, charter, active, lying, state, tracked, round)
    state = done.state
    tracked = done.tracked
    if (done.groups.length > 0) counts.audits++
    for (const { members, counts: isCounted } of done.groups) {
      if (!isCounted) counts.leftOut++
      else if (members.some(m => lying.has(m))) counts.passed++
    }
    const due = dueIn(charter, tracked)
    active = active.filter(h => !due.includes(h.id))
  }
  const out = hospitals.filter(h => !active.includes(h))
  const liars = out.filter(h => lying.has(h.id)).length
  const test = joinRows([...study.datasets.values()].map(d => d.test))
  const [score] = await scoreOn(charter, state, [test])
  return { auc: score!.auc!, ...counts, suspended: { liars, honest: out.length - liars } }
}

/** The study's charter, as these hospitals would have agreed on it. */
function charterOf({ study, hospitals, liars, defence }: Spoiling): Charter {
  const { charter } = study
  const members = hospitals.map(h => charter.members.find(m => m.id === h.id)!)
  return { ...charter, members, maliciousMax: liars, contribution: defence.contribution }
}

interface Done {
  readonly state: ModelState
  readonly tracked: Tracked
  /** None: not audited. */
  readonly groups: readonly { readonly members: readonly MemberId[]; readonly counts: boolean }[]
}

/** As a peer's machine does: audited by lot, or where the sum is longer than all may have made it (SPEC A1). */
function oneRound(
  { model, defence, poison, random }: Spoiling,
  charter: Charter,
  hospitals: readonly Hospital[],
  lying: ReadonlySet<MemberId>,
  state: ModelState,
  tracked: Tracked,
  round: number,
): Done {
  const sections = layoutFor(charter, 'train', hospitals.length, round)
  const mask = (h: Hospital, learned: Learned) => {
    const roundingKey = sha256(random.fork('rounding', h.id, round).key())
    const input = quantisedInput({ charter, task: 'train', sections, learned, roundingKey })
    if (!input.ok) throw new Error(input.error)
    return input.value.residues
  }
  const given = new Map(
    hospitals.map(h => {
      const seed = random.fork('minibatches', h.id, round).key()
      const job = { kind: 'learn', task: 'train', round, model: state, seed } as const
      const learned = learnOn(model, charter, withoutTest(h.data), job)
      return [h.id, { hospital: h, learned, residues: mask(h, learned) }] as const
    }),
  )
  const weight = (members: readonly MemberId[]) =>
    members.reduce((sum, m) => sum + weightOf(charter, given.get(m)!.hospital.declared), 0)
  const survivors = hospitals.map(h => h.id)
  const vectors = new Map([...given].map(([id, { residues }]) => [id, residues]))
  const liars = survivors.filter(m => lying.has(m))
  if (poison && liars.length > 0) {
    const made = poison.gives({
      charter,
      sections,
      honestly: liars.map(m => given.get(m)!),
      mask: learned => mask(given.get(liars[0]!)!.hospital, learned),
      others: sumOf(
        sections,
        survivors.filter(m => !lying.has(m)).map(m => vectors.get(m)!),
      ),
      weight: weight(survivors),
    })
    liars.forEach((m, i) => {
      vectors.set(m, made[i]!)
    })
  }
  const sumFor = (members: readonly MemberId[]) =>
    sumOf(
      sections,
      members.map(m => vectors.get(m)!),
    )
  const sum = sumFor(survivors)
  const { contribution } = defence
  const seeds = random.fork('beacon', round).key()
  const isLong = isBeyond(charter, sections, sum, survivors.length, weight(survivors))
  if (!contribution || !(isLong || isAudited(seeds, contribution.audit.oneIn)))
    return { state: applied(charter, sections, sum, state), tracked, groups: [] }
  const groups = groupsOf(seeds, survivors, contribution.audit.groupSize)
  const opened = groups.map(g => ({ sum: sumFor(g), hospitals: g.length, weight: weight(g) }))
  const audited = auditGroups(charter, sections, opened)
  const counted = countedSum(opened, audited)
  const next = counted ? applied(charter, sections, counted, state) : state
  const progress = progressOf(charter, next, () => {
    throw new Error('all of this model is in memory')
  })
  const closed: RoundClosed = {
    kind: 'RoundClosed',
    round,
    attempt: 0,
    seeds,
    sum: NO_HASH,
    model: NO_HASH,
    samples: 0,
    metrics: null,
    epsilon: 0,
    faults: [],
    audit: { groups: [...audited], progress },
  }
  const cohort: RoundOpened['cohort'] = hospitals.map(h => ({
    member: h.id,
    keys: NO_HASH,
    samples: h.declared,
  }))
  return {
    state: next,
    tracked: track(tracked, charter, cohort, survivors, closed),
    groups: groups.map((members, g) => ({ members, counts: audited[g]!.counts })),
  }
}

function applied(charter: Charter, sections: readonly Section[], sum: Uint32Array, state: ModelState) {
  return applySum(charter, 'train', sections, sum, state).state
}
