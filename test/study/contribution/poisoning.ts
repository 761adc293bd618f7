/** The table of poisoning: what is left of the model, by what the liars do and what is done about them. */
import type { Random } from '../../../node/attack/random.ts'
import type { TrainedModel } from '../../../node/training/model.ts'
import type { Study } from '../models.ts'
import { drawHospitals } from './consortium.ts'
import { POISONS } from './poison.ts'
import { type Defence, type Spoilt, spoilt } from './spoilt.ts'

export const HOSPITALS = 20
export const LIARS = 4

export interface PoisonSetting {
  readonly rounds: number
  /** Undefined: as the stroke study agreed, 1, which is several times what its hospitals give. */
  readonly clipNorm: number | undefined
}

export const POISON_SETTINGS: readonly PoisonSetting[] = [
  { rounds: 20, clipNorm: undefined },
  { rounds: 20, clipNorm: 0.1 },
  { rounds: 60, clipNorm: undefined },
]

/** With f = 4 of 20 a charter allows no smaller groups (rules-contribution.ts). */
const GROUP_SIZE = 5
const audits = (oneIn: number) => ({ audit: { oneIn, groupSize: GROUP_SIZE } })

export const DEFENCES: readonly (Defence & {
  /** Whether the model must stay as it would be without liars. */
  readonly isJudged: boolean
})[] = [
  { name: 'plain mean', contribution: undefined, isJudged: false },
  { name: 'audits of one round in 3', contribution: audits(3), isJudged: false },
  { name: 'audits of each round', contribution: audits(1), isJudged: false },
  {
    name: 'and standing',
    contribution: { ...audits(1), standing: { probationAfter: 2, suspendAfter: 3 } },
    isJudged: true,
  },
]

/** Places in POISON_SETTINGS, POISONS (undefined: no liars) and DEFENCES. */
export interface PoisonJob {
  readonly kind: 'poisoning'
  readonly setting: number
  readonly poison: number | undefined
  readonly defence: number
  readonly seed: number
}
export type PoisonRows = PoisonJob & { readonly spoilt: Spoilt }

export function poisonJobs(seeds: readonly number[]): PoisonJob[] {
  const poisons = [undefined, ...POISONS.keys()]
  return [...POISON_SETTINGS.keys()].flatMap(setting =>
    poisons.flatMap(poison =>
      // Without liars audits alone change nothing.
      [...DEFENCES.keys()]
        .filter(d => poison !== undefined || d === 0 || DEFENCES[d]!.isJudged)
        .flatMap(defence =>
          seeds.map(seed => ({ kind: 'poisoning', setting, poison, defence, seed }) as const),
        ),
    ),
  )
}

/** `random`: of the seed alone, so that all rows are about the same hospitals, groups and minibatches. */
export async function poisoned(
  job: PoisonJob,
  study: Study,
  model: TrainedModel,
  random: Random,
): Promise<PoisonRows> {
  const { rounds, clipNorm = study.charter.training.clipNorm } = POISON_SETTINGS[job.setting]!
  const charter = { ...study.charter, training: { ...study.charter.training, clipNorm } }
  const found = await spoilt({
    study: { ...study, charter },
    model,
    hospitals: drawHospitals(study, HOSPITALS, random.fork('hospitals', HOSPITALS)),
    liars: LIARS,
    poison: job.poison === undefined ? undefined : POISONS[job.poison]!,
    defence: DEFENCES[job.defence]!,
    rounds,
    random,
  })
  return { ...job, spoilt: found }
}

/** Means over seeds. */
export interface PoisonRow extends Pick<PoisonJob, 'setting' | 'poison' | 'defence'> {
  readonly auc: number
  /** AUC of the same rounds without liars and audits, less this one: the mean and the most. */
  readonly loss: number
  readonly lossMost: number
  readonly audits: number
  readonly leftOut: number
  readonly passed: number
  readonly liarsSuspended: number
  readonly honestSuspended: number
}

export function poisonRows(done: readonly PoisonRows[]): PoisonRow[] {
  const same = (a: PoisonJob, b: PoisonJob) =>
    a.setting === b.setting && a.poison === b.poison && a.defence === b.defence
  const firsts = done.filter((a, i) => done.findIndex(b => same(a, b)) === i)
  return firsts.map(first => {
    const those = done.filter(d => same(d, first))
    const mean = (of: (d: PoisonRows) => number) => those.reduce((sum, d) => sum + of(d), 0) / those.length
    const loss = (d: PoisonRows) => {
      const without = done.find(
        o => o.setting === d.setting && o.seed === d.seed && o.poison === undefined && o.defence === 0,
      )
      return (without?.spoilt.auc ?? Number.NaN) - d.spoilt.auc
    }
    const { setting, poison, defence } = first
    return {
      setting,
      poison,
      defence,
      auc: mean(d => d.spoilt.auc),
      loss: mean(loss),
      lossMost: Math.max(...those.map(loss)),
      audits: mean(d => d.spoilt.audits),
      leftOut: mean(d => d.spoilt.leftOut),
      passed: mean(d => d.spoilt.passed),
      liarsSuspended: mean(d => d.spoilt.suspended.liars),
      honestSuspended: mean(d => d.spoilt.suspended.honest),
    }
  })
}

export const POISON_LIMITS = {
  /** AUC that may be lost where the liars are looked for. */
  lossMax: 0.02,
  /** AUC that must be lost where nobody looks: else the poison is none. */
  collapseMin: 0.1,
}

export const poisonName = ({ poison }: Pick<PoisonRow, 'poison'>) =>
  poison === undefined ? 'no liars' : POISONS[poison]!.name

export function poisonSettingName({ rounds, clipNorm }: PoisonSetting): string {
  const clip = clipNorm === undefined ? 'clipNorm as agreed' : `clipNorm ${clipNorm}`
  return `${HOSPITALS} hospitals, ${LIARS} liars, groups of ${GROUP_SIZE}, ${rounds} rounds, ${clip}`
}

export function missedPoisoning(done: readonly PoisonRows[]): string[] {
  const { lossMax, collapseMin } = POISON_LIMITS
  return poisonRows(done).flatMap(row => {
    const { name, isJudged } = DEFENCES[row.defence]!
    const what = `${poisonName(row)}, ${name}, ${poisonSettingName(POISON_SETTINGS[row.setting]!)}`
    const isPoison = row.poison !== undefined && POISONS[row.poison]!.collapses
    return [
      ...(isJudged && !(row.loss <= lossMax)
        ? [`${what}: ${row.loss.toFixed(3)} of AUC lost, at most ${lossMax}`]
        : []),
      ...(isPoison && row.defence === 0 && !(row.loss >= collapseMin)
        ? [`${what}: only ${row.loss.toFixed(3)} of AUC lost`]
        : []),
      ...(row.honestSuspended > 0 ? [`${what}: ${row.honestSuspended} honest ones are suspended`] : []),
    ]
  })
}
