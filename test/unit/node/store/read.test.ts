import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { migrate, SCHEMA_VERSION } from '../../../../node/store/schema.ts'
import { openStore, openStoreReader } from '../../../../node/store/store.ts'
import { bytes, heads, large, storeProcess } from './rig.ts'

let dir: string
let path: string
let folder: string
let child: ChildProcess | undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'medmesh-read-'))
  path = join(dir, 'store.db')
  folder = `${path}.files`
})
afterEach(() => {
  child?.kill('SIGKILL')
  rmSync(dir, { recursive: true })
})

const damaged = (message: string) =>
  expect.objectContaining({ code: 'STORE_DAMAGED', message: expect.stringContaining(message) })
/** Files are removed in the background. */
const leaves = (count: number) => vi.waitFor(() => expect(readdirSync(folder)).toHaveLength(count))

test('a file that is missing or cannot be read is named, with its record', async () => {
  const store = openStore(path)
  await store.commit(
    [
      ['vote', bytes(1)],
      ['attempt/masked', large(1)],
    ],
    [],
  )
  const file = join(folder, readdirSync(folder)[0]!)
  rmSync(file)
  const missing = `the file ${file} of its record attempt/masked is missing`
  expect(() => store.get('attempt/masked')).toThrow(damaged(missing))
  expect(() => store.load()).toThrow(damaged(missing))
  expect(store.get('vote')).toEqual(bytes(1))
  store.close()
  const reader = openStoreReader(path)
  expect(() => reader.load()).toThrow(damaged(missing))
  reader.close()
  mkdirSync(file)
  const again = openStore(path)
  expect(() => again.load()).toThrow(damaged('attempt/masked cannot be read (EISDIR)'))
  again.close()
})

test('a reader whose files are replaced under it sees one commit or another, not parts of two', async () => {
  const store = openStore(path)
  const values = (n: number) => ['a', 'b', 'c'].map(key => [key, large(n)] as const)
  await store.commit([...values(0), ['n', bytes(0)]], [])
  // In a process of its own: in this one nothing would be replaced between row and file.
  const other = storeProcess(
    path,
    `const reader = openStoreReader(path)
    for (let n; n !== 40; ) {
      const { a, b, c, n: now } = Object.fromEntries([...reader.load()].map(([key, value]) => [key, value[0]]))
      n = now
      console.log([a, b, c].every(head => head === n) ? n : 'torn')
    }`,
  )
  child = other
  const seen: string[] = []
  const lines = createInterface({ input: other.stdout }).on('line', line => void seen.push(line))
  const gone = once(other, 'close')
  await once(lines, 'line')
  for (let n = 1; n <= 40; n++) await store.commit([...values(n), ['n', bytes(n)]], [])
  expect(await gone).toEqual([0, null])
  expect(seen).not.toContain('torn')
  expect(new Set(seen).size, 'it read while files were replaced').toBeGreaterThan(2)
  store.close()
})

test('a reader looks a row up again when its file is gone', async () => {
  const store = openStore(path)
  await store.commit([['a', large(1)]], [])
  const [old] = readdirSync(folder)
  const content = readFileSync(join(folder, old!))
  await store.commit([['a', large(2)]], [])
  await leaves(1)
  const [name] = readdirSync(folder)
  // The row as it was before, for one look only.
  const prototype = Object.getPrototypeOf(new DatabaseSync(':memory:').prepare('SELECT 1')) as {
    all: (...values: string[]) => { file: string }[]
  }
  const { all } = prototype
  let looks = 0
  prototype.all = function (...values) {
    const rows = all.apply(this, values)
    return looks++ === 0 ? rows.map(row => ({ ...row, file: old! })) : rows
  }
  const reader = openStoreReader(path)
  try {
    expect(reader.get('a')).toEqual(large(2))
    expect(looks).toBe(2)
    looks = 0
    expect(heads(reader.load())).toEqual({ a: 2 })
    looks = 0
    writeFileSync(join(folder, old!), content)
    expect(heads(reader.load()), 'still there').toEqual({ a: 1 })
  } finally {
    prototype.all = all
  }
  expect(name).not.toBe(old)
  reader.close()
  store.close()
})

test('a store of the version before is read as it is, migrates, and then takes files', async () => {
  const db = new DatabaseSync(path)
  migrate(db, 0, [
    `CREATE TABLE records (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT;
     CREATE TABLE status (id INTEGER PRIMARY KEY CHECK (id = 0), json TEXT NOT NULL) STRICT;
     CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, json TEXT NOT NULL) STRICT;`,
  ])
  const put = db.prepare('INSERT INTO records (key, value) VALUES (?, ?)')
  put.run('vote', bytes(1))
  put.run('model', large(2))
  db.close()
  const reader = openStoreReader(path)
  expect(heads(reader.load())).toEqual({ vote: 1, model: 2 })
  expect(reader.get('vote')).toEqual(bytes(1))
  reader.close()
  const store = openStore(path)
  expect(store.load()).toEqual(
    new Map([
      ['vote', bytes(1)],
      ['model', large(2)],
    ]),
  )
  await store.commit([['model', large(3)]], [])
  store.close()
  const after = new DatabaseSync(path)
  expect(after.prepare('PRAGMA user_version').get()).toEqual({ user_version: SCHEMA_VERSION })
  expect(after.prepare(`SELECT length(value) AS n FROM records WHERE key = 'model'`).get()).toEqual({ n: 0 })
  after.close()
  const again = openStore(path)
  expect(heads(again.load())).toEqual({ vote: 1, model: 3 })
  again.close()
})
