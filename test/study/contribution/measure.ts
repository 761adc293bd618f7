/** The study in parts that need nothing of each other: each has streams of its own, so figures do not depend on who does what when. */

import { type Random, randomOf } from '../../../node/attack/random.ts'
import { buildModel, type TrainedModel } from '../../../node/training/model.ts'
import { curvesOf, type Says, type Score, scoresOf } from '../../../protocol/contribution/scores.ts'
import type { MemberId } from '../../../protocol/ports.ts'
import type { Study } from '../models.ts'
import { drawHospitals, type Network, ODD, openHeart, openStroke, withOdd } from './consortium.ts'
import { type Hospital, play, type Rounds } from './play.ts'
import { type PoisonJob, type PoisonRows, poisoned } from './poisoning.ts'
import { ATTACKS } from './riders.ts'
import { scalarOddness } from './scalars.ts'
import { toldOf } from './told.ts'

export interface Setting {
  readonly hospitals: number
  readonly riders: number
  readonly network: Network
  readonly rounds: Rounds
}

const every = (audits: number, groupSize: number, oneIn = 1): Rounds => ({ audits, oneIn, groupSize })

/** The first one is judged. A charter allows as many malicious members as there are riders only in the groups of the others (rules-contribution.ts). */
export const SETTINGS: readonly Setting[] = [
  { hospitals: 20, riders: 4, network: 'logistic', rounds: every(20, 4) },
  { hospitals: 20, riders: 4, network: 'logistic', rounds: every(20, 5) },
  { hospitals: 20, riders: 4, network: 'mlp', rounds: every(20, 5) },
  { hospitals: 20, riders: 4, network: 'logistic', rounds: every(20, 5, 3) },
  { hospitals: 50, riders: 10, network: 'logistic', rounds: every(20, 6) },
  { hospitals: 10, riders: 2, network: 'logistic', rounds: every(20, 4) },
  { hospitals: 10, riders: 2, network: 'logistic', rounds: every(40, 4) },
]

/** Of the runs without riders, in which six hospitals are unlike the others. */
export const HONEST: readonly Setting[] = [
  { hospitals: 20, riders: 0, network: 'logistic', rounds: every(30, 4) },
  { hospitals: 20, riders: 0, network: 'mlp', rounds: every(30, 5) },
]

/** Whoever is marked at so many audits in a row is suspended. */
const SUSPENDED_AFTER = 5

/** Audits after which it is looked at what they give away. */
export const TOLD_AFTER = [3, 8, 30]

/** Places in SETTINGS and ATTACKS, HONEST, NETWORKS. */
export type Job =
  | { readonly kind: 'riders'; readonly setting: number; readonly attack: number; readonly seed: number }
  | { readonly kind: 'honest'; readonly setting: number; readonly seed: number }
  | { readonly kind: 'heart'; readonly network: Network; readonly seed: number }
  | PoisonJob

export interface MemberRow {
  readonly isRider: boolean
  /** At the last audit; undefined where it cannot be told. */
  readonly oddness: number | undefined
  readonly own: number | undefined
  /** By the three numbers that are measured against. */
  readonly scalarOddness: number
  readonly says: Says
  /** After how many audits it was first marked; undefined: never. */
  readonly marked: number | undefined
}

export interface HonestRow {
  /** Of ODD; undefined: as drawn. */
  readonly odd: string | undefined
  readonly declared: number
  /** Share of positive labels less that of all. */
  readonly skew: number
  /** Audits after which something is said of it. */
  readonly told: number
  readonly marked: number | undefined
  readonly isSuspended: boolean
  /** Lowest upper ends of its intervals after any audit. */
  readonly ownHigh: number
  readonly pullHigh: number
}

export type JobRows =
  | (Job & { readonly kind: 'riders'; readonly members: readonly MemberRow[] })
  | (Job & {
      readonly kind: 'honest'
      readonly members: readonly HonestRow[]
      /** Of each ordinary hospital, how near to its own mean update comes what all can work out of so many audits as TOLD_AFTER says: cosine. */
      readonly told: readonly (readonly number[])[]
    })
  | (Job & { readonly kind: 'heart'; readonly says: readonly Says[] })
  | PoisonRows

/** Makes what does the study's jobs. tfjs has its backend afterwards. `seed`: of the whole study. */
export function measurer(seed: number): (job: Job) => Promise<JobRows> {
  const opened = new Map<string, Promise<{ study: Study; model: TrainedModel }>>()
  const open = (name: 'stroke' | 'heart', network: Network) => {
    const key = `${name} ${network}`
    const known = opened.get(key)
    if (known) return known
    const making = (name === 'stroke' ? openStroke : openHeart)(network).then(async study => ({
      study,
      model: await buildModel(study.charter),
    }))
    opened.set(key, making)
    return making
  }
  const random = randomOf(seed)
  return async job => {
    const own = random.fork(job.kind, job.seed)
    if (job.kind === 'heart') {
      const { study, model } = await open('heart', job.network)
      return { ...job, says: heart(study, model, own) }
    }
    if (job.kind === 'poisoning') {
      const { study, model } = await open('stroke', 'logistic')
      return await poisoned(job, study, model, own)
    }
    const setting = (job.kind === 'riders' ? SETTINGS : HONEST)[job.setting]!
    const { study, model } = await open('stroke', setting.network)
    return job.kind === 'riders'
      ? { ...job, members: riders(setting, job.attack, study, model, own) }
      : { ...job, ...honest(setting, study, model, own) }
  }
}

/** The first hospitals, which are drawn by lot, ride. Who rides does not change who is drawn. */
function riders(
  setting: Setting,
  attack: number,
  study: Study,
  model: TrainedModel,
  random: Random,
): MemberRow[] {
  const drawn = drawHospitals(study, setting.hospitals, random.fork('hospitals', setting.hospitals))
  const riding = ATTACKS[attack]!.riders(drawn.slice(0, setting.riders), random.fork('riders'))
  const hospitals = [...riding, ...drawn.slice(setting.riders)]
  const played = play(study.charter, model, hospitals, setting.rounds, random)
  const ids = hospitals.map(h => h.id)
  const curves = curvesOf(played.audits, ids)
  const scalars = scalarOddness(played, ids)
  return hospitals.map(({ id }, i) => {
    const last = curves.at(-1)!.get(id)!
    const marks = curves.map(c => isMark(c.get(id)!))
    return {
      isRider: i < setting.riders,
      oddness: last.oddness,
      own: last.own?.value,
      scalarOddness: scalars[i]!,
      says: last.says,
      marked: firstTrue(marks),
    }
  })
}

function honest(setting: Setting, study: Study, model: TrainedModel, random: Random) {
  const drawn = drawHospitals(study, setting.hospitals, random.fork('hospitals'))
  const hospitals = withOdd(drawn, study, random.fork('odd'))
  const played = play(study.charter, model, hospitals, setting.rounds, random)
  const ids = hospitals.map(h => h.id)
  const curves = curvesOf(played.audits, ids)
  const positives = shareOf(hospitals)
  const members = hospitals.map((h, i): HonestRow => {
    const curve = curves.map(c => c.get(h.id)!)
    const marks = curve.map(isMark)
    const lowest = (of: 'own' | 'pull') =>
      Math.min(...curve.map(s => s[of]?.high ?? Number.POSITIVE_INFINITY))
    return {
      odd: ODD[i]?.name,
      declared: h.declared,
      skew: shareOf([h]) - positives,
      told: curve.filter(s => s.own !== undefined).length,
      marked: firstTrue(marks),
      isSuspended: marks.some(
        (_, t) => t + 1 >= SUSPENDED_AFTER && marks.slice(t + 1 - SUSPENDED_AFTER, t + 1).every(m => m),
      ),
      ownHigh: lowest('own'),
      pullHigh: lowest('pull'),
    }
  })
  return { members, told: TOLD_AFTER.map(count => toldOf(played, ids, count).slice(ODD.length)) }
}

function heart(study: Study, model: TrainedModel, random: Random): Says[] {
  const hospitals = drawHospitals(study, study.datasets.size, random.fork('hospitals'))
  const riding = ATTACKS[0]!.riders(hospitals.slice(0, 1), random)
  const all = [...riding, ...hospitals.slice(1)]
  const { audits } = play(study.charter, model, all, every(20, 4), random)
  const ids: MemberId[] = all.map(h => h.id)
  return ids.map(id => scoresOf(audits, ids).get(id)!.says)
}

function shareOf(hospitals: readonly Hospital[]): number {
  const labels = hospitals.flatMap(h => [...h.data.train.y])
  return labels.reduce((a, b) => a + b, 0) / labels.length
}

function isMark({ says }: Score): boolean {
  return says === 'gives nothing' || says === 'pulls against the model'
}

/** From 1 on. */
function firstTrue(marks: readonly boolean[]): number | undefined {
  const at = marks.indexOf(true)
  return at < 0 ? undefined : at + 1
}
