/** A consortium for tests: charter, keys, simulated hospitals with a synthetic learner, and taps on what they do. */
import { type Charter, CharterSchema } from '../../config/charter.ts'
import { toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { publicKeyOf } from '../../protocol/crypto/sign.ts'
import type { Fault } from '../../protocol/fault.ts'
import type { PeerConfig } from '../../protocol/peer.ts'
import type { Event, Job, JobResult, MemberId } from '../../protocol/ports.ts'
import type { HostSetup, Learner, SimHost } from '../../sim/host.ts'
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

export function seedOf(index: number): Uint8Array {
  return sha256(new TextEncoder().encode(`test member ${index}`))
}

export function memberName(index: number): MemberId {
  return `hospital-${String(index).padStart(3, '0')}`
}

/** A valid charter with n members. */
export function testCharter(o: CharterOptions): Charter {
  const f = o.f ?? Math.max(0, Math.floor((o.n - 1) / 3))
  const features = o.features ?? 3
  const charter: Charter = {
    format: 'medmesh-charter/1',
    version: 1,
    previous: null,
    study: {
      id: 'test-study',
      title: 'Test',
      purpose: 'Testing',
      legalBasis: 'None needed: synthetic data',
      agreement: { title: 'None', sha256: '00'.repeat(32) },
      validFrom: '2020-01-01',
      validUntil: '2120-01-01',
    },
    threshold: o.n,
    members: Array.from({ length: o.n }, (_, i) => ({
      id: memberName(i),
      name: `Hospital ${i}`,
      publicKey: toHex(publicKeyOf(seedOf(i))),
      addresses: [`/ip4/127.0.0.1/tcp/${20_000 + i}`],
    })),
    maliciousMax: f,
    data: {
      features: Array.from({ length: features }, (_, i) => ({
        name: `x${i}`,
        type: 'number' as const,
        unit: '1',
        min: -10,
        max: 10,
        description: 'synthetic',
      })),
      label: { name: 'y', positive: '1', negative: '0', description: 'synthetic' },
      split: { name: 'set', train: 'train', test: 'test' },
    },
    model: {
      keras: { class_name: 'Sequential' },
      weights: [
        { name: 'dense/kernel', shape: [features, 1], initialiser: 'zeros' },
        { name: 'dense/bias', shape: [1], initialiser: 'zeros' },
      ],
      seed: 1,
    },
    training: {
      rounds: o.rounds ?? 2,
      localUpdates: 1,
      batchSize: 4,
      optimizer: 'sgd',
      learningRate: 0.1,
      clipNorm: 2,
      weightMax: 1000,
      weighting: 'samples',
    },
    evaluation: { bins: 16, rowsMax: 1000, lossMax: 20 },
    privacy: { unit: 'none' },
    secureSum: {
      modulus: 2_147_483_647,
      survivorsMin: 3,
      joinDeadlineMs: 2000,
      inputDeadlineMs: 8000,
      openDeadlineMs: 4000,
      viewTimeoutMs: 500,
      clockSkewMaxMs: 60_000,
      gossipBytesMax: o.gossipBytesMax ?? 32_768,
    },
    export: { model: 'members' },
  }
  return CharterSchema.parse(o.edit ? o.edit(charter) : charter)
}

/** Random but valid results: what matters to the protocol is only that they are numbers within bounds. */
export function syntheticLearner(charter: Charter, random: Random): Learner {
  const d = charter.data.features.length
  const parameters = charter.model.weights.reduce((n, w) => n + w.shape.reduce((a, b) => a * b, 1), 0)
  const samples = 20 + random.below(100)
  const counts = () => Float64Array.from({ length: charter.evaluation.bins }, () => random.below(5))
  return job => {
    const evaluation = { positives: counts(), negatives: counts(), correct: 10, lossSum: 5 * random.unit() }
    if (job.task === 'evaluate') return { samples: 0, evaluation }
    if (job.task === 'train') {
      const delta = Float32Array.from({ length: parameters }, () => random.normal() / 10)
      return { samples, delta, evaluation }
    }
    const first = Float64Array.from({ length: d }, () => samples * random.unit())
    return { samples, featureSums: { first, second: first.map(x => (x * x) / samples) } }
  }
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
  readonly world?: Partial<Omit<WorldOptions, 'hosts' | 'seed'>>
  readonly onStep?: HostSetup['onStep']
  readonly onEvent?: (host: SimHost, event: Event) => void
  readonly onJob?: NonNullable<HostSetup['onJob']>
  /** Whether `jobs` keeps every job that was done; default true. Long runs need the memory. */
  readonly keepJobs?: boolean
  /** What a hospital is configured with instead: one of another study, say. */
  readonly config?: (config: PeerConfig) => PeerConfig
  readonly learner?: (id: MemberId, honest: Learner) => Learner
  readonly machine?: (id: MemberId) => HostSetup['machine']
}

export function consortium(o: ConsortiumOptions): Consortium {
  const charter = testCharter(o)
  const charterHash = sha256(new TextEncoder().encode(JSON.stringify(charter)))
  const events: Consortium['events'] = []
  const faults: Consortium['faults'] = []
  const jobs: Tapped[] = []
  const configs = new Map<MemberId, PeerConfig>()
  const random = new Random((o.seed ?? 1) + 77)
  const hosts = charter.members.map((m, i) => {
    const own: PeerConfig = { charter, charterHash, network: charterHash, self: m.id, seed: seedOf(i) }
    const config = o.config?.(own) ?? own
    configs.set(m.id, config)
    const honest = syntheticLearner(charter, new Random(random.u32()))
    const machine = o.machine?.(m.id)
    return {
      id: m.id,
      config,
      learner: o.learner?.(m.id, honest) ?? honest,
      onEvent: (host: SimHost, event: Event) => {
        events.push({ host: host.id, at: world.now, event })
        o.onEvent?.(host, event)
      },
      onFault: (host: SimHost, peer: MemberId, fault: Fault) =>
        void faults.push({ host: host.id, peer, fault }),
      onJob: (host: SimHost, job: Job, result: JobResult) => {
        if (o.keepJobs !== false) jobs.push({ host: host.id, job, result })
        o.onJob?.(host, job, result)
      },
      ...(o.onStep ? { onStep: o.onStep } : {}),
      ...(machine ? { machine } : {}),
    }
  })
  const world: World = new World({ seed: o.seed ?? 1, hosts, ...o.world })
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
