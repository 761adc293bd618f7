/** What the attacks must show at small size, and that their judge can say no. `npm run study:attack` has the figures. */
import { describe, expect, test } from 'vitest'
import type { Charter } from '../../config/charter.ts'
import { type Attack, type Effort, measureInversion } from '../../node/attack/inversion.ts'
import { figureOf, type InversionRow, type Limit } from '../../node/attack/judge.ts'
import { AS_AGREED, byHeart, measureMembership } from '../../node/attack/membership.ts'
import { randomOf } from '../../node/attack/random.ts'
import type { Subject } from '../../node/attack/subject.ts'
import type { Target } from '../../node/attack/targets.ts'
import { buildModel } from '../../node/training/model.ts'
import { measureCanary } from './canary.ts'
import { aimsOf, canariesOf, fewOf, openMembership } from './jobs.ts'
import { hospitalsNoised, patientsNoised } from './noised.ts'
import { missedOf } from './report.ts'
import { openSubjects } from './subjects.ts'

const SEED = 1
const random = randomOf(SEED)
const [logistic, mlp, images] = await openSubjects(random)

const EFFORT = { table: { trials: 24, steps: 150 }, image: { trials: 16, steps: 100 } }
/** Few, and still enough to see a tenth of the noise. */
const SUMS = 1200
const BEST: readonly Attack[] = ['first layer', 'inverting gradients']

/** `limit` in the place of the target's own. */
function attack(
  subject: Subject,
  name: Target['name'],
  {
    attacks,
    limit,
    effort = EFFORT[subject.kind],
  }: { attacks?: readonly Attack[]; limit?: Limit; effort?: Effort } = {},
): Promise<InversionRow[]> {
  const aims = aimsOf(subject).filter(a => a.target.name === name)
  const limited = aims.map(aim => ({ ...aim, limit: limit ?? aim.limit }))
  return measureInversion(subject, effort, random, limited, attacks)
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
  const measured = async (charter: Charter, stated: Charter, name: string) => {
    const trained = await buildModel(logistic.charter)
    const row = measureCanary(logistic, trained, { charter, stated }, SUMS, random.fork(name))
    trained.dispose()
    return row
  }

  test.each([1, 4])('of hospitals never show more than the ledger’s epsilon, noise %d', async noise => {
    const charter = hospitalsNoised(logistic.charter, noise)
    const row = await measured(charter, charter, `hospitals ${noise}`)
    expect(row.isKept).toBe(true)
    expect(row.epsilonMin).toBeLessThanOrEqual(row.epsilon)
    if (noise <= 1) expect(row.epsilonMin).toBeGreaterThan(row.epsilon / 10)
  })

  test.each([0.5, 1])('nor do those of patients, drawn with %d', async samplingRate => {
    const charter = patientsNoised(logistic.charter, 0.5, samplingRate)
    const row = await measured(charter, charter, `patients ${samplingRate}`)
    expect(row.isKept).toBe(true)
    expect(row.epsilonMin).toBeLessThanOrEqual(row.epsilon)
    expect(row.epsilonMin).toBeGreaterThan(row.epsilon / 10)
    // Who is not drawn is not seen.
    expect(row.truePositives).toBeLessThan(samplingRate + 0.1)
  })

  test.each([
    ['a hospital', hospitalsNoised(logistic.charter, 0.2), hospitalsNoised(logistic.charter, 2)],
    ['a patient', patientsNoised(logistic.charter, 0.2, 1), patientsNoised(logistic.charter, 2, 1)],
  ])('show that less noise was added than is stated: %s', async (name, charter, stated) => {
    const row = await measured(charter, stated, name)
    expect(row.epsilonMin).toBeGreaterThan(row.epsilon)
  })

  test('of noise that is as stated are judged otherwise than of noise that is not', async () => {
    const [none] = canariesOf(logistic)
    expect(none!.charter.privacy.unit).toBe('none')
    const row = await measured(none!.charter, none!.stated, 'none')
    expect([row.falsePositives, row.epsilon]).toEqual([0, Number.POSITIVE_INFINITY])
    expect(row.truePositives).toBeGreaterThan(0.97)
    const held = { ...row, isKept: false }
    const nothing = { seed: SEED, trials: 1, inversion: [], membership: [] }
    expect(missedOf({ ...nothing, canaries: [row, held] })).toHaveLength(1)
  })
})

describe('membership', () => {
  test('a model that knows people by heart tells who they are', async () => {
    const { charter, people } = await openMembership()
    const few = fewOf(people, 100, random.fork('few'))
    const row = await measureMembership(charter, few, byHeart(mlp.model, 300), 8, random.fork('by heart'))
    expect(row.isKept).toBe(true)
  })

  test('much noise leaves nothing of it, and tells no stranger for a member', async () => {
    const { charter: agreed, people } = await openMembership()
    const few = fewOf(people, 60, random.fork('fewer'))
    const training = { ...agreed.training, rounds: 3 }
    const charter = patientsNoised({ ...agreed, training }, 30, 0.5)
    const aucs = []
    for (let t = 0; t < 30; t++) {
      const row = await measureMembership(charter, few, AS_AGREED, 6, random.fork('noised', t))
      aucs.push(row.auc.mean)
    }
    const { mean, standardError } = figureOf(aucs)
    expect(standardError).toBeLessThan(0.02)
    expect(Math.abs(mean - 0.5)).toBeLessThan(4 * standardError)
  })
})

test('the same seed gives the same figures', async () => {
  const effort = { trials: 4, steps: 10 }
  const rows = () => measureInversion(mlp, effort, randomOf(7), aimsOf(mlp).slice(0, 3))
  expect(await rows()).toEqual(await rows())
  expect(await rows()).not.toEqual(await measureInversion(mlp, effort, randomOf(8), aimsOf(mlp).slice(0, 3)))
})
