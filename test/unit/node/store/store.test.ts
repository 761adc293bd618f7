import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkStore, migrate, SCHEMA_VERSION } from '../../../../node/store/schema.ts'
import { EVENTS_MAX, openStore, openStoreReader } from '../../../../node/store/store.ts'
import { bytes, storeProcess } from './rig.ts'

let dir: string
let path: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'medmesh-store-'))
  path = join(dir, 'store.db')
})
let child: ChildProcess | undefined
afterEach(() => {
  child?.kill('SIGKILL')
  rmSync(dir, { recursive: true })
})

const fault = (code: string) => expect.objectContaining({ name: 'MedmeshError', code })

test('a store after any commits holds what a map would, also when it is opened again', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd/1', 'd/2')
  const commit = fc.tuple(
    fc.array(fc.tuple(key, fc.uint8Array({ maxLength: 40 })), { maxLength: 4 }),
    fc.array(key, { maxLength: 2 }),
  )
  let n = 0
  fc.assert(
    fc.property(fc.array(commit, { maxLength: 8 }), commits => {
      const file = join(dir, `${n++}.db`)
      const model = new Map<string, Uint8Array>()
      const store = openStore(file)
      for (const [puts, deletes] of commits) {
        store.commit(puts, deletes)
        for (const [k, v] of puts) model.set(k, v)
        for (const k of deletes) model.delete(k)
      }
      expect(store.load()).toEqual(model)
      store.close()
      const again = openStore(file)
      expect(again.load()).toEqual(model)
      again.close()
    }),
    { numRuns: 20 },
  )
})

test('a commit that fails half-way leaves no half behind, and the store goes on', () => {
  const store = openStore(path)
  store.commit([['a', bytes(1)]], [])
  const bad = [
    ['a', bytes(2)],
    ['b', 'no bytes' as unknown as Uint8Array],
  ] as const
  expect(() => store.commit(bad, [])).toThrow('cannot store TEXT')
  expect(store.load()).toEqual(new Map([['a', bytes(1)]]))
  store.commit([['c', bytes(3)]], [])
  expect([...store.load().keys()].sort()).toEqual(['a', 'c'])
  store.close()
})

test('a second process is refused while the first lives; what it committed survives its SIGKILL', async () => {
  const other = storeProcess(
    path,
    `const store = openStore(path)
    store.commit([['vote', Uint8Array.of(7)]], []); store.setStatus({ round: 3 })
    // As a collection finds it that comes while nobody refers to the store.
    setTimeout(() => { gc(); process.stdout.write('ready') }); setInterval(() => {}, 1000)`,
    '--expose-gc',
  )
  child = other
  await once(other.stdout, 'data')
  expect(() => openStore(path)).toThrow(fault('STORE_IN_USE'))
  const reader = openStoreReader(path)
  expect(reader.status()).toEqual({ round: 3 })
  reader.close()
  const gone = once(other, 'exit')
  other.kill('SIGKILL')
  await gone
  const store = openStore(path)
  expect(store.load()).toEqual(new Map([['vote', bytes(7)]]))
  expect(store.status()).toEqual({ round: 3 })
  store.close()
})

test('the same process is refused too, and is let in after close', () => {
  const store = openStore(path)
  expect(() => openStore(path)).toThrow(fault('STORE_IN_USE'))
  store.commit([['still', bytes(1)]], [])
  store.close()
  openStore(path).close()
})

test('readers see what the running node commits, and cannot write', () => {
  const store = openStore(path)
  const reader = openStoreReader(path)
  expect(reader.status()).toBeUndefined()
  store.commit([['k', bytes(9)]], [])
  store.setStatus({ waitsFor: ['zurich'] })
  expect(reader.load()).toEqual(new Map([['k', bytes(9)]]))
  expect(reader.status()).toEqual({ waitsFor: ['zurich'] })
  expect('commit' in reader).toBe(false)
  store.close()
  reader.close()
  const later = openStoreReader(path)
  expect(later.load().size).toBe(1)
  later.close()
})

test('events come oldest first and the oldest are forgotten', () => {
  const store = openStore(path)
  const db = new DatabaseSync(path)
  const add = db.prepare('INSERT INTO events (at, json) VALUES (?, ?)')
  db.exec('BEGIN')
  for (let i = 0; i < EVENTS_MAX; i++) add.run(i, String(i))
  db.exec('COMMIT')
  db.close()
  store.addEvent({ kind: 'last' }, 77)
  expect(store.events()).toHaveLength(EVENTS_MAX)
  expect(store.events()[0]).toEqual({ at: 1, event: 1 })
  expect(store.events(2)).toEqual([
    { at: EVENTS_MAX - 1, event: EVENTS_MAX - 1 },
    { at: 77, event: { kind: 'last' } },
  ])
  store.close()
})

test('every commit is flushed to the disk, also after a status was written without', () => {
  const store = openStore(path)
  // The mode is not visible from another connection; the store must come back to FULL (2) by itself.
  const prototype = DatabaseSync.prototype as unknown as { exec: (sql: string) => void }
  const exec = prototype.exec
  const seen: string[] = []
  prototype.exec = function (this: DatabaseSync, sql: string) {
    exec.call(this, sql)
    if (sql.startsWith('PRAGMA')) seen.push(sql)
    if (sql === 'COMMIT') seen.push(`${sql} at ${this.prepare('PRAGMA synchronous').get()?.synchronous}`)
  }
  try {
    store.setStatus(1)
    expect(() => store.setStatus(1n)).toThrow()
    store.commit([['a', bytes(1)]], [])
  } finally {
    prototype.exec = exec
  }
  expect(seen.at(-1)).toBe('COMMIT at 2')
  store.close()
})

test('all files of a store are for its owner only, also when they were not', () => {
  writeFileSync(path, '', { mode: 0o644 })
  chmodSync(path, 0o644)
  const store = openStore(path)
  store.commit([['a', bytes(1)]], [])
  for (const name of readdirSync(dir)) {
    expect(statSync(join(dir, name)).mode & 0o777, name).toBe(name === 'store.db.files' ? 0o700 : 0o600)
  }
  expect(readdirSync(dir)).toEqual(expect.arrayContaining(['store.db-wal', 'store.db.files']))
  store.close()
})

test('a deleted secret is not left in the file', () => {
  const secret = Buffer.from('a mask seed that was used up already')
  const store = openStore(path)
  store.commit([['seed', secret]], [])
  store.commit([], ['seed'])
  store.close()
  for (const entry of readdirSync(dir, { withFileTypes: true }).filter(e => e.isFile()))
    expect(readFileSync(join(dir, entry.name)).includes(secret), entry.name).toBe(false)
})

test('a damaged store is refused, and left as it is', () => {
  const store = openStore(path)
  store.commit(
    Array.from({ length: 300 }, (_, i) => [`key/${i}`, new Uint8Array(100).fill(i)] as const),
    [],
  )
  store.close()
  const file = readFileSync(path)
  file.fill(0x55, 4096 * 3, 4096 * 5)
  writeFileSync(path, file)
  expect(() => openStore(path)).toThrow(fault('STORE_DAMAGED'))
  expect(() => openStoreReader(path)).toThrow(fault('STORE_DAMAGED'))
  expect(readFileSync(path).equals(file)).toBe(true)
  writeFileSync(path, 'this is no database at all, but long enough to have a header '.repeat(20))
  expect(() => openStore(path)).toThrow(fault('STORE_DAMAGED'))
})

test("another program's database, a newer store and a missing one are told apart", () => {
  const foreign = new DatabaseSync(path)
  foreign.exec('CREATE TABLE t (x)')
  expect(() => openStore(path)).toThrow(fault('STORE_FOREIGN'))
  foreign.close()
  const newer = join(dir, 'newer.db')
  openStore(newer).close()
  const db = new DatabaseSync(newer)
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
  db.close()
  expect(() => openStore(newer)).toThrow(fault('STORE_NEWER'))
  expect(() => openStoreReader(join(dir, 'absent.db'))).toThrow(fault('STORE_MISSING'))
  expect(() => openStore(join(dir, 'no', 'folder.db'))).toThrow(fault('STORE_OPEN'))
})

test('a migration runs once, whole or not at all, and keeps the records', () => {
  const store = openStore(path)
  store.commit([['kept', bytes(4)]], [])
  store.close()
  const db = new DatabaseSync(path)
  const steps = [
    ...Array(SCHEMA_VERSION).fill('SELECT 1'),
    'CREATE TABLE extra (x)',
    'CREATE TABLE extra (x)',
  ]
  expect(() => migrate(db, SCHEMA_VERSION, steps)).toThrow('already exists')
  expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: SCHEMA_VERSION + 1 })
  if (db.isTransaction) db.exec('ROLLBACK')
  expect(db.prepare('SELECT key FROM records').all()).toEqual([{ key: 'kept' }])
  db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
  expect(checkStore(db, path)).toBe(SCHEMA_VERSION)
  db.close()
})
