/**
 * Conflicts of a round's aborted attempts (SPEC L8). Two members are in conflict when one says that the other did not do what
 * it owed to it: one of them lies, or the line between them is down. Among honest members in reach of each other there
 * is none, so leaving out as few as make all conflicts go leaves a cohort that has to find a new way to fail.
 */
import type { MemberId } from '../ports.ts'

/** A member with itself: it did not do what it owed to all. */
export type Conflict = readonly [MemberId, MemberId]

/** Steps of the search: for graphs of any honest network far more than enough. */
const STEPS_MAX = 10_000

/**
 * As many of `members` as are free of conflicts with themselves and each other, in their order; undefined where there are
 * not `least` of them, or too much of a tangle to find them. The same for everybody who has the same ledger.
 */
export function peaceful(
  members: readonly MemberId[],
  conflicts: readonly Conflict[],
  least: number,
): readonly MemberId[] | undefined {
  const idle = new Set(conflicts.filter(([a, b]) => a === b).map(([a]) => a))
  const rest = members.filter(m => !idle.has(m))
  const tangle = new Tangle(rest, conflicts)
  for (let most = 0; rest.length - most >= least && tangle.steps > 0; most++) {
    if (tangle.dissolves(most)) return rest.filter((_, i) => tangle.stays(i))
  }
  return undefined
}

/**
 * Of the conflicts of a round's attempts, the oldest first, the latest that there can be peace in spite of: what a network that
 * is whole again had brought must not keep what liars do now from counting.
 */
export function settled(
  members: readonly MemberId[],
  attempts: readonly (readonly Conflict[])[],
  least: number,
): readonly (readonly Conflict[])[] {
  const from = attempts.findIndex((_, i) => peaceful(members, attempts.slice(i).flat(), least))
  return from < 0 ? [] : attempts.slice(from)
}

/** Members by index, and who of them is still in conflict with how many: a search for a vertex cover, by branching. */
class Tangle {
  readonly #others: readonly (readonly number[])[]
  readonly #degree: number[]
  readonly #out: boolean[]
  steps = STEPS_MAX

  constructor(members: readonly MemberId[], conflicts: readonly Conflict[]) {
    const indexOf = new Map(members.map((m, i) => [m, i]))
    const others = members.map(() => new Set<number>())
    for (const [a, b] of conflicts) {
      const [i, j] = [indexOf.get(a), indexOf.get(b)]
      if (i === undefined || j === undefined) continue
      others[i]!.add(j)
      others[j]!.add(i)
    }
    this.#others = others.map(o => [...o])
    this.#degree = others.map(o => o.size)
    this.#out = members.map(() => false)
  }

  stays(index: number): boolean {
    return !this.#out[index]
  }

  /** Takes at most `most` members out so that no conflict is left; false: it cannot, and none is out. */
  dissolves(most: number): boolean {
    this.steps--
    let worst = -1
    this.#degree.forEach((d, i) => {
      if (!this.#out[i] && d > 0 && (worst < 0 || d > this.#degree[worst]!)) worst = i
    })
    if (worst < 0) return true
    if (most === 0 || this.steps <= 0) return false
    // Either the one with most conflicts is out, or all that it is in conflict with are.
    const partners = this.#others[worst]!.filter(i => !this.#out[i])
    return this.#without([worst], most) || (partners.length <= most && this.#without(partners, most))
  }

  #without(these: readonly number[], most: number): boolean {
    for (const i of these) this.#take(i, true)
    if (this.dissolves(most - these.length)) return true
    for (const i of these) this.#take(i, false)
    return false
  }

  #take(index: number, out: boolean): void {
    this.#out[index] = out
    for (const i of this.#others[index]!) this.#degree[i]! += out ? -1 : 1
  }
}
