/** The figures of all attacks as tables, and what was not as it must be. */
import { type Figure, type InversionRow, PATIENT_MIN, PSNR_MIN, TOLERANCE } from '../../node/attack/judge.ts'
import type { MembershipRow } from '../../node/attack/membership.ts'
import { table } from '../../node/cli/format.ts'
import type { CanaryRow } from './canary.ts'

export interface AttackResults {
  readonly seed: number
  readonly trials: number
  readonly inversion: readonly InversionRow[]
  readonly membership: readonly MembershipRow[]
  readonly canaries: readonly CanaryRow[]
}

export function missedOf({ inversion, membership, canaries }: AttackResults): string[] {
  return [
    ...inversion.filter(r => !r.isKept).map(r => `${r.subject}, ${r.target}, ${r.attack}: not ${r.limit}`),
    ...membership.filter(r => !r.isKept).map(r => `membership, ${r.training}: not ${r.limit}`),
    ...canaries
      .filter(r => !r.isKept)
      .map(r => `canary, ${noiseOf(r)}: epsilon ${r.epsilon.toFixed(2)}, shown ${r.epsilonMin.toFixed(2)}`),
  ]
}

const figure = ({ mean, standardError }: Figure) => `${mean.toFixed(3)} ± ${standardError.toFixed(3)}`
const percent = (share: number) => `${(100 * share).toFixed(0)} %`
const verdict = (isJudged: boolean, isKept: boolean) => (!isJudged ? 'told only' : isKept ? 'kept' : 'MISSED')

function inversionLines(rows: readonly InversionRow[]): string[][] {
  const head = [
    'subject',
    'target',
    'attack',
    'error',
    'guess',
    'strangers',
    'of a person',
    'persons',
    'must be',
    '',
  ]
  return [
    head,
    ...rows.map(r => [
      r.subject,
      r.target,
      r.attack,
      ...[r.error, r.guess, r.strangers].map(figure),
      (r.overStrangers.mean / r.overStrangers.standardError).toFixed(1),
      r.psnr === undefined ? percent(r.known.mean) : `${r.psnr.toFixed(1)} dB`,
      `${percent(r.reconstructed)} (${percent(r.strangersReconstructed)})`,
      r.limit === 'none' ? '' : r.limit,
      verdict(r.limit !== 'none', r.isKept),
    ]),
  ]
}

function membershipLines(rows: readonly MembershipRow[]): string[][] {
  return [
    ['trained', 'models', 'people', 'AUC', 'without shadows', 'found at 1 %', ''],
    ...rows.map(r => [
      r.training,
      String(r.models),
      String(r.people),
      ...[r.auc, r.confidenceAuc, r.found].map(figure),
      verdict(r.limit !== 'none', r.isKept),
    ]),
  ]
}

function noiseOf({ unit, noiseMultiplier, statedMultiplier, samplingRate }: CanaryRow): string {
  if (unit === 'none') return 'none'
  const rate = unit === 'patient' ? `, drawn with ${samplingRate}` : ''
  const stated = statedMultiplier === noiseMultiplier ? '' : ` instead of ${statedMultiplier}`
  return `${noiseMultiplier}${stated} (${unit}${rate})`
}

function canaryLines(rows: readonly CanaryRow[]): string[][] {
  return [
    ['noise', 'sums', 'epsilon', 'at least', 'true alarms', 'false alarms', ''],
    ...rows.map(r => [
      noiseOf(r),
      String(r.trials),
      r.epsilon.toFixed(2),
      r.epsilonMin.toFixed(2),
      percent(r.truePositives),
      percent(r.falsePositives),
      verdict(Number.isFinite(r.epsilon), r.isKept),
    ]),
  ]
}

export function printed({ inversion, membership, canaries }: AttackResults): string {
  return [
    'Inversion of one step of training on one person in each hospital',
    ...table(inversionLines(inversion)),
    'error: of the nearest person, root mean square, in standard deviations of a table’s inputs or ink from 0 to 1; guess: of a guess from ' +
      'the prior; strangers: of the attack’s own result held against others; trace: how much nearer it is to its own persons than to strangers, in standard errors. ± standard error',
    `of a person: share of inputs known to ${TOLERANCE} standard deviations, or signal to noise. persons: trials in which one came out, ` +
      `to more than ${percent(PATIENT_MIN)} or ${PSNR_MIN} dB (of strangers, so by chance)`,
    '\nMembership: was this person in the training data?',
    ...table(membershipLines(membership)),
    'AUC: of the likelihood ratio; .5 is chance. found at 1 %: members that are found while one in a hundred others is accused',
    '\nCanaries: is one hospital, or one patient, in the sum? Epsilon of one round as a ledger says it, and as attacks show it at least (95 %)',
    ...table(canaryLines(canaries)),
    'instead of: a control; what is stated there does not hold, and must be found not to',
  ].join('\n')
}
