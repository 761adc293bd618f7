/**
 * A machine never throws, whatever comes. And when all is well again, with a live quorum, the study goes on: the next round
 * closes at every honest hospital within a bound, then the next, until the study is finished.
 *
 * The bound (`boundMs`) follows from the charter's deadlines J (join), I (input), O (open) and the view timeout V:
 *
 * - One decision. Whatever liars propose, f + 1 views have an honest proposer among them; what only some have seen is insisted on
 *   for 6 V; a view takes at most its three timeouts, of V times its number. So D = 6 V + 3 V (1 + 2 + ... + (f + 4)). A decision
 *   that was under way when the faults ended may be in any view, where timeouts have grown to 32 V: once, 3 * 32 V (f + 2) more.
 * - One attempt k waits at most 2 J for its cohort, and then min(k + 1, 8) times I, 4 V for receipts, and as often O. With three
 *   decisions, and two status messages, of those that are told in turn, until the last one knows. With committees entries are
 *   pushed, and who lacks one asks: liars, and two who lack it too, may be asked first.
 * - f liars may spoil f (f + 1) + 1 attempts before all of them are out of the round (SPEC L8), each spoilt one after those before; the
 *   one that was open when the faults ended is lost. A hospital that needs `slowestMs` needs attempts until the deadline has grown to that.
 *
 * All of it a fifth longer, as clocks may go wrong by a tenth either way. It is the worst of all cases, so far above what rounds
 * take: a study that stands still fails it, a slow one does not.
 */
import type { MemberId, Millis } from '../../protocol/ports.ts'
import { PACE, PART_PACE } from '../../protocol/round/sync.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import { type CheckContext, quorumOf } from './context.ts'
import { Judge } from './judge.ts'
import { heightOfKey, readRecord } from './read.ts'

export function liveness(context: CheckContext): Checker {
  return new Liveness(context)
}

/** Further attempts count with this patience at most (SPEC S, deadlines). */
const PATIENCE_MAX = 8

/** How long it may take from an attempt `from` to the closing of its round, once all is well. */
export function boundMs({ charter, f: all, slowestMs = 0 }: CheckContext, from: number): Millis {
  // Committees that cannot sum are left out sooner than a round is given up (SPEC T5).
  const f = charter.committees?.maliciousMax ?? all
  const { joinDeadlineMs: j, inputDeadlineMs: i, openDeadlineMs: o, viewTimeoutMs: v } = charter.secureSum
  const decision = 6 * v + (3 * v * (f + 4) * (f + 5)) / 2
  const pace = charter.committees ? PART_PACE : PACE
  const turns = charter.committees ? all + 3 : charter.members.length
  const told = 2 * pace.mostMs * Math.ceil(turns / pace.told)
  let sum = 3 * 32 * v * (f + 2)
  const slow = Math.max(0, Math.ceil(slowestMs / i) - 1 - from)
  for (let k = from; k <= from + f * (f + 1) + 2 + slow; k++) {
    const patience = Math.min(k + 1, PATIENCE_MAX)
    sum += 2 * j + patience * (i + o) + 4 * v + 3 * decision + told
  }
  return 1.2 * sum
}

interface Progress {
  /** Rounds closed by the ledger on its disk; one more when the study is finished. */
  closed: number
  attempt: number
}

class Liveness extends Judge {
  readonly #progress = new Map<MemberId, Progress>()
  readonly #last: number
  /** What every honest hospital that is up must have closed, and until when; undefined: not yet, or no longer. */
  #due: { readonly closed: number; readonly at: Millis } | undefined
  #isOver = false
  #hasMoved = false

  constructor(context: CheckContext) {
    super('liveness', context)
    this.#last = context.charter.training.rounds + 3
    this.#isOver = context.healAtMs === undefined
  }

  onInput(host: SimHost): void {
    if (this.isHonest(host.id)) this.checked++
  }

  onCrash(host: SimHost, why: 'scheduled' | 'step' | 'broken', error?: unknown): void {
    if (why !== 'broken' || !this.isHonest(host.id)) return
    const says = error instanceof Error ? error.message : String(error)
    // Numbers and bytes differ from run to run; the words are the defect's.
    const words = (says.split('\n')[0] ?? '').replaceAll(/[0-9a-f]{8,}/g, '...').slice(0, 120)
    this.fail(`${host.id} broke: ${words}`)
  }

  onCommit(host: SimHost, puts: readonly (readonly [string, Uint8Array])[]): void {
    for (const [key, value] of puts) {
      const body = heightOfKey(key) === undefined ? undefined : readRecord(value)?.entry.body
      if (!body) continue
      const p = this.#of(host.id)
      this.#hasMoved = true
      if (body.kind === 'RoundOpened') p.attempt = body.attempt
      else if (body.kind === 'RoundAborted') p.attempt = body.attempt + 1
      else if (body.kind === 'StudyFinished') p.closed = this.#last
      else if (body.kind === 'RoundClosed' || body.kind === 'CommitteesSummed') {
        p.closed = body.round + 1
        p.attempt = 0
      }
    }
  }

  #of(host: MemberId): Progress {
    const known = this.#progress.get(host) ?? { closed: 0, attempt: 0 }
    this.#progress.set(host, known)
    return known
  }

  afterEvent(): void {
    if (this.#isOver) return
    const now = this.nowMs
    if (!this.#due) {
      const { healAtMs } = this.context
      if (now >= healAtMs!) this.#await(healAtMs!)
      return
    }
    const isDue = now > this.#due.at
    if (!this.#hasMoved && !isDue) return
    this.#hasMoved = false
    const { closed } = this.#due
    const late = this.#hosts().filter(h => this.#of(h.id).closed < closed)
    if (late.length === 0) this.#await(now)
    else if (isDue) this.#late(late, closed)
  }

  #hosts(): readonly SimHost[] {
    return [...(this.world?.hosts.values() ?? [])].filter(h => h.up && this.isHonest(h.id))
  }

  /** One round more than the furthest has closed: everybody must have closed it within the bound. */
  #await(from: Millis): void {
    const hosts = this.#hosts()
    const all = hosts.map(h => this.#of(h.id))
    const furthest = Math.max(...all.map(p => p.closed))
    this.#isOver =
      all.every(p => p.closed === this.#last) ||
      hosts.length < quorumOf(this.context.charter.members.length, this.context.f)
    if (this.#isOver) return
    this.checked++
    const attempt = Math.max(...all.map(p => p.attempt))
    this.#due = {
      closed: Math.min(furthest + 1, this.#last),
      at: from + boundMs(this.context, attempt),
    }
  }

  #late(late: readonly SimHost[], closed: number): void {
    const { kind } = late[0]!.peer?.state.phase ?? { kind: 'unknown' }
    const what = closed === this.#last ? 'the study is not finished' : `round ${closed - 1} is not closed`
    this.fail(`${what} within its bound at ${late.map(h => h.id).join(', ')} (${kind})`)
    this.#isOver = true
  }
}
