/** The figures of the study as tables. */
import { exposure } from '../../../config/tail.ts'
import { formatScore, table } from '../../../node/cli/format.ts'
import { OWN_MIN, PULL_MIN } from '../../../protocol/contribution/scores.ts'
import {
  type AttackRow,
  attackRows,
  type HonestGroup,
  honestGroups,
  nameOf,
  ofKind,
  percent,
  quantile,
} from './figures.ts'
import { HONEST, type JobRows, SETTINGS, TOLD_AFTER } from './measure.ts'
import {
  DEFENCES,
  POISON_LIMITS,
  POISON_SETTINGS,
  type PoisonRow,
  poisonName,
  poisonRows,
  poisonSettingName,
} from './poisoning.ts'

const number = (x: number) => (Number.isFinite(x) ? x.toFixed(2) : '-')

function attackTable(rows: readonly AttackRow[]): string[] {
  const head = ['', 'AUC', 'must be', 'by scalars', 'found', 'marked', 'half by', 'honest marked', 'told']
  const lines = rows.map(r => [
    r.attack,
    formatScore(r.auc),
    formatScore(r.aucMin, 2),
    formatScore(r.scalarAuc),
    percent(r.truePositives),
    percent(r.marked),
    r.audits === undefined ? 'never' : String(r.audits),
    String(r.honestMarked),
    percent(r.told),
  ])
  return table([head, ...lines], [1, 2, 3, 4, 5, 6, 7, 8])
}

function honestTable(groups: readonly HonestGroup[]): string[] {
  const head = ['', 'hospitals', 'told', 'marked', 'suspended', 'own', '1 %', 'pull', '1 %']
  const lines = groups.map(g => [
    g.name,
    String(g.hospitals),
    percent(g.told),
    String(g.marked),
    String(g.suspended),
    ...[...g.own, ...g.pull].map(number),
  ])
  return table([head, ...lines], [1, 2, 3, 4, 5, 6, 7, 8])
}

function poisonTable(rows: readonly PoisonRow[]): string[] {
  const head = [
    '',
    'against it',
    'AUC',
    'lost',
    'most',
    'audits',
    'left out',
    'passed',
    'suspended',
    'honest',
  ]
  const lines = rows.map(r => [
    poisonName(r),
    DEFENCES[r.defence]!.name,
    formatScore(r.auc),
    r.loss.toFixed(3),
    r.lossMost.toFixed(3),
    ...[r.audits, r.leftOut, r.passed, r.liarsSuspended, r.honestSuspended].map(x => x.toFixed(1)),
  ])
  return table([head, ...lines], [2, 3, 4, 5, 6, 7, 8, 9])
}

export function printed(done: readonly JobRows[]): string {
  const rows = attackRows(done)
  const attacks = SETTINGS.flatMap((setting, s) => {
    const here = rows.filter(r => r.setting === s)
    const { hospitals, riders, rounds } = setting
    const chance = exposure(hospitals, riders, rounds.groupSize)
    const says = `chance that a group of an audit has fewer than two honest members: at most ${percent(chance)}`
    return here.length === 0 ? [] : [`\n${nameOf(setting)}; ${says}`, ...attackTable(here)]
  })
  const honest = HONEST.flatMap((setting, s) => {
    const runs = ofKind(done, 'honest').filter(j => j.setting === s)
    if (runs.length === 0) return []
    const told = TOLD_AFTER.map((count, k) => {
      const cosines = runs.flatMap(r => r.told[k]!)
      return `${number(quantile(cosines, 0.5))} after ${count} audits`
    })
    return [
      `\n${runs.length} honest runs: ${nameOf(setting)}`,
      ...honestTable(honestGroups(done, s)),
      `cosine of an ordinary hospital's mean update to what all can work out of the audits, without noise: ${told.join(', ')}`,
    ]
  })
  const poisoning = poisonRows(ofKind(done, 'poisoning'))
  const poisons = POISON_SETTINGS.flatMap((setting, s) => {
    const here = poisoning.filter(r => r.setting === s)
    return here.length === 0 ? [] : [`\n${poisonSettingName(setting)}`, ...poisonTable(here)]
  })
  const heart = ofKind(done, 'heart')
  const silent = heart.filter(j => j.says.every(s => s === 'cannot tell yet')).length
  return [
    ...attacks,
    ...honest,
    ...(heart.length > 0
      ? [`\nheart, 4 hospitals: 'cannot tell yet' of all in ${silent} of ${heart.length} runs`]
      : []),
    ...poisons,
    ...(poisons.length > 0
      ? [
          `AUC of these: of the model, on the test rows of all hospitals of the study. lost: less than without liars, on average and at most; with standing at most ${POISON_LIMITS.lossMax}. left out: groups that do not count; passed: that count, with a liar in them.`,
        ]
      : []),
    '\nAUC: of rider against honest by oddness, after the last audit. by scalars: by inner products and lengths of groups instead. found: riders who stand out more than 99 % of honest members. marked: at any audit, as giving nothing',
    `(own below ${OWN_MIN}) or pulling against the model (below ${PULL_MIN}). half by: audits until half of the riders are marked. told: of whom anything can be said.`,
    'own, pull: lowest upper end of an interval at any audit; 1 %: that of one hospital in a hundred.',
  ].join('\n')
}
