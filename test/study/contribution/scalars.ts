/**
 * What is measured against: three numbers of each group's mean, regressed on membership, of which the most conspicuous counts. Its inner product with the
 * mean of the rest (low: nothing, noise, flipped labels), its length off the last steps' directions (low: nothing, replayed steps), its
 * inner product with the last step (high: replayed).
 */
import { blockOf } from '../../../protocol/contribution/parts.ts'
import { addScaled, dot, leastSquares } from '../../../protocol/contribution/regress.ts'
import { RIDGE, robust } from '../../../protocol/contribution/scores.ts'
import { sketch } from '../../../protocol/contribution/sketch.ts'
import type { MemberId } from '../../../protocol/ports.ts'
import type { Played } from './play.ts'

/** How far each of `members` stands out, in their order, in robust deviations. */
export function scalarOddness({ audits, steps }: Played, members: readonly MemberId[]): number[] {
  const blocks = audits.map((audit, t) => {
    const { groups, mean } = audit
    const total = groups.reduce((w, g) => w + g.weight, 0)
    const [last, before] = steps[t]!.map(s => Float64Array.from(sketch(s)))
    const numbers = groups.map(g => {
      const rest = mean.map((v, j) => (total * v - g.weight * g.mean[j]!) / (total - g.weight))
      const off = less(less(g.mean, last!), less(before!, last!))
      return [along(g.mean, rest), Math.sqrt(dot(off, off)), along(g.mean, last!)]
    })
    const middle = [0, 1, 2].map(k =>
      numbers.reduce((sum, n, g) => sum + (groups[g]!.weight / total) * n[k]!, 0),
    )
    const y = numbers.map((n, g) =>
      Float64Array.from(n, (v, k) => (v - middle[k]!) * Math.sqrt(groups[g]!.weight)),
    )
    return { x: blockOf(audit, members).x, y }
  })
  const { beta } = leastSquares(blocks, members.length, RIDGE)
  const [rest, off, replayed] = [0, 1, 2].map(k => robust(beta.map(b => b[k]!)))
  return beta.map(b => Math.max(-rest!(b[0]!), -off!(b[1]!), replayed!(b[2]!)))
}

/** 0 where there is no direction. */
function along(v: Float64Array, direction: Float64Array): number {
  const norm = Math.sqrt(dot(direction, direction))
  return norm > 0 ? dot(v, direction) / norm : 0
}

function less(v: Float64Array, direction: Float64Array): Float64Array {
  const rest = Float64Array.from(v)
  const squares = dot(direction, direction)
  if (squares > 0) addScaled(rest, direction, -dot(v, direction) / squares)
  return rest
}
