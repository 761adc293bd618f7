/** What tactics are made of: a draw for each attempt, and words that are kept for later. */
import {
  decodeEntry,
  type Entry,
  type Body as EntryBody,
  encodeEntry,
} from '../../../protocol/ledger/entry.ts'
import type { MemberId, Millis } from '../../../protocol/ports.ts'
import { ENTRY_BYTES_MAX } from '../../../protocol/wire/limits.ts'
import type { Random } from '../../random.ts'
import type { Liar, Lie, Says, Tactic } from '../liar.ts'

/** What `make` gives, made anew in each attempt. */
export function eachAttempt<T>(make: (liar: Liar) => T): (liar: Liar) => T {
  let made: { readonly attempt: string; readonly value: T } | undefined
  return liar => {
    if (made?.attempt !== liar.attempt) made = { attempt: liar.attempt, value: make(liar) }
    return made.value
  }
}

/** In each attempt one of these lies, by chance; undefined among them: the truth. */
export function varying(random: Random, ...lies: readonly (Lie | undefined)[]): Tactic {
  const now = eachAttempt(() => lies[random.below(lies.length)])
  return { lie: (said, liar) => now(liar)?.(said, liar) }
}

/** Several at once: the first lie that applies, and all the rest of each. */
export function together(...tactics: readonly Tactic[]): Tactic {
  return {
    lie: (said, liar) => {
      for (const t of tactics) {
        const instead = t.lie?.(said, liar)
        if (instead) return instead
      }
      return undefined
    },
    hears: (input, liar) => {
      let heard: typeof input | undefined = input
      for (const t of tactics) heard = heard && t.hears ? t.hears(heard, liar) : heard
      return heard
    },
    besides: (input, liar) => tactics.flatMap(t => t.besides?.(input, liar) ?? []),
    leaves: (effect, liar) =>
      tactics.reduce((all, t) => all.flatMap(e => t.leaves?.(e, liar) ?? [e]), [
        effect,
      ] as readonly (typeof effect)[]),
    wakeAt: liar => earliest(tactics.map(t => t.wakeAt?.(liar))),
    verdict: (input, liar) => {
      for (const t of tactics) {
        const verdict = t.verdict?.(input, liar)
        if (verdict) return verdict
      }
      return undefined
    },
  }
}

function earliest(times: readonly (Millis | undefined)[]): Millis | undefined {
  const known = times.filter(t => t !== undefined)
  return known.length === 0 ? undefined : Math.min(...known)
}

/** Words that are said later, in their order; bounded. */
export class Later {
  #waiting: { readonly at: Millis; readonly says: Says }[] = []
  readonly #max: number

  constructor(max = 256) {
    this.#max = max
  }

  add(at: Millis, says: Says): void {
    if (this.#waiting.length < this.#max) this.#waiting.push({ at, says })
  }

  /** What is to be said by now. */
  due(now: Millis): Says[] {
    const due = this.#waiting.filter(w => w.at <= now)
    if (due.length > 0) this.#waiting = this.#waiting.filter(w => w.at > now)
    return due.map(w => w.says)
  }

  get nextAt(): Millis | undefined {
    return earliest(this.#waiting.map(w => w.at))
  }
}

/** The honest member that all of the coalition turn against in an attempt; undefined: there is none. */
export function victimOf(liar: Liar): MemberId | undefined {
  const { coalition } = liar
  return coalition.shuffled(`victim ${liar.attempt}`, coalition.honest)[0]
}

/** The entry with another body; undefined where there is none or it is too large. */
export function encodeOther(
  value: Uint8Array,
  change: (entry: Entry) => EntryBody | undefined,
): Uint8Array | undefined {
  const entry = decodeEntry(value)
  const body = entry.ok ? change(entry.value) : undefined
  if (!entry.ok || !body) return undefined
  const other = encodeEntry({ ...entry.value, body })
  return other.length <= ENTRY_BYTES_MAX ? other : undefined
}

/** One of a list that is not empty. */
export function oneOf<T>(random: Random, list: readonly T[]): T {
  return list[random.below(list.length)]!
}
