/**
 * Recipe of the second example's data: patients of the International Stroke Trial, one readable CSV file for each hospital
 * that has enough of them. Only what was known when a patient was randomised becomes a column.
 *
 *   node node/scripts/make-stroke-data.ts ist.csv config/studies/ist-stroke/data
 *
 * The input has the trial's own column names; config/studies/ist-stroke/README.md says where it comes from.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'csv-parse/sync'

type Row = Readonly<Record<string, string>>

/** Patients with a known outcome that a hospital must have to be in the study. */
export const PATIENTS_MIN = 50
/** Of a hospital's patients, rounded down: not trained on. */
const TEST_SHARE = 0.3

const DEFICITS = [1, 2, 3, 4, 5, 6, 7, 8] as const
const HEADER = [
  'row',
  'set',
  ...['age', 'delay', 'sbp', 'male', 'asleep', 'ct', 'infarct'],
  ...['conscious', 'atrial', 'heparin', 'aspirin'],
  ...DEFICITS.map(i => `deficit${i}`),
  ...['syndrome', 'y'],
] as const

function field(row: Row, name: string): string {
  const value = row[name]
  if (value === undefined) throw new Error(`column ${name} is missing`)
  return value
}

function yes(row: Row, name: string): string {
  const value = field(row, name)
  if (value !== 'Y' && value !== 'N') throw new Error(`column ${name} holds ${value}`)
  return value === 'Y' ? '1' : '0'
}

/** Not recorded in the trial's pilot phase: a category of its own. */
function recorded(row: Row, name: string): string {
  return field(row, name) || 'unknown'
}

/** Dead or dependent on others six months later; undefined where nobody knows. */
function outcome(row: Row): string | undefined {
  switch (field(row, 'OCCODE')) {
    case '1':
    case '2':
      return '1'
    case '3':
    case '4':
      return '0'
    default:
      return undefined
  }
}

/** A member's identifier, such as `uk-008`, from country and number of the hospital. */
export function hospitalId(row: Row): string {
  const country = field(row, 'COUNTRY')
    .toLowerCase()
    .replace(/[^a-z]/g, '')
  return `${country}-${field(row, 'HOSPNUM').padStart(3, '0')}`
}

interface Patient {
  /** Number of the row in the input, from 1. */
  readonly row: number
  readonly values: readonly string[]
}

function patientOf(row: Row, number: number, y: string): Patient {
  const values = [
    ...[field(row, 'AGE'), field(row, 'RDELAY'), field(row, 'RSBP')],
    field(row, 'SEX') === 'M' ? '1' : '0',
    ...[yes(row, 'RSLEEP'), yes(row, 'RCT'), yes(row, 'RVISINF')],
    field(row, 'RCONSC'),
    ...[recorded(row, 'RATRIAL'), recorded(row, 'RHEP24'), recorded(row, 'RASP3')],
    ...DEFICITS.map(i => field(row, `RDEF${i}`)),
    ...[field(row, 'STYPE'), y],
  ]
  return { row: number, values }
}

/** Which patients are tested on: the same for the same input, and independent of everything that is known of them. */
function testRows(hospital: string, patients: readonly Patient[]): ReadonlySet<number> {
  const draw = (p: Patient) => createHash('sha256').update(`${hospital}/${p.row}`).digest('hex')
  const drawn = patients.map(p => ({ row: p.row, at: draw(p) })).sort((a, b) => (a.at < b.at ? -1 : 1))
  return new Set(drawn.slice(0, Math.floor(TEST_SHARE * patients.length)).map(d => d.row))
}

/** CSV texts by hospital, in the order of their identifiers. */
export function strokeData(ist: string): ReadonlyMap<string, string> {
  const hospitals = new Map<string, Patient[]>()
  const rows = parse(ist, { columns: true }) as Row[]
  rows.forEach((row, i) => {
    const y = outcome(row)
    if (y === undefined) return
    const id = hospitalId(row)
    hospitals.set(id, [...(hospitals.get(id) ?? []), patientOf(row, i + 1, y)])
  })
  const large = [...hospitals].filter(([, patients]) => patients.length >= PATIENTS_MIN)
  return new Map(
    large
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, patients]) => {
        const tested = testRows(id, patients)
        const lines = patients.map(p => [p.row, tested.has(p.row) ? 'test' : 'train', ...p.values].join(','))
        return [id, `${[HEADER.join(','), ...lines].join('\n')}\n`]
      }),
  )
}

function main(input: string | undefined, folder: string | undefined): void {
  if (input === undefined || folder === undefined) {
    console.error('usage: make-stroke-data.ts INPUT.csv FOLDER')
    process.exitCode = 2
    return
  }
  mkdirSync(folder, { recursive: true })
  for (const [hospital, text] of strokeData(readFileSync(input, 'utf8'))) {
    writeFileSync(join(folder, `${hospital}.csv`), text)
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv[2], process.argv[3])
