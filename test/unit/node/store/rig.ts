/** What the tests of the store share: values of both sizes, and other processes at the same store. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { LARGE_BYTES } from '../../../../node/store/files.ts'

export const bytes = (...values: number[]) => Uint8Array.from(values)

/** A value that becomes a file. */
export const large = (fill: number, length = LARGE_BYTES) => new Uint8Array(length).fill(fill)

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
