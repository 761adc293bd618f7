/**
 * Records a run for its report: rounds, each hospital's time, bytes, faults. It watches and changes nothing, and what it
 * keeps is bounded but for the rounds and a few numbers for each hospital.
 */
import { toHex } from '../protocol/bytes.ts'
import { decodeRecord } from '../protocol/ledger/certificate.ts'
import { decodeEntry } from '../protocol/ledger/entry.ts'
import { stateHash } from '../protocol/model/state.ts'
import type { Event, Input, Job, MemberId, Millis, ModelState, Output } from '../protocol/ports.ts'
import type { SimHost } from './host.ts'
import type { Hop, Injected, Loss, Observer } from './observer.ts'
import { Histogram } from './report/histogram.ts'
import { Lane } from './report/lane.ts'
import { learnsIn, phaseAfter } from './report/phase.ts'
import { Rounds } from './report/rounds.ts'
import type { HospitalRecord, RunResult } from './result.ts'
import type { World } from './world.ts'

/** Stretches kept in a run: all hospitals together, and at least so many for each. */
const SPANS_MAX = 200_000
const SPANS_MIN = 100
/** Faults kept one by one; beyond, they are only counted. */
const INJECTED_MAX = 20_000

export interface RecorderOptions {
  readonly hospitals: readonly {
    readonly id: MemberId
    readonly site: string
    /** Undefined: honest. */
    readonly behaviour: string | undefined
  }[]
  /** Distance of a model from the known optimum; undefined where it is not known. */
  readonly distance?: (state: ModelState) => number | undefined
  /** Since the run's start: when all faults end, whatever they were meant to last. */
  readonly healAtMs?: Millis
}

/** The part of a result that the recorder knows. */
export type Recorded = Pick<
  RunResult,
  | 'rounds'
  | 'hospitals'
  | 'injected'
  | 'injectedByKind'
  | 'lostByReason'
  | 'latencyMs'
  | 'messageBytes'
  | 'virtualMs'
>

interface Book {
  readonly lane: Lane
  crashes: number
  round: number
  /** The one that it was drawn into last, where committees sum. */
  committee: { readonly index: number; readonly size: number } | undefined
  finished: boolean
  up: boolean
}

export class Recorder implements Observer {
  readonly #o: RecorderOptions
  readonly #books: ReadonlyMap<MemberId, Book>
  readonly #rounds = new Rounds()
  readonly #injected: Injected[] = []
  readonly #byKind = new Map<string, number>()
  readonly #lost = new Map<string, number>()
  readonly #latency = new Histogram(1 / 64)
  readonly #bytes = new Histogram(1)
  #world: World | undefined
  #start: Millis = 0
  #lastEntry = ''

  constructor(options: RecorderOptions) {
    this.#o = options
    const spans = Math.max(SPANS_MIN, Math.floor(SPANS_MAX / Math.max(1, options.hospitals.length)))
    this.#books = new Map(
      options.hospitals.map(h => [
        h.id,
        {
          lane: new Lane(spans),
          crashes: 0,
          round: 0,
          committee: undefined,
          finished: false,
          up: false,
        },
      ]),
    )
  }

  onWorld(world: World): void {
    this.#world = world
    this.#start = world.now
    for (const { lane } of this.#books.values()) lane.down(0, 'not started', 0)
  }

  onStart(host: SimHost): void {
    const book = this.#book(host.id)
    book.up = true
    book.lane.phase(this.#now(), 'between', book.round)
  }

  onCrash(host: SimHost, why: 'scheduled' | 'step' | 'broken'): void {
    const book = this.#book(host.id)
    const at = this.#now()
    book.up = false
    book.crashes++
    book.lane.down(at, why === 'broken' ? 'broken' : 'crash', book.round)
    this.#rounds.down(host.id, at)
  }

  onOutput(host: SimHost, _: Input, { effects }: Output): void {
    const book = this.#book(host.id)
    // Only what comes before its training can start it.
    if (effects.length === 0 || (book.lane.now !== 'between' && book.lane.now !== 'sharing')) return
    const round = learnsIn(effects)
    if (round === undefined) return
    book.round = round
    book.lane.phase(this.#now(), 'learning', round)
  }

  onJob(host: SimHost, job: Job): void {
    if (job.kind !== 'learn') return
    const at = this.#now()
    this.#rounds.learned(job.round, host.id, at)
    const { lane } = this.#book(host.id)
    if (lane.now === 'learning') lane.phase(at, 'sharing', job.round)
  }

  onEvent(host: SimHost, event: Event): void {
    const at = this.#now()
    const book = this.#book(host.id)
    this.#tellRounds(host, event, at)
    if (event.kind === 'studyFinished') book.finished = true
    if (event.kind === 'committee') book.committee = { index: event.index, size: event.members.length }
    const next = phaseAfter(event, host.id, book.round)
    // It may train already: the job's effect came with the event's.
    const trains = book.lane.now === 'learning' && next?.round === book.round
    if (!next || (trains && next.what === 'sharing')) return
    book.round = next.round
    book.lane.phase(at, next.what, next.round)
  }

  onHop({ bytes }: Hop): void {
    this.#bytes.add(bytes.length)
  }

  onDelivered({ sentAt }: Hop): void {
    if (sentAt !== undefined) this.#latency.add(this.#world!.now - sentAt)
  }

  onCommit(_: SimHost, puts: readonly (readonly [key: string, value: Uint8Array])[]): void {
    for (const [key, value] of puts) {
      // Keys of the ledger sort by height: the first to hold an entry tells.
      if (!key.startsWith('ledger/') || key <= this.#lastEntry) continue
      this.#lastEntry = key
      const record = decodeRecord(value)
      const entry = record.ok ? decodeEntry(record.value.entry) : record
      if (entry.ok && entry.value.body.kind === 'RoundAborted')
        this.#rounds.charged(
          entry.value.body,
          entry.value.body.culprits.map(({ member, code }) => ({ member, code })),
        )
    }
  }

  onLoss(_: Hop, why: Loss): void {
    count(this.#lost, why)
  }

  onInjected(what: Injected): void {
    count(this.#byKind, what.kind)
    // What befalls one message on its link has no length, and is only counted.
    if (what.forMs === undefined) return
    const at = what.at - this.#start
    const { healAtMs } = this.#o
    const left = healAtMs === undefined ? Number.POSITIVE_INFINITY : Math.max(0, healAtMs - at)
    const forMs = Math.min(what.forMs, left)
    if (this.#injected.length < INJECTED_MAX) this.#injected.push({ ...what, at, forMs })
    const kind = SPAN_OF[what.kind]
    if (!kind || forMs === 0) return
    for (const id of what.hospitals) {
      const book = this.#book(id)
      book.lane.struck(kind, what.kind, book.round, at, forMs)
    }
  }

  /** As it stands now. */
  recorded(): Recorded {
    const end = this.#now()
    const rounds = this.#rounds.all(this.#sent())
    const roundsIn = new Map<MemberId, number>()
    for (const r of rounds) if (r.closedAt !== undefined) for (const m of r.survivors) count(roundsIn, m)
    const hospitals = this.#o.hospitals.map((h): HospitalRecord => {
      const { lane, crashes, finished } = this.#book(h.id)
      const { bytesSent, bytesReceived, messagesSent } = this.#world!.traffic(h.id)
      return {
        ...h,
        bytesSent,
        bytesReceived,
        messages: messagesSent,
        crashes,
        ...lane.until(end),
        roundsIn: roundsIn.get(h.id) ?? 0,
        finished,
      }
    })
    return {
      rounds,
      hospitals,
      injected: this.#injected,
      injectedByKind: sorted(this.#byKind),
      lostByReason: sorted(this.#lost),
      latencyMs: this.#latency.distribution(),
      messageBytes: this.#bytes.distribution(),
      virtualMs: end,
    }
  }

  #tellRounds(host: SimHost, event: Event, at: Millis): void {
    if (event.kind === 'roundOpened') this.#rounds.opened(event, at, this.#sent)
    if (event.kind === 'committee') this.#rounds.drawn(event.round, at, this.#sent)
    if (event.kind === 'phase') this.#rounds.reached(event, host.id, at)
    if (event.kind === 'survivorsFixed') this.#rounds.fixed(event, at, this.#sent)
    if (event.kind === 'roundAborted')
      this.#rounds.aborted(event, at, this.#sent, this.#book(host.id).committee)
    if (event.kind === 'roundClosed') this.#closed(host, event, at)
  }

  #closed(host: SimHost, event: Event & { kind: 'roundClosed' }, at: Millis): void {
    this.#rounds.closed(event, host.id, at, this.#sent, this.#up())
    const { distance } = this.#o
    const { model } = host
    if (!distance || !model || !this.#rounds.lacksDistance(event.round)) return
    // Who catches up may hold a later model by the time it tells of this round.
    if (toHex(stateHash(model)) !== event.modelHash) return
    const far = distance(model)
    if (far !== undefined) this.#rounds.distance(event.round, far)
  }

  /** Bytes of all hospitals so far. */
  readonly #sent = (): number => {
    let sum = 0
    for (const id of this.#books.keys()) sum += this.#world?.traffic(id).bytesSent ?? 0
    return sum
  };

  *#up(): Iterable<MemberId> {
    for (const [id, book] of this.#books) if (book.up) yield id
  }

  #now(): Millis {
    return this.#world === undefined ? 0 : this.#world.now - this.#start
  }

  #book(id: MemberId): Book {
    const book = this.#books.get(id)
    if (!book) throw new RangeError(`no hospital ${id}`)
    return book
  }
}

/** How a fault is drawn in the lane of whom it strikes; a crash is drawn as it really was. */
const SPAN_OF: Readonly<Record<string, 'outage' | 'paused' | 'hindered'>> = {
  outage: 'outage',
  partition: 'outage',
  pause: 'paused',
  linkdown: 'hindered',
  clog: 'hindered',
  slow: 'hindered',
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}
