/** What a job reads and writes of the store, and that it opens each file once. */
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Records } from '../../../../node/host.ts'
import { openStore, type Store } from '../../../../node/store/store.ts'
import { JobFiles } from '../../../../node/worker/files.ts'
import { Lane } from '../../../../node/worker/lane.ts'
import type { Job } from '../../../../protocol/ports.ts'
import { residueBytes } from '../../../../protocol/sum/field.ts'
import { runVectorWork } from '../../../../protocol/sum/kernels.ts'

let dir: string
let store: Store
let files: JobFiles | undefined
let lane: Lane | undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'medmesh-job-files-'))
  store = openStore(join(dir, 'store.db'))
})
afterEach(async () => {
  files?.close()
  files = undefined
  await lane?.close()
  lane = undefined
  store.close()
  rmSync(dir, { recursive: true })
})

const isLinux = process.platform === 'linux'
const words = (length: number, factor = 1) => Uint32Array.from({ length }, (_, i) => i * factor)
const write = (draft: string, vector: Uint32Array) => store.write(draft, 0, residueBytes(vector))
const recordsOf = (...names: string[]): Records =>
  new Map(names.map(name => [name, store.fileOf(name) ?? store.get(name)!]))

/** Descriptors of this process that are open on a file, as Linux tells. */
function openOn(path: string): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      return false
    }
  }).length
}

test('a job reads drafts and records and writes a draft, in any order', () => {
  write('d', words(10))
  store.commit([['r', residueBytes(words(10, 3))]], [])
  store.draftFile('out')
  files = new JobFiles(recordsOf('d', 'r', 'out'))
  const { read, write: put } = files
  for (const [from, to] of [
    [6, 10],
    [0, 6],
  ] as const) {
    const sum = read({ record: 'd', from, to }).slice()
    for (const [i, word] of read({ record: 'r', from, to }).entries()) sum[i]! += word
    put('out', from, sum)
  }
  expect(read({ record: 'out', from: 0, to: 10 })).toEqual(words(10, 4))
  expect(store.getBytes('out', 0, 40)).toEqual(residueBytes(words(10, 4)))
})

test('a part of longer memory is written, and no more', () => {
  store.draftFile('out')
  files = new JobFiles(recordsOf('out'))
  files.write('out', 1, words(9).subarray(2, 4))
  expect(files.read({ record: 'out', from: 0, to: 3 })).toEqual(Uint32Array.of(0, 2, 3))
  expect(store.getBytes('out', 0, 13)).toBeUndefined()
})

test('what is not there, or not so long, throws', () => {
  write('d', words(4))
  store.commit([['r', residueBytes(words(4))]], [])
  const records = recordsOf('d', 'r')
  files = new JobFiles(records)
  const { read, write: put } = files
  expect(() => read({ record: 'none', from: 0, to: 1 })).toThrow('none')
  expect(() => read({ record: 'd', from: 3, to: 5 })).toThrow('d has not so many')
  expect(() => read({ record: 'r', from: 3, to: 5 })).toThrow(RangeError)
  expect(() => put('r', 0, words(1))).toThrow('r is no draft')
  expect(() => put('none', 0, words(1))).toThrow('none is no draft')
})

test('a draft that was deleted before the job came to it is not made again', async () => {
  const file = store.draftFile('out')
  files = new JobFiles(recordsOf('out'))
  store.commit([], ['out'])
  rmSync(file, { force: true })
  expect(() => files!.write('out', 0, words(1))).toThrow('ENOENT')
  expect(existsSync(file)).toBe(false)
})

test.runIf(isLinux)('each file is open once for reading, once for writing, and then no more', () => {
  write('d', words(4))
  const file = store.fileOf('d')!
  const before = openOn(file)
  files = new JobFiles(recordsOf('d'))
  expect(openOn(file)).toBe(before)
  for (let i = 0; i < 3; i++) files.write('d', i, files.read({ record: 'd', from: i, to: i + 1 }))
  expect(openOn(file)).toBe(before + 2)
  files.close()
  expect(openOn(file)).toBe(before)
})

test.runIf(isLinux)('the worker closes what a job has opened, also when it fails', async () => {
  write('d', words(100_000))
  write('bad', Uint32Array.of(4_294_967_001))
  const file = store.fileOf('d')!
  const before = openOn(file)
  lane = new Lane(() => undefined)
  const sum = (...inputs: { record: string; from: number; to: number }[]): Job => ({
    kind: 'vector',
    work: { kind: 'sum', inputs },
  })
  const whole = { record: 'd', from: 0, to: 100_000 }
  expect(await lane.run(1, sum(whole, whole), recordsOf('d'))).toEqual({
    kind: 'vector',
    output: runVectorWork({ kind: 'sum', inputs: [words(100_000), words(100_000)] }),
  })
  const one = { from: 0, to: 1 }
  const bad = sum({ record: 'd', ...one }, { record: 'bad', ...one })
  await expect(lane.run(2, bad, recordsOf('d', 'bad'))).rejects.toMatchObject({ code: 'WORKER_UNEXPECTED' })
  expect(openOn(file), 'descriptors are of the process').toBe(before)
})
