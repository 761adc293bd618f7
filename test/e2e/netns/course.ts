/**
 * A study as it went, whoever played it: when each round opened and closed, and what had been sent by then. And what two
 * such courses have in common. No I/O here.
 */
import type { Event, Millis } from '../../../protocol/ports.ts'

/** Milliseconds since the hospitals were there; bytes of all hospitals since then. */
export interface Mark {
  readonly at: Millis
  readonly bytes: number
}

export interface RoundCourse {
  readonly round: number
  readonly attempts: number
  readonly opened: Mark
  /** At the first hospital, and at the last one. */
  readonly closed: Mark
  readonly closedEverywhere: Mark
  readonly survivors: number
}

/** Both ends are when the others could no longer, or could again, be reached. */
export interface Cut {
  readonly from: Mark
  readonly to: Mark
}

export interface Course {
  readonly rounds: readonly RoundCourse[]
  readonly cut: Cut
}

/** Put together from the hospitals' events, in the order of their time. */
export class CourseWriter {
  readonly #rounds = new Map<number, { -readonly [K in keyof RoundCourse]?: RoundCourse[K] }>()

  note(event: Pick<Event, 'kind'> & Partial<Event>, mark: () => Mark): void {
    if (event.kind !== 'roundOpened' && event.kind !== 'survivorsFixed' && event.kind !== 'roundClosed')
      return
    const { round, attempt } = event as Event & { kind: 'roundOpened' }
    const course = this.#rounds.get(round) ?? { round }
    this.#rounds.set(round, course)
    course.attempts = Math.max(course.attempts ?? 0, attempt + 1)
    if (event.kind === 'roundOpened') course.opened ??= mark()
    else if (event.kind === 'survivorsFixed') {
      course.survivors = (event as Event & { kind: 'survivorsFixed' }).survivors.length
    } else {
      course.closedEverywhere = mark()
      course.closed ??= course.closedEverywhere
    }
  }

  /** Rounds that are not closed are left out. */
  course(cut: Cut): Course {
    const rounds = [...this.#rounds.values()].sort((a, b) => a.round! - b.round!)
    return { rounds: rounds.filter((r): r is RoundCourse => r.closedEverywhere !== undefined), cut }
  }
}

/** What is compared. Times in milliseconds, bytes of all hospitals together. */
export interface Figures {
  /** Medians over quiet rounds, from one opening to the next; the first rounds, when all is new, are not among them. */
  readonly roundMs: number
  readonly openMs: number
  readonly roundBytes: number
  /** From the beginning of the cut to the next end of a round at all hospitals. */
  readonly cutRoundMs: number
  /** Of it, what came after the end of the cut. */
  readonly recoveryMs: number
  /** Sent between beginning of the cut and that end of a round. */
  readonly cutBytes: number
  /** From the first opening to the last end. */
  readonly studyMs: number
  readonly studyBytes: number
}

/** Rounds at the beginning that are not counted: connections, meshes and compiled code are still being made. */
export const FIRST_ROUNDS = 2

/** Throws when the course has no quiet round or nothing closed after the cut. */
export function figuresOf({ rounds, cut }: Course): Figures {
  const quiet = rounds.flatMap((round, i) => {
    const next = rounds[i + 1]
    if (next === undefined || round.round < FIRST_ROUNDS) return []
    const isStruck = next.opened.at > cut.from.at && round.opened.at < cut.to.at
    return isStruck ? [] : [{ round, next }]
  })
  const after = rounds.find(r => r.closedEverywhere.at > cut.to.at)
  if (quiet.length === 0 || after === undefined) {
    throw new Error(`${rounds.length} rounds are closed: too few to compare, or none after the partition`)
  }
  const first = rounds[0]!.opened
  const last = rounds.at(-1)!.closedEverywhere
  return {
    roundMs: median(quiet.map(({ round, next }) => next.opened.at - round.opened.at)),
    openMs: median(quiet.map(({ round }) => round.closed.at - round.opened.at)),
    roundBytes: median(quiet.map(({ round, next }) => next.opened.bytes - round.opened.bytes)),
    cutRoundMs: after.closedEverywhere.at - cut.from.at,
    recoveryMs: after.closedEverywhere.at - cut.to.at,
    cutBytes: after.closedEverywhere.bytes - cut.from.bytes,
    studyMs: last.at - first.at,
    studyBytes: last.bytes - first.bytes,
  }
}

/** Throws on an empty list. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted[sorted.length >> 1]
  if (middle === undefined) throw new RangeError('no median of nothing')
  return sorted.length % 2 === 1 ? middle : (middle + sorted[(sorted.length >> 1) - 1]!) / 2
}

/** The median of each figure over several courses. */
export function medianFigures(all: readonly Figures[]): Figures {
  const names = Object.keys(all[0]!) as (keyof Figures)[]
  return Object.fromEntries(names.map(name => [name, median(all.map(f => f[name]))])) as unknown as Figures
}

/** Simulated over real; how far it is off, whichever is larger. */
export function isWithin(real: number, simulated: number, share: number): boolean {
  return simulated >= real * (1 - share) && simulated <= real * (1 + share)
}
