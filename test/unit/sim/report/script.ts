/** A run as a world would tell it to its observers, without machines: for the tests of the recorder and the report. */
import { type ScenarioInput, ScenarioSchema } from '../../../../config/scenario.ts'
import type { Event, Job, MemberId, Metrics, Task } from '../../../../protocol/ports.ts'
import type { SimHost } from '../../../../sim/host.ts'
import type { Injected } from '../../../../sim/observer.ts'
import { Random } from '../../../../sim/random.ts'
import { Recorder } from '../../../../sim/record.ts'
import type { RunResult } from '../../../../sim/result.ts'
import type { World } from '../../../../sim/world.ts'

export const START_MS = 1_800_000_000_000

export interface Strike {
  readonly kind: string
  readonly who: readonly number[]
  readonly at: number
  readonly forMs: number
}

export interface Course {
  readonly n: number
  /** Training rounds. */
  readonly rounds: number
  readonly seed?: number
  readonly strikes?: readonly Strike[]
  /** Of the first hospitals; undefined: honest. */
  readonly behaviours?: readonly (string | undefined)[]
  readonly scenario?: Partial<ScenarioInput>
  readonly metrics?: boolean
  /** Rounds whose first attempt is given up. */
  readonly retries?: readonly number[]
  readonly rename?: (id: MemberId) => string
}

const JOIN_DEADLINE_MS = 2000
const INPUT_DEADLINE_MS = 8000

/** Plays a course into a recorder and makes a result of what it recorded. */
export function played(course: Course): RunResult {
  const { n, rounds, strikes = [] } = course
  const random = new Random(course.seed ?? 1)
  const names = Array.from({ length: n }, (_, i) => `hospital-${String(i + 1).padStart(3, '0')}`)
  const ids = names.map(name => course.rename?.(name) ?? name)
  const recorder = new Recorder({
    hospitals: ids.map((id, i) => ({ id, site: 'clinic', behaviour: course.behaviours?.[i] })),
  })
  const sent = new Map(ids.map(id => [id, { bytesSent: 0, bytesReceived: 0, messagesSent: 0 }]))
  const world = { now: START_MS, traffic: (id: MemberId) => sent.get(id)! }
  const hosts = ids.map(id => ({ id }) as SimHost)
  const told: { readonly at: number; readonly run: () => void }[] = []
  const tell = (at: number, run: () => void) => void told.push({ at, run })
  const say = (at: number, i: number, event: Event) => tell(at, () => recorder.onEvent(hosts[i]!, event))
  const struckAt = (i: number, at: number) =>
    strikes.some(
      s =>
        ['crash', 'outage', 'pause'].includes(s.kind) &&
        s.who.includes(i) &&
        s.at <= at &&
        at < s.at + s.forMs,
    )
  for (const s of strikes) {
    const hospitals = s.who.map(i => ids[i]!)
    const injected: Injected = {
      at: START_MS + s.at,
      kind: s.kind,
      hospitals,
      detail: `for ${s.forMs / 1000} s`,
      forMs: s.forMs,
    }
    tell(s.at, () => recorder.onInjected(injected))
    if (s.kind !== 'crash') continue
    for (const i of s.who) {
      tell(s.at, () => recorder.onCrash(hosts[i]!, 'scheduled'))
      tell(s.at + s.forMs, () => recorder.onStart(hosts[i]!))
    }
  }
  recorder.onWorld(world as unknown as World)
  hosts.forEach(h => void recorder.onStart(h))

  let at = 0
  const all = ids.map((_, i) => i)
  for (let round = 0; round <= rounds + 1; round++) {
    const task: Task = round === 0 ? 'statistics' : round > rounds ? 'evaluate' : 'train'
    const tries = course.retries?.includes(round) ? 2 : 1
    for (let attempt = 0; attempt < tries; attempt++) {
      const there = all.filter(i => !struckAt(i, at))
      at += there.length < n ? JOIN_DEADLINE_MS : 120
      const cohort = there.map(i => ids[i]!)
      const absent = ids.filter(id => !cohort.includes(id))
      const opened = at
      for (const i of there)
        say(opened + 5 * random.unit(), i, { kind: 'roundOpened', round, attempt, task, cohort, absent })
      const trained = new Map(
        there.map(i => [i, opened + (task === 'train' ? 900 + 400 * random.unit() : 60)]),
      )
      for (const i of there) {
        if (!struckAt(i, opened + 5))
          tell(opened + 5, () => recorder.onOutput(hosts[i]!, { kind: 'tick' }, learns(round, task)))
        if (!struckAt(i, trained.get(i)!))
          tell(trained.get(i)!, () => recorder.onJob(hosts[i]!, learnJob(round, task)))
      }
      const survivors = there.filter(i => !struckAt(i, trained.get(i)! + 150))
      for (const i of survivors)
        say(trained.get(i)! + 150, i, { kind: 'phase', round, attempt, phase: 'delivered' })
      at = survivors.length < there.length ? opened + INPUT_DEADLINE_MS : Math.max(...trained.values()) + 250
      if (attempt < tries - 1) {
        for (const i of survivors)
          say(at, i, { kind: 'roundAborted', round, attempt, reason: 'culprit', culprits: [ids[n - 1]!] })
        continue
      }
      const leftOut = there
        .filter(i => !survivors.includes(i))
        .map(i => ({ member: ids[i]!, reason: 'silent' }))
      for (const i of survivors)
        say(at + 3, i, {
          kind: 'survivorsFixed',
          round,
          attempt,
          survivors: survivors.map(s => ids[s]!),
          leftOut,
        })
      at += 320
      const metrics: Metrics | undefined =
        course.metrics && round > 0
          ? { testSamples: 254, auc: 0.92 - 0.42 / (1 + round), accuracy: 0.8, loss: 0.3 + 0.4 / (1 + round) }
          : undefined
      for (const i of all.filter(i => !struckAt(i, at)))
        say(at + 20 * random.unit(), i, {
          kind: 'roundClosed',
          round,
          attempt,
          task,
          modelHash: `m${round}`,
          metrics,
          faults: [],
        })
      traffic(opened, at)
    }
  }
  for (const i of all) say(at + 40, i, { kind: 'studyFinished', rounds, modelHash: 'm' })

  function traffic(from: number, to: number): void {
    for (const i of all) {
      for (let k = 0; k < 12; k++) {
        const sentAt = from + (to - from) * random.unit()
        const u = random.unit()
        const hop = {
          from: ids[i]!,
          to: ids[random.below(n)]!,
          via: 'gossip' as const,
          bytes: new Uint8Array(Math.floor(200 / (1 - 0.98 * u))),
          sentAt: START_MS + sentAt,
        }
        tell(sentAt, () => {
          recorder.onHop(hop)
          sent.get(hop.from)!.bytesSent += hop.bytes.length
          sent.get(hop.from)!.messagesSent++
          sent.get(hop.to)!.bytesReceived += hop.bytes.length
        })
        if (random.chance(0.01)) tell(sentAt, () => recorder.onLoss(hop, 'cut'))
        else
          tell(sentAt + 12 + 5 * (1 / Math.sqrt(1 - 0.99 * random.unit()) - 1), () =>
            recorder.onDelivered(hop),
          )
      }
    }
  }

  for (const { at, run } of told.toSorted((a, b) => a.at - b.at)) {
    world.now = START_MS + at
    run()
  }
  const scenario = ScenarioSchema.parse({
    format: 'medmesh-scenario/1',
    title: 'A constructed run',
    description: 'Told by a script.',
    sites: [{ name: 'clinic', count: n, uplinkMbps: 100, trainingMs: { from: 900, to: 1300 } }],
    study: { rounds },
    ...course.scenario,
  })
  return {
    ...recorder.recorded(),
    scenario,
    seed: course.seed ?? 1,
    ok: true,
    finished: true,
    violations: [],
    checked: { agreement: 1200, exactness: rounds + 2, privacy: 90 },
    events: told.length,
    traceHash: 'ab'.repeat(32),
  }
}

function learnJob(round: number, task: Task): Job {
  return { kind: 'learn', round, task } as Job
}

function learns(round: number, task: Task) {
  return {
    effects: [{ kind: 'job', id: 1, job: learnJob(round, task) } as const],
    wakeAt: undefined,
    verdict: undefined,
  }
}
