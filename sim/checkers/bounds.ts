/**
 * Everything is bounded (SPEC M5), whatever liars send: a message's size, what one input makes a hospital send, its work and
 * commits that have not ended, what its machine keeps of others, and how often it is woken without time going on.
 */
import type { Footprint } from '../../protocol/peer.ts'
import type { Effect, Input, MemberId, Millis, Output, Task } from '../../protocol/ports.ts'
import { CHECKS_MAX } from '../../protocol/round/transfers.ts'
import { layoutFor, vectorLength } from '../../protocol/sum/layout.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import type { CheckContext } from './context.ts'
import { Judge } from './judge.ts'
import { readMessage } from './read.ts'

export function bounds(context: CheckContext): Checker {
  return new Bounds(context)
}

/** A host's memory is looked at after so many events, one host after the other. */
const EVENTS_APART = 32
/** As `protocol/wire/limits.ts` has them; said again, as what is checked may have them wrong. */
const GOSSIP_BYTES_MAX = 65_536 - 1024
const STREAM_BYTES_MAX = 8 * 1_048_576
const MEGABYTE = 1_048_576
/** Inputs that find the same millisecond on a host's clock, when nothing but its own timer wakes it. */
const TICKS_MAX = 64
/** Commits that wait for one disk. */
const COMMITS_MAX = 4096

interface Load {
  jobs: number
  commits: number
  tickAt: Millis
  ticks: number
}

class Bounds extends Judge {
  readonly #loads = new Map<MemberId, Load>()
  readonly #footprintMax: Footprint
  readonly #sentMax: number
  readonly #jobsMax: number
  #events = 0
  #turn = 0

  constructor(context: CheckContext) {
    super('bounds', context)
    const n = context.charter.members.length
    const bytes = 4 * longestVector(context)
    const shards = bytes <= context.charter.secureSum.gossipBytesMax ? 1 : n
    this.#footprintMax = footprintMax(n, shards)
    this.#jobsMax = jobsMax(shards)
    // Entries for one that is behind (32, each within a gossiped message), or what an attempt's messages come to and a
    // vector for everybody, or a few parts of a model: an honest host never has reason to send more at once.
    this.#sentMax = 4 * MEGABYTE + n * (4 * bytes + 16_384)
  }

  #load(host: MemberId): Load {
    const known = this.#loads.get(host) ?? { jobs: 0, commits: 0, tickAt: -1, ticks: 0 }
    this.#loads.set(host, known)
    return known
  }

  onStart(host: SimHost): void {
    this.#loads.delete(host.id)
  }

  onRelease(host: SimHost, to: MemberId | undefined, bytes: Uint8Array): void {
    if (!this.isHonest(host.id)) return
    this.checked++
    const most = to === undefined ? GOSSIP_BYTES_MAX : STREAM_BYTES_MAX
    if (bytes.length > 0 && bytes.length <= most) return
    this.fail(`${host.id} sends ${readMessage(bytes)?.type ?? 'something'} of more bytes than may be sent`)
  }

  onInput(host: SimHost, input: Input, now: Millis): void {
    if (!this.isHonest(host.id)) return
    const load = this.#load(host.id)
    if (input.kind === 'jobDone' || input.kind === 'jobFailed') load.jobs--
    if (input.kind !== 'tick') return
    load.ticks = load.tickAt === now ? load.ticks + 1 : 0
    load.tickAt = now
    if (load.ticks > TICKS_MAX) this.fail(`${host.id} is woken again and again, and no time goes by`)
  }

  onOutput(host: SimHost, input: Input, output: Output): void {
    if (!this.isHonest(host.id)) return
    const load = this.#load(host.id)
    const sent = this.#weigh(host, output.effects, load)
    this.checked++
    if (sent > this.#sentMax) {
      const what = input.kind === 'message' ? (readMessage(input.bytes)?.type ?? 'garbage') : input.kind
      this.fail(`${host.id} sends more than ${Math.ceil(this.#sentMax / MEGABYTE)} MB for one ${what}`)
    }
    if (load.jobs > this.#jobsMax) this.fail(`${host.id} has more than ${this.#jobsMax} jobs at once`)
    if (load.commits > COMMITS_MAX) this.fail(`${host.id} has more than ${COMMITS_MAX} commits waiting`)
  }

  /** Bytes that these effects send; counts work and commits. */
  #weigh(host: SimHost, effects: readonly Effect[], load: Load): number {
    let bytes = 0
    for (const effect of effects) {
      switch (effect.kind) {
        case 'publish':
        case 'send':
          bytes += effect.bytes.length
          break
        case 'sendRecord':
          bytes += host.disk.get(effect.key)?.length ?? 0
          break
        case 'sendPart':
          bytes += effect.end - effect.from
          break
        case 'store':
          load.commits++
          bytes += this.#weigh(host, effect.release, load)
          break
        case 'job':
          load.jobs++
          break
        case 'cancel':
          load.jobs--
          break
        default:
          break
      }
    }
    return bytes
  }

  onCommit(host: SimHost): void {
    if (this.isHonest(host.id)) this.#load(host.id).commits--
  }

  afterEvent(): void {
    if (++this.#events % EVENTS_APART !== 0 || !this.world) return
    const hosts = [...this.world.hosts.values()]
    this.#look(hosts[this.#turn++ % hosts.length]!)
  }

  #look(host: SimHost): void {
    const kept = host.up && this.isHonest(host.id) ? host.peer?.footprint : undefined
    if (!kept) return
    this.checked++
    for (const what of Object.keys(this.#footprintMax) as (keyof Footprint)[]) {
      if (kept[what] > this.#footprintMax[what]) {
        this.fail(`${host.id} keeps more than may be kept: ${what} over ${this.#footprintMax[what]}`)
      }
    }
  }
}

/** Elements of the longest vector that a round sums. */
function longestVector({ charter }: CheckContext): number {
  const tasks: Task[] = ['statistics', 'train', 'evaluate']
  const n = charter.members.length
  return Math.max(...tasks.flatMap(t => [1, 2].map(round => vectorLength(layoutFor(charter, t, n, round)))))
}

/** Sums and tags of each shard, what has come and is checked, a model too, and the few jobs of a whole vector. */
function jobsMax(shards: number): number {
  return 2 * shards + 9 + CHECKS_MAX
}

/** The most of each that a peer among n keeps, with so many shards. */
function footprintMax(n: number, shards: number): Footprint {
  // Views near ours, and those that a lock or the two proposals of such a view point to; three values at most find backers.
  const views = 20 + 2 + 2 * 17
  return {
    futureMessages: 48,
    futureBytes: 262_144,
    known: n * (8 + shards),
    announced: n * 4,
    seen: 4096,
    direct: n,
    heard: views * (3 + 2 * 3 * n),
    transfers: (n + 1) * shards + 1,
    versions: 3 * n,
    claims: n * shards,
    given: n * shards,
    findings: 32 * n,
    jobs: jobsMax(shards),
  }
}
