/**
 * The stroke study in the simulator: 98 hospitals with real patients and real training, through the whole protocol. What
 * does the federated model lose against one that was trained on all rows in one place?
 *
 *   node [--import ./sim/ideal/register.ts] test/study/stroke.ts [rounds [hospitals [committees]]]
 */
import { checkScenario } from '../../config/scenario-parse.ts'
import { joinRows, scoreOn } from '../../node/evaluation.ts'
import { chooseBackend } from '../../node/training/backend.ts'
import type { ModelState } from '../../protocol/ports.ts'
import { readScenario } from '../../sim/cli/scenario-file.ts'
import { studyOf } from '../../sim/cli/study.ts'
import type { Observer } from '../../sim/observer.ts'
import type { RunResult } from '../../sim/result.ts'
import { runScenario } from '../../sim/run.ts'
import type { World } from '../../sim/world.ts'
import { trainPooled } from './models.ts'

export interface StrokeOptions {
  readonly seed: number
  /** At most 98: the first ones of the study. */
  readonly hospitals: number
  readonly rounds: number
  readonly checkers: boolean
  /** Sums and votes in committees of 20 instead of among all. */
  readonly committees?: boolean
}

export interface StrokeOutcome {
  readonly result: RunResult
  /** Area under the ROC curve on all hospitals' test rows. */
  readonly federatedAuc: number
  readonly pooledAuc: number
}

/** Plays the scenario `stroke` and trains the same plan on all rows together. Throws when hospitals end with different models. */
export async function strokeStudy(o: StrokeOptions): Promise<StrokeOutcome> {
  const whole = readScenario('stroke')
  const [site] = whole.sites
  const scenario = checkScenario({
    ...whole,
    sites: [{ ...site, count: o.hospitals }],
    ...(o.committees
      ? { committees: { size: 20, maliciousMax: 6 }, maliciousMax: 5 }
      : { maliciousMax: Math.min(whole.maliciousMax!, Math.floor((o.hospitals - 1) / 4)) }),
    study: { ...whole.study, rounds: o.rounds },
  })
  const study = (await studyOf(scenario, o.seed))!
  const models: ModelState[] = []
  let world: World | undefined
  const watch: Observer = {
    onWorld: made => {
      world = made
    },
  }
  const result = runScenario(scenario, { seed: o.seed, study, checkers: o.checkers, observers: [watch] })
  for (const host of world!.hosts.values()) if (host.model) models.push(host.model)
  const [model] = models
  if (!model || models.some(m => String(m.parameters) !== String(model.parameters))) {
    throw new Error('the hospitals ended without one model')
  }
  const datasets = study.datasets
  const backend = await chooseBackend()
  const pooled = await trainPooled({ charter: study.charter, datasets, backend }, o.seed)
  const test = joinRows([...datasets.values()].map(d => d.test))
  const auc = async (state: ModelState) => (await scoreOn(study.charter, state, [test]))[0]!.auc!
  return { result, federatedAuc: await auc(model), pooledAuc: await auc(pooled) }
}

async function main(): Promise<void> {
  const [rounds = 20, hospitals = 98] = process.argv.slice(2, 4).map(Number)
  const committees = process.argv[4] === 'committees'
  const from = process.cpuUsage()
  const { result, federatedAuc, pooledAuc } = await strokeStudy({
    seed: 1,
    hospitals,
    rounds,
    checkers: false,
    committees,
  })
  const { user, system } = process.cpuUsage(from)
  const cpu = ((user + system) / 1e6).toFixed(1)
  const aucs = `federated ${federatedAuc.toFixed(4)}, pooled ${pooledAuc.toFixed(4)}`
  console.log(`${hospitals} hospitals, ${rounds} rounds: ${aucs}; ${result.events} events, ${cpu} CPU s`)
}

if (import.meta.main) await main()
