/**
 * What privacy cost the project's own studies, for who plans another: `npm run study:privacy -- --curve` measures it, and nobody else's
 * study need lose as much or as little.
 *
 * A loss is looked up by epsilon times patients. The noise that an epsilon takes in a mean over patients falls as the inverse of that
 * product, but for a logarithm of delta, in the mean gradient of a step as in the statistics; and so does what it must cost at least (Bassily, Smith,
 * Thakurta 2014, 'Private Empirical Risk Minimization', section 5). With noise in each hospital it falls with the patients of one, so that it also
 * holds for as many hospitals only. It says nothing of other data or models.
 */
import type { PatientPrivacy } from '../../config/charter.ts'
import { table } from './format.ts'
import curve from './utility-curve.json' with { type: 'json' }

type Noise = PatientPrivacy['noise']

/** Of one study as it was measured, trained alike with and without noise but for what DP-SGD needs. */
export interface StudyCurve {
  readonly study: string
  readonly hospitals: number
  /** Of all hospitals together, to train on. */
  readonly patients: number
  readonly delta: number
  readonly rounds: number
  readonly samplingRate: number
  readonly learningRate: number
  readonly clipNorm: number
  /** Area under the ROC curve without noise, the mean over the seeds. */
  readonly auc: number
  /** With noise, in order of rising epsilon. */
  readonly noised: readonly {
    readonly noise: Noise
    readonly epsilon: number
    readonly auc: number
    /** Of the AUC over the seeds, largest less smallest. */
    readonly spread: number
  }[]
}

export interface UtilityCurve {
  readonly madeBy: string
  readonly seeds: readonly number[]
  readonly studies: readonly StudyCurve[]
}

/** Of one study with one kind of noise, as much of it per patient as in a plan. */
export interface Expected {
  readonly study: string
  readonly noise: Noise
  readonly hospitals: number
  readonly patients: number
  /** AUC without noise. */
  readonly auc: number
  /** AUC less than that; null: not known, outside of what was measured. */
  readonly lost: number | null
  /** Between the seeds, of the AUC with noise. */
  readonly spread: number | null
  /** Least and largest epsilon for which it is known, of as many patients as in the plan. */
  readonly knownFor: readonly [number, number]
}

/** What the studies of `measured` lost where epsilon times patients was the same. */
export function expectedUtility(
  epsilon: number,
  patients: number,
  measured: UtilityCurve = curve as UtilityCurve,
): Expected[] {
  return measured.studies.flatMap(({ study, noised, ...of }) =>
    (['sum', 'hospital'] as const).map(noise => {
      const points = noised.filter(p => p.noise === noise)
      const scale = of.patients / patients
      const found = between(points, epsilon / scale)
      return {
        study,
        noise,
        hospitals: of.hospitals,
        patients: of.patients,
        auc: of.auc,
        lost: found ? of.auc - found.auc : null,
        spread: found ? found.spread : null,
        knownFor: [points[0]!.epsilon * scale, points.at(-1)!.epsilon * scale] as const,
      }
    }),
  )
}

type Point = StudyCurve['noised'][number]

/** AUC on the straight line over the logarithm of epsilon between the two points around it, and the larger spread of both. */
function between(points: readonly Point[], epsilon: number): Pick<Point, 'auc' | 'spread'> | undefined {
  const at = points.findIndex(p => p.epsilon >= epsilon)
  const above = points[at]
  if (!above) return undefined
  if (above.epsilon === epsilon) return above
  const below = points[at - 1]
  if (!below) return undefined
  const part = Math.log(epsilon / below.epsilon) / Math.log(above.epsilon / below.epsilon)
  return {
    auc: below.auc + part * (above.auc - below.auc),
    spread: Math.max(below.spread, above.spread),
  }
}

/** For people, with the words that it is no promise. */
export function utilityLines(expected: readonly Expected[]): string[] {
  const rows = expected.map(({ study, noise, hospitals, patients, auc, lost, spread, knownFor }) => [
    study,
    noise === 'sum' ? 'in the sum' : 'in each hospital',
    String(hospitals),
    String(patients),
    auc.toFixed(3),
    lost === null ? '-' : lost.toFixed(3),
    spread === null ? '-' : spread.toFixed(3),
    knownFor.map(e => String(Number(e.toPrecision(3)))).join(' to '),
  ])
  const head = [
    'study',
    'noise',
    'hospitals',
    'patients',
    'AUC without',
    'lost',
    'spread',
    'known for epsilon',
  ]
  return [
    'AUC that noise, and the training that goes with it, cost in our studies at the same epsilon times patients.',
    'No promise: another study may lose more.',
    ...table([head, ...rows], [2, 3, 4, 5, 6, 7]),
    'Rounds, learning rates and clipping were tried on the same data. spread: between seeds, of the AUC with noise.',
    ...(expected.some(e => e.lost === null) ? ['-: not known: outside of what was measured.'] : []),
  ]
}
