/** Lists in the order of another list, as entries have them. */

/** Whether `part` holds elements of `whole`, each once and in its order. */
export function isSublist<T>(part: readonly T[], whole: readonly T[]): boolean {
  let at = 0
  for (const m of part) {
    at = whole.indexOf(m, at) + 1
    if (at === 0) return false
  }
  return true
}

export function sameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((m, i) => m === b[i])
}
