import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadDataset } from '../../../../node/data/csv.ts'
import { DataError, PROBLEMS_MAX } from '../../../../node/data/problems.ts'
import { charterOf } from '../training/fixture.ts'

const CHARTER = charterOf()
const HEADER = 'age,smoker,site,ill,set'
const GOOD = ['40,1,a,yes,train', '50.5,0,b,no,train', '98,true,c,no,test']

let dir: string
let files = 0

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'medmesh-csv-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

function write(content: string | Uint8Array): string {
  const file = join(dir, `${files++}.csv`)
  writeFileSync(file, content)
  return file
}

const load = (lines: readonly string[]) => loadDataset(write(`${lines.join('\n')}\n`), CHARTER)

function errorOf(run: () => unknown): DataError {
  try {
    run()
  } catch (error) {
    if (error instanceof DataError) return error
    throw error
  }
  throw new Error('nothing was wrong')
}

describe('good files', () => {
  test('rows are encoded, split and labelled', () => {
    const { train, test: held, d, notices } = load([HEADER, ...GOOD])
    expect(d).toBe(4)
    expect([...train.x]).toEqual([40, 1, 0, 0, 50.5, 0, 1, 0])
    expect([...train.y]).toEqual([1, 0])
    expect([...held.x]).toEqual([98, 1, 0, 1])
    expect([...held.y]).toEqual([0])
    expect(notices).toEqual([])
  })

  test('order of columns, quotes, spaces, empty lines, a byte order mark and CRLF change nothing', () => {
    const odd =
      '\ufeffset,ill, site ,smoker,age\r\n\r\n"train",yes,"a",1, 40 \r\ntrain,no,b,FALSE,5.05e1\r\ntest,no,c,1,98\r\n'
    const { hash: _, ...got } = loadDataset(write(odd), CHARTER)
    const { hash: __, ...want } = load([HEADER, ...GOOD])
    expect(got).toEqual(want)
  })

  test('the hash is of the bytes of the file', () => {
    expect(load([HEADER, ...GOOD]).hash).toBe(load([HEADER, ...GOOD]).hash)
    expect(load([HEADER, ...GOOD]).hash).not.toBe(load([HEADER, ...GOOD, '']).hash)
  })

  test('other columns are ignored and counted, but not named', () => {
    const { train, notices } = load([`patient,${HEADER},x`, ...GOOD.map(row => `Ann,${row},3`)])
    expect(train.x.length).toBe(8)
    expect(notices).toEqual(['2 columns are not in the charter and ignored'])
  })

  test('one class only, or no test row, is a notice', () => {
    const { notices, test: held } = load([HEADER, '40,1,a,yes,train'])
    expect(held.y.length).toBe(0)
    expect(notices).toHaveLength(2)
    expect(notices[0]).toContain('one class')
    expect(notices[1]).toContain('no test row')
  })

  test('more test rows than the charter counts is a notice', () => {
    const rows = Array.from({ length: CHARTER.evaluation.rowsMax + 1 }, () => '40,1,a,yes,test')
    expect(load([HEADER, ...GOOD, ...rows]).notices.join()).toContain(String(CHARTER.evaluation.rowsMax))
  })

  test('both ends of a range are in it', () => {
    expect([...load([HEADER, '18,1,a,yes,train', '98,1,a,no,train']).train.x]).toEqual([
      18, 1, 0, 0, 98, 1, 0, 0,
    ])
  })
})

/** Name, rows below the header, line, column, code, and what the fix must say. */
const BAD: [string, string[], number, string, string, string][] = [
  ['above the range', ['98.001,1,a,yes,train'], 2, 'age', 'DATA_OUT_OF_RANGE', 'from 18 to 98 years'],
  ['below the range', ['40,1,a,yes,train', '17,1,a,yes,train'], 3, 'age', 'DATA_OUT_OF_RANGE', '18 to 98'],
  ['infinite', ['1e999,1,a,yes,train'], 2, 'age', 'DATA_OUT_OF_RANGE', '18 to 98'],
  ['NaN', ['NaN,1,a,yes,train'], 2, 'age', 'DATA_NOT_A_NUMBER', 'decimal number'],
  ['Infinity', ['Infinity,1,a,yes,train'], 2, 'age', 'DATA_NOT_A_NUMBER', 'decimal number'],
  ['hexadecimal', ['0x20,1,a,yes,train'], 2, 'age', 'DATA_NOT_A_NUMBER', 'decimal number'],
  ['text', ['forty,1,a,yes,train'], 2, 'age', 'DATA_NOT_A_NUMBER', 'decimal number'],
  ['decimal comma', ['"40,5",1,a,yes,train'], 2, 'age', 'DATA_NOT_A_NUMBER', 'decimal number'],
  ['empty number', [',1,a,yes,train'], 2, 'age', 'DATA_VALUE_MISSING', 'leave out rows'],
  ['blank category', ['40,1,  ,yes,train'], 2, 'site', 'DATA_VALUE_MISSING', '"a" or "b" or "c"'],
  ['not boolean', ['40,2,a,yes,train'], 2, 'smoker', 'DATA_NOT_BOOLEAN', '0, 1, false or true'],
  ['unknown category', ['40,1,d,yes,train'], 2, 'site', 'DATA_UNKNOWN_CATEGORY', '"a" or "b" or "c"'],
  ['category in capitals', ['40,1,A,yes,train'], 2, 'site', 'DATA_UNKNOWN_CATEGORY', '"a" or "b" or "c"'],
  ['bad label', ['40,1,a,maybe,train'], 2, 'ill', 'DATA_BAD_LABEL', '"yes" or "no"'],
  ['empty label', ['40,1,a,,train'], 2, 'ill', 'DATA_VALUE_MISSING', '"yes" or "no"'],
  ['bad split', ['40,1,a,yes,validate'], 2, 'set', 'DATA_BAD_SPLIT', '"train" or "test"'],
]

describe('bad rows', () => {
  test.each(BAD)('%s', (_, rows, line, column, code, fix) => {
    const error = errorOf(() => load([HEADER, ...GOOD.slice(0, 0), ...rows]))
    expect(error.code).toBe(code)
    expect(error.problems).toHaveLength(1)
    expect(error.problems[0]).toMatchObject({ code, line, column })
    expect(error.message).toMatch(/\d+\.csv: line/)
    expect(error.message).toContain(`line ${line}, column ${column}`)
    expect(error.fix).toContain(fix)
  })

  test('too many and too few fields', () => {
    const error = errorOf(() => load([HEADER, '40,1,a,yes,train,9', '40,1,a,yes']))
    expect(error.problems.map(p => [p.code, p.line])).toEqual([
      ['DATA_ROW_LENGTH', 2],
      ['DATA_ROW_LENGTH', 3],
    ])
  })

  test('all problems of a row are told, up to a bound for the file', () => {
    expect(errorOf(() => load([HEADER, 'x,x,x,x,x'])).problems).toHaveLength(5)
    const error = errorOf(() => load([HEADER, ...Array.from({ length: 30 }, () => '7,1,a,yes,train')]))
    expect(error.problems).toHaveLength(PROBLEMS_MAX)
    expect(error.message).toContain(`more than ${PROBLEMS_MAX} problems`)
    expect(error.fix.match(/column age/g)).toHaveLength(1)
    const exactly = errorOf(() =>
      load([HEADER, ...Array.from({ length: PROBLEMS_MAX }, () => '7,1,a,yes,train')]),
    )
    expect(exactly.message).toContain(`${PROBLEMS_MAX} problems`)
    expect(exactly.message).not.toContain('more than')
  })

  test('lines are those of the file, also after a field over two lines and an empty line', () => {
    const error = errorOf(() =>
      load([`note,${HEADER}`, '"two\nlines",40,1,a,yes,train', '', 'n,40,1,z,yes,train']),
    )
    expect(error.problems[0]).toMatchObject({ line: 5, column: 'site' })
  })

  test('no value of the file is in the error', () => {
    const secrets = ['31337.25', 'Ann Smith', '1999-09-09', 'positive7', 'holdout7']
    const { message, fix, problems, stack } = errorOf(() => load([HEADER, secrets.join(',')]))
    const told = JSON.stringify({ message, fix, problems, stack })
    for (const secret of secrets) expect(told).not.toContain(secret)
  })
})

describe('bad files', () => {
  test('a missing column says which and what the header must be', () => {
    const error = errorOf(() => load(['age,smoker,ill,set', '40,1,yes,train']))
    expect(error).toMatchObject({ code: 'DATA_COLUMN_MISSING' })
    expect(error.problems).toHaveLength(1)
    expect(error.message).toContain('column site')
    expect(error.fix).toContain('age, smoker, site, ill, set')
  })

  test('a file with semicolons has none of the columns', () => {
    const error = errorOf(() => load(['age;smoker;site;ill;set', '40;1;a;yes;train']))
    expect(error.problems.map(p => p.code)).toEqual(Array(5).fill('DATA_COLUMN_MISSING'))
    expect(error.fix).toContain('separated by commas')
  })

  test('a column that is there twice', () => {
    const error = errorOf(() => load([`${HEADER},age`, '40,1,a,yes,train,41']))
    expect(error.problems).toMatchObject([{ code: 'DATA_COLUMN_DUPLICATE', column: 'age' }])
  })

  test('a column that the charter does not name may be there twice', () => {
    expect(load([`x,${HEADER},x`, '1,40,1,a,yes,train,2']).train.y.length).toBe(1)
  })

  test.each([
    ['empty', ''],
    ['empty lines', '\n\n'],
    ['header only', `${HEADER}\n`],
  ])('%s', (_, content) => {
    expect(errorOf(() => loadDataset(write(content), CHARTER)).code).toBe('DATA_EMPTY')
  })

  test('no training rows', () => {
    const error = errorOf(() => load([HEADER, '40,1,a,yes,test']))
    expect(error).toMatchObject({ code: 'DATA_NO_TRAINING_ROWS' })
    expect(error.fix).toContain('"train"')
  })

  test('not there, not UTF-8, a quote that is never closed', () => {
    expect(errorOf(() => loadDataset(join(dir, 'nowhere.csv'), CHARTER)).code).toBe('DATA_UNREADABLE')
    expect(errorOf(() => loadDataset(dir, CHARTER)).code).toBe('DATA_UNREADABLE')
    expect(errorOf(() => loadDataset(write(Uint8Array.of(0x61, 0xff, 0xfe)), CHARTER)).code).toBe(
      'DATA_ENCODING',
    )
    const quote = errorOf(() => load([HEADER, '40,1,"secret,yes,train']))
    expect(quote.code).toBe('DATA_CSV')
    expect(quote.message).not.toContain('secret')
  })
})
