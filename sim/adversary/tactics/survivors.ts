/** Two survivor sets: who shows two of them to two peers, both certified, would learn both secrets of a hospital. */
import type { Random } from '../../random.ts'
import type { Coalition } from '../coalition.ts'
import type { Tactic } from '../liar.ts'
import { eachAttempt, Later, together, victimOf } from './common.ts'
import { type Alternative, backsFellows, splitProposals, withoutOne } from './consensus.ts'

/** The last of the coalition: its input comes to some before the deadline and to others after it. */
const swingOf = (coalition: Coalition) => coalition.members.at(-1)

/**
 * One of the coalition gives its input so that half of the honest members hold it in time and half do not; a proposer of
 * the coalition then proposes the set with it to some and without it to the others, and all of them vote for both.
 */
export function twoSets(coalition: Coalition, random: Random): Tactic {
  const other: Alternative = ({ body }, l, r) => {
    if (body.kind !== 'SurvivorsFixed') return undefined
    const swing = swingOf(coalition)
    const out = r.chance(0.5) ? swing : victimOf(l)
    return out === undefined ? undefined : withoutOne(body, l.cohort, out)
  }
  return together(splitProposals(other), backsFellows(coalition), swings(coalition, random))
}

/** Own input: to half of the members just before the deadline, to the rest just after it. */
function swings(coalition: Coalition, random: Random): Tactic {
  const later = new Later()
  const swinging = eachAttempt(() => random.chance(0.6))
  return {
    lie: (said, l) => {
      const own = said.type === 'input'
      if (!own || l.self !== swingOf(coalition) || !swinging(l)) return undefined
      const step = l.config.charter.secureSum.viewTimeoutMs
      const targets = said.to === undefined ? l.others : [said.to]
      for (const to of targets) {
        const late = coalition.includes(to) ? -2 : coalition.half(`swing ${l.attempt}`, to) === 0 ? -1 : 1
        const at = l.inputDueAt + late * step * random.unit()
        if (l.now >= at) return undefined
        later.add(at, { to, bytes: said.bytes })
      }
      return []
    },
    besides: (_input, l) => later.due(l.now),
    wakeAt: () => later.nextAt,
  }
}
