/**
 * The large values of a store, as files in a folder beside it: SQLite would take each through its log on the main thread
 * while a file is written in the background. A file has a random name and, once a record has it, is never written again:
 * the rows that name files say which of them count. The others are drafts (drafts.ts), or left over.
 */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { copyFile, open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Values of this size and more are files. No key is so large: what is deleted is not overwritten with zeros. */
export const LARGE_BYTES = 64 * 1024

/** To a new file, of the same blocks where the disk can do that. */
export const COPY_MODE = constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE

/** A value that is all of a file already, of a draft or of a record. */
export class InFile {
  readonly path: string
  /** Whether what is in the file has reached the disk. */
  readonly isDurable: boolean

  constructor(path: string, isDurable: boolean) {
    this.path = path
    this.isDurable = isDurable
  }
}

export class Files {
  readonly folder: string
  /** The last file of a value that may be put again, as a model is after the vote for it. */
  readonly #names = new WeakMap<Uint8Array, string>()

  /** `path`: of the store. */
  constructor(path: string) {
    this.folder = `${path}.files`
  }

  /**
   * Makes the folder, for its owner only, and removes the files that are not among `named`: of commits that a crash cut
   * short, or replaced before one. Only for who holds the store's lock.
   */
  open(named: ReadonlySet<unknown>): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 })
    chmodSync(this.folder, 0o700)
    const parent = openSync(dirname(this.folder), 'r')
    try {
      fsyncSync(parent)
    } finally {
      closeSync(parent)
    }
    for (const name of readdirSync(this.folder)) {
      if (named.has(name)) continue
      try {
        rmSync(this.pathOf(name), { force: true })
      } catch {
        // It takes room and does no harm.
      }
    }
  }

  /**
   * Names of new files, one for each value, which are on the disk when it resolves. When it rejects, none is left. What is in a
   * file is taken as it is when this is called, where the disk can give one file two names; else it must stay until then.
   */
  async write(values: readonly (Uint8Array | InFile)[]): Promise<string[]> {
    const names = values.map(randomName)
    try {
      const linked = values.map((value, i) => value instanceof InFile && this.#link(value.path, names[i]!))
      for (const [i, value] of values.entries()) {
        if (value instanceof InFile) await this.#adopt(names[i]!, value, linked[i]!)
        else await this.#writeOne(names[i]!, value)
      }
      await syncFolder(this.folder)
      return names
    } catch (error) {
      await this.remove(names)
      throw error
    }
  }

  async #adopt(name: string, { path, isDurable }: InFile, isLinked: boolean): Promise<void> {
    const own = this.pathOf(name)
    if (!isLinked) await copyFile(path, own, COPY_MODE)
    if (!isLinked || !isDurable) await flush(own)
  }

  /** A value that lies in a file gets another name for it, where the file is still there and the disk can do that. */
  async #writeOne(name: string, value: Uint8Array): Promise<void> {
    const before = this.#names.get(value)
    const isLinked = before !== undefined && this.#link(this.pathOf(before), name)
    if (!isLinked) await writeDurably(this.pathOf(name), value)
    this.#names.set(value, name)
  }

  /** Whether the file has another name now. */
  #link(path: string, name: string): boolean {
    try {
      linkSync(path, this.pathOf(name))
      return true
    } catch {
      return false
    }
  }

  pathOf(name: string): string {
    return join(this.folder, name)
  }

  /** Never rejects: what cannot be removed now is at the next `open`. */
  async remove(names: readonly string[]): Promise<void> {
    await Promise.allSettled(names.map(name => unlink(this.pathOf(name))))
  }

  /** Undefined: there is no such file. Throws when it cannot be read. */
  read(name: string): Uint8Array | undefined {
    try {
      const { buffer, byteOffset, byteLength } = readFileSync(this.pathOf(name))
      // As SQLite gives values: the slice of a Buffer would not be a copy.
      return new Uint8Array(buffer, byteOffset, byteLength)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
}

export function randomName(): string {
  return randomBytes(16).toString('hex')
}

/** Bytes `from` up to `end` of a file; undefined where it has not so many or cannot be read. */
export function readPiece(path: string, from: number, end: number): Uint8Array | undefined {
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    const out = new Uint8Array(end - from)
    return readWhole(file, from, out) ? out : undefined
  } catch {
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** Fills `out` from byte `from` of an open file on; whether it has so many. */
export function readWhole(file: number, from: number, out: Uint8Array): boolean {
  let at = 0
  while (at < out.length) {
    const read = readSync(file, out, at, out.length - at, from + at)
    if (read === 0) return false
    at += read
  }
  return true
}

/** All of `data`, from byte `to` of an open file on. */
export function writeWhole(file: number, to: number, data: Uint8Array): void {
  let at = 0
  while (at < data.length) at += writeSync(file, data, at, data.length - at, to + at)
}

async function writeDurably(path: string, value: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(value)
    await file.datasync()
  } finally {
    await file.close()
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.datasync()
  } finally {
    await file.close()
  }
}

/** The names in a folder are durable only when it is flushed itself. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
