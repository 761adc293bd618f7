import { describe, expect, it } from 'vitest'
import { randomOf } from '../../node/attack/random.ts'
import { isAudited } from '../../protocol/contribution/groups.ts'
import { drawHospitals, ODD, openStroke, withOdd } from './contribution/consortium.ts'
import { attackRows, aucOf, honestGroups, missedOf } from './contribution/figures.ts'
import { type JobRows, type MemberRow, measurer, SETTINGS } from './contribution/measure.ts'
import { POISONS } from './contribution/poison.ts'
import {
  DEFENCES,
  missedPoisoning,
  POISON_SETTINGS,
  type PoisonJob,
  poisonRows,
} from './contribution/poisoning.ts'
import { printed } from './contribution/report.ts'
import { ATTACKS } from './contribution/riders.ts'
import { jobsOf } from './contribution.ts'

const measure = measurer(1)

describe('the study of contribution', () => {
  it('finds riders who give nothing, by real learners on real patients', async () => {
    const attack = ATTACKS.findIndex(a => a.name === 'replay with noise')
    const rows = await measure({ kind: 'riders', setting: 0, attack, seed: 0 })
    const members = rows.kind === 'riders' ? rows.members : []
    expect(members).toHaveLength(20)
    expect(aucOf(members)).toBe(1)
    for (const m of members) expect(m.says === 'gives nothing').toBe(m.isRider)
  }, 60_000)

  it('marks no honest hospital, and says nothing of four', async () => {
    const rows = await measure({ kind: 'honest', setting: 0, seed: 0 })
    const heart = await measure({ kind: 'heart', network: 'logistic', seed: 0 })
    expect(missedOf([rows, heart])).toEqual([])
    expect(honestGroups([rows], 0).find(g => g.name === 'all')).toMatchObject({ hospitals: 20, marked: 0 })
    expect(printed([rows, heart])).toContain("'cannot tell yet' of all in 1 of 1 runs")
    // Audits without noise give each hospital's mean update away: the documents say so.
    const told = rows.kind === 'honest' ? rows.told.map(cosines => Math.min(...cosines)) : []
    expect(told[2]).toBeGreaterThan(0.95)
  }, 60_000)

  it('keeps liars from spoiling the model, which the plain mean does not', async () => {
    const setting = POISON_SETTINGS.findIndex(s => s.rounds === 20 && s.clipNorm === 0.1)
    const poison = POISONS.findIndex(p => p.name === 'as long as all may be')
    const standing = DEFENCES.findIndex(d => d.isJudged)
    const job = { kind: 'poisoning', setting, seed: 0 } as const
    const jobs: PoisonJob[] = [
      { ...job, poison: undefined, defence: 0 },
      { ...job, poison, defence: 0 },
      { ...job, poison, defence: standing },
    ]
    const done = []
    for (const each of jobs) {
      const rows = await measure(each)
      if (rows.kind === 'poisoning') done.push(rows)
    }
    const [, plain, stood] = poisonRows(done)
    expect(plain!.loss).toBeGreaterThan(0.3)
    expect(stood!.liarsSuspended).toBeGreaterThan(0)
    expect(stood!.honestSuspended).toBe(0)
    expect(missedPoisoning(done)).toEqual([])
    expect(printed(done)).toContain('as long as all may be')
  }, 60_000)

  it('has odd hospitals that are what their names say', async () => {
    const study = await openStroke('logistic')
    const drawn = drawHospitals(study, 20, randomOf(1))
    const odd = withOdd(drawn, study, randomOf(2))
    const labels = (i: number) => new Set(odd[i]!.data.train.y)
    expect(odd.map(h => h.id)).toEqual(drawn.map(h => h.id))
    expect(odd.slice(0, ODD.length).map((_, i) => ODD[i]!.name.slice(0, 5))).toEqual([
      'small',
      'all d',
      'none ',
      'drows',
      'under',
      'slow:',
    ])
    expect(odd[0]!.declared).toBe(8)
    expect([labels(1), labels(2)]).toEqual([new Set([1]), new Set([0])])
    const { d, train } = odd[4]!.data
    for (let row = 0; row < train.y.length; row++) expect(train.x[row * d]).toBeLessThan(55)
    expect(odd[5]!.presence).toBe(0.5)
    for (const h of odd) expect(h.declared).toBe(h.data.train.y.length)
  })
})

describe('its report', () => {
  const member = (isRider: boolean, oddness: number | undefined): MemberRow => ({
    isRider,
    oddness,
    own: oddness,
    scalarOddness: 0,
    says: 'gives',
    marked: isRider && oddness !== undefined ? 3 : undefined,
  })
  const rowsOf = (members: readonly MemberRow[]): JobRows => ({
    kind: 'riders',
    setting: 0,
    attack: 0,
    seed: 0,
    members,
  })

  it('counts how often a rider stands out more than an honest member', () => {
    expect(aucOf([member(true, 2), member(false, 1), member(false, 3)])).toBe(0.5)
    expect(aucOf([member(true, 2), member(true, undefined), member(false, 2)])).toBe(0.5)
    expect(aucOf([member(true, 4), member(false, 1)])).toBe(1)
  })

  it('names each limit that is missed', () => {
    const bad = rowsOf([member(true, 1), member(false, 2)])
    expect(attackRows([bad])[0]).toMatchObject({ attack: ATTACKS[0]!.name, auc: 0, marked: 1, audits: 3 })
    expect(missedOf([bad])).toEqual([`${ATTACKS[0]!.name}: AUC .000, not .95`])
    const honest = { odd: undefined, declared: 60, skew: 0, told: 20, ownHigh: 0, pullHigh: 0 }
    const marked: JobRows = {
      kind: 'honest',
      setting: 0,
      seed: 0,
      members: [{ ...honest, marked: 4, isSuspended: true }],
      told: [[0.5], [0.5], [0.5]],
    }
    expect(missedOf([marked]).map(line => line.split(': ')[1])).toEqual([
      'somebody is marked in 100 % of honest runs',
      '1 are suspended',
    ])
    const said: JobRows = { kind: 'heart', network: 'mlp', seed: 0, says: ['gives'] }
    expect(missedOf([said])).toEqual(['heart, mlp: says something of four hospitals'])
  })

  it('names what poison has spoilt, and what is none', () => {
    const row = (poison: number | undefined, defence: number, auc: number, honest = 0) => ({
      kind: 'poisoning' as const,
      setting: 0,
      poison,
      defence,
      seed: 0,
      spoilt: { auc, audits: 1, leftOut: 0, passed: 0, suspended: { liars: 0, honest } },
    })
    const judged = DEFENCES.length - 1
    const missed = missedPoisoning([row(undefined, 0, 0.8), row(1, 0, 0.79), row(1, judged, 0.75, 1)])
    expect(missed.map(line => line.split(': ')[1])).toEqual([
      'only 0.010 of AUC lost',
      '0.050 of AUC lost, at most 0.02',
      '1 honest ones are suspended',
    ])
    expect(missedPoisoning([row(undefined, 0, 0.8), row(1, 0, 0.6), row(1, judged, 0.785)])).toEqual([])
  })

  it('judges every attack that has a limit, in the setting that it is for', () => {
    expect(SETTINGS[0]).toMatchObject({ hospitals: 20, riders: 4, rounds: { audits: 20, groupSize: 4 } })
    expect(ATTACKS.filter(a => a.aucMin === 0.95)).toHaveLength(6)
    expect(ATTACKS.filter(a => a.aucMin === 0.85)).toHaveLength(5)
    expect(jobsOf(5, 200).filter(j => j.kind === 'honest' && j.setting === 0)).toHaveLength(200)
    expect(isAudited(new Uint8Array(32), SETTINGS[0]!.rounds.oneIn)).toBe(true)
  })
})
