/** What privacy costs in models, at a small size: all seeds, epsilons and the stroke study are the script's (`npm run study:privacy`). */
import { expect, test } from 'vitest'
import { protection } from '../../config/charter.ts'
import { joinRows, scoreOn } from '../../node/evaluation.ts'
import { epsilonOfReleases, plannedReleases } from '../../protocol/privacy/policy.ts'
import { mean, openStudy } from './heart.ts'
import { lossOf, measurePrivacy, PLANS, protectedCharter, SETTINGS } from './privacy.ts'
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
