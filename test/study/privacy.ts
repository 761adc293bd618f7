/**
 * What privacy costs in models: the heart-disease and the stroke study without noise, with noise in the sum of all hospitals and
 * with noise in each hospital, and with noise that hides whole hospitals, for several epsilons, by the protocol's own arithmetic and noise. `npm run study:privacy`, or with
 * --seeds N, --study NAME, --json FILE. Fails where a limit is missed. `--curve node/cli/utility-curve.json` writes what `medmesh privacy plan`
 * says of these studies.
 *
 * delta is patients^-1.1, or hospitals^-1.1. No budget is spent on finding the settings below, which were tried on these data: a study of its own would
 * have to take them from elsewhere, or pay for the search.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Charter, type PatientPrivacy, type Protection, protection } from '../../config/charter.ts'
import { ruleProblems } from '../../config/rules.ts'
import { table } from '../../node/cli/format.ts'
import type { StudyCurve, UtilityCurve } from '../../node/cli/utility.ts'
import { joinRows, scoreOn } from '../../node/evaluation.ts'
import { epsilonOfReleases, plannedReleases } from '../../protocol/privacy/policy.ts'
import { mean, openStudy } from './heart.ts'
import { federate, type Study } from './models.ts'

export interface Plan {
  readonly name: string
  readonly file: string
  /** Of training, with noise. */
  readonly rounds: number
  readonly samplingRate: number
  readonly learningRate: number
  readonly clipNorm: number
}

export const PLANS: readonly Plan[] = [
  {
    name: 'heart-disease',
    file: 'heart-disease/charter.yaml',
    rounds: 30,
    samplingRate: 0.5,
    learningRate: 1,
    clipNorm: 1,
  },
  {
    name: 'ist-stroke',
    file: 'ist-stroke/charter.yaml',
    rounds: 40,
    samplingRate: 0.2,
    learningRate: 2,
    clipNorm: 1,
  },
]

/** Of noise that hides whole hospitals; of patients' also a smaller and a larger one. */
const EPSILONS = [1, 2, 4, 8]
/** Of the sums for normalisation and of the evaluation, how much more noise than in training. */
const OTHERS = 1.5

/** Of patients in the sum or in each hospital, or of whole hospitals in the sum. */
export type Mode = PatientPrivacy['noise'] | 'whole hospital'

export interface Setting {
  /** Undefined: none. */
  readonly noise: Mode | undefined
  readonly epsilon: number | undefined
}

export const SETTINGS: readonly Setting[] = [
  { noise: undefined, epsilon: undefined },
  ...(['sum', 'hospital'] as const).flatMap(noise =>
    [0.5, ...EPSILONS, 16].map(epsilon => ({ noise, epsilon })),
  ),
  ...EPSILONS.map(epsilon => ({ noise: 'whole hospital' as const, epsilon })),
]

/** Most that a setting may lose of AUC; the stroke study in the strongest mode. */
export const LIMITS = [{ name: 'ist-stroke', noise: 'sum', epsilon: 2, loss: 0.02 }] as const

export interface PrivacyRow extends Setting {
  readonly study: string
  readonly hospitals: number
  readonly patients: number
  readonly noiseMultiplier: Protection['noiseMultiplier'] | undefined
  /** Area under the ROC curve of the last model on all test rows together; seed after seed. */
  readonly aucs: readonly number[]
}

/** The agreed charter with noise in which all planned rounds cost at most `epsilon`. */
export function protectedCharter(
  agreed: Charter,
  plan: Plan,
  patients: number,
  { noise, epsilon }: Setting,
): Charter {
  if (noise === undefined) return agreed
  const multipliers = (z: number) => ({ statistics: OTHERS * z, training: z, evaluation: OTHERS * z })
  const withNoise = (z: number): Charter =>
    noise === 'whole hospital'
      ? ofHospitals(agreed, epsilon!, multipliers(z))
      : ofPatients(agreed, plan, noise, { patients, epsilonMax: epsilon!, noiseMultiplier: multipliers(z) })
  const cost = (z: number) => epsilonOfReleases(withNoise(z), plannedReleases(withNoise(z)))
  let [low, high] = [0.2, 200]
  while (high / low > 1.002) {
    const middle = Math.sqrt(low * high)
    if (cost(middle) <= epsilon!) high = middle
    else low = middle
  }
  const charter = withNoise(high)
  const [problem] = ruleProblems(charter)
  if (problem) throw new Error(`${problem.path.join('.')} ${problem.says}`)
  return charter
}

type Multipliers = Protection['noiseMultiplier']

const deltaFor = (units: number) => units ** -1.1

function ofPatients(
  agreed: Charter,
  { rounds, samplingRate, learningRate, clipNorm }: Plan,
  noise: PatientPrivacy['noise'],
  {
    patients,
    ...budget
  }: { readonly patients: number; readonly epsilonMax: number; readonly noiseMultiplier: Multipliers },
): Charter {
  const training: Charter['training'] = {
    ...agreed.training,
    rounds,
    learningRate,
    // A hospital's whole update is not clipped further.
    clipNorm: 1e3,
    localUpdates: 1,
    optimizer: 'sgd',
    weighting: noise === 'hospital' ? 'equal' : agreed.training.weighting,
  }
  const delta = deltaFor(patients)
  return {
    ...agreed,
    training,
    privacy: { unit: 'patient', noise, patients, samplingRate, clipNorm, delta, ...budget },
  }
}

/** Training as agreed, but that all weigh alike. */
function ofHospitals(agreed: Charter, epsilonMax: number, noiseMultiplier: Multipliers): Charter {
  const delta = deltaFor(agreed.members.length)
  return {
    ...agreed,
    training: { ...agreed.training, weighting: 'equal' },
    privacy: { unit: 'hospital', noiseMultiplier, epsilonMax, delta },
  }
}

export async function measurePrivacy(
  plan: Plan,
  seeds: readonly number[],
  settings: readonly Setting[] = SETTINGS,
  told: (row: PrivacyRow) => void = () => {},
): Promise<PrivacyRow[]> {
  const agreed = await openStudy(new URL(`../../config/studies/${plan.file}`, import.meta.url).pathname)
  const patients = [...agreed.datasets.values()].reduce((sum, { train }) => sum + train.y.length, 0)
  const test = joinRows([...agreed.datasets.values()].map(d => d.test))
  const rows: PrivacyRow[] = []
  for (const setting of settings) {
    const charter = protectedCharter(roomy(agreed), plan, patients, setting)
    const aucs: number[] = []
    for (const seed of seeds) {
      const state = await federate({ ...agreed, charter }, seed)
      aucs.push((await scoreOn(charter, state, [test]))[0]!.auc!)
    }
    const privacy = protection(charter)
    const row = {
      ...setting,
      study: plan.name,
      hospitals: agreed.datasets.size,
      patients,
      noiseMultiplier: privacy?.noiseMultiplier,
      aucs,
    }
    rows.push(row)
    told(row)
  }
  return rows
}

/** With room for the rows of the largest hospital, none of which may be left out under noise. */
function roomy({ charter, datasets }: Study): Charter {
  const all = [...datasets.values()]
  const most = (of: 'train' | 'test') => Math.max(...all.map(d => d[of].y.length))
  return {
    ...charter,
    training: { ...charter.training, weightMax: Math.max(charter.training.weightMax, most('train')) },
    evaluation: { ...charter.evaluation, rowsMax: Math.max(charter.evaluation.rowsMax, most('test')) },
  }
}

/** AUC less than without noise, the mean over the seeds. */
export function lossOf(row: PrivacyRow, exact: PrivacyRow): number {
  return mean(exact.aucs) - mean(row.aucs)
}

const spreadOf = ({ aucs }: PrivacyRow) => Math.max(...aucs) - Math.min(...aucs)

/** Of a study's `rows`, of which the first is without noise: those in which patients are protected. */
export function studyCurve(plan: Plan, [exact, ...noised]: readonly PrivacyRow[]): StudyCurve {
  const { study, hospitals, patients } = exact!
  const { rounds, samplingRate, learningRate, clipNorm } = plan
  return {
    study,
    hospitals,
    patients,
    delta: deltaFor(patients),
    rounds,
    samplingRate,
    learningRate,
    clipNorm,
    auc: mean(exact!.aucs),
    noised: noised.flatMap(row =>
      row.noise === undefined || row.noise === 'whole hospital'
        ? []
        : [{ noise: row.noise, epsilon: row.epsilon!, auc: mean(row.aucs), spread: spreadOf(row) }],
    ),
  }
}

function lineOf(row: PrivacyRow, exact: PrivacyRow): string[] {
  return [
    row.noise ?? 'none',
    row.epsilon === undefined ? '' : String(row.epsilon),
    row.noiseMultiplier?.training.toFixed(2) ?? '',
    mean(row.aucs).toFixed(4),
    spreadOf(row).toFixed(4),
    lossOf(row, exact).toFixed(4),
  ]
}

const write = (file: string, what: object) => writeFileSync(file, `${JSON.stringify(what, null, 2)}\n`)

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '5' },
      study: { type: 'string', default: '' },
      json: { type: 'string' },
      curve: { type: 'string' },
    },
  })
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i)
  const all: PrivacyRow[] = []
  const studies: StudyCurve[] = []
  let missed = 0
  for (const plan of PLANS.filter(p => p.name.includes(values.study))) {
    const rows = await measurePrivacy(plan, seeds, SETTINGS, row =>
      console.error(`${row.study}: ${row.noise ?? 'no'} noise, epsilon ${row.epsilon ?? 'none'} done`),
    )
    const [exact] = rows
    const { hospitals, patients } = exact!
    console.log(`${plan.name}: ${hospitals} hospitals, ${patients} patients; seeds ${seeds.join(' ')}`)
    const head = ['noise', 'epsilon', 'multiplier', 'AUC', 'spread', 'loss']
    console.log(`${table([head, ...rows.map(row => lineOf(row, exact!))], [1, 2, 3, 4, 5]).join('\n')}\n`)
    for (const { name, noise, epsilon, loss } of LIMITS.filter(l => l.name === plan.name)) {
      const row = rows.find(r => r.noise === noise && r.epsilon === epsilon)!
      const isKept = lossOf(row, exact!) <= loss
      if (!isKept) missed++
      console.log(`limit of ${name} at epsilon ${epsilon}: loss ${loss}: ${isKept ? 'kept' : 'MISSED'}`)
    }
    all.push(...rows)
    studies.push(studyCurve(plan, rows))
  }
  console.log(
    'noise: of patients, in the sum of all hospitals or in each hospital by itself; or of whole hospitals. multiplier: of training. spread: of AUC over the seeds. loss: of AUC, to none',
  )
  if (values.json !== undefined) write(values.json, { seeds, rows: all })
  if (values.curve !== undefined) {
    const made: UtilityCurve = { madeBy: 'npm run study:privacy -- --curve FILE', seeds, studies }
    write(values.curve, made)
  }
  if (missed > 0) process.exitCode = 1
}

if (import.meta.main) await main()
