/** A consortium for tests: charter, keys, simulated hospitals with a synthetic learner, and taps on what they do. */
import type { Charter } from '../../config/charter.ts'
import type { Fault } from '../../protocol/fault.ts'
import type { PeerConfig } from '../../protocol/peer.ts'
import type { Event, Job, JobResult, MemberId } from '../../protocol/ports.ts'
import { peerConfigs, simCharter } from '../../sim/charter.ts'
import type { HostSetup, Learner, SimHost } from '../../sim/host.ts'
import type { Observer } from '../../sim/observer.ts'
import { Random } from '../../sim/random.ts'
import { World, type WorldOptions } from '../../sim/world.ts'

export interface CharterOptions {
  readonly n: number
  readonly f?: number
  readonly rounds?: number
  readonly features?: number
  /** Below the vector's size: sharded over streams. */
  readonly gossipBytesMax?: number
  readonly edit?: (charter: Charter) => Charter
}

export { seedOf } from '../../sim/charter.ts'

export function memberName(index: number): MemberId {
  return `hospital-${String(index).padStart(3, '0')}`
}

/** A valid charter with n members; three features, two rounds and one local update where nothing else is said. */
export function testCharter(o: CharterOptions): Charter {
  const { f, features = 3, rounds = 2, gossipBytesMax, edit } = o
  return simCharter({
    members: Array.from({ length: o.n }, (_, i) => memberName(i)),
    ...(f === undefined ? {} : { maliciousMax: f }),
    features,
    rounds,
    training: { localUpdates: 1, batchSize: 4, learningRate: 0.1 },
    ...(gossipBytesMax === undefined ? {} : { secureSum: { gossipBytesMax } }),
    ...(edit ? { edit } : {}),
  })
}

/** Random but valid results: what matters to the protocol is only that they are numbers within bounds. */
export function syntheticLearner(
  charter: Charter,
  random: Random,
): { readonly samples: number; readonly learner: Learner } {
  const d = charter.data.features.length
  const parameters = charter.model.weights.reduce((n, w) => n + w.shape.reduce((a, b) => a * b, 1), 0)
  const samples = 20 + random.below(100)
  const counts = () => Float64Array.from({ length: charter.evaluation.bins }, () => random.below(5))
  const learner: Learner = job => {
    const evaluation = { positives: counts(), negatives: counts(), correct: 10, lossSum: 5 * random.unit() }
    if (job.task === 'evaluate') return { samples: 0, evaluation }
    if (job.task === 'train') {
      const delta = Float32Array.from({ length: parameters }, () => random.normal() / 10)
      return { samples, delta, evaluation }
    }
    const first = Float64Array.from({ length: d }, () => samples * random.unit())
    return { samples, featureSums: { first, second: first.map(x => (x * x) / samples) } }
  }
  return { samples, learner }
}

export interface Tapped {
  readonly host: MemberId
  readonly job: Job
  readonly result: JobResult
}

export interface Consortium {
  readonly charter: Charter
  readonly world: World
  readonly events: { readonly host: MemberId; readonly at: number; readonly event: Event }[]
  readonly faults: { readonly host: MemberId; readonly peer: MemberId; readonly fault: Fault }[]
  readonly jobs: Tapped[]
  readonly configs: ReadonlyMap<MemberId, PeerConfig>
  /** Of the hosts that are up: all have a finished ledger. */
  finished(): boolean
  /** The `roundClosed` events of one host. */
  closed(id: MemberId): (Event & { kind: 'roundClosed' })[]
}

export interface ConsortiumOptions extends CharterOptions {
  readonly seed?: number
  readonly world?: Partial<Omit<WorldOptions, 'hosts' | 'seed' | 'onStep'>>
  /** Clock, disk, line and speed of a hospital. */
  readonly site?: (id: MemberId) => Partial<HostSetup>
  readonly onStep?: WorldOptions['onStep']
  readonly onEvent?: (host: SimHost, event: Event) => void
  readonly onJob?: NonNullable<Observer['onJob']>
  /** Whether `jobs` keeps every job that was done; default true. Long runs need the memory. */
  readonly keepJobs?: boolean
  /** What a hospital is configured with instead: one of another study, say. */
  readonly config?: (config: PeerConfig) => PeerConfig
  readonly learner?: (id: MemberId, honest: Learner) => Learner
  readonly machine?: (id: MemberId) => HostSetup['machine']
}

export function consortium(o: ConsortiumOptions): Consortium {
  const charter = testCharter(o)
  const events: Consortium['events'] = []
  const faults: Consortium['faults'] = []
  const jobs: Tapped[] = []
  const configs = new Map<MemberId, PeerConfig>()
  const random = new Random((o.seed ?? 1) + 77)
  const hosts = peerConfigs(charter).map(made => {
    const id = made.self
    const { samples, learner: honest } = syntheticLearner(charter, new Random(random.u32()))
    const own = { ...made, samples }
    const config = o.config?.(own) ?? own
    configs.set(id, config)
    const machine = o.machine?.(id)
    return {
      id,
      config,
      learner: o.learner?.(id, honest) ?? honest,
      ...o.site?.(id),
      ...(machine ? { machine } : {}),
    }
  })
  const tap: Observer = {
    onEvent: (host, event) => {
      events.push({ host: host.id, at: world.now, event })
      o.onEvent?.(host, event)
    },
    onFault: (host, peer, fault) => void faults.push({ host: host.id, peer, fault }),
    onJob: (host, job, result) => {
      if (o.keepJobs !== false) jobs.push({ host: host.id, job, result })
      o.onJob?.(host, job, result)
    },
  }
  const world: World = new World({
    seed: o.seed ?? 1,
    hosts,
    ...o.world,
    observers: [tap, ...(o.world?.observers ?? [])],
    ...(o.onStep ? { onStep: o.onStep } : {}),
  })
  return {
    charter,
    world,
    events,
    faults,
    jobs,
    configs,
    finished: () =>
      [...world.hosts.values()].every(h => !h.up || !h.peer || h.peer.state.phase.kind === 'finished'),
    closed: id =>
      events
        .filter(e => e.host === id && e.event.kind === 'roundClosed')
        .map(e => e.event as Event & { kind: 'roundClosed' }),
  }
}
