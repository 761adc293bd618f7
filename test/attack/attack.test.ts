/** What the attacks must show at small size, and that their judge can say no. `npm run study:attack` has the figures. */
import { describe, expect, test } from 'vitest'
import { buildModel } from '../../node/training/model.ts'
import { openStudy } from '../study/heart.ts'
import { measureCanary } from './canary.ts'
import { type Attack, type Effort, measureInversion, TARGETS } from './inversion.ts'
import type { InversionRow, Limit } from './judge.ts'
import { BY_HEART, measureMembership } from './membership.ts'
import { randomOf } from './random.ts'
import { missedOf } from './report.ts'
import { openSubjects, type Subject } from './subjects.ts'
import type { TargetName } from './targets.ts'

const SEED = 1
const random = randomOf(SEED)
const [logistic, mlp, images] = (await openSubjects(random)) as [Subject, Subject, Subject]

const EFFORT = { table: { trials: 24, steps: 150 }, image: { trials: 16, steps: 100 } }
const BEST: readonly Attack[] = ['first layer', 'inverting gradients']

/** `limit` in the place of the target's own. */
function attack(
  subject: Subject,
  name: TargetName,
  {
    attacks,
    limit,
    effort = EFFORT[subject.kind],
  }: { attacks?: readonly Attack[]; limit?: Limit; effort?: Effort } = {},
): Promise<InversionRow[]> {
  const targets = TARGETS.filter(t => t.target.name === name).map(t => ({ ...t, limit: limit ?? t.limit }))
  return measureInversion(subject, effort, random, targets, attacks)
}

const missed = (rows: readonly InversionRow[]) => rows.filter(r => !r.isKept)
const count = (rows: readonly InversionRow[]) => rows.map(r => r.trials)

describe.each([
  ['logistic', logistic],
  ['MLP', mlp],
])('patients, %s', (_, subject) => {
  test('a plain update gives its patient away, to each attack', async () => {
    expect(missed(await attack(subject, 'plain update'))).toEqual([])
  })

  test('a masked input tells no attack more than the prior', async () => {
    const rows = await attack(subject, 'masked input', { effort: { trials: 100, steps: 60 } })
    expect(count(rows)).toEqual([100, 100, 100, 100])
    expect(missed(rows)).toEqual([])
  })

  test('nor does a noised sum', async () => {
    expect(missed(await attack(subject, 'noised sum'))).toEqual([])
  })
})

describe('images', () => {
  test('a plain update gives its image away', async () => {
    const rows = await attack(images, 'plain update', { attacks: BEST })
    expect(missed(rows)).toEqual([])
    for (const { psnr } of rows) expect(psnr).toBeGreaterThan(20)
  })

  test('a masked input and a noised sum do not', async () => {
    expect(missed(await attack(images, 'masked input', { attacks: BEST }))).toEqual([])
    expect(missed(await attack(images, 'noised sum', { attacks: BEST }))).toEqual([])
  })
})

test('a bare sum of four gives patients away: secure summing alone is no anonymity', async () => {
  const [row] = await attack(mlp, 'sum', { attacks: ['first layer'] })
  expect(row!.reconstructed).toBeGreaterThan(0.9)
})

describe('the judge can say no', () => {
  test('to an update in the clear where a masked input should be', async () => {
    const rows = await attack(mlp, 'plain update', { limit: 'tells nothing' })
    expect(rows.map(r => r.isKept)).toEqual([false, false, false, false])
    const none = { seed: SEED, trials: 1, membership: [], canaries: [] }
    expect(missedOf({ ...none, inversion: rows })).toHaveLength(4)
  })

  test('to a bare sum where a noised one should be', async () => {
    const [row] = await attack(mlp, 'sum', { attacks: ['first layer'], limit: 'no better than the prior' })
    expect(row!.isKept).toBe(false)
  })

  test('to a trace that does not beat the guess', async () => {
    const effort = { trials: 100, steps: 0 }
    const [row] = await attack(logistic, 'sum', { attacks: ['first layer'], limit: 'tells nothing', effort })
    expect(row!.overGuess.mean).toBeLessThan(2 * row!.overGuess.standardError)
    expect(row!.isKept).toBe(false)
  })

  test('to attacks that find nothing in what should be a plain update', async () => {
    const rows = await attack(mlp, 'masked input', { attacks: BEST, limit: 'succeeds' })
    expect(rows.map(r => r.isKept)).toEqual([false, false])
  })
})

describe('canaries', () => {
  test('never show more than epsilon, and show some of it', async () => {
    const trained = await buildModel(mlp.charter)
    for (const noiseMultiplier of [0.5, 1, 2, 4]) {
      const row = measureCanary(
        mlp,
        trained,
        { noiseMultiplier },
        2000,
        random.fork('canary', noiseMultiplier),
      )
      expect(row.isKept).toBe(true)
      expect(row.epsilonMin).toBeLessThanOrEqual(row.epsilon)
      if (noiseMultiplier <= 1) expect(row.epsilonMin).toBeGreaterThan(row.epsilon / 5)
    }
    trained.dispose()
  })

  test('show it when less noise is added than is stated', async () => {
    const trained = await buildModel(mlp.charter)
    const noise = { noiseMultiplier: 0.1, statedMultiplier: 1 }
    expect(measureCanary(mlp, trained, noise, 2000, random.fork('too little')).isKept).toBe(false)
    trained.dispose()
  })
})

test('a model that knows people by heart tells who they are', async () => {
  const file = new URL('../../config/studies/heart-disease/charter-mlp.yaml', import.meta.url).pathname
  const training = { ...BY_HEART, updates: 300 }
  const row = await measureMembership(
    await openStudy(file),
    mlp.model,
    training,
    8,
    random.fork('membership'),
  )
  expect(row.isKept).toBe(true)
})

test('the same seed gives the same figures', async () => {
  const effort = { trials: 4, steps: 10 }
  const rows = () => measureInversion(mlp, effort, randomOf(7), TARGETS.slice(0, 3))
  expect(await rows()).toEqual(await rows())
  expect(await rows()).not.toEqual(await measureInversion(mlp, effort, randomOf(8), TARGETS.slice(0, 3)))
})
