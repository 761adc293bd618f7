/**
 * What the ledger's events say of each round, told by as many hospitals as hold them: the first to tell counts. In large
 * consortia not everybody hears of everything, so nothing here needs an event to have come before another.
 */
import type { Event, MemberId, Millis } from '../../protocol/ports.ts'
import type { AttemptRecord, RoundRecord } from '../result.ts'

type Writable<T> = { -readonly [K in keyof T]: T[K] }
type Told<K extends Event['kind']> = Event & { readonly kind: K }

interface Round extends Writable<Omit<RoundRecord, 'tries' | 'attempts' | 'bytes'>> {
  readonly tries: Writable<AttemptRecord>[]
  bytes: number
  readonly bytesBefore: number
  /** Hospitals that were up when it was closed and do not know it yet. */
  waiting: Set<MemberId> | undefined
  byCommittees: boolean
  /** Who was in the cohort of any of its attempts. */
  readonly asked: Set<MemberId>
}

/** When each hospital had got so far, in rounds that are open; forgotten when they are closed. */
type Marks = Map<number, Map<MemberId, Millis>>

/** `bytes`: what all hospitals have sent so far; asked only when it matters. */
export class Rounds {
  readonly #rounds = new Map<number, Round>()
  /** Closed by some, not yet by all. */
  readonly #closing = new Set<Round>()
  readonly #learned: Marks = new Map()
  readonly #delivered: Marks = new Map()
  readonly #revealed: Marks = new Map()
  /** Lists of members that rounds have in common are kept once. */
  #members: readonly MemberId[] = []

  opened(event: Told<'roundOpened'>, at: Millis, bytes: () => number): void {
    const round = this.#round(event.round, at, bytes)
    round.task = event.task
    const attempt = this.#attempt(round, event.attempt, at)
    if (attempt.cohort > 0) return
    attempt.cohort = event.cohort.length
    for (const member of event.cohort) round.asked.add(member)
    if (round.tries.some(t => t.attempt > event.attempt)) return
    const absent = event.absent.map(member => ({ member, reason: 'absent' }))
    const fixed = attempt.fixedAt !== undefined
    round.cohort = this.#shared(event.cohort)
    round.leftOut = fixed ? [...absent, ...round.leftOut] : absent
    if (fixed) return
    round.survivors = []
    round.fixedAt = undefined
  }

  /** Committees were drawn for a round: it begins, and nobody tells of a cohort. */
  drawn(number: number, at: Millis, bytes: () => number): void {
    const round = this.#round(number, at, bytes)
    round.byCommittees = true
    this.#attempt(round, 0, at)
  }

  fixed(event: Told<'survivorsFixed'>, at: Millis, bytes: () => number): void {
    const round = this.#round(event.round, at, bytes)
    const attempt = this.#attempt(round, event.attempt, at)
    if (attempt.fixedAt !== undefined) return
    attempt.fixedAt = at
    round.fixedAt = at
    round.survivors = this.#shared(event.survivors)
    round.leftOut = [...round.leftOut, ...event.leftOut]
    if (!round.byCommittees) return
    // It comes with the end of the round. That the survivors were fixed each committee has shown by opening its sum.
    round.cohort = this.#shared([...event.survivors, ...event.leftOut.map(l => l.member)])
    attempt.cohort = round.cohort.length
    round.fixedAt = latest(this.#revealed.get(event.round), event.survivors) ?? at
  }

  /** `committee`: of whom it was told, where committees sum. */
  aborted(
    event: Told<'roundAborted'>,
    at: Millis,
    bytes: () => number,
    committee?: { readonly index: number; readonly size: number },
  ): void {
    const round = this.#round(event.round, at, bytes)
    const before = round.tries.findLast(t => t.committee === committee?.index)
    const attempt = this.#attempt(round, event.attempt, before?.endedAt ?? round.openedAt, committee?.index)
    if (attempt.endedAt !== undefined) return
    if (committee) attempt.cohort = committee.size
    attempt.endedAt = at
    attempt.aborted = event.reason
    if (attempt.culprits.length === 0) attempt.culprits = event.culprits.map(member => ({ member, code: '' }))
  }

  /** The entry itself, which says more than its event: why each culprit is one. */
  charged(
    of: { readonly round: number; readonly attempt: number },
    culprits: AttemptRecord['culprits'],
  ): void {
    const attempt = this.#rounds
      .get(of.round)
      ?.tries.find(t => t.attempt === of.attempt && t.committee === undefined)
    if (attempt) attempt.culprits = culprits
  }

  /** `up`: who is running now. */
  closed(
    event: Told<'roundClosed'>,
    by: MemberId,
    at: Millis,
    bytes: () => number,
    up: Iterable<MemberId>,
  ): void {
    const round = this.#round(event.round, at, bytes)
    if (round.closedAt === undefined) {
      const attempt = this.#attempt(round, event.attempt, at)
      attempt.endedAt = at
      round.task = event.task
      round.closedAt = at
      round.bytes = bytes() - round.bytesBefore
      round.metrics = event.metrics
      round.leftOut = [...round.leftOut, ...excluded(round)]
      round.accused = event.faults.map(f => ({ member: f.member, code: f.fault }))
      round.learnedAt = latest(this.#learned.get(event.round), round.survivors)
      round.deliveredAt = latest(this.#delivered.get(event.round), round.survivors)
      for (const marks of [this.#learned, this.#delivered, this.#revealed]) {
        for (const r of marks.keys()) if (r <= event.round) marks.delete(r)
      }
      round.waiting = new Set(up)
      this.#closing.add(round)
    }
    this.#knows(round, by, at)
  }

  /** Nobody waits for a hospital that is down to hear of the end of a round. */
  down(member: MemberId, at: Millis): void {
    for (const round of this.#closing) this.#knows(round, member, at)
  }

  learned(round: number, member: MemberId, at: Millis): void {
    this.#mark(this.#learned, round, member, at)
  }

  /** A phase that a hospital says it is in. */
  reached({ round, phase }: Told<'phase'>, member: MemberId, at: Millis): void {
    if (phase === 'delivered') this.#mark(this.#delivered, round, member, at)
    if (phase === 'revealed') this.#mark(this.#revealed, round, member, at)
  }

  distance(round: number, distance: number): void {
    const r = this.#rounds.get(round)
    if (r) r.distance = distance
  }

  /** Whether the distance of the model after this round is still to be had. */
  lacksDistance(round: number): boolean {
    const r = this.#rounds.get(round)
    return r?.closedAt !== undefined && r.distance === undefined
  }

  /** In order. `bytes`: sent in all until now. */
  all(bytes: number): RoundRecord[] {
    return [...this.#rounds.values()]
      .toSorted((a, b) => a.round - b.round)
      .map(r => finished(r.closedAt === undefined ? { ...r, bytes: bytes - r.bytesBefore } : r))
  }

  #knows(round: Round, member: MemberId, at: Millis): void {
    if (!round.waiting?.delete(member) || round.waiting.size > 0) return
    round.waiting = undefined
    round.closedEverywhereAt = at
    this.#closing.delete(round)
  }

  #mark(marks: Marks, round: number, member: MemberId, at: Millis): void {
    // A straggler that trains for a round that is over.
    if (this.#rounds.get(round)?.closedAt !== undefined) return
    const of = marks.get(round) ?? new Map<MemberId, Millis>()
    marks.set(round, of.set(member, at))
  }

  #round(number: number, at: Millis, bytes: () => number): Round {
    const known = this.#rounds.get(number)
    if (known) return known
    const round: Round = {
      round: number,
      task: 'train',
      tries: [],
      openedAt: at,
      learnedAt: undefined,
      deliveredAt: undefined,
      fixedAt: undefined,
      closedAt: undefined,
      closedEverywhereAt: undefined,
      cohort: [],
      survivors: [],
      leftOut: [],
      accused: [],
      metrics: undefined,
      distance: undefined,
      bytes: 0,
      bytesBefore: bytes(),
      waiting: undefined,
      byCommittees: false,
      asked: new Set(),
    }
    this.#rounds.set(number, round)
    return round
  }

  #attempt(round: Round, number: number, at: Millis, committee?: number): Writable<AttemptRecord> {
    const known = round.tries.find(t => t.attempt === number && t.committee === committee)
    if (known) return known
    const attempt = {
      attempt: number,
      committee,
      openedAt: at,
      fixedAt: undefined,
      endedAt: undefined,
      cohort: 0,
      aborted: undefined,
      culprits: [],
    }
    round.tries.push(attempt)
    return attempt
  }

  #shared(members: readonly MemberId[]): readonly MemberId[] {
    const same = members.length === this.#members.length && members.every((m, i) => m === this.#members[i])
    if (!same) this.#members = members
    return this.#members
  }
}

/** Who was asked in an attempt before the last and is not in that: its entries do not name them. */
function excluded({ tries, asked, cohort, leftOut }: Round): RoundRecord['leftOut'] {
  const culprits = new Set(tries.flatMap(t => t.culprits.map(c => c.member)))
  return [...asked]
    .filter(m => !cohort.includes(m) && !leftOut.some(l => l.member === m))
    .map(member => ({ member, reason: culprits.has(member) ? 'excluded' : 'conflict' }))
}

function latest(
  marks: ReadonlyMap<MemberId, Millis> | undefined,
  members: readonly MemberId[],
): Millis | undefined {
  let last: Millis | undefined
  for (const m of members) {
    const at = marks?.get(m)
    if (at !== undefined && (last === undefined || at > last)) last = at
  }
  return last
}

function finished({ waiting: _, bytesBefore: __, asked: ___, byCommittees, ...round }: Round): RoundRecord {
  const given = Map.groupBy(round.tries, t => t.committee)
  given.delete(undefined)
  const most = Math.max(0, ...[...given.values()].map(tries => tries.length))
  const tries = round.tries.toSorted((a, b) => a.attempt - b.attempt)
  return { ...round, tries, attempts: byCommittees ? 1 + most : tries.length }
}
