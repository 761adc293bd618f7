/** Linear equations by Cholesky's method (Golub and Van Loan, Matrix Computations, 4.2): what a known optimum needs. */

/**
 * Solves A x = b for a symmetric positive definite A: `a` holds it row by row, of which only the lower triangle is read.
 * Undefined where A is not positive definite, or too nearly not.
 */
export function solvePositive(a: Float64Array, b: Float64Array): Float64Array | undefined {
  const n = b.length
  if (a.length !== n * n) throw new RangeError(`a matrix of ${a.length} elements for ${n} equations`)
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!
      if (i !== j) l[i * n + j] = sum / l[j * n + j]!
      else if (sum > 1e-9 * a[i * n + i]!) l[i * n + i] = Math.sqrt(sum)
      else return undefined
    }
  }
  const x = Float64Array.from(b)
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i]! -= l[i * n + k]! * x[k]!
    x[i]! /= l[i * n + i]!
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i]! -= l[k * n + i]! * x[k]!
    x[i]! /= l[i * n + i]!
  }
  return x
}
