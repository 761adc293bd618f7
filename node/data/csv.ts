/**
 * Connector for a CSV file: every row is held against the charter's data schema before anything is learned or sent.
 * A file is taken whole or refused whole; no row is mended, guessed or left out in silence.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CsvError, parse } from 'csv-parse/sync'
import { type Charter, expandedFeatureCount } from '../../config/charter.ts'
import type { Dataset, Rows } from '../training/dataset.ts'
import { type Encoder, encoderOf } from './encode.ts'
import { DataError, type Problem, Problems } from './problems.ts'

interface Line {
  /** Line of the file on which the row ends, counted from 1. */
  readonly line: number
  readonly fields: readonly string[]
}

/**
 * Reads `file` (UTF-8, separated by commas, with a header) under the charter's schema.
 * Columns that the charter does not name are ignored and counted in a notice.
 *
 * Throws DataError (a MedmeshError with a DATA_ code) with up to 20 problems, each with line, column and fix.
 */
export function loadDataset(file: string, charter: Charter): Dataset {
  const bytes = readBytes(file)
  const [header, ...lines] = readLines(file, bytes)
  if (header === undefined) {
    throw fail(file, { code: 'DATA_EMPTY', says: 'the file is empty', fix: headerFix(charter) })
  }
  const problems = new Problems(file)
  const encoders = encodersOf(charter)
  const columns = locate(header, charter, encoders, problems)
  problems.check()
  if (lines.length === 0) {
    throw fail(file, { code: 'DATA_EMPTY', says: 'there is a header but no row', fix: 'export the rows too' })
  }
  const parts = { train: [] as number[][], test: [] as number[][] }
  for (const line of lines) {
    const row = readRow(line, header.fields.length, columns, encoders, problems)
    if (row !== undefined) parts[row.part].push(row.values)
    if (problems.full) break
  }
  problems.check()
  if (parts.train.length === 0) {
    const { name, train } = charter.data.split
    throw fail(file, {
      code: 'DATA_NO_TRAINING_ROWS',
      column: name,
      says: 'no row is a training row',
      fix: `mark the rows to train on with "${train}" in column ${name}`,
    })
  }
  const d = expandedFeatureCount(charter)
  const train = rowsOf(parts.train, d)
  const test = rowsOf(parts.test, d)
  const notices = noticesOf(header.fields.length - columns.size, train, test, charter)
  return { train, test, d, hash: createHash('sha256').update(bytes).digest('hex'), notices }
}

function fail(file: string, problem: Problem): DataError {
  return new DataError(file, [problem], false)
}

function readBytes(file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (error) {
    throw fail(file, {
      code: 'DATA_UNREADABLE',
      says: `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      fix: 'check the path of `data` in node.yaml and that the node may read the file',
    })
  }
}

function readLines(file: string, bytes: Uint8Array): Line[] {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw fail(file, { code: 'DATA_ENCODING', says: 'is not UTF-8 text', fix: 'export the file as UTF-8' })
  }
  try {
    const records = parse(text, {
      info: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
    }) as unknown as { info: { lines: number }; record: string[] }[]
    return records.map(({ info, record }) => ({ line: info.lines, fields: record }))
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const { lines } = error as unknown as { lines?: unknown }
    throw fail(file, {
      code: 'DATA_CSV',
      line: typeof lines === 'number' ? lines : undefined,
      says: 'quotes that do not match',
      fix: 'quote whole fields with ", and double a " inside them (RFC 4180)',
    })
  }
}

function encodersOf(charter: Charter): Encoder[] {
  const { features, label, split } = charter.data
  return [...features, { ...label, type: 'label' as const }, { ...split, type: 'split' as const }].map(
    encoderOf,
  )
}

/** Where each column that the charter names stands in the file. */
function locate(
  header: Line,
  charter: Charter,
  encoders: readonly Encoder[],
  problems: Problems,
): Map<string, number> {
  const columns = new Map<string, number>()
  for (const { name } of encoders) {
    const at = header.fields.indexOf(name)
    const place = { line: header.line, column: name }
    if (at < 0) {
      problems.add({
        code: 'DATA_COLUMN_MISSING',
        ...place,
        says: 'there is no such column',
        fix: headerFix(charter),
      })
    } else if (header.fields.indexOf(name, at + 1) >= 0) {
      problems.add({
        code: 'DATA_COLUMN_DUPLICATE',
        ...place,
        says: 'the column is there more than once',
        fix: 'keep one column of each name',
      })
    }
    columns.set(name, at)
  }
  return columns
}

function headerFix(charter: Charter): string {
  const { features, label, split } = charter.data
  const names = [...features.map(f => f.name), label.name, split.name]
  return `the first line must name the columns, separated by commas: ${names.join(', ')}`
}

/** One row as [inputs..., label], or undefined when something is wrong with it (then told to `problems`). */
function readRow(
  { line, fields }: Line,
  width: number,
  columns: ReadonlyMap<string, number>,
  encoders: readonly Encoder[],
  problems: Problems,
): { part: 'train' | 'test'; values: number[] } | undefined {
  if (fields.length !== width) {
    const says = `${fields.length} fields, but the header has ${width}`
    problems.add({ code: 'DATA_ROW_LENGTH', line, says, fix: 'give every row as many fields as the header' })
    return undefined
  }
  const values: number[] = []
  let part: 'train' | 'test' | undefined
  let whole = true
  for (const encoder of encoders) {
    const wrong = encoder.encode(fields[columns.get(encoder.name)!]!, values)
    if (wrong === 'train' || wrong === 'test') part = wrong
    else if (wrong !== undefined) {
      problems.add({ ...wrong, line, column: encoder.name })
      whole = false
    }
  }
  return whole && part !== undefined ? { part, values } : undefined
}

/** Rows of [inputs..., label] as the learner's two arrays. */
function rowsOf(rows: readonly number[][], d: number): Rows {
  const x = new Float32Array(rows.length * d)
  const y = new Float32Array(rows.length)
  rows.forEach((row, i) => {
    x.set(row.slice(0, d), i * d)
    y[i] = row[d]!
  })
  return { x, y }
}

function noticesOf(extra: number, train: Rows, test: Rows, charter: Charter): string[] {
  const notices: string[] = []
  if (extra > 0)
    notices.push(`${extra} ${extra === 1 ? 'column is' : 'columns are'} not in the charter and ignored`)
  if (new Set(train.y).size === 1)
    notices.push('the training rows are all of one class; this hospital takes part all the same')
  if (test.y.length === 0) notices.push('there is no test row; this hospital adds nothing to the evaluation')
  const { rowsMax } = charter.evaluation
  if (test.y.length > rowsMax)
    notices.push(`the charter counts ${rowsMax} test rows at most; the first ones are taken`)
  return notices
}
