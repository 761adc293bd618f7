import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { LARGE_BYTES } from '../../../../node/store/files.ts'
import { openStore, openStoreReader } from '../../../../node/store/store.ts'
import { SHARED_BYTES_MIN } from '../../../../protocol/memory.ts'
import { bytes, expectAgain, heads, large, storeProcess } from './rig.ts'

let dir: string
let path: string
let folder: string
let child: ChildProcess | undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'medmesh-files-'))
  path = join(dir, 'store.db')
  folder = `${path}.files`
})
afterEach(() => {
  child?.kill('SIGKILL')
  rmSync(dir, { recursive: true })
})

/** Files are removed in the background. */
const leaves = (count: number) => vi.waitFor(() => expect(readdirSync(folder)).toHaveLength(count))

test('a value in memory that threads share is stored as any other, in a row and in a file', async () => {
  const store = openStore(path)
  const shared = (size: number) => new Uint8Array(new SharedArrayBuffer(size)).fill(size & 255)
  const [row, file] = [shared(SHARED_BYTES_MIN + 3), shared(LARGE_BYTES + 5)]
  await store.commit(
    [
      ['row', row],
      ['file', file],
    ],
    [],
  )
  expect(readdirSync(folder)).toHaveLength(1)
  expect(Buffer.compare(store.get('row')!, row)).toBe(0)
  expect(Buffer.compare(store.get('file')!, file)).toBe(0)
  store.close()
})

test('a value that is put again is not written again, and stays when its first key goes', async () => {
  const store = openStore(path)
  const value = large(7)
  const inode = (name: string) => statSync(join(folder, name)).ino
  await store.commit([['a', value]], [])
  const [first] = readdirSync(folder)
  await store.commit([['b', value]], ['a'])
  await leaves(1)
  const [second] = readdirSync(folder)
  expect(second).not.toBe(first)
  await store.commit([['c', value]], [])
  await leaves(2)
  expect(new Set(readdirSync(folder).map(inode)).size, 'one file of two names').toBe(1)
  // What it was a file of is gone: it is written.
  await store.commit([], ['b', 'c'])
  await leaves(0)
  await store.commit([['d', value]], [])
  store.close()
  const again = openStore(path)
  expect(Buffer.compare(again.get('d')!, value)).toBe(0)
  again.close()
})

test('a value is a file from the bound on, whole, and for its owner only', async () => {
  const store = openStore(path)
  expect(store.commit([['below', large(1, LARGE_BYTES - 1)]], [])).toBeUndefined()
  expect(readdirSync(folder)).toEqual([])
  const value = Uint8Array.from({ length: 5 << 20 }, (_, i) => i * 31)
  await store.commit(
    [
      ['at', large(2)],
      ['above', value],
      ['small', bytes(3)],
    ],
    [],
  )
  expect(readdirSync(folder)).toHaveLength(2)
  for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(Buffer.compare(store.get('above')!, value)).toBe(0)
  expect(store.get('above')!.constructor, 'no Buffer, of which a slice is no copy').toBe(Uint8Array)
  store.close()
  const again = openStore(path)
  expect(heads(again.load())).toEqual({ below: 1, at: 2, above: 0, small: 3 })
  again.close()
})

test('files that are replaced or deleted are removed, whatever takes their place', async () => {
  const store = openStore(path)
  await store.commit(
    ['a', 'b', 'c', 'd'].map((key, i) => [key, large(i)] as const),
    [],
  )
  const before = readdirSync(folder)
  await store.commit(
    [
      ['a', large(10)],
      ['b', bytes(11)],
    ],
    ['c'],
  )
  await leaves(2)
  expect(
    before.filter(name => existsSync(join(folder, name))),
    'd',
  ).toHaveLength(1)
  expect(heads(store.load())).toEqual({ a: 10, b: 11, d: 3 })
  expect(store.commit([], ['a', 'd']), 'without large values at once').toBeUndefined()
  expect(heads(store.load())).toEqual({ b: 11 })
  await leaves(0)
  store.close()
})

test('after any commits of both sizes it holds what a map would, and no other files', async () => {
  const key = fc.constantFrom('a', 'b', 'c')
  const value = fc.tuple(fc.boolean(), fc.nat(255)).map(([big, fill]) => (big ? large(fill) : bytes(fill)))
  const commit = fc.tuple(fc.array(fc.tuple(key, value), { maxLength: 4 }), fc.array(key, { maxLength: 2 }))
  let n = 0
  await fc.assert(
    fc.asyncProperty(fc.array(commit, { maxLength: 5 }), async commits => {
      const file = join(dir, `${n++}.db`)
      const model = new Map<string, Uint8Array>()
      const store = openStore(file)
      for (const [puts, deletes] of commits) {
        await store.commit(puts, deletes)
        for (const [k, v] of puts) model.set(k, v)
        for (const k of deletes) model.delete(k)
      }
      expect(store.load()).toEqual(model)
      store.close()
      await expectAgain(file, model)
    }),
    { numRuns: 15 },
  )
})

test('nothing of a commit is there before all is, and no other may begin', async () => {
  const store = openStore(path)
  const reader = openStoreReader(path)
  const written = store.commit(
    [
      ['small', bytes(1)],
      ['large', large(1)],
    ],
    [],
  )
  expect(() => store.commit([['b', bytes(1)]], [])).toThrow('before the one before it')
  expect([...store.load().keys(), ...reader.load().keys()]).toEqual([])
  await written
  expect(heads(reader.load())).toEqual({ small: 1, large: 1 })
  store.commit([['b', bytes(1)]], [])
  store.close()
  reader.close()
})

/** Makes the n-th flush of a file fail, until what it returns is called. */
async function failFlush(nth: number): Promise<() => void> {
  const handle = await open(path, 'r')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const { datasync } = prototype
  prototype.datasync = function (this: FileHandle) {
    return --nth === 0 ? Promise.reject(new Error('the disk is full')) : datasync.call(this)
  }
  return () => {
    prototype.datasync = datasync
  }
}

test('a write that fails leaves the old values and no file, and the store goes on', async () => {
  const store = openStore(path)
  await store.commit(
    [
      ['a', large(1)],
      ['b', bytes(1)],
    ],
    [],
  )
  const files = readdirSync(folder)
  const undo = await failFlush(2)
  try {
    await expect(
      store.commit(
        [
          ['b', bytes(2)],
          ['a', large(2)],
          ['c', large(2)],
        ],
        ['b'],
      ),
    ).rejects.toThrow('full')
  } finally {
    undo()
  }
  expect(heads(store.load())).toEqual({ a: 1, b: 1 })
  expect(readdirSync(folder)).toEqual(files)
  await store.commit([['a', large(3)]], [])
  expect(heads(store.load())).toEqual({ a: 3, b: 1 })
  store.close()
})

test('without its folder nothing large is stored', async () => {
  const store = openStore(path)
  await store.commit([['b', bytes(1)]], [])
  rmSync(folder, { recursive: true })
  writeFileSync(folder, '')
  await expect(
    store.commit(
      [
        ['a', large(1)],
        ['b', bytes(2)],
      ],
      [],
    ),
  ).rejects.toThrow('ENOTDIR')
  expect(heads(store.load())).toEqual({ b: 1 })
  store.close()
  expect(() => openStore(path)).toThrow(expect.objectContaining({ code: 'STORE_OPEN' }))
})

test('a transaction that fails leaves the old values; its files are gone at the next open', async () => {
  const store = openStore(path)
  await store.commit([['a', large(1)]], [])
  const db = new DatabaseSync(path)
  db.exec(`CREATE TRIGGER refuse BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'refused'); END`)
  await expect(store.commit([['a', large(2)]], [])).rejects.toThrow('refused')
  expect(heads(store.load())).toEqual({ a: 1 })
  db.exec('DROP TRIGGER refuse')
  db.close()
  store.close()
  const again = openStore(path)
  expect(heads(again.load())).toEqual({ a: 1 })
  expect(readdirSync(folder)).toHaveLength(1)
  again.close()
})

test('a store that is closed while a commit is written: it rejects and leaves nothing', async () => {
  const store = openStore(path)
  await store.commit([['a', large(1)]], [])
  const written = store.commit(
    [
      ['a', large(2)],
      ['b', bytes(2)],
    ],
    [],
  )
  store.close()
  const again = openStore(path)
  await expect(written).rejects.toThrow()
  expect(heads(again.load())).toEqual({ a: 1 })
  expect(readdirSync(folder)).toHaveLength(1)
  again.close()
})

test('files that no row names are removed at open; what is named and the folder of others stay', async () => {
  const store = openStore(path)
  await store.commit([['a', large(1)]], [])
  store.close()
  const [named] = readdirSync(folder)
  writeFileSync(join(folder, 'half-written'), 'x')
  mkdirSync(join(folder, 'strange'))
  chmodSync(folder, 0o755)
  openStoreReader(path).close()
  expect(readdirSync(folder), 'a reader removes nothing').toHaveLength(3)
  const again = openStore(path)
  expect(readdirSync(folder).sort()).toEqual([named, 'strange'].sort())
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(heads(again.load())).toEqual({ a: 1 })
  again.close()
})

test('a process that is killed at any moment leaves all of a commit or nothing', async () => {
  const lines = `const store = openStore(path)
    for (let n = (store.get('n')?.[0] ?? 0) + 1; ; n++) {
      const large = new Uint8Array(${LARGE_BYTES}).fill(n)
      await store.commit([['n', Uint8Array.of(n)], ['a', large], ['b', n % 2 ? large : Uint8Array.of(n)]], [])
      console.log(n)
    }`
  let least = 0
  for (const commits of [1, 2, 4, 7]) {
    const other = storeProcess(path, lines)
    child = other
    let count = 0
    const gone = once(other, 'close')
    createInterface({ input: other.stdout }).on('line', line => {
      least = Number(line)
      if (++count === commits) other.kill('SIGKILL')
    })
    await gone
    const store = openStore(path)
    const n = store.get('n')![0]!
    expect(n).toBeGreaterThanOrEqual(least)
    expect(heads(store.load())).toEqual({ n, a: n, b: n })
    expect(readdirSync(folder)).toHaveLength(n % 2 === 1 ? 2 : 1)
    store.close()
  }
})
