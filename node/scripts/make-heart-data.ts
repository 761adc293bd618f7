/**
 * Recipe of the example data: FLamby's preparation of UCI Heart Disease, written as one readable CSV file for
 * each hospital. The one-hot columns become categories again, so that the charter's own encoding (one-hot
 * without the reference category) gives FLamby's 13 features back, in FLamby's order.
 *
 *   node node/scripts/make-heart-data.ts flamby_processed.csv config/studies/heart-disease/data
 *
 * The input has the columns center, hospital, row, set, age, sex, trestbps, chol, fbs, thalach, exang, oldpeak,
 * cp_2, cp_3, cp_4, restecg_1, restecg_2, y, num; config/studies/heart-disease/README.md says where it comes from.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'csv-parse/sync'

type Row = Readonly<Record<string, string>>

const HOSPITALS = ['cleveland', 'hungarian', 'switzerland', 'va'] as const
const NUMBERS = ['age', 'sex', 'trestbps', 'chol', 'fbs', 'thalach', 'exang', 'oldpeak'] as const
const HEADER = ['row', 'set', ...NUMBERS, 'cp', 'restecg', 'y'] as const

/** The category that one-hot columns `name_level` stand for; all of them 0: the reference. */
function category(row: Row, name: string, reference: string, levels: readonly string[]): string {
  const hot = levels.filter(level => Number(field(row, `${name}_${level}`)) === 1)
  if (hot.length > 1) throw new Error(`row ${row.row}: more than one of ${name}_* is 1`)
  return hot[0] ?? reference
}

function field(row: Row, name: string): string {
  const value = row[name]
  if (value === undefined || value === '') throw new Error(`column ${name} is missing`)
  return value
}

/** CSV texts by hospital. Numbers lose a useless `.0`; nothing else about them changes. */
export function heartData(flamby: string): ReadonlyMap<string, string> {
  const rows = parse(flamby, { columns: true }) as Row[]
  return new Map(
    HOSPITALS.map(hospital => {
      const lines = rows
        .filter(row => field(row, 'hospital') === hospital)
        .map(row =>
          [
            field(row, 'row'),
            field(row, 'set'),
            ...NUMBERS.map(name => String(Number(field(row, name)))),
            category(row, 'cp', '1', ['2', '3', '4']),
            category(row, 'restecg', '0', ['1', '2']),
            field(row, 'y'),
          ].join(','),
        )
      return [hospital, `${[HEADER.join(','), ...lines].join('\n')}\n`]
    }),
  )
}

function main(input: string | undefined, folder: string | undefined): void {
  if (input === undefined || folder === undefined) {
    console.error('usage: make-heart-data.ts INPUT.csv FOLDER')
    process.exitCode = 2
    return
  }
  mkdirSync(folder, { recursive: true })
  for (const [hospital, text] of heartData(readFileSync(input, 'utf8'))) {
    writeFileSync(join(folder, `${hospital}.csv`), text)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv[2], process.argv[3])
