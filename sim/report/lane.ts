/**
 * One hospital's time, as stretches. However long a run is, a lane keeps a bounded number of them: first the phases of a
 * round become one stretch, then rounds are taken together, two, four, eight. Being down or struck stays visible.
 */
import type { Millis } from '../../protocol/ports.ts'
import type { Span } from '../result.ts'

type Open = { -readonly [K in keyof Span]: Span[K] }

export class Lane {
  readonly #max: number
  /** One after the other without overlap: phases, and down. */
  #course: Open[] = []
  /** What struck it from outside; may overlap with the course and with one another. */
  #strikes: Open[] = []
  #level = 1
  #struckUntil: Millis = 0
  /** Of what is over. */
  #downMs: Millis = 0
  #struckMs: Millis = 0

  /** `spansMax`: how many stretches it keeps of each kind; at least 4. */
  constructor(spansMax: number) {
    this.#max = spansMax
  }

  /** From `at` on, until the next call, it is in this phase of this round. */
  phase(at: Millis, what: string, round: number): void {
    const last = this.#course.at(-1)
    if (last?.kind === 'phase' && last.what === what && last.round === round) return
    this.#begin({ kind: 'phase', what, round, from: at, to: at })
  }

  /** Its process is gone until the next phase. */
  down(at: Millis, what: string, round: number): void {
    this.#begin({ kind: 'down', what, round, from: at, to: at })
  }

  /** Something from outside, for `forMs`. */
  struck(
    kind: 'outage' | 'paused' | 'hindered',
    what: string,
    round: number,
    at: Millis,
    forMs: Millis,
  ): void {
    const to = at + forMs
    this.#strikes.push({ kind, what, round, from: at, to })
    if (kind !== 'hindered') {
      this.#struckMs += Math.max(0, to - Math.max(at, this.#struckUntil))
      this.#struckUntil = Math.max(this.#struckUntil, to)
    }
    if (this.#strikes.length > this.#max) this.#strikes = joinNearest(this.#strikes)
  }

  /** Phase of the last stretch, such as `learning`; undefined while it is down. */
  get now(): string | undefined {
    const last = this.#course.at(-1)
    return last?.kind === 'phase' ? last.what : undefined
  }

  /** All stretches until `at`, in the order of their beginnings, and what they add up to. */
  until(at: Millis): { readonly spans: readonly Span[]; readonly downMs: Millis; readonly struckMs: Millis } {
    const course = this.#course.map((s, i) => (i === this.#course.length - 1 ? { ...s, to: at } : s))
    const strikes = this.#strikes.map(s => ({ ...s, to: Math.min(s.to, at) }))
    const last = course.at(-1)
    return {
      spans: [...course, ...strikes].filter(s => s.from < s.to).toSorted((a, b) => a.from - b.from),
      downMs: this.#downMs + (last?.kind === 'down' ? at - last.from : 0),
      struckMs: this.#struckMs - Math.max(0, this.#struckUntil - at),
    }
  }

  #begin(span: Open): void {
    this.#close(span.from)
    this.#course.push(span)
    if (this.#course.length > this.#max) this.#shorten(span.round)
  }

  /** To three quarters of what may be, no coarser than needed. */
  #shorten(round: number): void {
    const enough = 0.75 * this.#max
    for (;;) {
      this.#course = coarser(this.#course, this.#level)
      if (this.#course.length <= enough) return
      if (2 ** this.#level <= 2 * round) this.#level++
      // It was down many times, and there is nothing else to take together.
      else this.#course = forgetShort(this.#course)
    }
  }

  #close(at: Millis): void {
    const last = this.#course.at(-1)
    if (!last) return
    if (last.kind === 'down') this.#downMs += at - last.from
    last.to = at
    // Steps that took no time: the whole of a round that was caught up on, say.
    if (last.from === at) this.#course.pop()
  }
}

/** Stretches of one round together at level 1, of two at 2, of four at 3. The last one stays: it is not over yet. */
function coarser(course: readonly Open[], level: number): Open[] {
  const size = 2 ** (level - 1)
  const group = (s: Open) => Math.floor(s.round / size)
  const joined: Open[] = []
  course.forEach((span, i) => {
    const last = joined.at(-1)
    const same = last?.kind === 'phase' && span.kind === 'phase' && group(last) === group(span)
    if (!same || i === course.length - 1) joined.push({ ...span })
    else {
      last.what = last.round === span.round && last.what !== 'rounds' ? 'round' : 'rounds'
      last.to = span.to
    }
  })
  return joined
}

/** Without every second one of the shorter half; each that stays lasts until the next begins. */
function forgetShort(course: readonly Open[]): Open[] {
  const lengths = course.map(s => s.to - s.from).toSorted((a, b) => a - b)
  const median = lengths[Math.floor(lengths.length / 2)]!
  let dropped = true
  const kept = course.filter((s, i) => {
    dropped = !dropped && i < course.length - 1 && s.to - s.from <= median
    return !dropped
  })
  return kept.map((s, i) => ({ ...s, to: kept[i + 1]?.from ?? s.to }))
}

/** Pairs with the smallest gaps between them are joined: what is struck so often is drawn as struck all the time. */
function joinNearest(strikes: readonly Open[]): Open[] {
  const sorted = strikes.toSorted((a, b) => a.from - b.from)
  const gaps = sorted.slice(1).map((s, i) => s.from - sorted[i]!.to)
  const limit = gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 2)]!
  const joined: Open[] = []
  let free = false
  for (const span of sorted) {
    const last = joined.at(-1)
    if (last && free && span.from - last.to <= limit) {
      last.to = Math.max(last.to, span.to)
      if (last.kind === 'hindered') last.kind = span.kind
      free = false
    } else {
      joined.push({ ...span })
      free = true
    }
  }
  return joined
}
