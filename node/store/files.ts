/**
 * The large values of a store, as files in a folder beside it: SQLite would take each through its log on the main thread
 * while a file is written in the background. A file has a random name and is never written again: the rows that name
 * files say which of them count.
 */
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
} from 'node:fs'
import { link, open, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Values of this size and more are files. No key is so large: what is deleted is not overwritten with zeros. */
export const LARGE_BYTES = 64 * 1024

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
        rmSync(join(this.folder, name), { force: true })
      } catch {
        // It takes room and does no harm.
      }
    }
  }

  /** Names of new files, one for each value, which are on the disk when it resolves. When it rejects, none is left. */
  async write(values: readonly Uint8Array[]): Promise<string[]> {
    const names = values.map(() => randomBytes(16).toString('hex'))
    try {
      for (const [i, value] of values.entries()) await this.#writeOne(names[i]!, value)
      await syncFolder(this.folder)
      return names
    } catch (error) {
      await this.remove(names)
      throw error
    }
  }

  /** A value that lies in a file gets another name for it, where the file is still there and the disk can do that. */
  async #writeOne(name: string, value: Uint8Array): Promise<void> {
    const path = join(this.folder, name)
    const before = this.#names.get(value)
    const isLinked =
      before !== undefined &&
      (await link(join(this.folder, before), path).then(
        () => true,
        () => false,
      ))
    if (!isLinked) await writeDurably(path, value)
    this.#names.set(value, name)
  }

  /** Never rejects: what cannot be removed now is at the next `open`. */
  async remove(names: readonly string[]): Promise<void> {
    await Promise.allSettled(names.map(name => unlink(join(this.folder, name))))
  }

  /** Undefined: there is no such file. Throws when it cannot be read. */
  read(name: string): Uint8Array | undefined {
    try {
      const { buffer, byteOffset, byteLength } = readFileSync(join(this.folder, name))
      // As SQLite gives values: the slice of a Buffer would not be a copy.
      return new Uint8Array(buffer, byteOffset, byteLength)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
}

/** Bytes `from` up to `end` of a file, into `out` where that is given; undefined where it has not so many or cannot be read. */
export function readPiece(
  path: string,
  from: number,
  end: number,
  out = new Uint8Array(end - from),
): Uint8Array | undefined {
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    let at = 0
    while (at < out.length) {
      const read = readSync(file, out, at, out.length - at, from + at)
      if (read === 0) return undefined
      at += read
    }
    return out
  } catch {
    return undefined
  } finally {
    if (file !== undefined) closeSync(file)
  }
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

/** The names in a folder are durable only when it is flushed itself. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
