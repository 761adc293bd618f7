/** Values that are written piece by piece: what is read of them, and which records they become. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LARGE_BYTES } from '../../../../node/store/files.ts'
import { openStore, openStoreReader, type Store } from '../../../../node/store/store.ts'
import type { Value } from '../../../../protocol/ports.ts'
import { bytes, expectAgain, heads, large, storeProcess } from './rig.ts'

let dir: string
let path: string
let folder: string
let store: Store
let child: ChildProcess | undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'medmesh-drafts-'))
  path = join(dir, 'store.db')
  folder = `${path}.files`
  store = openStore(path)
})
afterEach(() => {
  child?.kill('SIGKILL')
  store.close()
  rmSync(dir, { recursive: true })
})

/** Files are removed in the background. */
const leaves = (count: number) => vi.waitFor(() => expect(readdirSync(folder)).toHaveLength(count))
const puts = (values: Record<string, Value>) => Object.entries(values)
const sameAs = (name: string): Value => ({ sameAs: name })
const inode = (file: string) => statSync(file).ino

function reopen(): void {
  store.close()
  store = openStore(path)
}

test('a draft is written in any order and read as a record is, but is none', () => {
  store.write('d', 4, bytes(5, 6))
  store.write('d', 0, bytes(1, 2, 3))
  store.write('d', 1, bytes(9))
  expect(store.getBytes('d', 0, 6)).toEqual(bytes(1, 9, 3, 0, 5, 6))
  expect(store.getBytes('d', 2, 5)).toEqual(bytes(3, 0, 5))
  expect(store.getBytes('d', 2, 7), 'not so many').toBeUndefined()
  expect(readFileSync(store.fileOf('d')!)).toEqual(Buffer.from([1, 9, 3, 0, 5, 6]))
  expect(store.get('d')).toBeUndefined()
  expect(store.load().size).toBe(0)
  expect(store.getBytes('none', 0, 0)).toBeUndefined()
  expect(store.fileOf('none')).toBeUndefined()
})

test('its file is for its owner only, in the folder of large values, and a job may write it', () => {
  const file = store.draftFile('d')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(folder)).toEqual([basename(file)])
  expect(store.getBytes('d', 0, 0)).toEqual(bytes())
  writeFileSync(file, bytes(1, 2, 3), { flag: 'r+' })
  store.write('d', 3, bytes(4))
  expect(store.draftFile('d')).toBe(file)
  expect(store.getBytes('d', 0, 4)).toEqual(bytes(1, 2, 3, 4))
})

test('data in memory that threads share', () => {
  const shared = new Uint8Array(new SharedArrayBuffer(LARGE_BYTES)).fill(3)
  store.write('d', 1, shared)
  expect(store.getBytes('d', 0, 3)).toEqual(bytes(0, 3, 3))
})

test.each([
  ['a small', 100],
  ['a large', LARGE_BYTES],
])('%s draft becomes a record, and stays a draft until it is deleted', async (_, size) => {
  const value = Uint8Array.from({ length: size }, (_, i) => i * 31)
  store.write('d', 0, value)
  const written = store.commit(puts({ a: sameAs('d'), b: bytes(1), c: sameAs('d') }), [])
  expect(written instanceof Promise).toBe(size >= LARGE_BYTES)
  await written
  const all = new Map([
    ['a', value],
    ['b', bytes(1)],
    ['c', value],
  ])
  expect(store.load()).toEqual(all)
  expect(store.getBytes('d', 0, size)).toEqual(value)
  if (size >= LARGE_BYTES) {
    expect(new Set(readdirSync(folder).map(name => inode(join(folder, name)))).size, 'one file').toBe(1)
  }
  store.commit([], ['d'])
  expect(store.getBytes('d', 0, size)).toBeUndefined()
  expect(store.fileOf('d')).toBeUndefined()
  await leaves(size >= LARGE_BYTES ? 2 : 0)
  reopen()
  expect(store.load()).toEqual(all)
  expect(statSync(join(folder, readdirSync(folder)[0] ?? '.')).mode & 0o077).toBe(0)
})

test('adopted and deleted by one commit', async () => {
  store.write('small', 0, bytes(1))
  store.commit(puts({ a: sameAs('small') }), ['small'])
  await leaves(0)
  store.write('large', 0, large(2))
  await store.commit(puts({ b: sameAs('large') }), ['large', 'large'])
  await leaves(1)
  expect(heads(store.load())).toEqual({ a: 1, b: 2 })
  expect(store.fileOf('large')).toBeUndefined()
})

test('the same as a record, of either size, is what that held before the commit', async () => {
  await store.commit(puts({ small: bytes(1), large: large(2) }), [])
  const before = inode(store.fileOf('large')!)
  await store.commit(
    puts({ small: bytes(3), a: sameAs('small'), b: sameAs('large'), small2: sameAs('small') }),
    ['large'],
  )
  expect(heads(store.load())).toEqual({ small: 3, a: 1, b: 2, small2: 1 })
  expect(inode(store.fileOf('b')!), 'not written again').toBe(before)
  await leaves(1)
  expect(store.commit(puts({ small: sameAs('a'), a: sameAs('small') }), [])).toBeUndefined()
  expect(heads(store.load())).toMatchObject({ small: 1, a: 3 })
  await store.commit(puts({ b: sameAs('b'), a: sameAs('b') }), [])
  expect(heads(store.load())).toMatchObject({ a: 2, b: 2 })
  await leaves(2)
  reopen()
  expect(heads(store.load())).toEqual({ small: 1, a: 2, b: 2, small2: 1 })
})

test('a large value that still lies in its row', async () => {
  store.close()
  const db = new DatabaseSync(path)
  db.prepare('INSERT INTO records (key, value) VALUES (?, ?)').run('old', large(7))
  db.close()
  store = openStore(path)
  await store.commit(puts({ a: sameAs('old') }), ['old'])
  expect(store.load()).toEqual(new Map([['a', large(7)]]))
  await leaves(1)
})

test('the same as nothing: it is named, and nothing is stored', async () => {
  await store.commit(puts({ kept: large(1) }), [])
  store.write('d', 0, large(1))
  for (const other of [bytes(2), large(2), sameAs('d')]) {
    expect(() => store.commit(puts({ a: other, b: sameAs('gone/3') }), ['kept', 'd'])).toThrow(
      'neither a draft nor a record gone/3',
    )
  }
  expect(heads(store.load())).toEqual({ kept: 1 })
  expect(readdirSync(folder)).toHaveLength(2)
  await store.commit(puts({ a: sameAs('d') }), [])
  expect(heads(store.load())).toEqual({ a: 1, kept: 1 })
  store.commit(puts({ b: sameAs('gone/3') }), ['b'])
})

test('a record does not change with the draft that it came from', async () => {
  store.write('d', 0, large(1))
  await store.commit(puts({ a: sameAs('d') }), [])
  store.write('d', 0, bytes(2))
  expect(store.getBytes('d', 0, 2), 'the rest is there').toEqual(bytes(2, 1))
  const file = store.draftFile('d')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  await store.commit(puts({ b: sameAs('d') }), [])
  expect(store.draftFile('d'), 'nor with a job').not.toBe(file)
  expect(heads(store.load())).toEqual({ a: 1, b: 2 })
  store.commit([], ['d'])
  await leaves(2)
})

test('what is written while a commit is: not of its record; a draft that it deletes begins anew', async () => {
  store.write('kept', 0, large(1))
  store.write('gone', 0, large(2))
  const written = store.commit(puts({ a: sameAs('kept'), b: sameAs('gone') }), ['gone'])
  expect(store.getBytes('gone', 0, 1), 'until it is durable').toEqual(bytes(2))
  store.write('kept', 0, bytes(3))
  store.write('gone', 1, bytes(4))
  await written
  expect(heads(store.load())).toEqual({ a: 1, b: 2 })
  expect(store.getBytes('kept', 0, 2)).toEqual(bytes(3, 1))
  expect(store.getBytes('gone', 0, 2)).toEqual(bytes(0, 4))
  expect(store.getBytes('gone', 0, 3)).toBeUndefined()
  store.commit([], ['kept', 'gone'])
  await leaves(2)
})

test('a commit that fails leaves its drafts as they were', async () => {
  store.write('d', 0, large(1))
  const db = new DatabaseSync(path)
  db.exec(`CREATE TRIGGER refuse BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'refused'); END`)
  await expect(store.commit(puts({ a: sameAs('d') }), ['d'])).rejects.toThrow('refused')
  expect(() => store.commit(puts({ a: bytes(1) }), ['d'])).toThrow('refused')
  expect(store.getBytes('d', 0, 1)).toEqual(bytes(1))
  db.exec('DROP TRIGGER refuse')
  db.close()
  store.write('d', 1, bytes(2))
  await store.commit(puts({ a: sameAs('d') }), ['d'])
  expect(store.get('a')!.subarray(0, 3)).toEqual(bytes(1, 2, 1))
  reopen()
  await leaves(1)
})

/** As on a disk that cannot give a file two names. */
async function withoutLinks(work: () => Promise<void>): Promise<void> {
  const { linkSync } = fs
  fs.linkSync = () => {
    throw new Error('EPERM')
  }
  syncBuiltinESMExports()
  try {
    await work()
  } finally {
    fs.linkSync = linkSync
    syncBuiltinESMExports()
  }
}

test('a disk without links: records are copies', () =>
  withoutLinks(async () => {
    store.write('d', 0, large(1))
    const written = store.commit(puts({ a: sameAs('d'), b: sameAs('d') }), [])
    store.write('d', 0, bytes(2))
    await written
    await store.commit(puts({ c: sameAs('b') }), ['b', 'd'])
    await leaves(2)
    expect(heads(store.load())).toEqual({ a: 1, c: 1 })
    for (const name of readdirSync(folder)) {
      expect(statSync(join(folder, name))).toMatchObject({ nlink: 1, mode: 0o100600 })
    }
    reopen()
    expect(heads(store.load())).toEqual({ a: 1, c: 1 })
  }))

test('what a record becomes is flushed before the row that names it, also when only linked', async () => {
  const flushed: string[] = []
  const handle = await fs.promises.open(path, 'r')
  const prototype = Object.getPrototypeOf(handle) as fs.promises.FileHandle
  await handle.close()
  const { datasync } = prototype
  prototype.datasync = async function (this: fs.promises.FileHandle) {
    flushed.push(`${(await this.stat()).ino} with ${store.load().size}`)
    await datasync.call(this)
  }
  try {
    store.write('d', 0, large(1))
    await store.commit(puts({ a: sameAs('d') }), [])
    await store.commit(puts({ b: sameAs('a') }), [])
  } finally {
    prototype.datasync = datasync
  }
  expect(flushed, 'a record is on the disk already').toEqual([`${inode(store.fileOf('a')!)} with 0`])
})

test('drafts end with the store, also one that is being adopted', async () => {
  store.write('a', 0, bytes(1))
  store.write('b', 0, large(2))
  const written = store.commit(puts({ b2: sameAs('b') }), [])
  store.close()
  await expect(written).rejects.toThrow()
  store = openStore(path)
  await leaves(0)
  expect(store.getBytes('a', 0, 1)).toBeUndefined()
  expect(store.load().size).toBe(0)
})

test('after any commits and writes it holds what maps would', async () => {
  const name = fc.constantFrom('a', 'b', 'c')
  const draft = fc.constantFrom('d', 'e')
  const write = fc.record({ draft, at: fc.constantFrom(0, 3, LARGE_BYTES - 1), fill: fc.nat(255) })
  const value = fc.oneof(
    fc.nat(255).map((fill): Value => bytes(fill)),
    fc.nat(255).map((fill): Value => large(fill)),
    fc.oneof(name, draft).map(sameAs),
  )
  const commit = fc.record({
    puts: fc.array(fc.tuple(name, value), { maxLength: 3 }),
    deletes: fc.array(fc.oneof(name, draft), { maxLength: 2 }),
  })
  let n = 0
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(write, commit), { maxLength: 12 }), async steps => {
      const file = join(dir, `${n++}.db`)
      const other = openStore(file)
      const records = new Map<string, Uint8Array>()
      const drafts = new Map<string, Uint8Array>()
      const pending: Promise<void>[] = []
      for (const step of steps) {
        if ('draft' in step) {
          const { draft, at, fill } = step
          other.write(draft, at, bytes(fill))
          const before = drafts.get(draft) ?? bytes()
          const after = new Uint8Array(Math.max(before.length, at + 1))
          after.set(before)
          after[at] = fill
          drafts.set(draft, after)
          continue
        }
        await Promise.all(pending.splice(0))
        const held = (v: Value) => ('sameAs' in v ? (drafts.get(v.sameAs) ?? records.get(v.sameAs)) : v)
        const kept = step.puts.filter(([key, v]) => !step.deletes.includes(key) && held(v))
        const values = kept.map(([key, v]) => [key, held(v)!] as const)
        pending.push(Promise.resolve(other.commit(kept, step.deletes)))
        for (const [key, v] of values) records.set(key, v)
        for (const key of step.deletes) {
          records.delete(key)
          drafts.delete(key)
        }
      }
      await Promise.all(pending)
      expect(other.load()).toEqual(records)
      for (const [key, v] of drafts) expect(other.getBytes(key, 0, v.length)).toEqual(v)
      other.close()
      await expectAgain(file, records)
    }),
    { numRuns: 30 },
  )
})

test('a process that is killed at any moment leaves its records, and of its drafts nothing', async () => {
  const lines = `const store = openStore(path)
    for (let n = (store.get('n')?.[0] ?? 0) + 1; ; n++) {
      store.write('left', 0, Uint8Array.of(n))
      store.write('d', 0, new Uint8Array(${LARGE_BYTES}).fill(n))
      await store.commit([['n', Uint8Array.of(n)], ['a', { sameAs: 'd' }], ['b', { sameAs: n % 2 ? 'd' : 'left' }]], n % 3 ? ['d'] : [])
      console.log(n)
    }`
  let least = 0
  for (const commits of [1, 2, 4, 7]) {
    store.close()
    const other = storeProcess(path, lines)
    child = other
    let count = 0
    const gone = once(other, 'close')
    createInterface({ input: other.stdout }).on('line', line => {
      least = Number(line)
      if (++count === commits) other.kill('SIGKILL')
    })
    await gone
    store = openStore(path)
    const n = store.get('n')![0]!
    expect(n).toBeGreaterThanOrEqual(least)
    expect(heads(store.load())).toEqual({ n, a: n, b: n })
    expect(store.get('a')).toEqual(large(n))
    expect(readdirSync(folder)).toHaveLength(n % 2 === 1 ? 2 : 1)
    expect(store.fileOf('left')).toBeUndefined()
  }
})

test('readers see records that were drafts, and no drafts', async () => {
  const reader = openStoreReader(path)
  store.write('d', 0, large(1))
  await store.commit(puts({ a: sameAs('d') }), [])
  expect(reader.getBytes('a', 0, 1)).toEqual(bytes(1))
  expect(reader.getBytes('d', 0, 1)).toBeUndefined()
  reader.close()
})
