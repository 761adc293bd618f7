/**
 * One scenario with one seed, from its first event to its last: hospitals, faults, liars and checkers together. What comes
 * of it follows from the scenario and the seed alone; time, order and machine make no difference.
 */
import type { Charter } from '../config/charter.ts'
import { maliciousMaxOf, type Scenario } from '../config/scenario.ts'
import type { PeerConfig } from '../protocol/peer.ts'
import type { Event, MemberId, Millis, ModelState } from '../protocol/ports.ts'
import { catalogue } from './adversary/catalogue.ts'
import { Coalition } from './adversary/coalition.ts'
import { peerConfigs } from './charter.ts'
import { allCheckers } from './checkers/all.ts'
import type { Learner, SimHost } from './host.ts'
import { syntheticStudy } from './learner/synthetic.ts'
import type { Checker, Observer, Violation } from './observer.ts'
import { mostOf } from './random.ts'
import { Recorder } from './record.ts'
import type { RunResult } from './result.ts'
import { hostsOf, linksOf, type Troupe } from './scenario/build.ts'
import { castOf, type Role, stream } from './scenario/cast.ts'
import { scenarioCharter } from './scenario/charter.ts'
import { playFaults } from './scenario/faults.ts'
import { StepCrash } from './scenario/step-crash.ts'
import { Trace } from './trace.ts'
import { World } from './world.ts'

/** What the hospitals learn, and how well a model does. */
export interface Study {
  readonly charter: Charter
  readonly learner: (id: MemberId) => Learner
  /** Training rows of a hospital. */
  readonly samples: (id: MemberId) => number
  /** Of a model from the known optimum; undefined: not known. */
  readonly distance?: (state: ModelState) => number | undefined
}

export interface RunOptions {
  /** Unsigned, 32 bits. */
  readonly seed: number
  /** Default: the synthetic study of the scenario. */
  readonly study?: Study
  readonly observers?: readonly Observer[]
  /** Default true. */
  readonly checkers?: boolean
  /** Whether the run ends at the first violation; default true. */
  readonly stopAtViolation?: boolean
  /** Told each event, as a readable line. */
  readonly trace?: (line: string) => void
  /** So many events end the run; default no limit. */
  readonly eventsMax?: number
}

export interface RunProgress {
  readonly events: number
  readonly virtualMs: Millis
  readonly roundsClosed: number
}

/** Plays a whole run at once. */
export function runScenario(scenario: Scenario, options: RunOptions): RunResult {
  const run = new Run(scenario, options)
  while (run.advance(Number.POSITIVE_INFINITY)) {
    // Until it is over.
  }
  return run.result()
}

export class Run {
  readonly #scenario: Scenario
  readonly #o: RunOptions
  readonly #world: World
  readonly #start: Millis
  readonly #recorder: Recorder
  readonly #trace: Trace
  readonly #checkers: readonly Checker[]
  readonly #watch: Watch
  #over = false

  constructor(scenario: Scenario, options: RunOptions) {
    const { seed } = options
    this.#scenario = scenario
    this.#o = options
    const cast = castOf(scenario, seed)
    const study = options.study ?? synthetic(scenario, seed)
    const configs = peerConfigs(study.charter, study.samples)
    const liars = new Set(cast.flatMap(r => (r.behaviour === undefined ? [] : [r.id])))
    this.#checkers =
      options.checkers === false
        ? []
        : allCheckers({
            charter: study.charter,
            configs: new Map(configs.map(c => [c.self, c])),
            liars,
            f: maliciousMaxOf(scenario),
            slowestMs: Math.max(...cast.map(r => mostOf(r.site.trainingMs))),
            ...(scenario.healAtMs !== undefined && { healAtMs: scenario.healAtMs }),
          })
    this.#watch = new Watch(cast)
    this.#trace = new Trace(options.trace)
    this.#recorder = new Recorder({
      hospitals: cast.map(r => ({ id: r.id, site: r.site.name, behaviour: r.behaviour })),
      ...(study.distance && { distance: study.distance }),
      ...(scenario.healAtMs !== undefined && { healAtMs: scenario.healAtMs }),
    })
    const steps = new StepCrash()
    this.#world = new World({
      seed,
      hosts: hostsOf(troupe(cast, configs, study, seed)),
      network: { links: linksOf(scenario, cast) },
      observers: [
        this.#trace,
        this.#recorder,
        ...this.#checkers,
        this.#watch,
        steps,
        ...(options.observers ?? []),
      ],
      ...(scenario.faults.some(f => f.kind === 'crash' && f.moment !== 'now') && {
        onStep: step => steps.onStep(step),
      }),
      onBroken: () => {},
    })
    this.#start = this.#world.now
    playFaults({ world: this.#world, cast, steps, slow: new Set() }, scenario, seed)
    if (scenario.healAtMs !== undefined) this.#world.at(scenario.healAtMs, () => this.#world.heal())
    this.#world.startAll()
  }

  get progress(): RunProgress {
    return {
      events: this.#world.events,
      virtualMs: this.#world.now - this.#start,
      roundsClosed: this.#watch.roundsClosed,
    }
  }

  /** Plays at most so many events; false when the run is over. */
  advance(events: number): boolean {
    if (this.#over) return false
    const world = this.#world
    const { stopAtViolation = true, eventsMax = Number.POSITIVE_INFINITY } = this.#o
    const until = Math.min(world.events + events, eventsMax)
    const isOver = () => this.#watch.finished || (stopAtViolation && this.#violated)
    const leftMs = this.#start + this.#scenario.limitMs - world.now
    const inTime = world.run(() => world.events >= until || isOver(), leftMs)
    this.#over = !inTime || isOver() || world.events >= eventsMax
    return !this.#over
  }

  get #violated(): boolean {
    if (this.#watch.violations.length > 0) return true
    for (const checker of this.#checkers) if (checker.violations.length > 0) return true
    return false
  }

  /** Once the run is over, or where it stands now. */
  result(): RunResult {
    for (const checker of this.#checkers) checker.finish?.()
    const { healAtMs, faults } = this.#scenario
    const violations = [...this.#watch.violations, ...this.#checkers.flatMap(c => c.violations)]
    const finished = this.#watch.finished
    // Who is not promised an end to all trouble is not promised an end of the study.
    const mustFinish = healAtMs !== undefined || faults.length === 0
    return {
      scenario: this.#scenario,
      seed: this.#o.seed,
      ok: violations.length === 0 && (finished || !mustFinish),
      finished,
      violations: violations.sort((a, b) => a.event - b.event),
      checked: Object.fromEntries(this.#checkers.map(c => [c.name, c.checked])),
      events: this.#world.events,
      traceHash: this.#trace.hash,
      ...this.#recorder.recorded(),
    }
  }
}

/** Honest hospitals, and those that lie with one coalition behind them. */
function troupe(cast: readonly Role[], configs: readonly PeerConfig[], study: Study, seed: number): Troupe {
  const colluding = configs.filter((_, i) => cast[i]!.behaviour !== undefined)
  const coalition = new Coalition(colluding, stream(seed, 'liars').u32())
  const liars = new Map(
    cast.flatMap(({ id, behaviour }, i) =>
      behaviour === undefined ? [] : [[id, { ...catalogue[behaviour], random: stream(seed, 'liars', i) }]],
    ),
  )
  return {
    cast,
    configs,
    learner: id => {
      const honest = study.learner(id)
      const liar = liars.get(id)
      return liar?.learner?.(honest, liar.random) ?? honest
    },
    machine: ({ id }) => {
      const liar = liars.get(id)
      const make = liar?.machine
      return make && (config => make(config, coalition, liar.random))
    },
  }
}

function synthetic(scenario: Scenario, seed: number): Study {
  const charter = scenarioCharter(scenario)
  return { charter, ...syntheticStudy(charter, stream(seed, 'study').u32()) }
}

/** When the run is over, and what no other observer judges: that no machine breaks. */
class Watch implements Observer {
  readonly violations: Violation[] = []
  /** Rounds that the first honest hospital holds the end of. */
  roundsClosed = 0
  readonly #honest: ReadonlySet<MemberId>
  readonly #unfinished: Set<MemberId>
  #world: World | undefined
  #start: Millis = 0

  constructor(cast: readonly Role[]) {
    this.#honest = new Set(cast.filter(r => r.behaviour === undefined).map(r => r.id))
    this.#unfinished = new Set(this.#honest)
  }

  onWorld(world: World): void {
    this.#world = world
    this.#start = world.now
  }

  /** The study is, at all honest hospitals. */
  get finished(): boolean {
    return this.#unfinished.size === 0
  }

  onEvent(host: SimHost, event: Event): void {
    if (event.kind === 'studyFinished') this.#unfinished.delete(host.id)
    else if (event.kind === 'roundClosed' && this.#honest.has(host.id))
      this.roundsClosed = Math.max(this.roundsClosed, event.round + 1)
  }

  onCrash(host: SimHost, why: 'scheduled' | 'step' | 'broken', error: unknown): void {
    if (why !== 'broken' || !this.#honest.has(host.id)) return
    const says = `the machine of ${host.id} threw: ${error instanceof Error ? error.message : String(error)}`
    const { now, events } = this.#world!
    this.violations.push({ checker: 'broken', says, at: now - this.#start, event: events })
  }
}
