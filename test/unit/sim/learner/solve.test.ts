import { describe, expect, it } from 'vitest'
import { solvePositive } from '../../../../sim/learner/solve.ts'
import { Random } from '../../../../sim/random.ts'

describe('equations with a positive definite matrix', () => {
  it('are solved: A x is b again', () => {
    const random = new Random(5)
    for (const n of [1, 2, 9, 40]) {
      const half = Array.from({ length: n * n }, () => random.normal())
      const a = new Float64Array(n * n)
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
          for (let k = 0; k < n; k++) a[i * n + j]! += half[i * n + k]! * half[j * n + k]!
          if (i === j) a[i * n + j]! += 0.1
        }
      const b = Float64Array.from({ length: n }, () => random.normal())
      const x = solvePositive(a, b)!
      for (let i = 0; i < n; i++) {
        let sum = 0
        for (let j = 0; j < n; j++) sum += a[i * n + j]! * x[j]!
        expect(sum).toBeCloseTo(b[i]!, 8)
      }
    }
  })

  it('have no solution where the matrix is singular or indefinite', () => {
    expect(solvePositive(Float64Array.of(1, 1, 1, 1), Float64Array.of(1, 1))).toBeUndefined()
    expect(solvePositive(Float64Array.of(1, 2, 2, 1), Float64Array.of(1, 1))).toBeUndefined()
    expect(solvePositive(new Float64Array(1), Float64Array.of(1))).toBeUndefined()
  })

  it('fit each other', () => {
    expect(() => solvePositive(new Float64Array(3), new Float64Array(2))).toThrow(RangeError)
  })
})
