/**
 * The store's tables and how an older store becomes a present one. A store holds what a hospital has committed
 * itself to (votes, shares, reveals, charges), so one that is damaged or from a newer version is refused, not guessed at.
 */
import type { DatabaseSync } from 'node:sqlite'
import { MedmeshError } from '../../config/error.ts'

/** 'mmsh': marks an SQLite file as a store of this program (PRAGMA application_id). */
const APPLICATION_ID = 0x6d6d7368

/** MIGRATIONS[v] takes a store from schema version v to v + 1; never edit one that was released. */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE records (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) STRICT;
   CREATE TABLE status (id INTEGER PRIMARY KEY CHECK (id = 0), json TEXT NOT NULL) STRICT;
   CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, json TEXT NOT NULL) STRICT;`,
  // A name in the folder of large values (files.ts): that file is the value, and the row's own is empty.
  'ALTER TABLE records ADD COLUMN file TEXT',
]

/** Schema version from which on values may be in files. */
export const FILES_VERSION = 2

export const SCHEMA_VERSION = MIGRATIONS.length

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
}

/**
 * Checks that `db` is an intact store of this version or an earlier one; an empty file is one of version 0.
 * Throws MedmeshError STORE_DAMAGED, STORE_FOREIGN or STORE_NEWER. Returns the schema version.
 */
export function checkStore(db: DatabaseSync, path: string): number {
  let version: unknown
  try {
    version = pragma(db, 'user_version')
    const tables = db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.n
    if (pragma(db, 'application_id') !== APPLICATION_ID && (version !== 0 || tables !== 0)) {
      throw new MedmeshError(
        'STORE_FOREIGN',
        `${path} is an SQLite file of another program`,
        'Correct the path, or move the file away.',
      )
    }
    const verdict = pragma(db, 'integrity_check(1)')
    if (verdict !== 'ok') throw damaged(path, INTEGRITY)
  } catch (error) {
    if (isBusy(error) || error instanceof MedmeshError) throw error
    throw damaged(path, INTEGRITY)
  }
  if (Number(version) > SCHEMA_VERSION) {
    throw new MedmeshError(
      'STORE_NEWER',
      `${path} has schema version ${version}; this program knows up to ${SCHEMA_VERSION}`,
      'Start the version of medmesh that last ran with this store, or a later one.',
    )
  }
  return Number(version)
}

/** Brings a store from `version` to SCHEMA_VERSION: each step and its number in one transaction. */
export function migrate(db: DatabaseSync, version: number, migrations = MIGRATIONS): void {
  for (let v = version; v < migrations.length; v++) {
    db.exec(
      `BEGIN IMMEDIATE; ${migrations[v]}; PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${v + 1}; COMMIT;`,
    )
  }
}

/** SQLITE_BUSY and its extended codes: another process holds a lock. */
export function isBusy(error: unknown): boolean {
  return ((error as { errcode?: number }).errcode ?? 0) % 256 === 5
}

const INTEGRITY = "SQLite's integrity check fails"

export function damaged(path: string, why: string): MedmeshError {
  return new MedmeshError(
    'STORE_DAMAGED',
    `${path} is damaged: ${why}`,
    'Keep what is there, and put back a copy of the store and its folder of files, made while the node was stopped. Do ' +
      'not start with an empty store: it would have forgotten what this hospital voted, revealed and was charged. Tell ' +
      'the other members first.',
  )
}
