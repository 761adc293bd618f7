/** Drawn signs of 28 x 28 pixels, made in code: rings and strokes as by a soft pen. No patient, no download. */
import type { Random } from '../../node/attack/random.ts'

export const SIDE = 28

type Point = readonly [x: number, y: number]

/** `x`: SIDE x SIDE pixels, row after row, 0 (paper) to 1 (ink). `y`: 1 of a ring, 0 of two strokes. */
export function drawImage(random: Random): { readonly x: Float32Array; readonly y: number } {
  const y = random.below(2)
  const points = y === 1 ? ring(random) : [...stroke(random), ...stroke(random)]
  const width = 1 + 0.6 * random.uniform()
  const x = new Float32Array(SIDE * SIDE)
  for (let i = 0; i < x.length; i++) {
    let nearest = Number.MAX_VALUE
    for (const [px, py] of points)
      nearest = Math.min(nearest, ((i % SIDE) - px) ** 2 + (((i / SIDE) | 0) - py) ** 2)
    x[i] = Math.exp(-nearest / (2 * width * width))
  }
  return { x, y }
}

/** An ellipse somewhere in the middle. */
function ring(random: Random): Point[] {
  const [cx, cy] = [10 + 8 * random.uniform(), 10 + 8 * random.uniform()]
  const [rx, ry] = [4 + 4 * random.uniform(), 4 + 4 * random.uniform()]
  return along(48, t => [cx + rx * Math.cos(2 * Math.PI * t), cy + ry * Math.sin(2 * Math.PI * t)])
}

/** A quadratic Bezier curve between three points anywhere but at the edge. */
function stroke(random: Random): Point[] {
  const [a, b, c] = along(3, (): Point => [3 + 22 * random.uniform(), 3 + 22 * random.uniform()])
  const mix = (t: number, axis: 0 | 1) =>
    (1 - t) ** 2 * a![axis] + 2 * t * (1 - t) * b![axis] + t * t * c![axis]
  return along(32, t => [mix(t, 0), mix(t, 1)])
}

function along(count: number, at: (t: number) => Point): Point[] {
  return Array.from({ length: count }, (_, i) => at(i / count))
}
