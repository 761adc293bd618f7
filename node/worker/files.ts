/** The drafts and records of one job: the files among them are opened at their first piece, and closed with the job. */
import { closeSync, openSync } from 'node:fs'
import type { Stored } from '../../protocol/ports.ts'
import type { StoreAccess } from '../../protocol/stored.ts'
import { residueBytes, residuesIn } from '../../protocol/sum/field.ts'
import type { Records } from '../host.ts'
import { readWhole, writeWhole } from '../store/files.ts'

/** For one piece at a time, of all jobs. */
let memory = new Uint32Array(0)

export class JobFiles implements StoreAccess {
  readonly #records: Records
  readonly #toRead = new Map<string, number>()
  readonly #toWrite = new Map<string, number>()

  constructor(records: Records) {
    this.#records = records
  }

  // Properties, and not methods: the work takes them off this.
  readonly read = ({ record, from, to }: Stored): Uint32Array => {
    const where = this.#records.get(record)
    if (where === undefined) throw new Error(`${record} is not there`)
    if (typeof where !== 'string') return residuesIn(where, from, to)
    const file = opened(this.#toRead, where, 'r')
    if (memory.length < to - from) memory = new Uint32Array(to - from)
    const words = memory.subarray(0, to - from)
    if (!readWhole(file, 4 * from, residueBytes(words))) throw new Error(`${record} has not so many words`)
    return words
  }

  /** Only into a file that is there: of a draft that was deleted meanwhile nothing may be left. */
  readonly write = (draft: string, at: number, words: Uint32Array): void => {
    const where = this.#records.get(draft)
    if (typeof where !== 'string') throw new Error(`${draft} is no draft`)
    writeWhole(opened(this.#toWrite, where, 'r+'), 4 * at, residueBytes(words))
  }

  close(): void {
    for (const files of [this.#toRead, this.#toWrite]) {
      for (const file of files.values()) closeSync(file)
      files.clear()
    }
  }
}

function opened(files: Map<string, number>, path: string, flags: 'r' | 'r+'): number {
  const known = files.get(path)
  if (known !== undefined) return known
  const file = openSync(path, flags)
  files.set(path, file)
  return file
}
