/** Reads records, from their rows and from the files that rows name, also while the node replaces both. */
import { join } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { type Files, readPiece } from './files.ts'
import { damaged, FILES_VERSION } from './schema.ts'

/** How often rows are read whose files are gone, as they were replaced in between. */
const TRIES = 10

interface Row {
  readonly key: string
  readonly value: Uint8Array
  /** Name of the file that is the value. */
  readonly file: string | null
}

export class RecordReader {
  readonly #db: DatabaseSync
  readonly #files: Files
  readonly #path: string
  readonly #select: string
  /** Kept: it is asked for each part of a vector. */
  #one: StatementSync | undefined

  /** `path`: of the store. `version`: of its schema, which a reader cannot bring to the present one. */
  constructor(db: DatabaseSync, files: Files, path: string, version: number) {
    this.#db = db
    this.#files = files
    this.#path = path
    this.#select = `SELECT key, value, ${version < FILES_VERSION ? 'NULL AS file' : 'file'} FROM records`
  }

  get(key: string): Uint8Array | undefined {
    return this.#read(() => this.#rows().all(key)).get(key)
  }

  getBytes(key: string, from: number, end: number): Uint8Array | undefined {
    const path = this.fileOf(key)
    const piece = path === undefined ? undefined : readPiece(path, from, end)
    if (piece) return piece
    const whole = this.get(key)
    return whole && whole.length >= end ? whole.subarray(from, end) : undefined
  }

  fileOf(key: string): string | undefined {
    const row = this.#rows().get(key) as Row | undefined
    return row && row.file !== null ? join(this.#files.folder, row.file) : undefined
  }

  #rows(): StatementSync {
    this.#one ??= this.#db.prepare(`${this.#select} WHERE key = ?`)
    return this.#one
  }

  load(): Map<string, Uint8Array> {
    const rows = this.#db.prepare(this.#select)
    return this.#read(() => rows.all())
  }

  /** All of one moment: a commit may have removed a file since the rows were read, so they are read again. */
  #read(query: () => unknown[]): Map<string, Uint8Array> {
    // By name, from all tries: files do not change.
    const contents = new Map<string, Uint8Array>()
    for (let tries = 1; ; tries++) {
      const rows = query() as Row[]
      const lost = rows.find(row => row.file !== null && !this.#take(row.key, row.file, contents))
      if (lost === undefined) {
        return new Map(rows.map(({ key, value, file }) => [key, file === null ? value : contents.get(file)!]))
      }
      if (tries === TRIES) throw this.#damaged(lost.key, lost.file!, 'is missing')
    }
  }

  /** Whether the content is there now. */
  #take(key: string, file: string, contents: Map<string, Uint8Array>): boolean {
    if (contents.has(file)) return true
    try {
      const content = this.#files.read(file)
      if (content) contents.set(file, content)
      return content !== undefined
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
      throw this.#damaged(key, file, `cannot be read (${code})`)
    }
  }

  #damaged(key: string, file: string, why: string): Error {
    return damaged(this.#path, `the file ${join(this.#files.folder, file)} of its record ${key} ${why}`)
  }
}
