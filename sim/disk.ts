/**
 * A hospital's disk: records that are durable, and commits that are not yet. A commit is one transaction, as in SQLite with
 * a write-ahead log: of one that a crash has torn the log keeps a part, whose checksum does not hold when it is read again.
 */
import { concatBytes, equalBytes, u32be } from '../protocol/bytes.ts'
import { sha256 } from '../protocol/crypto/hash.ts'
import type { Value } from '../protocol/ports.ts'
import type { StoreAccess } from '../protocol/stored.ts'
import { accessTo, Drafts } from './drafts.ts'
import type { Random } from './random.ts'

/** With values as they were when it began. */
export interface Commit {
  readonly puts: readonly (readonly [key: string, value: Uint8Array])[]
  readonly deletes: readonly string[]
}

/** What becomes of commits that are not durable when the host crashes: gone, or the first one half written. */
export type DiskCrash = 'lost' | 'torn'

export interface LostCommit {
  readonly keys: readonly string[]
  readonly how: DiskCrash
}

const CHECKSUM_BYTES = 8
const utf8 = new TextEncoder()

export class Disk {
  /** What is durable. */
  readonly records = new Map<string, Uint8Array>()
  /** Of this life. */
  #drafts = new Drafts()
  #pending: Commit[] = []
  /** The log's last frame, where a crash has left one. */
  #frame: Uint8Array | undefined

  /** `frame`: what an earlier life's crash has left in the log. */
  constructor(frame?: Uint8Array) {
    this.#frame = frame
  }

  /** Commits that are not durable yet. */
  get pending(): number {
    return this.#pending.length
  }

  /** What a job has of it. */
  get access(): StoreAccess {
    return accessTo(this.#drafts, name => this.read(name))
  }

  write(draft: string, at: number, data: Uint8Array): void {
    this.#drafts.write(draft, at, data)
  }

  /** A record or draft as the process that writes it sees it: as of the last commit that has begun. */
  read(key: string): Uint8Array | undefined {
    const draft = this.#drafts.get(key)
    if (draft) return draft
    for (let i = this.#pending.length - 1; i >= 0; i--) {
      const { puts, deletes } = this.#pending[i]!
      const put = puts.findLast(([k]) => k === key)
      if (put) return put[1]
      if (deletes.includes(key)) return undefined
    }
    return this.records.get(key)
  }

  begin(puts: readonly (readonly [key: string, value: Value])[], deletes: readonly string[]): Commit {
    const commit = { puts: puts.map(([key, value]) => [key, this.#bytesOf(value)] as const), deletes }
    this.#pending.push(commit)
    // What is written under that name from now on is another draft.
    for (const key of deletes) this.#drafts.delete(key)
    return commit
  }

  #bytesOf(value: Value): Uint8Array {
    if (value instanceof Uint8Array) return value
    const same = this.read(value.sameAs)
    if (!same) throw new Error(`no record ${value.sameAs}`)
    return same.slice()
  }

  /** The oldest pending commit is durable now. */
  finish(commit: Commit): void {
    if (this.#pending[0] !== commit) throw new Error('commits become durable in their order')
    this.#pending.shift()
    this.#apply(commit)
  }

  /** Ends a life: what was pending is not durable. */
  crash(how: DiskCrash, random: Random): LostCommit[] {
    const pending = this.#pending
    this.#pending = []
    this.#drafts = new Drafts()
    const first = pending[0]
    if (how === 'torn' && first) {
      const frame = encodeFrame(first)
      this.#frame = frame.subarray(0, 1 + random.below(frame.length - 1))
    }
    return pending.map((c, i) => ({
      keys: [...c.puts.map(([key]) => key), ...c.deletes],
      how: i === 0 && how === 'torn' ? 'torn' : 'lost',
    }))
  }

  /** Reads the log's last frame as a database does when it is opened: a whole one counts, a torn one does not. */
  recover(): void {
    const commit = this.#frame && decodeFrame(this.#frame)
    this.#frame = undefined
    if (commit) this.#apply(commit)
  }

  #apply({ puts, deletes }: Commit): void {
    for (const key of deletes) this.records.delete(key)
    for (const [key, value] of puts) this.records.set(key, value)
  }
}

/** A commit as the log holds it: a checksum of what follows; then keys and values, each with its length before it. */
export function encodeFrame({ puts, deletes }: Commit): Uint8Array {
  const parts = [u32be(puts.length, deletes.length)]
  const add = (bytes: Uint8Array) => void parts.push(u32be(bytes.length), bytes)
  for (const [key, value] of puts) {
    add(utf8.encode(key))
    add(value)
  }
  for (const key of deletes) add(utf8.encode(key))
  const body = concatBytes(...parts)
  return concatBytes(checksum(body), body)
}

/** Undefined: torn. */
export function decodeFrame(frame: Uint8Array): Commit | undefined {
  const body = frame.subarray(CHECKSUM_BYTES)
  if (frame.length < CHECKSUM_BYTES || !equalBytes(checksum(body), frame.subarray(0, CHECKSUM_BYTES)))
    return undefined
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  let at = 8
  const next = () => {
    const bytes = body.slice(at + 4, at + 4 + view.getUint32(at))
    at += 4 + bytes.length
    return bytes
  }
  const text = () => new TextDecoder().decode(next())
  const puts = Array.from({ length: view.getUint32(0) }, () => [text(), next()] as const)
  const deletes = Array.from({ length: view.getUint32(4) }, text)
  return { puts, deletes }
}

function checksum(body: Uint8Array): Uint8Array {
  return sha256(body).subarray(0, CHECKSUM_BYTES)
}
