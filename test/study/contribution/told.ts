/** What audits tell of one hospital's updates: anybody who keeps the groups' sums can work it out, as the scores do. */
import { blockOf } from '../../../protocol/contribution/parts.ts'
import { addScaled, dot, leastSquares } from '../../../protocol/contribution/regress.ts'
import { RIDGE } from '../../../protocol/contribution/scores.ts'
import { sketch } from '../../../protocol/contribution/sketch.ts'
import type { MemberId } from '../../../protocol/ports.ts'
import type { Played } from './play.ts'

/** For each of `members` the cosine between what is worked out of the first `count` audits and its mean update, both less the mean of all; of a long model's sketches. */
export function toldOf(played: Played, members: readonly MemberId[], count: number): number[] {
  const [audits, given] = [played.audits.slice(0, count), played.given.slice(0, count)]
  const blocks = audits.map(a => blockOf(a, members))
  const { beta } = leastSquares(blocks, members.length, RIDGE)
  return members.map((m, i) => {
    const truth = new Float64Array(audits[0]!.mean.length)
    for (const [t, { mean }] of audits.entries()) {
      const update = given[t]!.get(m)
      if (!update) continue
      addScaled(truth, Float64Array.from(sketch(update)), 1)
      addScaled(truth, mean, -1)
    }
    return dot(truth, beta[i]!) / Math.sqrt(dot(truth, truth) * dot(beta[i]!, beta[i]!))
  })
}
