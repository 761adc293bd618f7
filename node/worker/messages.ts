/** What main thread and worker say to each other. */
import type { Charter } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import { SHARED_BYTES_MIN } from '../../protocol/memory.ts'
import type { Job, JobResult } from '../../protocol/ports.ts'
import type { Records } from '../host.ts'
import type { Backend } from '../training/backend.ts'

/** What a learning worker needs before its first job; a worker for vectors needs nothing. */
export interface LearnSetup {
  readonly charter: Charter
  readonly dataFile: string
  /** `auto` or the name of a backend. */
  readonly backend: string
  /** Hash of the data that this node started with; another one is refused. Undefined at the first start. */
  readonly dataHash: string | undefined
}

export interface WorkerSetup {
  readonly learn: LearnSetup | undefined
  /** One Int32: not 0 once the job that is running is no longer wanted. */
  readonly cancel: SharedArrayBuffer
}

export interface ToWorker {
  readonly job: Job
  readonly records: Records
}

/** What the hospital's own people may be told about its data, and about how it trains on them. */
export interface Opened {
  readonly backend: Backend
  readonly dataHash: string
  readonly notices: readonly string[]
  readonly rows: { readonly train: number; readonly test: number }
}

export type FromWorker =
  /** `opened` from a learning worker only. */
  | { readonly kind: 'ready'; readonly opened: Opened | undefined }
  | { readonly kind: 'unready'; readonly error: PlainError }
  | { readonly kind: 'done'; readonly result: JobResult }
  | { readonly kind: 'failed'; readonly error: PlainError }

/** A MedmeshError as plain data. */
export interface PlainError {
  readonly code: string
  readonly message: string
  readonly fix: string
}

/**
 * Errors as they may leave a worker. Only our own messages do, which hold no patient's data; of a library's error,
 * which might quote a value, only its name and the lines of code.
 */
export function plainError(error: unknown): PlainError {
  if (error instanceof MedmeshError) return { code: error.code, message: error.message, fix: error.fix }
  const name = error instanceof Error ? error.name : 'unknown error'
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const frames = stack.split('\n').filter(line => /^\s+at /.test(line))
  const where = frames.slice(0, 3).map(line => ` ${line.trim().replace(/\(?file:.*\//, '(')}`)
  return {
    code: 'WORKER_UNEXPECTED',
    message: `the worker failed: ${name}${where.join('')}`,
    fix: 'report this with the version of medmesh; the round goes on without this hospital',
  }
}

export function revived({ code, message, fix }: PlainError): MedmeshError {
  return new MedmeshError(code, message, fix)
}

/** Arrays with memory behind them that is theirs too. */
const WITH_ROOM = new Set(['delta', 'masked'])

/** Buffers in `value` that are large and wholly used by one array: what can be handed over instead of copied. */
export function transferables(value: unknown, name = '', found: Set<ArrayBuffer> = new Set()): ArrayBuffer[] {
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteLength } = value
    const isAlone = buffer.byteLength === byteLength || WITH_ROOM.has(name)
    if (buffer instanceof ArrayBuffer && isAlone && byteLength >= SHARED_BYTES_MIN) found.add(buffer)
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, part] of Object.entries(value)) transferables(part, key, found)
  }
  return [...found]
}

/**
 * The job with its large arrays so that they need not be cloned, which would hold up the main thread ten times longer:
 * what belongs to the job alone is handed over, what lies in shared memory stays where it is, and of the rest, which
 * the machine keeps, there is a copy to hand over.
 */
export function detached(job: Job): Job {
  const isAlone = job.kind === 'vector' && ['mask', 'check'].includes(job.work.kind)
  return isAlone ? job : (copyLarge(job) as Job)
}

function copyLarge(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) {
    if (value.byteLength < SHARED_BYTES_MIN || value.buffer instanceof SharedArrayBuffer) return value
    return (value as Uint32Array).slice()
  }
  if (Array.isArray(value)) return value.map(copyLarge)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, copyLarge(part)]))
}
