import type { Random } from '../random.ts'

/**
 * Exponentially distributed with mean 1, by nothing but comparisons (von Neumann 1951, Various techniques used in
 * connection with random digits): the length of a falling run of uniforms is odd with probability exp(-first). A logarithm
 * may differ between machines.
 */
export function exponential(random: Random): number {
  for (let whole = 0; ; whole++) {
    const first = random.unit()
    let last = first
    let length = 0
    for (;;) {
      length++
      const next = random.unit()
      if (next >= last) break
      last = next
    }
    if (length % 2 === 1) return whole + first
  }
}
