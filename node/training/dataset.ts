/**
 * One hospital's rows as the learner takes them, whatever connector they came from. The type lives beside the learner
 * so that the simulator can make data sets of its own.
 */

/** `x`: rows x d, row after row, in original units (one-hot and 0/1 where the charter says so). `y`: 0 or 1. */
export interface Rows {
  readonly x: Float32Array
  readonly y: Float32Array
}

export interface Dataset {
  readonly train: Rows
  readonly test: Rows
  /** Model inputs of a row, after one-hot encoding. */
  readonly d: number
  /** SHA-256 of the file, hex: which data a hospital trained on, for its own records only. */
  readonly hash: string
  /** What a person should know but need not mend. */
  readonly notices: readonly string[]
}
