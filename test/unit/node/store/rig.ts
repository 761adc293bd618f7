/** What the tests of the store share: values of both sizes, and other processes at the same store. */
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, vi } from 'vitest'
import { LARGE_BYTES } from '../../../../node/store/files.ts'
import { openStore } from '../../../../node/store/store.ts'

export const bytes = (...values: number[]) => Uint8Array.from(values)

/** A value that becomes a file. */
export const large = (fill: number, length = LARGE_BYTES) => new Uint8Array(length).fill(fill)

/** That a store that was closed has just these records when it is opened again, and beside it only the files of the large ones. */
export async function expectAgain(path: string, records: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const again = openStore(path)
  expect(again.load()).toEqual(records)
  const files = [...records.values()].filter(v => v.length >= LARGE_BYTES).length
  await vi.waitFor(() => expect(readdirSync(`${path}.files`)).toHaveLength(files))
  again.close()
}

/** The first byte of each record. */
export function heads(records: ReadonlyMap<string, Uint8Array>): Record<string, number | undefined> {
  return Object.fromEntries([...records].map(([key, value]) => [key, value[0]]))
}

/** Runs a few lines in another process, where `path` is the store's. */
export function storeProcess(path: string, lines: string, ...flags: string[]) {
  const module = join(import.meta.dirname, '../../../../node/store/store.ts')
  const source = `import { openStore, openStoreReader } from ${JSON.stringify(module)}
    const path = ${JSON.stringify(path)}
    ${lines}`
  return spawn(process.execPath, [...flags, '--input-type=module-typescript', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}
