/** Adam (Kingma and Ba 2015, algorithm 1) for the attacks' inputs and labels, in plain numbers. */
import type { Subject } from './subject.ts'

export interface Variables {
  /** T x B x d normalised inputs; T x B labels as logits, undefined where they are known. */
  readonly x: Float32Array
  readonly labels: Float32Array | undefined
}

/** By the inputs, and by the labels where they are looked for. */
export type Gradient = (variables: Variables) => Float32Array[]

/** Labels must come near 0 or 1, which are far away as logits. */
const LABEL_RATE = 10

/**
 * `isSigned`: by the sign of each gradient alone, and inputs stay within `limits`. Steps become a tenth as long after 3/8, 5/8 and 7/8 of them.
 */
export function descend(
  variables: Variables,
  gradient: Gradient,
  isSigned: boolean,
  steps: number,
  limits: Subject['limits'],
): void {
  const all = [variables.x, ...(variables.labels ? [variables.labels] : [])]
  const first = all.map(v => new Float64Array(v.length))
  const second = all.map(v => new Float64Array(v.length))
  for (let step = 1; step <= steps; step++) {
    const passed = [3 / 8, 5 / 8, 7 / 8].filter(share => step > share * steps).length
    const rate = 0.1 * 0.1 ** passed
    const corrected = (rate * Math.sqrt(1 - 0.999 ** step)) / (1 - 0.9 ** step)
    for (const [k, g] of gradient(variables).entries()) {
      const [v, m, s] = [all[k]!, first[k]!, second[k]!]
      for (let i = 0; i < v.length; i++) {
        const slope = isSigned ? Math.sign(g[i]!) : g[i]!
        m[i] = 0.9 * m[i]! + 0.1 * slope
        s[i] = 0.999 * s[i]! + 0.001 * slope * slope
        v[i]! -= ((k === 1 ? LABEL_RATE : 1) * corrected * m[i]!) / (Math.sqrt(s[i]!) + 1e-12)
      }
    }
    if (isSigned) keepWithin(variables.x, limits)
  }
}

export function keepWithin(x: Float32Array, limits: Subject['limits']): void {
  for (let i = 0; i < x.length; i++) {
    const [min, max] = limits[i % limits.length]!
    // Of what is no number nothing is known.
    x[i] = Number.isNaN(x[i]!) ? (min + max) / 2 : Math.min(max, Math.max(min, x[i]!))
  }
}
