/** What the accountant is measured against: committed reference values, closed forms and plain numeric integration. */
import { readFileSync } from 'node:fs'
import type { Direction } from '../../../../protocol/privacy/loss.ts'

export interface PublicRow {
  readonly q: number
  readonly sigma: number
  readonly T: number
  readonly delta: number
  readonly rdp?: number
  readonly pld?: number
  readonly prvUpperBound?: number
}

export interface IntegerRow {
  readonly mechanism: 'skellam' | 'discreteGaussian'
  readonly sigma: number
  readonly shift: number
  readonly order: number
  readonly q: number
  readonly parts?: number
  readonly rdp: number
}

interface RdpRow {
  readonly order: number
  readonly q: number
  readonly sigma: number
  readonly rdp: number
}

export const publicRows = read<{
  tolerance: Record<'rdp' | 'pld' | 'prvUpperBound', number>
  rows: PublicRow[]
}>('dp.json')

export const library = read<{
  rows: {
    parts: { q: number; sigma: number; steps: number }[]
    delta: number
    rdp: number
    pld: number
  }[]
  rdp: RdpRow[]
  fractional: RdpRow[]
  integer: IntegerRow[]
}>('dp-accounting.json')

function read<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../vectors/${name}`, import.meta.url), 'utf8')) as T
}

/**
 * delta of one step of the sampled Gaussian at epsilon when a record is removed or added: the integral of
 * (P - e^epsilon Q)+ by adaptive Simpson quadrature.
 */
export function sampledDelta(direction: Direction, q: number, sigma: number, epsilon: number): number {
  const normal = (x: number) => Math.exp(-(x * x) / (2 * sigma * sigma)) / (sigma * Math.sqrt(2 * Math.PI))
  const mixture = (x: number) => (1 - q) * normal(x) + q * normal(x - 1)
  const [p, other] = direction === 'remove' ? [mixture, normal] : [normal, mixture]
  return integral(x => Math.max(0, p(x) - Math.exp(epsilon) * other(x)), -14 * sigma, 1 + 14 * sigma)
}

function integral(f: (x: number) => number, from: number, to: number): number {
  // In pieces at first: a corner between points of a coarse rule must not look like zero.
  const pieces = 400
  const width = (to - from) / pieces
  let sum = 0
  for (let i = 0; i < pieces; i++) {
    const a = from + i * width
    sum += simpson(f, a, a + width, f(a), f(a + width / 2), f(a + width), 24)
  }
  return sum
}

function simpson(
  f: (x: number) => number,
  a: number,
  b: number,
  fa: number,
  fm: number,
  fb: number,
  depth: number,
): number {
  const m = (a + b) / 2
  const [fl, fr] = [f((a + m) / 2), f((m + b) / 2)]
  const whole = ((b - a) / 6) * (fa + 4 * fm + fb)
  const halves = ((b - a) / 12) * (fa + 4 * fl + 2 * fm + 4 * fr + fb)
  if (depth === 0 || Math.abs(halves - whole) <= 1e-11 * halves) return halves + (halves - whole) / 15
  return simpson(f, a, m, fa, fl, fm, depth - 1) + simpson(f, m, b, fm, fr, fb, depth - 1)
}
