/** How the fields of a charter must fit each other where its hospitals' contributions are looked at (SPEC A). */
import { type CharterDraft, countsBeside, parameterCount, survivorsFloor } from './charter.ts'
import type { Problem } from './problem.ts'
import { EXPOSED_MAX, exposure } from './tail.ts'

const code = 'CHARTER_CONTRIBUTION'

/** Every two of so many share a mask: else a group could fall apart into sums of fewer. As in `protocol/sum/pairs.ts`. */
const MEMBERS_MAX = 64

export function contributionProblems(charter: CharterDraft): Problem[] {
  const { contribution, committees, members, privacy, secureSum, maliciousMax } = charter
  if (!contribution) return []
  if (committees) {
    return [problem(['committees'], 'must be left out with `contribution`', 'leave one of the two out')]
  }
  const problems: Problem[] = []
  if (members.length > MEMBERS_MAX) {
    const says = `must be at most ${MEMBERS_MAX} with \`contribution\`: in larger consortia not every two share a mask`
    problems.push(problem(['members'], says, 'leave `contribution` out'))
  }
  if (privacy.unit === 'hospital' || (privacy.unit === 'patient' && privacy.noise === 'sum')) {
    const says = 'must be left out where noise is in the sums: the sums of groups would have too little of it'
    problems.push(problem(['contribution'], says, 'leave it out, or set privacy.noise to hospital'))
  }
  if (secureSum.compression) {
    const says = 'must be left out with `contribution`: groups are compared by whole updates'
    problems.push(problem(['secureSum', 'compression'], says, 'leave one of the two out'))
  }
  const bytes = 4 * (parameterCount(charter) + countsBeside(charter))
  if (bytes > secureSum.gossipBytesMax) {
    const says = `must be at least ${bytes} with \`contribution\`: each hospital sums the groups itself`
    const fix = 'raise it (49152 is the most), make the model smaller, or leave `contribution` out'
    problems.push(problem(['secureSum', 'gossipBytesMax'], says, fix))
  }
  const { groupSize } = contribution.audit
  const most = Math.floor(survivorsFloor(charter) / 2)
  if (groupSize > most) {
    const says = `must be at most ${most}: the fewest survivors, ${survivorsFloor(charter)}, make two groups at least`
    problems.push(
      problem(
        ['contribution', 'audit', 'groupSize'],
        says,
        `set it to ${most}, or raise secureSum.survivorsMin`,
      ),
    )
    return problems
  }
  // The fewer survive, all malicious ones among them, the likelier.
  const chance = exposure(survivorsFloor(charter), maliciousMax, groupSize)
  if (chance > EXPOSED_MAX) {
    const says = `may leave a group with fewer than two honest hospitals in one of ${Math.max(1, Math.round(1 / chance))} audits; at most one in ${1 / EXPOSED_MAX} may be such`
    const fix = `set it to ${maliciousMax + 2}, with which none is, and secureSum.survivorsMin to ${2 * (maliciousMax + 2)}`
    problems.push(problem(['contribution', 'audit', 'groupSize'], says, fix))
  }
  return problems
}

function problem(path: Problem['path'], says: string, fix: string): Problem {
  return { code, path, says, fix }
}
