/** What privacy costs in models, at a small size: all seeds, epsilons and the stroke study are the script's (`npm run study:privacy`). */
import { expect, test } from 'vitest'
import { protection } from '../../config/charter.ts'
import type { UtilityCurve } from '../../node/cli/utility.ts'
import utilityCurve from '../../node/cli/utility-curve.json' with { type: 'json' }
import { joinRows, scoreOn } from '../../node/evaluation.ts'
import { epsilonOfReleases, plannedReleases } from '../../protocol/privacy/policy.ts'
import { mean, openStudy } from './heart.ts'
import { lossOf, measurePrivacy, PLANS, protectedCharter, SETTINGS, studyCurve } from './privacy.ts'
import { federateByProtocol } from './protocol.ts'

const [HEART] = PLANS

test('the charter of each setting costs its epsilon, and nearly all of it', async () => {
  const { charter } = await openStudy(
    new URL(`../../config/studies/${HEART!.file}`, import.meta.url).pathname,
  )
  for (const setting of SETTINGS) {
    const made = protectedCharter(charter, HEART!, 486, setting)
    const cost = epsilonOfReleases(made, plannedReleases(made))
    expect(protection(made)?.epsilonMax).toBe(setting.epsilon)
    expect(cost).toBeLessThanOrEqual(setting.epsilon ?? 0)
    expect(cost).toBeGreaterThanOrEqual(0.98 * (setting.epsilon ?? 0))
  }
})

test('noise in the sum costs a study of 486 patients something, and leaves a model worth having', async () => {
  const settings = [
    { noise: undefined, epsilon: undefined },
    { noise: 'sum', epsilon: 4 },
    { noise: 'hospital', epsilon: 4 },
  ] as const
  const [exact, ...noised] = await measurePrivacy(HEART!, [0, 1], settings)
  expect(mean(exact!.aucs)).toBeGreaterThan(0.87)
  for (const row of noised) {
    expect(lossOf(row, exact!)).toBeGreaterThan(0)
    expect(lossOf(row, exact!)).toBeLessThan(0.06)
  }
})

test('real hospitals train through the whole protocol with noise in its sums, and end with one model', async () => {
  const agreed = await openStudy(new URL(`../../config/studies/${HEART!.file}`, import.meta.url).pathname)
  const charter = protectedCharter(agreed.charter, { ...HEART!, rounds: 4 }, 486, {
    noise: 'sum',
    epsilon: 8,
  })
  // Throws where they end with different models.
  const state = await federateByProtocol({ ...agreed, charter }, 1)
  const test = joinRows([...agreed.datasets.values()].map(d => d.test))
  const [scores] = await scoreOn(charter, state, [test])
  expect(scores!.auc).toBeGreaterThan(0.7)
})

test('what plans are told was measured with these studies as they are now', async () => {
  const { seeds, studies } = utilityCurve as UtilityCurve
  expect(
    studies.map(({ study, rounds, samplingRate, learningRate, clipNorm }) => ({
      study,
      rounds,
      samplingRate,
      learningRate,
      clipNorm,
    })),
  ).toEqual(PLANS.map(({ name, file: _, ...plan }) => ({ study: name, ...plan })))
  const asked = SETTINGS.filter(s => s.noise === 'sum' || s.noise === 'hospital')
  for (const { noised } of studies)
    expect(noised.map(({ noise, epsilon }) => ({ noise, epsilon }))).toEqual(asked)
  // One of its points again. Another processor may round a little differently.
  const point = { noise: 'sum', epsilon: 8 } as const
  const rows = await measurePrivacy(HEART!, seeds, [SETTINGS[0]!, point])
  const { noised, ...again } = studyCurve(HEART!, rows)
  const [{ noised: known, ...written }] = studies as [UtilityCurve['studies'][number]]
  expect({ ...again, auc: 0 }).toEqual({ ...written, auc: 0 })
  expect(Math.abs(again.auc - written.auc)).toBeLessThan(0.002)
  const before = known.find(p => p.noise === 'sum' && p.epsilon === 8)!
  expect(Math.abs(noised[0]!.auc - before.auc)).toBeLessThan(0.002)
  expect(Math.abs(noised[0]!.spread - before.spread)).toBeLessThan(0.002)
})
