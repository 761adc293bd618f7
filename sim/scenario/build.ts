/** From a scenario and a seed to the hospitals of a world, and the links between them. */
import type { Link, Scenario, Site } from '../../config/scenario.ts'
import type { PeerConfig } from '../../protocol/peer.ts'
import type { Job, Machine, Masked, MemberId, Millis, VectorWork } from '../../protocol/ports.ts'
import { lengthOf } from '../../protocol/stored.ts'
import { vectorLength } from '../../protocol/sum/layout.ts'
import type { HostSetup, Learner } from '../host.ts'
import type { LinkOf } from '../net/network.ts'
import type { Random } from '../random.ts'
import type { Role } from './cast.ts'

/** Statistics and evaluation are one pass over the data; training is many. */
const ONE_PASS = 0.1
/** A worker's turn, and what one masked element costs it. */
const WORKER_MS = 1
const ELEMENT_MS = 2e-6

export interface Troupe {
  readonly cast: readonly Role[]
  /** In the order of the cast. */
  readonly configs: readonly PeerConfig[]
  readonly learner: (id: MemberId) => Learner
  /** Undefined: an honest machine. */
  readonly machine: (role: Role) => ((config: PeerConfig) => Machine) | undefined
}

/** Hospitals as the world takes them. */
export function hostsOf({ cast, configs, learner, machine }: Troupe): HostSetup[] {
  return cast.map((role, i) => {
    const { id, site } = role
    return {
      id,
      config: configs[i]!,
      learner: learner(id),
      machine: machine(role),
      uplinkMbps: site.uplinkMbps,
      downlinkMbps: site.downlinkMbps,
      nat: site.nat,
      jobMs: (job, random) => jobMs(site, job, random),
      diskMs: random => random.draw(site.diskMs),
      messageMs: site.messageMs,
      clockOffsetMs: site.clockOffsetMs,
      clockDriftPpm: site.clockDriftPpm,
    }
  })
}

function jobMs({ trainingMs }: Site, job: Job, random: Random): Millis {
  if (job.kind === 'vector') return WORKER_MS + ELEMENT_MS * elementsOf(job.work)
  const ms = random.draw(trainingMs)
  return job.task === 'train' ? ms : ONE_PASS * ms
}

/** Elements that a job reads or makes. */
function elementsOf(work: VectorWork): number {
  switch (work.kind) {
    case 'mask':
      return vectorLength(work.sections) * (work.pairs.length + 2 + (work.noiseKeys?.length ?? 0))
    case 'check':
      return lengthOf(work.words)
    case 'sum':
      return work.inputs.reduce((n, v) => n + lengthOf(v), lengthOf(work.inputs[0]!) * masksOf(work))
    case 'tag':
      return work.items.reduce((n, item) => n + lengthOf(item.vector) * (1 + masksOf(item)), 0)
    case 'apply':
      return work.sums.reduce((n, v) => n + lengthOf(v), 0)
  }
}

/** And levels of noise, which cost what a mask costs or more. */
function masksOf({ masked }: { readonly masked?: Masked | undefined }): number {
  return (masked?.masks.length ?? 0) + (masked?.excess?.keys.length ?? 0)
}

/** The link from one hospital to another, as the most particular entry says. */
export function linksOf({ links }: Scenario, cast: readonly Role[]): LinkOf {
  const siteOf = new Map(cast.map(r => [r.id, r.site.name]))
  const between = new Map<string, Link>()
  for (const { sites, ...link } of links.between) {
    const [a, b] = sites
    between.set(`${a} ${b}`, link)
    between.set(`${b} ${a}`, link)
  }
  return (from, to) => {
    const a = siteOf.get(from)!
    const b = siteOf.get(to)!
    const own = between.get(`${a} ${b}`)
    return own ?? (a === b ? (links.within ?? links.default) : links.default)
  }
}
