/**
 * What of each member's updates is its own: the rows that are regressed, what is told of the parts that come out, and how sure it is.
 * The same bits everywhere: doubles, + - * / and Math.sqrt, in one order.
 */
import type { MemberId } from '../ports.ts'
import type { AuditRecord } from './record.ts'
import { addScaled, type Block, dot, type Fit, type Matrix } from './regress.ts'

/**
 * A row for each group: its mean less the mean of all is the sum over members of (share in the group - share in all) times the member's part. A part is
 * told in units of one row's, in which by chance it is as long for a small hospital as for a large one; and so is the error of each group.
 */
export function blockOf({ groups, rows, weights, mean }: AuditRecord, members: readonly MemberId[]): Block {
  const total = groups.reduce((w, g) => w + g.weight, 0)
  const present = new Set(groups.flatMap(g => g.members))
  const given = members.map(m => (present.has(m) && (rows.get(m) ?? 0) > 0 ? (weights.get(m) ?? 0) : 0))
  const lengths = members.map((m, i) => (given[i]! > 0 ? Math.sqrt(rows.get(m)!) : 1))
  const units = groups.map(group => {
    const inside = new Set(group.members)
    const shares = members.map((m, i) => (inside.has(m) ? given[i]! / group.weight : 0))
    const spread = shares.reduce((sum, s, i) => sum + (s / lengths[i]!) * (s / lengths[i]!), 0)
    const unit = spread > 0 ? 1 / Math.sqrt(spread) : 0
    return { unit, x: Float64Array.from(shares, (s, i) => ((s - given[i]! / total) / lengths[i]!) * unit) }
  })
  return {
    x: units.map(u => u.x),
    y: groups.map((g, k) => g.mean.map((v, j) => (v - mean[j]!) * units[k]!.unit)),
  }
}

/** What is told of a part. */
export type Feature = (part: Float64Array) => number

/** What is left of a direction across another one, squared, below which it is rounding. */
const SAME_WAY = 1e-12

/** Squared length off the way that the model has come, in all and over these audits: what is left of an update that is made of these is noise. */
export function ownOf(audits: readonly AuditRecord[]): Feature {
  const moved = new Float64Array(audits[0]!.mean.length)
  for (const { mean } of audits) addScaled(moved, mean, 1)
  const way = unit(audits.at(-1)!.progress)
  const across = Float64Array.from(moved)
  addScaled(across, way, -dot(moved, way))
  const other = dot(across, across) > SAME_WAY * dot(moved, moved) ? unit(across) : across.fill(0)
  return part => {
    const [along, beside] = [dot(part, way), dot(part, other)]
    return dot(part, part) - along * along - beside * beside
  }
}

/** Component along the way that the model has come. */
export function pullOf(audits: readonly AuditRecord[]): Feature {
  const way = unit(audits.at(-1)!.progress)
  return part => dot(part, way)
}

/** Zeros where there is no direction. */
function unit(v: Float64Array): Float64Array {
  const norm = Math.sqrt(dot(v, v))
  return v.map(x => (norm > 0 ? x / norm : 0))
}

export interface Estimate {
  readonly value: number
  readonly deviation: number
}

/**
 * Of each member's part, by the jackknife over audits (Tukey 1958; Efron and Stein 1981 for the deviation): free of the error that is squared with it, which falls as one
 * over audits. At least two audits.
 */
export function estimates({ beta, without }: Pick<Fit, 'beta' | 'without'>, feature: Feature): Estimate[] {
  const t = without.length
  const of = (parts: Matrix) => parts.map(feature)
  const all = of(beta)
  const less = without.map(of)
  return all.map((value, i) => {
    const mean = less.reduce((sum, each) => sum + each[i]!, 0) / t
    const squares = less.reduce((sum, each) => sum + (each[i]! - mean) * (each[i]! - mean), 0)
    return { value: t * value - (t - 1) * mean, deviation: Math.sqrt(((t - 1) / t) * squares) }
  })
}
