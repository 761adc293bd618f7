/** The figures of the study, and what was not as it must be. */
import { formatScore } from '../../../node/cli/format.ts'
import { HONEST, type HonestRow, type JobRows, type MemberRow, SETTINGS, type Setting } from './measure.ts'
import { missedPoisoning } from './poisoning.ts'
import { ATTACKS } from './riders.ts'

export interface Limits {
  /** Share of honest runs in which anybody is ever marked. */
  readonly markedRunsMax: number
  /** Hospitals ever suspended in them. */
  readonly suspendedMax: number
}

export const LIMITS: Limits = { markedRunsMax: 0.01, suspendedMax: 0 }
/** The setting of SETTINGS for which ATTACKS names limits. */
const JUDGED = 0
/** False positives at which true ones are told. */
const FALSE_SHARE = 0.01

export interface AttackRow {
  readonly setting: number
  readonly attack: string
  readonly auc: number
  readonly aucMin: number | undefined
  /** By the three numbers of scalars.ts. */
  readonly scalarAuc: number
  /** Share of riders that stand out more than all but FALSE_SHARE of the setting's honest members. */
  readonly truePositives: number
  /** Of riders, at any audit. */
  readonly marked: number
  /** Audits until half of the riders are marked; undefined: never so many. */
  readonly audits: number | undefined
  /** Honest members that are marked at any audit. */
  readonly honestMarked: number
  /** Members of whom something is said at the last audit. */
  readonly told: number
}

type Of<Kind extends JobRows['kind']> = Extract<JobRows, { readonly kind: Kind }>

export function ofKind<Kind extends JobRows['kind']>(done: readonly JobRows[], kind: Kind): Of<Kind>[] {
  return done.filter((d): d is Of<Kind> => d.kind === kind)
}

/**
 * Area under the ROC curve: how often a rider stands out more than an honest member, by what `of` says; of those of whom it says
 * something.
 */
export function aucOf(
  members: readonly MemberRow[],
  of: (m: MemberRow) => number | undefined = m => m.oddness,
): number {
  const told = (isRider: boolean) => members.filter(m => m.isRider === isRider).flatMap(m => of(m) ?? [])
  const [riders, honest] = [told(true), told(false)]
  let sum = 0
  for (const r of riders) for (const h of honest) sum += r > h ? 1 : r === h ? 0.5 : 0
  return sum / (riders.length * honest.length)
}

export function attackRows(done: readonly JobRows[]): AttackRow[] {
  const jobs = ofKind(done, 'riders')
  return SETTINGS.flatMap((_, setting) => {
    const here = jobs.filter(j => j.setting === setting)
    const honest = here.flatMap(j => j.members).filter(m => !m.isRider && m.oddness !== undefined)
    const limit = quantile(
      honest.map(m => m.oddness!),
      1 - FALSE_SHARE,
    )
    return ATTACKS.flatMap(({ name, aucMin }, attack) => {
      const members = here.filter(j => j.attack === attack).flatMap(j => j.members)
      if (members.length === 0) return []
      const riders = members.filter(m => m.isRider)
      const share = (those: readonly MemberRow[], of: readonly MemberRow[]) => those.length / of.length
      const marks = riders.map(m => m.marked ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b)
      const half = marks[Math.ceil(marks.length / 2) - 1]!
      return {
        setting,
        attack: name,
        auc: aucOf(members),
        scalarAuc: aucOf(members, m => m.scalarOddness),
        aucMin: setting === JUDGED ? aucMin : undefined,
        truePositives: share(
          riders.filter(m => (m.oddness ?? 0) > limit),
          riders,
        ),
        marked: share(
          riders.filter(m => m.marked !== undefined),
          riders,
        ),
        audits: Number.isFinite(half) ? half : undefined,
        honestMarked: members.filter(m => !m.isRider && m.marked !== undefined).length,
        told: share(
          members.filter(m => m.oddness !== undefined),
          members,
        ),
      }
    })
  })
}

/** Some of the honest hospitals, over all runs. */
export interface HonestGroup {
  readonly name: string
  readonly hospitals: number
  /** Share of audits after which something is said of one. */
  readonly told: number
  readonly marked: number
  readonly suspended: number
  /** Lowest upper ends of intervals: the lowest of all, and that of one hospital in a hundred. */
  readonly own: readonly [least: number, percent: number]
  readonly pull: readonly [least: number, percent: number]
}

const GROUPS: readonly { readonly name: string; readonly has: (h: HonestRow) => boolean }[] = [
  { name: 'all', has: () => true },
  { name: 'as drawn', has: h => h.odd === undefined },
  { name: '  under 50 patients', has: h => h.odd === undefined && h.declared < 50 },
  { name: '  50 to 64', has: h => h.odd === undefined && h.declared >= 50 && h.declared < 65 },
  { name: '  65 and more', has: h => h.odd === undefined && h.declared >= 65 },
  { name: '  outcome as all, within .1', has: h => h.odd === undefined && Math.abs(h.skew) < 0.1 },
  {
    name: '  .1 to .2 from all',
    has: h => h.odd === undefined && Math.abs(h.skew) >= 0.1 && Math.abs(h.skew) < 0.2,
  },
  { name: '  .2 and more from all', has: h => h.odd === undefined && Math.abs(h.skew) >= 0.2 },
]

export function honestGroups(done: readonly JobRows[], setting: number): HonestGroup[] {
  const members = ofKind(done, 'honest')
    .filter(j => j.setting === setting)
    .flatMap(j => j.members)
  const odd = [...new Set(members.flatMap(m => m.odd ?? []))]
  const groups = [...GROUPS, ...odd.map(name => ({ name, has: (h: HonestRow) => h.odd === name }))]
  const { audits } = HONEST[setting]!.rounds
  return groups.flatMap(({ name, has }) => {
    const those = members.filter(has)
    if (those.length === 0) return []
    const lowest = (of: (h: HonestRow) => number): [number, number] => [
      Math.min(...those.map(of)),
      quantile(those.map(of), 0.01),
    ]
    return {
      name,
      hospitals: those.length,
      told: those.reduce((sum, h) => sum + h.told, 0) / those.length / audits,
      marked: those.filter(h => h.marked !== undefined).length,
      suspended: those.filter(h => h.isSuspended).length,
      own: lowest(h => h.ownHigh),
      pull: lowest(h => h.pullHigh),
    }
  })
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
}

function missedHonest(done: readonly JobRows[]): string[] {
  return HONEST.flatMap((setting, s) => {
    const runs = ofKind(done, 'honest').filter(j => j.setting === s)
    if (runs.length === 0) return []
    const marked = runs.filter(r => r.members.some(m => m.marked !== undefined)).length / runs.length
    const suspended = runs.flatMap(r => r.members).filter(m => m.isSuspended).length
    return [
      ...(marked > LIMITS.markedRunsMax
        ? [`${nameOf(setting)}: somebody is marked in ${percent(marked)} of honest runs`]
        : []),
      ...(suspended > LIMITS.suspendedMax ? [`${nameOf(setting)}: ${suspended} are suspended`] : []),
    ]
  })
}

export function missedOf(done: readonly JobRows[]): string[] {
  const tooLow = attackRows(done).filter(r => r.aucMin !== undefined && !(r.auc >= r.aucMin))
  const heart = ofKind(done, 'heart').filter(j => j.says.some(s => s !== 'cannot tell yet'))
  return [
    ...tooLow.map(r => `${r.attack}: AUC ${formatScore(r.auc)}, not ${formatScore(r.aucMin, 2)}`),
    ...missedHonest(done),
    ...heart.map(j => `heart, ${j.network}: says something of four hospitals`),
    ...missedPoisoning(ofKind(done, 'poisoning')),
  ]
}

export const nameOf = ({ hospitals, riders, network, rounds }: Setting) =>
  `${hospitals} hospitals, ${riders} riders, ${network}, ${rounds.audits} audits of one round in ${rounds.oneIn}, groups of ${rounds.groupSize}`

export const percent = (share: number) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`
