import { describe, expect, it } from 'vitest'
import { CommitteePeer } from '../../../../protocol/committees/peer.ts'
import type { PeerConfig } from '../../../../protocol/peer.ts'
import type { Effect, Input, Millis, Output } from '../../../../protocol/ports.ts'
import { allCheckers } from '../../../../sim/checkers/all.ts'
import type { CheckContext } from '../../../../sim/checkers/context.ts'
import type { Checker } from '../../../../sim/observer.ts'
import { tapsOf } from '../../../../sim/taps.ts'
import { memberName } from '../../../support/consortium.ts'
import { type RunOptions, watched } from '../../../support/watched.ts'

/** Sixteen hospitals in committees of four. */
const SMALL: RunOptions = {
  n: 16,
  f: 1,
  edit: charter => ({ ...charter, committees: { size: 4, maliciousMax: 1 } }),
}
const victim = memberName(5)

function together(context: CheckContext): Checker & { readonly all: readonly Checker[] } {
  const all = allCheckers(context)
  return {
    ...tapsOf(all),
    all,
    name: 'all',
    checked: 0,
    get violations() {
      return all.flatMap(c => c.violations)
    },
  }
}

/** A member of a committee whose words there go before they are stored. */
class Hasty extends CommitteePeer {
  constructor(config: PeerConfig) {
    super(config)
  }

  override handle(input: Input, now: Millis): Output {
    const output = super.handle(input, now)
    const effects = output.effects.flatMap((e): Effect[] =>
      e.kind === 'store' && e.puts.some(([key]) => key === 'committee/attempt/reveal')
        ? [...e.release, { ...e, release: [] }]
        : [e],
    )
    return { ...output, effects }
  }
}

describe('checkers where committees sum', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it(`are silent, and each has looked at every committee (${gossipBytesMax > 0 ? 'gossip' : 'shards'})`, () => {
      const { says, checker, done } = watched(together, { ...SMALL, gossipBytesMax })
      expect(done).toBe(true)
      expect(says).toEqual([])
      const { all } = checker as ReturnType<typeof together>
      const inCommittees = all.filter(c => c.name.endsWith(' in committees'))
      expect(inCommittees.length).toBe(9)
      // Three rounds, four committees each.
      for (const c of inCommittees) expect(c.checked, c.name).toBeGreaterThanOrEqual(12)
    })
  }

  it('what is wrong in one of them is found, and said of it', () => {
    const { says } = watched(together, {
      ...SMALL,
      machine: id => (id === victim ? config => new Hasty(config) : undefined),
    })
    expect(says.length).toBe(3)
    for (const s of says)
      expect(s).toMatch(/^round \d, committee \d: hospital-005 sends reveal before it is durable$/)
  })

  it('a committee with more liars than it can bear promises nothing', () => {
    const liars = Array.from({ length: 16 }, (_, i) => i).filter(i => i !== 5)
    const { says } = watched(together, {
      ...SMALL,
      liars,
      machine: id => (id === victim ? config => new Hasty(config) : undefined),
    })
    expect(says.filter(s => s.includes('committee'))).toEqual([])
  })
})
