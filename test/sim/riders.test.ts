/** The scenario of riders: real training, two hospitals that give nothing, and what becomes of them. */
import { expect, it } from 'vitest'
import { readScenario } from '../../sim/cli/scenario-file.ts'
import { studyOf } from '../../sim/cli/study.ts'
import type { Observer } from '../../sim/observer.ts'
import { runScenario } from '../../sim/run.ts'

it('has both riders suspended, and nobody else ever on probation', { timeout: 300_000 }, async () => {
  const scenario = readScenario('riders')
  const study = (await studyOf(scenario, 1))!
  const told = new Set<string>()
  const watch: Observer = {
    onEvent: (_, event) => {
      if (event.kind === 'standing') told.add(`${event.member} ${event.standing}`)
    },
  }
  const { finished, hospitals } = runScenario(scenario, {
    seed: 1,
    study,
    checkers: false,
    observers: [watch],
  })
  const riders = hospitals.flatMap(h => (h.behaviour === 'zeroUpdate' ? [h.id] : []))
  expect(finished).toBe(true)
  expect(riders).toHaveLength(2)
  expect([...told].sort()).toEqual(riders.flatMap(id => [`${id} probation`, `${id} suspended`]))
})
