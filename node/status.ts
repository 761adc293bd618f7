/** The row that a node keeps in its store for `medmesh status`: what only the running process knows. */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { MemberId, Millis } from '../protocol/ports.ts'
import { isBusy } from './store/schema.ts'
import type { Traffic, TransferLine } from './transfers.ts'

export interface NodeStatus {
  /** When this row was written. */
  readonly at: Millis
  readonly pid: number
  readonly backend: string
  readonly connected: readonly MemberId[]
  /** The last phase that the machine reported. */
  readonly phase?: string | undefined
  /** What the machine last said that it waits for; gone when it went on. */
  readonly waiting?: { readonly reason: string; readonly for: readonly MemberId[] } | undefined
  /** Long vectors on their way, and what they are together, a second ago at most. */
  readonly transfers?: readonly TransferLine[] | undefined
  readonly traffic?: readonly Traffic[] | undefined
}

/** What a store's status row says; undefined when a node never ran, or for a row of another version. */
export function asNodeStatus(row: unknown): NodeStatus | undefined {
  const status = row as Partial<NodeStatus> | undefined | null
  const plausible = typeof status?.at === 'number' && Array.isArray(status.connected)
  return plausible ? (status as NodeStatus) : undefined
}

/** Whether a process holds the store of `storeFile` now: its lock dies with it, however it ends. */
export function isRunning(storeFile: string): boolean {
  const lock = `${storeFile}.lock`
  if (!existsSync(lock)) return false
  const db = new DatabaseSync(lock, { readOnly: true, timeout: 0 })
  try {
    db.prepare('SELECT count(*) FROM sqlite_schema').get()
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw error
  } finally {
    db.close()
  }
}
