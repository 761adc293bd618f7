/** Weight tensors as the matrices whose factors are summed, where a charter's `secureSum.compression.rank` says so. */

/** The last dimension is that of the columns; what has one dimension is a single row. */
export function sidesOf(shape: readonly number[]): { readonly rows: number; readonly columns: number } {
  const columns = shape.at(-1) ?? 1
  return { rows: shape.slice(0, -1).reduce((a, b) => a * b, 1), columns }
}

/** Whether either factor of so many columns or rows is smaller than the matrix. */
export function isFactored(shape: readonly number[], rank: number): boolean {
  const { rows, columns } = sidesOf(shape)
  return Math.min(rows, columns) > rank
}
