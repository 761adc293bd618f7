/**
 * What the demo knows of the study, told by the event lines of all hospitals: rounds, survivors, bytes, outages.
 * No I/O here, so that the tree, the report and the JSON are three views of one thing.
 */
import type { MemberId, Metrics, Millis, Task } from '../../protocol/ports.ts'
import type { EventLine } from '../event-line.ts'

export interface LeftOut {
  readonly member: MemberId
  readonly reason: string
}

export interface RoundView {
  readonly round: number
  task: Task
  /** The attempt that is under way or was closed; 0 is the first. */
  attempt: number
  openedAt: Millis
  closedAt: Millis | undefined
  cohort: readonly MemberId[]
  survivors: readonly MemberId[]
  leftOut: readonly LeftOut[]
  aborted: { readonly attempt: number; readonly reason: string; readonly culprits: readonly MemberId[] }[]
  faults: readonly { readonly member: MemberId; readonly fault: string }[]
  /** Model hash after the round, as each hospital reported it. */
  readonly hashes: Map<MemberId, string>
  /** Pooled metrics of the round's starting model. */
  metrics: Metrics | undefined
  readonly bytesSent: Map<MemberId, number>
}

export interface PhaseMark {
  readonly member: MemberId
  readonly round: number
  readonly phase: string
  readonly at: Millis
}

/** A hospital's process was gone from `from` to `until`; `backInRound`: first cohort that it was in again. */
export interface Outage {
  readonly member: MemberId
  readonly round: number
  readonly phase: string
  readonly from: Millis
  until: Millis | undefined
  backInRound: number | undefined
}

/** A contradiction that must not happen: two hospitals hold different models after one round. */
export interface Disagreement {
  readonly round: number
  readonly hashes: ReadonlyMap<MemberId, string>
}

export class Board {
  readonly members: readonly MemberId[]
  readonly rounds = new Map<number, RoundView>()
  readonly phases: PhaseMark[] = []
  readonly outages: Outage[] = []
  readonly finished = new Map<MemberId, string>()
  readonly waiting = new Map<MemberId, string>()
  readonly ready = new Map<MemberId, { readonly backend: string; readonly at: Millis }>()
  disagreement: Disagreement | undefined
  readonly #counter = new Map<MemberId, number>()
  readonly #roundOf = new Map<MemberId, number>()

  constructor(members: readonly MemberId[]) {
    this.members = members
  }

  /** Lines of one hospital in order; lines of different hospitals in any order. */
  apply(line: EventLine): void {
    const { event, member, at } = line
    const round = 'round' in event && event.kind !== 'started' ? event.round : undefined
    if (round !== undefined) this.#roundOf.set(member, round)
    this.#count(member, line.bytesSent, at)
    if (!['waiting', 'peers', 'transfer'].includes(event.kind)) this.waiting.delete(member)
    switch (event.kind) {
      case 'ready':
        this.ready.set(member, { backend: event.backend, at })
        break
      case 'waiting':
        this.waiting.set(member, `${event.reason}${event.for.length > 0 ? `: ${event.for.join(', ')}` : ''}`)
        break
      case 'roundOpened': {
        const view = this.#view(event.round, at, event.task)
        if (event.attempt < view.attempt || view.closedAt !== undefined) break
        view.attempt = event.attempt
        view.cohort = event.cohort
        view.task = event.task
        this.#noteReturn(event.round, event.cohort)
        break
      }
      case 'phase':
        this.phases.push({ member, round: event.round, phase: event.phase, at })
        break
      case 'survivorsFixed': {
        const view = this.#view(event.round, at)
        if (event.attempt < view.attempt) break
        view.survivors = event.survivors
        view.leftOut = event.leftOut
        break
      }
      case 'roundClosed':
        this.#closed(member, at, event)
        break
      case 'roundAborted': {
        const view = this.#view(event.round, at)
        if (!view.aborted.some(a => a.attempt === event.attempt)) {
          view.aborted.push({ attempt: event.attempt, reason: event.reason, culprits: event.culprits })
        }
        break
      }
      case 'studyFinished':
        this.finished.set(member, event.modelHash)
        break
    }
  }

  lost(outage: Omit<Outage, 'until' | 'backInRound'>): void {
    this.outages.push({ ...outage, until: undefined, backInRound: undefined })
    this.ready.delete(outage.member)
  }

  /** Its counter of bytes starts again. Not when it is lost: lines of the old process may still be in the pipe. */
  restarted(member: MemberId, at: Millis): void {
    this.#counter.delete(member)
    for (const outage of this.outages) if (outage.member === member) outage.until ??= at
  }

  isDown(member: MemberId): boolean {
    return this.outages.some(o => o.member === member && o.until === undefined)
  }

  /** Rounds in order. */
  ordered(): RoundView[] {
    return [...this.rounds.values()].sort((a, b) => a.round - b.round)
  }

  /** Pooled metrics of the model that round `round` made: they come with the close of the next round. */
  metricsAfter(round: number): Metrics | undefined {
    return this.rounds.get(round + 1)?.metrics
  }

  /** The last phase that `member` reported in `round`. */
  phaseOf(member: MemberId, round: number): string | undefined {
    return this.phases.findLast(p => p.member === member && p.round === round)?.phase
  }

  bytesOf(member: MemberId): number {
    let sum = 0
    for (const view of this.rounds.values()) sum += view.bytesSent.get(member) ?? 0
    return sum
  }

  #view(round: number, at: Millis, task: Task = round === 0 ? 'statistics' : 'train'): RoundView {
    let view = this.rounds.get(round)
    if (view === undefined) {
      view = {
        round,
        task,
        attempt: 0,
        openedAt: at,
        closedAt: undefined,
        cohort: [],
        survivors: [],
        leftOut: [],
        aborted: [],
        faults: [],
        hashes: new Map(),
        metrics: undefined,
        bytesSent: new Map(),
      }
      this.rounds.set(round, view)
    }
    view.openedAt = Math.min(view.openedAt, at)
    return view
  }

  #closed(member: MemberId, at: Millis, event: EventLine['event'] & { kind: 'roundClosed' }): void {
    const view = this.#view(event.round, at, event.task)
    view.closedAt = Math.min(view.closedAt ?? at, at)
    view.attempt = event.attempt
    view.task = event.task
    view.metrics ??= event.metrics
    view.faults = event.faults
    view.hashes.set(member, event.modelHash)
    if (new Set(view.hashes.values()).size > 1) {
      this.disagreement ??= { round: event.round, hashes: new Map(view.hashes) }
    }
  }

  /** Bytes count for the round that the hospital was in; a counter that starts again is a new process. */
  #count(member: MemberId, bytesSent: number, at: Millis): void {
    const before = this.#counter.get(member) ?? 0
    const sent = bytesSent >= before ? bytesSent - before : bytesSent
    this.#counter.set(member, bytesSent)
    if (sent === 0) return
    const round = this.#roundOf.get(member) ?? 0
    const view = this.#view(round, at)
    view.bytesSent.set(member, (view.bytesSent.get(member) ?? 0) + sent)
  }

  #noteReturn(round: number, cohort: readonly MemberId[]): void {
    for (const outage of this.outages) {
      if (outage.until !== undefined && outage.backInRound === undefined && round > outage.round) {
        if (cohort.includes(outage.member)) outage.backInRound = round
      }
    }
  }
}
