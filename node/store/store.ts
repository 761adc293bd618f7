/**
 * The durable memory of one node: SQLite in WAL mode with synchronous=FULL, so that a transaction that returned has
 * reached the disk. Large values are files beside it (files.ts): they are on the disk before the transaction that names
 * them, so a crash leaves all of a commit or nothing. Drafts (drafts.ts) are files that no row names, until a commit makes records
 * of them. All calls are synchronous but a commit of large values.
 */
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { MedmeshError } from '../../config/error.ts'
import type { SameAs, Value } from '../../protocol/ports.ts'
import { Drafts } from './drafts.ts'
import { Files, InFile, LARGE_BYTES } from './files.ts'
import { RecordReader } from './read.ts'
import { checkStore, isBusy, migrate, SCHEMA_VERSION } from './schema.ts'

/** Events beyond the newest so many are forgotten. */
export const EVENTS_MAX = 5000

/** An event as it was added; `at`: Unix milliseconds. */
export interface StoredEvent {
  readonly at: number
  readonly event: unknown
}

export interface StoreReader {
  /** All records by key, of one moment. Throws MedmeshError STORE_DAMAGED when the file of one cannot be read. */
  load(): Map<string, Uint8Array>
  /** One record. Throws as `load` does. */
  get(key: string): Uint8Array | undefined
  /** Its bytes from `from` up to `end`, or undefined where it has not so many. Throws as `load` does. */
  getBytes(key: string, from: number, end: number): Uint8Array | undefined
  /** The file that holds just the record's bytes; undefined where there is none. */
  fileOf(key: string): string | undefined
  /** What `setStatus` was last given, or undefined. */
  status(): unknown
  /** The newest `count` events, oldest first. */
  events(count?: number): StoredEvent[]
  close(): void
}

/** `getBytes` and `fileOf` know drafts too, which go before records; `get` and `load` know records alone. */
export interface Store extends StoreReader {
  /**
   * Puts and then deletes, in one transaction, durable on return: throws when the disk does not take it. With large
   * values it is durable when the promise resolves, and nothing of it is there before, or when it rejects; until it has
   * settled no other commit may begin and the values must stay as they are. A value may be what a draft or a record holds when
   * this is called; throws, and stores nothing, where there is none of that name. Deletes drafts too: what is written meanwhile
   * into one of them is a new one.
   */
  commit(
    puts: readonly (readonly [key: string, value: Value])[],
    deletes: readonly string[],
  ): Promise<void> | undefined
  /** Writes into a draft from byte `at` on; it is made where it is not there, and gone with the store's close or a crash. */
  write(draft: string, at: number, data: Uint8Array): void
  /** The file of a draft, for a job that writes into it; it is made where it is not there. */
  draftFile(draft: string): string
  /** A JSON value for `medmesh status`; survives a crash of the process, not always one of the machine. */
  setStatus(status: unknown): void
  /** As durable as the status. `at`: Unix milliseconds. */
  addEvent(event: unknown, at: number): void
  /** A commit that has not settled rejects and leaves nothing. */
  close(): void
}

/**
 * Opens (or makes, with mode 0600) the store of a node, checks it and brings it to the present schema. One process at
 * a time: the lock is the operating system's and dies with the process, however that ends.
 * Throws MedmeshError STORE_IN_USE, STORE_OPEN, STORE_DAMAGED, STORE_FOREIGN, STORE_NEWER.
 */
export function openStore(path: string): Store {
  const lock = takeLock(path)
  try {
    makePrivate(path)
    const db = new DatabaseSync(path, { timeout: 5000 })
    try {
      // Checked before anything is written: it may be another program's.
      const version = checkStore(db, path)
      // Deleted records are secrets of finished attempts: overwritten with zeros, not just unlinked.
      db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON')
      migrate(db, version)
      const files = new Files(path)
      const named = db.prepare('SELECT file FROM records WHERE file IS NOT NULL').all()
      files.open(new Set(named.map(row => row.file)))
      return storeOf(db, lock, files, readerOf(db, new RecordReader(db, files, path, SCHEMA_VERSION)))
    } catch (error) {
      db.close()
      throw error
    }
  } catch (error) {
    release(lock)
    throw asOpenError(error, path)
  }
}

/**
 * Opens a store for reading only, also while its node runs.
 * Throws MedmeshError STORE_MISSING, STORE_OPEN, STORE_DAMAGED, STORE_FOREIGN, STORE_NEWER.
 */
export function openStoreReader(path: string): StoreReader {
  if (!existsSync(path)) {
    throw new MedmeshError(
      'STORE_MISSING',
      `there is no store ${path}`,
      'Correct the path, or start the node once.',
    )
  }
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 5000 })
    const version = checkStore(db, path)
    if (version === 0) {
      throw new MedmeshError('STORE_MISSING', `${path} is still empty`, 'Start the node once.')
    }
    return readerOf(db, new RecordReader(db, new Files(path), path, version))
  } catch (error) {
    db?.close()
    throw asOpenError(error, path)
  }
}

function readerOf(db: DatabaseSync, records: RecordReader): StoreReader {
  return {
    get: key => records.get(key),
    getBytes: (key, from, end) => records.getBytes(key, from, end),
    fileOf: key => records.fileOf(key),
    load: () => records.load(),
    status: () => {
      const row = db.prepare('SELECT json FROM status').get()
      return row === undefined ? undefined : JSON.parse(row.json as string)
    },
    events: (count = EVENTS_MAX) =>
      db
        .prepare('SELECT at, json FROM events ORDER BY id DESC LIMIT ?')
        .all(count)
        .reverse()
        .map(row => ({ at: row.at as number, event: JSON.parse(row.json as string) })),
    close: () => db.close(),
  }
}

/** The value of a row that names a file. */
const IN_FILE = new Uint8Array(0)

type Content = Uint8Array | InFile
type Row = readonly [key: string, value: Uint8Array, file: string | null]

function storeOf(db: DatabaseSync, lock: DatabaseSync, files: Files, reader: StoreReader): Store {
  const fileOf = db.prepare('SELECT file FROM records WHERE key = ?')
  const put = db.prepare(
    `INSERT INTO records (key, value, file) VALUES (?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value, file = excluded.file`,
  )
  const drop = db.prepare('DELETE FROM records WHERE key = ?')
  const setStatus = db.prepare('INSERT OR REPLACE INTO status (id, json) VALUES (0, ?)')
  const addEvent = db.prepare('INSERT INTO events (at, json) VALUES (?, ?)')
  const trimEvents = db.prepare('DELETE FROM events WHERE id <= ?')

  /** News for people is not worth a disk flush each; the next commit flushes it too, as it shares the log. */
  function unsynced(write: () => void): void {
    db.exec('PRAGMA synchronous = NORMAL')
    try {
      write()
    } finally {
      db.exec('PRAGMA synchronous = FULL')
    }
  }

  const drafts = new Drafts(files)
  let writing = false

  /** What there is to store, whatever becomes of drafts and records from now on. */
  function contentOf(value: Value): Content {
    const { sameAs } = value as Partial<SameAs>
    return sameAs === undefined ? (value as Uint8Array) : heldAs(sameAs)
  }

  function heldAs(name: string): Content {
    const draft = drafts.content(name)
    if (draft) return draft
    const file = reader.fileOf(name)
    const held = file === undefined ? reader.get(name) : new InFile(file, true)
    if (!held) throw new Error(`there is neither a draft nor a record ${name}`)
    return held
  }

  /** One transaction, for which the large values are in files already; then what it replaced is removed. */
  function transact(rows: readonly Row[], deletes: readonly string[]): void {
    const replaced: string[] = []
    const noteFile = (key: string) => {
      const file = fileOf.get(key)?.file
      if (typeof file === 'string') replaced.push(file)
    }
    db.exec('BEGIN IMMEDIATE')
    try {
      for (const [key, value, file] of rows) {
        noteFile(key)
        put.run(key, value, file)
      }
      for (const key of deletes) {
        noteFile(key)
        drop.run(key)
      }
      db.exec('COMMIT')
    } catch (error) {
      // A full disk may have rolled back already.
      if (db.isTransaction) db.exec('ROLLBACK')
      throw error
    }
    void files.remove(replaced)
  }

  /**
   * Files first. Where the transaction fails they stay until the next start: what the log holds of a commit that could
   * not be flushed may still come back then.
   */
  async function writeAndTransact(
    small: readonly Row[],
    large: readonly (readonly [string, Content])[],
    deletes: readonly string[],
  ): Promise<void> {
    writing = true
    const leaving = drafts.leave(deletes)
    try {
      const names = await files.write(large.map(([, content]) => content))
      if (!db.isOpen) {
        await files.remove(names)
        throw new Error('the store was closed before the commit was durable')
      }
      transact([...small, ...large.map(([key], i) => [key, IN_FILE, names[i]!] as const)], deletes)
    } catch (error) {
      drafts.stay(leaving)
      throw error
    } finally {
      writing = false
    }
    drafts.remove(leaving)
  }

  return {
    ...reader,
    getBytes: (key, from, end) =>
      drafts.has(key) ? drafts.read(key, from, end) : reader.getBytes(key, from, end),
    fileOf: key => drafts.fileOf(key) ?? reader.fileOf(key),
    write: (draft, at, data) => drafts.write(draft, at, data),
    draftFile: draft => drafts.fileToWrite(draft),
    commit(puts, deletes) {
      if (writing) throw new Error('a commit begins before the one before it is durable')
      const values = new Map(puts)
      for (const key of deletes) values.delete(key)
      const small: Row[] = []
      const large: [string, Content][] = []
      for (const [key, value] of values) {
        const content = contentOf(value)
        if (content instanceof InFile || content.length >= LARGE_BYTES) large.push([key, content])
        else small.push([key, content, null])
      }
      if (large.length > 0) return writeAndTransact(small, large, deletes)
      transact(small, deletes)
      drafts.remove(drafts.leave(deletes))
      return undefined
    },
    setStatus: status => unsynced(() => setStatus.run(JSON.stringify(status))),
    addEvent: (event, at) =>
      unsynced(() => {
        const { lastInsertRowid } = addEvent.run(at, JSON.stringify(event))
        trimEvents.run(Number(lastInsertRowid) - EVENTS_MAX)
      }),
    close() {
      drafts.close()
      db.close()
      release(lock)
    },
  }
}

/** Open ones: the collector would close, and so give up, one that nothing refers to any more. */
const locks = new Set<DatabaseSync>()

function release(lock: DatabaseSync): void {
  locks.delete(lock)
  lock.close()
}

/**
 * An SQLite file beside the store, locked exclusively for the life of the process. A lock on the store itself would
 * keep the readers out, and a file with a process id would outlive a kill.
 */
function takeLock(path: string): DatabaseSync {
  const lockPath = `${path}.lock`
  let lock: DatabaseSync | undefined
  try {
    makePrivate(lockPath)
    lock = new DatabaseSync(lockPath, { timeout: 0 })
    lock.exec('BEGIN EXCLUSIVE')
    locks.add(lock)
    return lock
  } catch (error) {
    lock?.close()
    if (isBusy(error)) {
      throw new MedmeshError(
        'STORE_IN_USE',
        `another process runs with the store ${path}`,
        'Stop that node first; two with one store would contradict each other.',
      )
    }
    throw asOpenError(error, path)
  }
}

function makePrivate(path: string): void {
  // SQLite gives its log files the mode of the main file.
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
}

function asOpenError(error: unknown, path: string): unknown {
  if (error instanceof MedmeshError) return error
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
  return new MedmeshError(
    'STORE_OPEN',
    `${path} cannot be opened (${code})`,
    'Check that the folder exists, is on a local disk with space left, and that this account may write in it.',
  )
}
