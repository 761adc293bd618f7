/**
 * What is wrong with a data file, gathered so that a person mends the file once and not line by line. A problem says
 * where it is and what is allowed there, never what stands there: the value may be a patient's.
 */
import { MedmeshError } from '../../config/error.ts'

export const PROBLEMS_MAX = 20

export type DataCode =
  | 'DATA_UNREADABLE'
  | 'DATA_ENCODING'
  | 'DATA_CSV'
  | 'DATA_EMPTY'
  | 'DATA_COLUMN_MISSING'
  | 'DATA_COLUMN_DUPLICATE'
  | 'DATA_ROW_LENGTH'
  | 'DATA_VALUE_MISSING'
  | 'DATA_NOT_A_NUMBER'
  | 'DATA_OUT_OF_RANGE'
  | 'DATA_NOT_BOOLEAN'
  | 'DATA_UNKNOWN_CATEGORY'
  | 'DATA_BAD_LABEL'
  | 'DATA_BAD_SPLIT'
  | 'DATA_NO_TRAINING_ROWS'

export interface Problem {
  readonly code: DataCode
  /** Line of the file, counted from 1; undefined: the file as a whole. */
  readonly line?: number | undefined
  readonly column?: string | undefined
  readonly says: string
  readonly fix: string
}

/** Several problems in one error. `code` is that of the first; `problems` has each with its own. */
export class DataError extends MedmeshError {
  readonly problems: readonly Problem[]

  constructor(file: string, problems: readonly Problem[], more: boolean) {
    const lines = problems.map(p => `${placeOf(p)}${p.says}`)
    const only = lines.length === 1 && !more ? lines[0] : undefined
    const count = more ? `more than ${problems.length} problems, the first` : `${problems.length} problems`
    super(
      problems[0]!.code,
      only === undefined ? `${file}: ${count}:\n  ${lines.join('\n  ')}` : `${file}: ${only}`,
      [...new Set(problems.map(p => p.fix))].join('; '),
    )
    this.problems = problems
  }
}

function placeOf(p: Problem): string {
  const parts = [
    ...(p.line === undefined ? [] : [`line ${p.line}`]),
    ...(p.column === undefined ? [] : [`column ${p.column}`]),
  ]
  return parts.length === 0 ? '' : `${parts.join(', ')}: `
}

/** Gathers up to PROBLEMS_MAX problems of one file. */
export class Problems {
  readonly #file: string
  readonly #found: Problem[] = []
  #more = false

  constructor(file: string) {
    this.#file = file
  }

  add(problem: Problem): void {
    if (this.#found.length < PROBLEMS_MAX) this.#found.push(problem)
    else this.#more = true
  }

  /** Whether reading on would tell a person nothing new. */
  get full(): boolean {
    return this.#more
  }

  /** Throws DataError if there is any problem. */
  check(): void {
    if (this.#found.length > 0) throw new DataError(this.#file, this.#found, this.#more)
  }
}
