/** What no checker may complain of, and that each has looked at something. */
import { describe, expect, it } from 'vitest'
import { allCheckers } from '../../../../sim/checkers/all.ts'
import type { CheckContext } from '../../../../sim/checkers/context.ts'
import type { Checker, Observer } from '../../../../sim/observer.ts'
import { tapsOf } from '../../../../sim/taps.ts'
import { TROUBLE, watched } from '../../../support/watched.ts'

/** All checkers as one, with what all of them say. */
function together(context: CheckContext): Checker & { readonly all: readonly Checker[] } {
  const all = allCheckers(context)
  const taps: Observer = tapsOf(all)
  return {
    ...taps,
    all,
    name: 'all',
    get violations() {
      return all.flatMap(c => c.violations)
    },
    get checked() {
      return Math.min(...all.map(c => c.checked))
    },
  }
}

describe('checkers are silent', () => {
  for (const [what, o] of Object.entries(TROUBLE)) {
    it(what, () => {
      const { says, checker, done } = watched(together, { n: 4, context: { healAtMs: 10_000 }, ...o })
      expect(done).toBe(true)
      expect(says).toEqual([])
      const { all } = checker as ReturnType<typeof together>
      for (const c of all) expect(c.checked, c.name).toBeGreaterThan(5)
    })
  }
})

describe('checkers have names of their own', () => {
  it('each is another', () => {
    const { checker } = watched(together, { n: 3, f: 0, limitMs: 0 })
    const names = (checker as ReturnType<typeof together>).all.map(c => c.name)
    expect(new Set(names).size).toBe(names.length)
  })
})
