/** What `medmesh privacy attack` found, for people. */
import type { Charter } from '../../../config/charter.ts'
import { type Figure, type Found, type InversionRow, PATIENT_MIN, TOLERANCE } from '../../attack/judge.ts'
import type { MembershipRow } from '../../attack/membership.ts'
import { privacyInWords } from '../../privacy.ts'
import { table } from '../format.ts'
import type { AttackReport } from './privacy-attack.ts'

const VERDICTS: Readonly<Record<Found, string>> = {
  persons: 'gives rows away',
  'a trace': 'leaves a trace',
  nothing: 'nothing found',
}

export function attackInWords(report: AttackReport, charter: Charter): string {
  const { member, study, trials, seed, cohort, rows, inversion, membership } = report
  const again = rows < cohort ? ', some of which come more than once' : ''
  return `${[
    `Attacks on ${member} in ${study}: ${trials} trials, seed ${seed}`,
    `  by this hospital's own rows, ${rows} of them; the other ${cohort - 1} hospitals of the cohort are played by other rows${again}.`,
    '  In each hospital one row: the best case for the attacker. More rows and steps make it harder, and promise nothing.',
    '',
    'What comes out of the first round of training',
    ...table([HEAD, ...inversion.map(cells)], [2, 3, 4, 5, 6]),
    `inputs known: share of a row's inputs that came out to ${TOLERANCE} standard deviations; by chance: of a stranger's row, which gave nothing;`,
    "error: root mean square, in standard deviations; guess: the same of a guess from other people's rows, without any update; ± standard error;",
    `rows given away: trials in which more than ${percent(PATIENT_MIN)} of a row came out (of a stranger's)`,
    '',
    'Was this row in the training data?',
    ...table([['trained', 'AUC', 'found at 1 %', 'verdict'], ...membership.map(membershipCells)], [1, 2]),
    `each model is trained on half of this hospital's rows, dealt out to a cohort; by heart: on few of them and far too long (the control);`,
    'AUC: of telling members from others, .5 is chance; found at 1 %: members that are found while one in a hundred others is accused',
    '',
    'What that means',
    ...meaning(report).map(line => `- ${line}`),
    '',
    ...privacyInWords(charter),
  ].join('\n')}\n`
}

const HEAD = ['from', 'attack', 'inputs known', 'by chance', 'error', 'guess', 'rows given away', 'verdict']

const percent = (share: number) => `${(100 * share).toFixed(0)} %`
const percents = ({ mean, standardError }: Figure) =>
  `${(100 * mean).toFixed(0)} ± ${(100 * standardError).toFixed(0)} %`
const decimals = ({ mean, standardError }: Figure) => `${mean.toFixed(2)} ± ${standardError.toFixed(2)}`

function cells(row: InversionRow): string[] {
  return [
    row.target,
    row.attack,
    percents(row.known),
    percents(row.strangersKnown),
    decimals(row.error),
    decimals(row.guess),
    `${percent(row.reconstructed)} (${percent(row.strangersReconstructed)})`,
    VERDICTS[row.found],
  ]
}

function membershipCells(row: MembershipRow): string[] {
  const auc = `${row.auc.mean.toFixed(3)} ± ${row.auc.standardError.toFixed(3)}`
  return [row.training, auc, percents(row.found), row.tells ? 'tells members' : 'nothing found']
}

/** The most that any attack found in a target. */
function most(rows: readonly InversionRow[]): Found {
  const found = rows.map(row => row.found)
  return (['persons', 'a trace'] as const).find(f => found.includes(f)) ?? 'nothing'
}

function meaning({ inversion, membership, unit, cohort }: AttackReport): string[] {
  const [control, masked, sum, noised] = [...new Set(inversion.map(r => r.target))].map(target =>
    most(inversion.filter(r => r.target === target)),
  )
  const [agreed, byHeart] = membership
  return [
    CONTROL[control!],
    MASKED[masked!],
    `Whoever is in the cohort sees the sum of all ${cohort}: ${SUM[sum!]} Secure summing hides which hospital gave what; secure summing alone is no anonymity.`,
    noised
      ? `Whoever sees the sum with the charter's noise: ${NOISED[noised]} It protects ${unit === 'patient' ? "one patient's row" : 'all that one hospital gives'}; how well, its epsilon says, whatever the attack.`
      : 'The charter has no noise: nothing bounds what a better attack finds in a sum, or in the model.',
    `Whoever has the model: membership inference ${agreed!.tells ? 'tells members from others better than chance' : 'does no better than chance here'}. No mask changes that.`,
    ...(byHeart!.tells
      ? []
      : ['Of a model that knows its rows by heart that finds nothing either: too few rows to say.']),
    'What these attacks do not find, a better one may.',
  ]
}

const CONTROL: Readonly<Record<Found, string>> = {
  persons:
    "Whoever had one hospital's update in the clear would read the row in it. Nobody has it: it is the control.",
  'a trace':
    'The control is weak: even of an update in the clear no whole row came out. What is not found below says little.',
  nothing:
    'The control failed: nothing came out of an update in the clear, so what is not found below says nothing.',
}

const MASKED: Readonly<Record<Found, string>> = {
  persons:
    'A masked input gave rows away, which it must not: keep these figures and report them (SECURITY.md).',
  'a trace':
    'A masked input seems to leave a trace. Once in a hundred runs that is chance: run it with another --seed, and report it if it stays (SECURITY.md).',
  nothing: 'From a masked input, which is what leaves this hospital, these attacks learn nothing.',
}

const SUM: Readonly<Record<Found, string>> = {
  persons: 'with one row in each hospital it gives whole rows away, though not whose they are.',
  'a trace': 'no whole row came out, but it tells something of the rows in it.',
  nothing: 'these attacks found nothing in it here, which is no promise.',
}

const NOISED: Readonly<Record<Found, string>> = {
  persons: 'these attacks still read whole rows in it: it is too little noise for so few rows.',
  'a trace':
    'no whole row came out, but the attacks find more than by chance: such noise makes a trace small, not nothing.',
  nothing: 'these attacks find no more than by chance.',
}
