/** What the example study promises: hardly worse than with all rows in one place, and better than FLamby's FedAvg. */
import { expect, test } from 'vitest'
import { mean, openStudy, runStudy } from './heart.ts'
import { federateByProtocol } from './protocol.ts'

const SEEDS = [0, 1, 2, 3, 4]

test.each(['charter.yaml', 'charter-mlp.yaml'])('%s', async name => {
  const file = new URL(`../../config/studies/heart-disease/${name}`, import.meta.url).pathname
  const results = await runStudy(await openStudy(file), SEEDS, federateByProtocol)
  const pooledTest = (model: string) => results.get(model)!.get('pooled')!
  const auc = (model: string) => mean(pooledTest(model).map(s => s.auc!))
  const accuracy = (model: string) => mean(pooledTest(model).map(s => s.accuracy!))
  expect(pooledTest('federated')[0]!.rows).toBe(254)
  expect(Math.abs(auc('federated') - auc('pooled'))).toBeLessThan(0.01)
  expect(accuracy('federated')).toBeGreaterThanOrEqual(0.78)
  for (const hospital of ['cleveland', 'hungarian', 'switzerland', 'va']) {
    expect(auc('federated')).toBeGreaterThan(auc(hospital))
  }
})
