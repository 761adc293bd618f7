/**
 * Where committees sum, each of them is a consortium of its own for one round (SPEC T3): the checkers of one ledger watch each, as
 * if it were alone. What its members say to each other is taken out of its wrapping, and of their disks what is of it.
 */

import { toHex } from '../../protocol/bytes.ts'
import { type Committee, committeeAt } from '../../protocol/committees/committee.ts'
import { CommitteePeer } from '../../protocol/committees/peer.ts'
import { committeePlan } from '../../protocol/ledger/plan.ts'
import { applyEntry, genesis, type LedgerState } from '../../protocol/ledger/state.ts'
import { initialState } from '../../protocol/model/initial.ts'
import { stateHash, wholeModel } from '../../protocol/model/state.ts'
import type { PeerConfig } from '../../protocol/peer.ts'
import type { Effect, Input, Job, JobResult, MemberId, Millis, Output } from '../../protocol/ports.ts'
import type { SimHost } from '../host.ts'
import type { Checker, Observer, Violation } from '../observer.ts'
import { tapsOf } from '../taps.ts'
import type { World } from '../world.ts'
import type { CheckContext } from './context.ts'
import { bodyOf, heightOfKey, readMessage, readRecord } from './read.ts'
import { Residuals } from './residuals.ts'

type MakeChecker = (context: CheckContext) => Checker

const PREFIX = 'committee/'
/** Rounds of which the committees are remembered: a slow member may still be in the one before. */
const HEIGHTS_MAX = 3

/** Checkers of each committee: what they have found and checked, all committees together. */
export function parts(makes: readonly MakeChecker[], context: CheckContext): readonly Checker[] {
  const watch = new Parts(makes, context)
  const [first, ...rest] = watch.views
  // One of them is told, for all.
  return [Object.assign(first!, watch.taps()), ...rest]
}

/** What one kind of checker has found in all committees. */
class View implements Checker {
  readonly name: string
  readonly violations: Violation[] = []
  /** Of committees that are over. */
  past = 0
  readonly live = new Set<Checker>()

  constructor(name: string) {
    this.name = name
  }

  get checked(): number {
    return [...this.live].reduce((n, c) => n + c.checked, this.past)
  }
}

interface Part {
  readonly committee: Committee
  readonly startedMs: Millis
  readonly checkers: readonly Checker[]
  readonly taps: Observer
  readonly hosts: Map<MemberId, SimHost>
  /** How many of each checker's findings are told already. */
  readonly told: number[]
}

class Parts {
  readonly views: readonly View[]
  readonly #makes: readonly MakeChecker[]
  readonly #context: CheckContext
  readonly #network: Uint8Array
  readonly #residuals = new Residuals()
  /** The study's ledger by height, the last few; the committees of each, by the hex of their hash. */
  readonly #states = new Map<number, LedgerState>()
  readonly #parts = new Map<number, Map<string, Part>>()
  /** Of the ledger on each disk. */
  readonly #heights = new Map<MemberId, number>()
  #world: World | undefined
  #startedAt: Millis = 0

  constructor(makes: readonly MakeChecker[], context: CheckContext) {
    this.#makes = makes
    this.#context = context
    this.views = makes.map(make => new View(`${make(context).name} in committees`))
    const [config] = context.configs.values()
    this.#network = config!.network
    const { charter } = context
    this.#begin(genesis(charter, config!.charterHash, stateHash(initialState(charter))))
  }

  taps(): Observer {
    return {
      onWorld: world => {
        this.#world = world
        this.#startedAt = world.now
      },
      onStart: host => {
        this.#residuals.started(host.id)
        this.#tell(host, this.#now(host), (part, h) => part.taps.onStart?.(h))
      },
      onInput: (host, input, now) => this.#input(host, input, now),
      onOutput: (host, input, output) => this.#output(host, input, output),
      onRelease: (host, to, bytes) => {
        const body = wrapped(bytes)
        if (body)
          this.#tell(host, this.#named(body.committee), (p, h) => p.taps.onRelease?.(h, to, body.message))
      },
      onCommit: (host, puts, deletes) => this.#commit(host, puts, deletes),
      onJob: (host, job, result) => this.#job(host, job, result),
    }
  }

  #input(host: SimHost, input: Input, now: Millis): void {
    const body = input.kind === 'message' ? wrapped(input.bytes) : undefined
    if (!body || input.kind !== 'message') return
    const inner: Input = { kind: 'message', from: input.from, via: 'stream', bytes: body.message }
    this.#tell(host, this.#named(body.committee), (part, h) => part.taps.onInput?.(h, inner, now))
  }

  /** Of what it would say, that which goes to its committee. */
  #output(host: SimHost, input: Input, { effects }: Output): void {
    const said = effects
      .flatMap(e => (e.kind === 'store' ? e.release : [e]))
      .flatMap(e => {
        const body = e.kind === 'send' ? wrapped(e.bytes) : undefined
        return body ? [{ committee: body.committee, effect: { ...e, bytes: body.message } as Effect }] : []
      })
    if (said.length === 0) return
    const output = { effects: said.map(s => s.effect), wakeAt: undefined, verdict: undefined }
    this.#tell(host, this.#named(said[0]!.committee), (p, h) => p.taps.onOutput?.(h, input, output))
  }

  #job(host: SimHost, job: Job, result: JobResult): void {
    const inner = innerOf(host)
    const part = inner && this.#named(inner.committee.hash)
    this.#tell(host, part, (p, h) => p.taps.onJob?.(h, job, result))
  }

  #commit(host: SimHost, puts: readonly (readonly [string, Uint8Array])[], deletes: readonly string[]): void {
    const own = (keys: readonly string[]) =>
      keys.filter(k => k.startsWith(PREFIX)).map(k => k.slice(PREFIX.length))
    const mine = puts.filter(([key]) => key.startsWith(PREFIX))
    const forgotten = own(deletes)
    if (mine.length > 0 || forgotten.length > 0) {
      const records = mine.map(([key, value]) => [key.slice(PREFIX.length), value] as const)
      // The round's end forgets its records, which is no loss of a ledger.
      const isEnd = puts.some(([key]) => heightOfKey(key) !== undefined)
      this.#tell(host, this.#now(host), (p, h) => p.taps.onCommit?.(h, records, isEnd ? [] : forgotten))
    }
    if (this.#context.liars.has(host.id)) return
    for (const [key, value] of puts) {
      const height = heightOfKey(key)
      if (height === undefined) continue
      this.#heights.set(host.id, height)
      const before = this.#states.get(height - 1)
      const entry = readRecord(value)?.entry
      const next = before && !this.#states.has(height) && entry ? applyEntry(before, entry) : undefined
      if (next?.ok) this.#begin(next.value)
    }
  }

  /** The committees that follow an entry. */
  #begin(state: LedgerState): void {
    this.#states.set(state.height, state)
    const all = new Map<string, Part>()
    this.#parts.set(state.height, all)
    const count = state.phase.kind === 'between' ? (state.draw?.committees.length ?? 0) : 0
    for (let index = 0; index < count; index++) {
      const committee = committeeAt(state, this.#network, index)
      const part = this.#partOf(committee, state)
      if (part) all.set(toHex(committee.hash), part)
    }
    for (const old of this.#states.keys()) {
      if (this.#states.size <= HEIGHTS_MAX) break
      this.#end(this.#parts.get(old)!)
      this.#states.delete(old)
      this.#parts.delete(old)
    }
  }

  /** Undefined: the lot has brought more liars into it than it can bear, and it promises nothing. */
  #partOf(committee: Committee, state: LedgerState): Part | undefined {
    const { configs, liars } = this.#context
    const { charter, hash, round, members } = committee
    const inIt = new Set(members.filter(m => liars.has(m)))
    if (inIt.size > charter.maliciousMax) return undefined
    const plan = committeePlan(round, state.charter.members.length, state.head)
    const model = initialState(charter)
    const own = new Map<MemberId, PeerConfig>(
      members.map(m => {
        const { self, seed } = configs.get(m)!
        const part = { plan, model, modelHash: state.modelHash, residual: undefined }
        return [m, { charter, charterHash: hash, network: hash, self, seed, part }]
      }),
    )
    const context = {
      charter,
      configs: own,
      liars: inIt,
      f: charter.maliciousMax,
      residuals: this.#residuals,
    }
    const checkers = this.#makes.map(make => make(context))
    checkers.forEach((c, i) => {
      if (this.#world) c.onWorld?.(this.#world)
      this.views[i]!.live.add(c)
    })
    const startedMs = this.#world ? this.#world.now - this.#startedAt : 0
    return {
      committee,
      startedMs,
      checkers,
      taps: tapsOf(checkers),
      hosts: new Map(),
      told: checkers.map(() => 0),
    }
  }

  #end(over: ReadonlyMap<string, Part>): void {
    for (const part of over.values()) {
      part.checkers.forEach((c, i) => {
        this.views[i]!.past += c.checked
        this.views[i]!.live.delete(c)
      })
    }
  }

  /** The committee that a host's disk is in. */
  #now(host: SimHost): Part | undefined {
    const height = this.#heights.get(host.id) ?? 0
    const index = this.#states.get(height)?.draw?.committeeOf.get(host.id)
    for (const part of this.#parts.get(height)?.values() ?? [])
      if (part.committee.index === index) return part
    return undefined
  }

  #named(hash: Uint8Array): Part | undefined {
    const name = toHex(hash)
    for (const all of this.#parts.values()) {
      const part = all.get(name)
      if (part) return part
    }
    return undefined
  }

  #tell(host: SimHost, part: Part | undefined, tell: (part: Part, host: SimHost) => void): void {
    if (!part) return
    const known = part.hosts.get(host.id)
    const inIt = known ?? (new PartHost(host, part.committee) as unknown as SimHost)
    if (!known) part.hosts.set(host.id, inIt)
    tell(part, inIt)
    part.checkers.forEach((c, i) => {
      if (part.told[i] === c.violations.length) return
      for (const v of c.violations.slice(part.told[i])) this.#say(part, i, v)
      part.told[i] = c.violations.length
    })
  }

  #say({ committee, startedMs }: Part, index: number, v: Violation): void {
    const view = this.views[index]!
    const says = `round ${committee.round}, committee ${committee.index}: ${v.says}`
    view.violations.push({ ...v, checker: view.name, says, at: v.at + startedMs })
  }
}

/** A hospital as a member of one committee. */
class PartHost {
  readonly id: MemberId
  readonly disk: Pick<ReadonlyMap<string, Uint8Array>, 'get' | 'has'>
  readonly #host: SimHost
  readonly #committee: Committee

  constructor(host: SimHost, committee: Committee) {
    this.id = host.id
    this.#host = host
    this.#committee = committee
    this.disk = { get: key => host.disk.get(PREFIX + key), has: key => host.disk.has(PREFIX + key) }
  }

  get up(): boolean {
    return this.#host.up
  }

  get peer(): SimHost['peer'] {
    const inner = innerOf(this.#host)
    return inner?.committee === this.#committee ? inner.peer : undefined
  }

  get model(): SimHost['model'] {
    const model = this.peer?.model
    return model && wholeModel(model)
  }
}

function innerOf(host: SimHost): CommitteePeer['inner'] {
  return host.machine instanceof CommitteePeer ? host.machine.inner : undefined
}

function wrapped(
  bytes: Uint8Array,
): { readonly committee: Uint8Array; readonly message: Uint8Array } | undefined {
  const message = readMessage(bytes)
  return message && bodyOf(message, 'committee')
}
