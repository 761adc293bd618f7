/**
 * Long values that are written piece by piece, as files in the folder of large values. No row names them, so that the next start
 * removes what a crash has left; a commit makes a record of one by giving its file another name.
 */
import { closeSync, copyFileSync, fstatSync, openSync } from 'node:fs'
import { COPY_MODE, type Files, InFile, LARGE_BYTES, randomName, readWhole, writeWhole } from './files.ts'

interface Draft {
  readonly key: string
  /** In the folder; the last is its file, from the others it has moved on. */
  readonly names: string[]
  /** Open for reading and writing. */
  file: number
  /** A record has the same file. */
  isShared: boolean
  /** A commit that is being written deletes it. */
  isLeaving: boolean
}

export class Drafts {
  readonly #files: Files
  readonly #drafts = new Map<string, Draft>()

  constructor(files: Files) {
    this.#files = files
  }

  has(key: string): boolean {
    return this.#drafts.has(key)
  }

  fileOf(key: string): string | undefined {
    const draft = this.#drafts.get(key)
    return draft && this.#pathOf(draft)
  }

  /** Undefined where it has not so many bytes. */
  read(key: string, from: number, end: number): Uint8Array | undefined {
    const out = new Uint8Array(end - from)
    return readWhole(this.#drafts.get(key)!.file, from, out) ? out : undefined
  }

  write(key: string, at: number, data: Uint8Array): void {
    writeWhole(this.#toWrite(key).file, at, data)
  }

  fileToWrite(key: string): string {
    return this.#pathOf(this.#toWrite(key))
  }

  /** What it holds now, for a record: what is written later is in another file. */
  content(key: string): Uint8Array | InFile | undefined {
    const draft = this.#drafts.get(key)
    if (!draft) return undefined
    const { size } = fstatSync(draft.file)
    if (size < LARGE_BYTES) return this.read(key, 0, size)
    draft.isShared = true
    return new InFile(this.#pathOf(draft), false)
  }

  /** Those of `keys` that a commit deletes; they stay as they are until it is durable. */
  leave(keys: readonly string[]): Draft[] {
    const leaving = [...new Set(keys)].flatMap(key => this.#drafts.get(key) ?? [])
    for (const draft of leaving) draft.isLeaving = true
    return leaving
  }

  /** The commit has failed. */
  stay(leaving: readonly Draft[]): void {
    for (const draft of leaving) draft.isLeaving = false
  }

  remove(drafts: readonly Draft[]): void {
    for (const draft of drafts) {
      if (this.#drafts.get(draft.key) === draft) this.#drafts.delete(draft.key)
      closeSync(draft.file)
    }
    void this.#files.remove(drafts.flatMap(draft => draft.names))
  }

  close(): void {
    this.remove([...this.#drafts.values()])
  }

  #toWrite(key: string): Draft {
    const draft = this.#drafts.get(key)
    if (!draft || draft.isLeaving) return this.#begin(key)
    if (draft.isShared) this.#moveOn(draft)
    return draft
  }

  #begin(key: string): Draft {
    const name = randomName()
    const file = openSync(this.#files.pathOf(name), 'wx+', 0o600)
    const draft = { key, names: [name], file, isShared: false, isLeaving: false }
    this.#drafts.set(key, draft)
    return draft
  }

  /** To a copy of its file: a record does not change with the draft that it came from. */
  #moveOn(draft: Draft): void {
    const name = randomName()
    copyFileSync(this.#pathOf(draft), this.#files.pathOf(name), COPY_MODE)
    closeSync(draft.file)
    draft.file = openSync(this.#files.pathOf(name), 'r+')
    draft.names.push(name)
    draft.isShared = false
  }

  #pathOf(draft: Draft): string {
    return this.#files.pathOf(draft.names.at(-1)!)
  }
}
